"""The systemd unit of a component: hardened, quoted as systemd reads it, and accepted by systemd itself."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from examples import component, full
from sites import ALL, make_site
from sites import component as real

from lgtm.model.component import Component, SecretFile, Unit, Volume
from lgtm.model.secrets import Secret
from lgtm.model.unit import ACTIVATE, HARDENING, render

AT = "/opt/lgtm/artifacts/alpha-1.0-abc"
SYSTEMD = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="this machine has no systemd-analyze")


def unit(**parts: Any) -> list[str]:
    """The lines of a unit with these parts of Unit."""
    return render(component(unit=Unit(**{"command": ("{artifact}/alpha",)} | parts)), AT).splitlines()


def values(lines: list[str], name: str) -> list[str]:
    return [line.split("=", 1)[1] for line in lines if line.startswith(f"{name}=")]


def command(*words: str) -> str:
    return values(unit(command=("{artifact}/alpha", *words)), "ExecStart")[0].removeprefix(f"{AT}/alpha").strip()


def test_every_unit_has_the_whole_hardening() -> None:
    text = "\n".join(unit())
    assert all(f"{name}={value}" in text for name, value in HARDENING.items())


def test_a_service_runs_as_its_own_user_and_notes_what_it_was_started_from() -> None:
    lines = render(component("left_over"), AT).splitlines()
    assert values(lines, "User") == values(lines, "Group") == ["lgtm-left-over"]
    assert values(lines, "ExecStartPre") == [f"+{ACTIVATE} started left_over"]


def test_what_runs_before_a_service_runs_as_its_user_and_groups_are_added() -> None:
    lines = unit(before=(("/bin/sh", "{artifact}/a b"),), groups=("adm", "systemd-journal"))
    assert values(lines, "ExecStartPre")[1:] == [f"/bin/sh '{AT}/a b'"]
    assert values(lines, "SupplementaryGroups") == ["adm", "systemd-journal"]


def test_a_service_comes_back_for_ever_and_waits_for_the_recovery_at_boot() -> None:
    lines = unit()
    assert values(lines, "Restart") == ["always"] and values(lines, "StartLimitIntervalSec") == ["0"]
    assert "lgtm-recover.service" in values(lines, "After")[0]


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("--plain=1:2", "--plain=1:2"), ("two words", "'two words'"), ("100%", "100%%"), ("$HOME", "'$$HOME'"),
        (r"\d+", r"'\\d+'"), ("a\nb", r"'a\nb'"), ("", "''"), (";", "';'"), ("it's", """'it'"'"'s'"""),
    ],
)  # fmt: skip
def test_an_argument_reaches_the_service_as_it_was_declared(word: str, written: str) -> None:
    assert command(word) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [("a b", "a b"), ("50%", "50%%"), ('say "x"', r"say \"x\""), (r"a\b", r"a\\b"), ("$HOME", "$HOME")],
)
def test_an_environment_value_reaches_the_service_as_it_was_declared(value: str, written: str) -> None:
    assert values(unit(environment={"KEY": value}), "Environment") == [f'"KEY={written}"']


def test_secrets_come_as_credentials_and_never_as_text() -> None:
    text = render(component(secrets=(SecretFile("token", Secret("hunter2")),)), AT)
    assert "LoadCredential=token:/etc/lgtm/secrets/alpha/token" in text.splitlines()
    assert "hunter2" not in text


def test_only_volumes_can_be_written() -> None:
    lines = render(component(volumes=(Volume("/data/a"), Volume("/data/b"))), AT).splitlines()
    assert values(lines, "ReadWritePaths") == ["/data/a", "/data/b"]
    assert values(unit(), "ReadWritePaths") == []


def test_a_relaxed_directive_is_replaced_or_dropped_and_says_why() -> None:
    lines = unit(relax={"ProtectHome": "read-only", "PrivateDevices": None}, reason="it looks at homes")
    assert values(lines, "ProtectHome") == ["read-only"]
    assert values(lines, "PrivateDevices") == []
    assert "# it looks at homes" in lines
    assert values(unit(), "ProtectHome") == ["yes"] and values(unit(), "PrivateDevices") == ["yes"]


def test_temporary_files_are_a_services_own_and_start_times_can_be_read() -> None:
    assert values(unit(), "TemporaryFileSystem") == ["/tmp:mode=1777 /var/tmp:mode=1777"]
    assert values(unit(), "PrivateTmp") == values(unit(), "ProcSubset") == []
    assert values(unit(), "ProtectProc") == ["invisible"]


def test_limits_are_written_only_where_there_are_any() -> None:
    lines = unit(memory_max=2**30, cpu_cores=1.5, start_timeout=7, stop_timeout=8)
    assert values(lines, "MemoryMax") == ["1073741824"] and values(lines, "CPUQuota") == ["150%"]
    assert values(lines, "TimeoutStartSec") == ["7"] and values(lines, "TimeoutStopSec") == ["8"]
    assert values(unit(), "MemoryMax") == values(unit(), "CPUQuota") == []


# --- systemd's own word


def written(one: Component, folder: Path) -> Path:
    """The unit as a file, with programs in the places of those that only a host has."""
    program = Path(one.unit.command[0].replace("{artifact}", str(folder))).resolve()
    program.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy("/bin/true", program)
    path = folder / f"lgtm-{one.service}.service"
    path.write_text(render(one, str(folder)).replace(ACTIVATE, "/bin/true"))
    return path


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, timeout=30)


@SYSTEMD
@pytest.mark.parametrize("service", ALL)
def test_systemd_has_nothing_to_say_about_a_real_unit(service: str, tmp_path: Path) -> None:
    ran = analyze("verify", "--man=no", written(real(make_site(), service), tmp_path))
    assert (ran.returncode, ran.stderr) == (0, "")


@SYSTEMD
@pytest.mark.parametrize("service", ALL)
def test_a_real_unit_is_exposed_to_2_of_10_at_most(service: str, tmp_path: Path) -> None:
    path = written(real(make_site(), service), tmp_path)
    ran = analyze("security", "--offline=yes", "--threshold=20", "--no-pager", path)
    assert ran.returncode == 0, ran.stdout.splitlines()[-1]


@SYSTEMD
def test_awkward_arguments_and_values_are_accepted_without_a_word(tmp_path: Path) -> None:
    awkward = ("a b", "100%", "$HOME", r"\d", "it's", 'say "x"', "a\nb", ";", "")
    one = full(unit=Unit(("{artifact}/alpha", *awkward), environment={f"K{i}": v for i, v in enumerate(awkward)}))
    ran = analyze("verify", "--man=no", written(one, tmp_path))
    assert (ran.returncode, ran.stderr) == (0, "")


@SYSTEMD
def test_the_threshold_can_fail(tmp_path: Path) -> None:
    path = written(component(unit=Unit(("{artifact}/alpha",), relax=dict.fromkeys(HARDENING))), tmp_path)
    assert analyze("security", "--offline=yes", "--threshold=20", "--no-pager", path).returncode != 0
