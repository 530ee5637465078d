"""What a failing start says: of a journal as programs really write it, the cause first, and not much more."""

# ruff: noqa: E501  a line of a journal is as long as it is

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

SERVICES = Path(__file__).parents[2] / "lgtm" / "host" / "scripts" / "services.sh"
UNIT = "lgtm-alpha.service: "
BEGUN = "Starting lgtm-alpha.service - pyinfra-lgtm: alpha...\nStarted lgtm-alpha.service - pyinfra-lgtm: alpha."
EXITED = f"{UNIT}Main process exited, code=exited, status=1/FAILURE\n{UNIT}Failed with result 'exit-code'."
AGAIN = f"{UNIT}Scheduled restart job, restart counter is at 2.\nStopped lgtm-alpha.service - pyinfra-lgtm: alpha."
MODULE = 'logger=backgroundsvcs t=2026-11-30T18:00:01Z level=error msg="Module failed" module={} err="failed to start it, because it depends on module provisioning, which has failed: invalid service state: Failed, expected: Running, failure: starting module provisioning: invalid service state: Failed, expected: Running, failure: Datasource provisioning error: data source not found"'
STACK = "\n".join(f"goroutine {n} [select]:\nmain.run(0xc000)\n\t/src/main.go:{n} +0x1d" for n in range(40))


@dataclass(frozen=True)
class Start:
    """A journal, the line that has to come first, and what else is said."""

    journal: str
    first: str
    also: tuple[str, ...] = ("systemd: Main process exited, code=exited, status=1/FAILURE",)


