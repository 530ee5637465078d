"""The rehearsal: a binary that cannot run under its unit's hardening is refused before the switch."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import ROOT, Run, Site, current, sh
from machinecode import mapper

from lab.machines import Host

PAGE = (ROOT / "docs" / "task-module.md").read_text()
MODULE = PAGE.partition("```python\n")[2].partition("```")[0]  # the tutorial's service: somebody else's task module
HARDENED = 'Unit(("{artifact}/node_exporter"'
RELAXED = (
    'Unit(relax={"MemoryDenyWriteExecute": None}, reason="it compiles as it runs", command=("{artifact}/node_exporter"'
)
SCRIPT = (ROOT / "lgtm" / "host" / "scripts" / "stage.sh").read_text().partition("# --- The rehearsal")[2]
GENERATION = "/run/lgtm/rehearsing"
UNIT = """[Unit]
[Service]
User=nobody
ExecStart=/bin/false
MemoryDenyWriteExecute=yes
ProtectSystem=strict
ReadWritePaths=/data/none
"""


@pytest.fixture(scope="module")
def host(bare: tuple[Host, ...]) -> Host:
    return bare[2]


@pytest.fixture(scope="module")
def plugin(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Callable[[bytes, str], Site]:
    """A site of one host with the tutorial's service, whose program is these bytes."""
    folder = tmp_path_factory.mktemp("plugin")
    info = folder / "hello_lgtm-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hello-lgtm\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[lgtm.tasks]\nhello = hello_lgtm\n")
    (folder / "binaries").mkdir()
    env = {
        name: str(folder / path)
        for name, path in (("PYTHONPATH", "."), ("LGTM_BINARIES", "binaries"), ("LGTM_CACHE", "cache"))
    }
    site = Site(tmp_path_factory.mktemp("site"), {host: ("hello",)}, env=env)

    def made(program: bytes, module: str = MODULE) -> Site:
        (folder / "hello_lgtm.py").write_text(module)
        path = folder / "binaries" / "node_exporter"
        path.write_bytes(program)
        path.chmod(0o755)
        return site

    return made


def refused_untouched(host: Host, run: Run) -> None:
    assert run.code == 1, run.text
    assert "nothing was switched" in run.text
    assert current(host) == ""
    assert sh(host, "ls /opt/lgtm/pending /run/lgtm/lock /run/systemd/system/lgtm-* 2>/dev/null || true") == ""
    assert sh(host, "systemctl list-units --state=active --no-legend 'lgtm-hello*' 'lgtm-rehearsal*'") == ""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the program is written for amd64")
def test_a_binary_that_dies_under_the_hardening_is_refused_with_the_directive(
    host: Host, plugin: Callable[..., Site]
) -> None:
    run = plugin(mapper("1.12.1")).deploy()
    refused_untouched(host, run)
    assert (
        "hello: node_exporter does not run in the sandbox of its unit; it runs without MemoryDenyWriteExecute"
        in run.text
    )
    assert "panic: operation not permitted" in run.text


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the program is written for amd64")
def test_a_task_module_that_relaxes_it_passes_the_rehearsal(host: Host, plugin: Callable[..., Site]) -> None:
    assert HARDENED in MODULE
    run = plugin(mapper("1.12.2"), MODULE.replace(HARDENED, RELAXED)).deploy()
    assert run.code == 1 and "keeps restarting" in run.text, run.text  # it ends at once: the switch found that out
    assert "sandbox" not in run.text


def test_a_binary_that_lacks_a_library_is_refused(host: Host, plugin: Callable[..., Site]) -> None:
    redis = shutil.which("redis-server")
    assert redis, "the lab's own prerequisite, which needs libraries that a bare host lacks"
    run = plugin(Path(os.path.realpath(redis)).read_bytes()).deploy()
    refused_untouched(host, run)
    assert "hello: node_exporter cannot be run on this host: a library is missing" in run.text
    assert "error while loading shared libraries" in run.text