STARTS = {
    "Grafana: errors about other things come before, and long lines of modules that stopped": Start(
        'logger=settings t=2026-11-30T18:00:00Z level=info msg="Starting Grafana" version=12.4.0\n'
        'logger=plugin.sources t=2026-11-30T18:00:00Z level=error msg="Failed to load external plugins" error="failed to open plugins path"\n'
        + "\n".join(MODULE.format(f"*manager.Service{n}") for n in range(20))
        + '\nlogger=provisioning t=2026-11-30T18:00:01Z level=error msg="Failed to provision data sources" '
        'error="Datasource provisioning error: data source not found"\n'
        'logger=tracing t=2026-11-30T18:00:01Z level=info msg="Closing tracing"\n'
        "Error: ✗ invalid service state: Failed, failure: Datasource provisioning error: data source not found",
        "Error: ✗ invalid service state: Failed, failure: Datasource provisioning error: data source not found",
        ('logger=provisioning t=2026-11-30T18:00:01Z level=error msg="Failed to provision data sources" error="Datasource provisioning error: data source not found"',
         "systemd: Main process exited, code=exited, status=1/FAILURE"),
    ),
    "Alloy: its configuration": Start(
        "Error: /opt/lgtm/current/etc/alloy/config.alloy:3:1: unrecognized block name \"prometheu\"\n\n"
        '2 | \n3 | prometheu "x" {\n  | ^^^^^^^^^\n'
        "Error: could not perform the initial load successfully",
        'Error: /opt/lgtm/current/etc/alloy/config.alloy:3:1: unrecognized block name "prometheu"',
    ),
    "Grafana, older": Start(
        't=2026-11-30T18:00:01+0000 lvl=info msg="Starting Grafana" logger=server\n'
        't=2026-11-30T18:00:01+0000 lvl=eror msg="Server shutdown" logger=server reason="address already in use"',
        't=2026-11-30T18:00:01+0000 lvl=eror msg="Server shutdown" logger=server reason="address already in use"',
    ),
    "Alloy: a panic before a long stack": Start(
        "ts=2026-11-30T18:00:00Z level=info \"boringcrypto enabled\"=false\nts=2026-11-30T18:00:00Z level=error msg=other\n"
        f"panic: operation not permitted\n\n{STACK}",
        "panic: operation not permitted",
    ),
    "a nil pointer": Start(
        "panic: runtime error: invalid memory address or nil pointer dereference\n"
        f"[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x1]\n\n{STACK}",
        "panic: runtime error: invalid memory address or nil pointer dereference",
        ("[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x1]",
         "systemd: Main process exited, code=exited, status=1/FAILURE"),
    ),
    "no memory for Go": Start(f"fatal error: runtime: out of memory\n\nruntime stack:\n{STACK}",
                              "fatal error: runtime: out of memory"),
    "Loki": Start(
        'level=info ts=2026-11-30T18:00:00Z caller=main.go:108 msg="Starting Loki" version="(version=3.4.2)"\n'
        'level=error ts=2026-11-30T18:00:00Z caller=log.go:216 msg="error running loki" err="mkdir /data/loki/wal: permission denied\\nerror initialising module: ingester"',
        'level=error ts=2026-11-30T18:00:00Z caller=log.go:216 msg="error running loki" err="mkdir /data/loki/wal: permission denied\\nerror initialising module: ingester"',
    ),
    "Mimir: its configuration": Start(
        "error loading config from /opt/lgtm/current/etc/mimir/mimir.yml: Error parsing config file: yaml: unmarshal errors:\n"
        "  line 3: field frobnicate not found in type mimir.Config\n",
        "error loading config from /opt/lgtm/current/etc/mimir/mimir.yml: Error parsing config file: yaml: unmarshal errors:",
        ("  line 3: field frobnicate not found in type mimir.Config",
         "systemd: Main process exited, code=exited, status=1/FAILURE"),
    ),
    "Tempo: its configuration": Start(
        "failed parsing config: failed to parse configFile /etc/tempo.yml: yaml: unmarshal errors:\n  line 9: field x not found",
        "failed parsing config: failed to parse configFile /etc/tempo.yml: yaml: unmarshal errors:",
        ("  line 9: field x not found", "systemd: Main process exited, code=exited, status=1/FAILURE"),
    ),
    "Prometheus": Start(
        'time=2026-11-30T18:00:00.000Z level=INFO source=main.go:677 msg="Starting Prometheus Server"\n'
        'time=2026-11-30T18:00:00.000Z level=ERROR source=main.go:998 msg="Unable to start web listener" err="listen tcp 198.18.0.99:22022: bind: cannot assign requested address"',
        'time=2026-11-30T18:00:00.000Z level=ERROR source=main.go:998 msg="Unable to start web listener" err="listen tcp 198.18.0.99:22022: bind: cannot assign requested address"',
    ),
    "an unknown flag": Start("node_exporter: error: unknown long flag '--x', try --help",
                             "node_exporter: error: unknown long flag '--x', try --help"),
    "a program that logs JSON": Start(
        '{"level":"info","msg":"hello"}\n{"level":"fatal","msg":"no such bucket"}\n{"level":"info","msg":"bye"}',
        '{"level":"fatal","msg":"no such bucket"}',
    ),
    "Python": Start('Traceback (most recent call last):\n  File "x.py", line 1, in <module>\nValueError: no number',
                    "ValueError: no number"),
    "nothing that looks like an error": Start(
        "one\ntwo\nthree\n2026/11/30 18:00:00 listen tcp :9090: bind: address already in use",
        "two", ("three", "2026/11/30 18:00:00 listen tcp :9090: bind: address already in use",
                "systemd: Main process exited, code=exited, status=1/FAILURE"),
    ),
}  # fmt: skip
KILLED = {
    "a missing shared library": (
        "/opt/lgtm/artifacts/x/x: error while loading shared libraries: libx.so.1: cannot open shared object file\n"
        f"{UNIT}Main process exited, code=exited, status=127/n/a\n{UNIT}Failed with result 'exit-code'.",
        ["/opt/lgtm/artifacts/x/x: error while loading shared libraries: libx.so.1: cannot open shared object file",
         "systemd: Main process exited, code=exited, status=127/n/a"],
    ),
    "a binary of another processor": (
        f"{UNIT}Failed to execute /opt/lgtm/artifacts/x/x: Exec format error\n"
        f"{UNIT}Failed at step EXEC spawning /opt/lgtm/artifacts/x/x: Exec format error\n"
        f"{UNIT}Main process exited, code=exited, status=203/EXEC\n{UNIT}Failed with result 'exit-code'.",
        ["systemd: Failed at step EXEC spawning /opt/lgtm/artifacts/x/x: Exec format error",
         "systemd: Failed to execute /opt/lgtm/artifacts/x/x: Exec format error",
         "systemd: Main process exited, code=exited, status=203/EXEC"],
    ),
    "a system call that is not allowed": (
        f"level=error msg=\"cannot tune\"\n{UNIT}Main process exited, code=killed, status=31/SYS\n"
        f"{UNIT}Failed with result 'signal'.",
        ["systemd: Main process exited, code=killed, status=31/SYS (a system call that the unit forbids, see "
         "SystemCallFilter)", 'level=error msg="cannot tune"'],
    ),
    "no memory left": (
        f"level=info msg=working\n{UNIT}A process of this unit has been killed by the OOM killer.\n"
        f"{UNIT}Main process exited, code=killed, status=9/KILL\n{UNIT}Failed with result 'oom-kill'.",
        ["systemd: A process of this unit has been killed by the OOM killer. (it needs more memory than the host or its "
         "memory_max gives it)", "systemd: Failed with result 'oom-kill'.",
         "systemd: Main process exited, code=killed, status=9/KILL"],
    ),
    "a command before the start": (
        f"prepare: the database is older than this Grafana\n{UNIT}Control process exited, code=exited, status=1/FAILURE\n"
        f"{UNIT}Failed with result 'exit-code'.\nFailed to start lgtm-alpha.service - pyinfra-lgtm: alpha.",
        ["prepare: the database is older than this Grafana",
         "systemd: Control process exited, code=exited, status=1/FAILURE"],
    ),
    "what was to be mounted": (
        "Assertion failed for lgtm-alpha.service - pyinfra-lgtm: alpha.",
        ["systemd: Assertion failed for lgtm-alpha.service - pyinfra-lgtm: alpha."],
    ),
    "an end without an error": (
        f"I am done\n{UNIT}Deactivated successfully.", ["I am done", "systemd: Deactivated successfully."],
    ),
    "bytes that are no text": (
        f"level=error msg=\0broken\n{UNIT}Main process exited, code=exited, status=1/FAILURE",
        ["level=error msg=broken", "systemd: Main process exited, code=exited, status=1/FAILURE"],
    ),
    "nothing at all": ("", []),
}  # fmt: skip


def reasons(journal: str) -> list[str]:
    command = ["sh", "-uc", f'. {SERVICES}; reasons "$1"', "sh", "alpha"]
    done = subprocess.run(command, input=journal, capture_output=True, text=True, check=False, timeout=30)
    assert done.stderr == "", done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("name", STARTS)
def test_the_cause_comes_first_and_then_how_it_ended(name: str) -> None:
    start = STARTS[name]
    assert reasons(f"{BEGUN}\n{start.journal}\n{EXITED}\n{AGAIN}\n") == [start.first, *start.also]


@pytest.mark.parametrize("name", KILLED)
def test_what_is_done_to_a_program_is_said_before_its_own_errors(name: str) -> None:
    journal, said = KILLED[name]
    assert reasons(f"{BEGUN}\n{journal}\n") == said


def test_a_long_line_keeps_both_its_ends() -> None:
    [said] = reasons(f"level=error msg=begin {'ü' * 3000} the cause\n")
    assert said.startswith("level=error msg=begin ü") and said.endswith("ü the cause") and len(said) == 443