def rehearse(host: Host, kind: str, command: str) -> str:
    """What the rehearsal alone says of a command, with the unit above; ends with `exit=` and its status."""
    line = f"hello\t{kind}\tprogram\t{command}"
    text = f"set -eu\ngeneration={GENERATION}\ncd /\n#{SCRIPT}"
    sh(host, f"mkdir -p {GENERATION}/units /run/lgtm")
    sh(host, f"cat >{GENERATION}/units/lgtm-hello.service <<'END'\n{UNIT}END")
    return host.inside("sh", "-c", '(sh -c "$1" stage "$2" 2>&1); echo exit=$?', "sh", text, line).strip()


@pytest.mark.parametrize(
    ("kind", "command", "said"),
    [
        ("version", "/bin/true", "exit=0"),
        ("version", "/bin/sh -c 'echo unknown flag --version; exit 2'", "exit=0"),
        ("version", "/bin/sh -c 'sleep 60'", "exit=0"),  # takes no heed of it, and lives
        ("validator", "/bin/sh -c 'test \"$(id -un)\" = nobody && test a = a'", "exit=0"),
        ("validator", "/bin/sh -c 'echo line 3 is bad; exit 1'",
         "hello: program rejects the new configuration; nothing was switched. Its output:\nline 3 is bad\nexit=1"),
        ("version", "/bin/sh -c 'echo panic: nil; exit 2'",
         "hello: program --version crashes on this host; nothing was switched. Its output:\npanic: nil\nexit=1"),
        ("version", "/bin/sh -c 'kill -SEGV $$$$'",
         "hello: program fails on this host (signal 11); nothing was switched. Its output:\n(none)\nexit=1"),
        ("version", "/bin/sh -c 'exit 127'",
         "hello: program cannot be run on this host: a library is missing, or it was built for another system; "
         "nothing was switched. Its output:\n(none)\nexit=1"),
        ("version", "/nowhere/program --version",
         "hello: program cannot be run on this host: a library is missing, or it was built for another system; "
         "nothing was switched. Its output:\n(none)\nexit=1"),
    ],
)  # fmt: skip
def test_what_the_rehearsal_says(host: Host, kind: str, command: str, said: str) -> None:
    assert rehearse(host, kind, command) == said


def test_a_killed_rehearsal_gives_nothing_to_the_next(host: Host) -> None:
    sh(host, "mkdir -p /run/lgtm/rehearsal.killed && mount -t tmpfs rehearsal /run/lgtm/rehearsal.killed")
    sh(
        host,
        "printf '[Service]\\nType=oneshot\\nExecStart=/bin/sleep 12\\n' >/run/systemd/system/lgtm-rehearsal-1.service",
    )
    sh(host, "systemctl start --no-block lgtm-rehearsal-1")
    assert "line 3 is bad" in rehearse(host, "validator", "/bin/sh -c 'echo line 3 is bad; exit 1'")
    assert sh(host, "systemctl is-active lgtm-rehearsal-1 || true") == "inactive"
    assert sh(host, "ls -d /run/lgtm/rehearsal.* 2>/dev/null || true") == ""


def test_a_program_that_prints_without_end_fills_nothing(host: Host) -> None:
    assert rehearse(host, "version", "/usr/bin/yes") == "exit=0"
    assert int(sh(host, "df --output=used -B1M /run | tail -n 1")) < 100


@pytest.mark.parametrize("does", ["sleep 60", "echo panic: listen tcp :9100: bind: address already in use; exit 2"])
def test_a_program_that_takes_no_heed_of_its_version_is_not_refused_for_it(host: Host, does: str) -> None:
    sh(host, "mkdir -p /data/none && chmod 777 /data/none")
    assert rehearse(host, "version", f"/bin/sh -c 'touch /data/none/x || true; {does}'") == "exit=0"
    assert sh(host, "ls /data/none") == ""


def test_a_rehearsal_can_write_nothing_and_leaves_nothing(host: Host) -> None:
    sh(host, "mkdir -p /data/none && chmod 777 /data/none")
    assert rehearse(host, "validator", "/bin/sh -c 'touch /data/none/x || exit 0; exit 1'") == "exit=0"
    assert "rejects the new" in rehearse(host, "validator", "/bin/sh -c 'touch /data/none/x; exit 1'")  # nor without it
    assert sh(host, "ls /data/none /run/systemd/system /run/lgtm | grep -e rehearsal -e '^x$' || true") == ""
