"""Up, down, reset: what comes goes, what runs stays, and a wreck is cleared away."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from lab import credentials, image, limits, services
from lab.cgroup import Group
from lab.errors import LabError
from lab.machines import Lab
from lab.shell import run
from lab.waiting import until

from .conftest import make_lab, refusal, traces


def inits(lab: Lab) -> list[str]:
    """Give every host's current boot."""
    return [host.boot_id() for host in lab.hosts]


def service_pids(lab: Lab) -> list[list[int]]:
    """Give the processes of each service."""
    return [Group(f"{lab.network.bridge}/{name}").pids() for name in services.NAMES]


def test_down_leaves_nothing_behind(spare_lab: Lab) -> None:
    inotify = limits.SETTING.read_text()
    spare_lab.up(3)
    assert len(spare_lab.hosts) == 3 and all(host.is_ready for host in spare_lab.hosts)
    assert traces(spare_lab)
    assert int(limits.SETTING.read_text()) >= limits.ENOUGH

    spare_lab.down()
    spare_lab.down()  # which is harmless

    assert traces(spare_lab) == []
    assert limits.SETTING.read_text() == inotify
    assert spare_lab.hosts == []


def test_a_second_up_keeps_what_runs_and_adds_what_is_missing(spare_lab: Lab) -> None:
    spare_lab.up(1)
    boots, serving = inits(spare_lab), service_pids(spare_lab)

    spare_lab.up(1)
    assert inits(spare_lab) == boots
    assert service_pids(spare_lab) == serving

    spare_lab.up(2)
    assert inits(spare_lab)[:1] == boots and len(spare_lab.hosts) == 2


def test_down_clears_a_crashed_lab_away(spare_lab: Lab) -> None:
    spare_lab.up(2)
    killed = [pid for pid in Group(spare_lab.network.bridge).pids() if comm(pid) in ("systemd-nspawn", "sh")]
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    time.sleep(0.2)
    # The guests outlive their nspawn: this is the wreck that is hardest to see.
    assert any(comm(pid) == "systemd" for pid in Group(spare_lab.network.bridge).pids())

    spare_lab.down()

    assert traces(spare_lab) == []


def test_up_repairs_a_crashed_lab(spare_lab: Lab) -> None:
    spare_lab.up(2)
    Group(f"{spare_lab.network.bridge}/lab1").kill()
    Group(f"{spare_lab.network.bridge}/redis").kill()

    spare_lab.up(2)

    assert all(host.is_ready for host in spare_lab.hosts)
    assert Group(f"{spare_lab.network.bridge}/redis").pids()


def test_a_reset_host_is_bare_and_still_itself(spare_lab: Lab) -> None:
    spare_lab.up(2)
    first, second = spare_lab.hosts
    before = first.run("cat", "/etc/machine-id")
    first.run("sudo", "touch", "/opt/left-behind")
    second.run("sudo", "touch", "/opt/left-behind")

    spare_lab.reset([1])

    # ssh checks the host key strictly: that it answers says that the key is the same.
    assert first.run("ls", "/opt") == ""
    assert first.run("cat", "/etc/machine-id") == before
    assert second.run("ls", "/opt") == "left-behind\n"
    with pytest.raises(LabError, match="no host lab7"):
        spare_lab.reset([7])


def test_a_strict_umask_of_the_person_does_not_reach_the_hosts(spare_lab: Lab) -> None:
    before = os.umask(0o077)
    try:
        spare_lab.up(1)
    finally:
        os.umask(before)
    assert spare_lab.host(1).run("stat", "--format=%a", "/", "/etc/hosts") == "755\n644\n"


def test_a_bridge_of_another_checkout_is_left_alone(spare_lab: Lab, tmp_path: Path) -> None:
    spare_lab.up(1)
    boots = inits(spare_lab)
    (tmp_path / "other").mkdir()
    other = make_lab(tmp_path / "other")

    assert f"belongs to the running lab of {tmp_path}" in refusal(other)
    (other.layout.machines / "lab1").mkdir()  # what a crash of that checkout's lab may have left
    other.down()

    assert other.hosts == []
    assert inits(spare_lab) == boots


def test_a_strangers_bridge_is_neither_used_nor_removed(spare_lab: Lab) -> None:
    bridge = spare_lab.network.bridge
    run("ip", "link", "add", bridge, "type", "bridge")
    try:
        assert f"No lab made the interface {bridge}" in refusal(spare_lab)
        spare_lab.down()
        assert Path("/sys/class/net", bridge).exists()
    finally:
        run("ip", "link", "delete", bridge)


def test_an_interrupted_build_is_not_an_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(image, "run", interrupted)
    monkeypatch.setattr("lab.apt.machine_options", list)
    monkeypatch.setattr("lab.apt.machine_mirror", lambda: "http://mirror.invalid/debian")
    with pytest.raises(KeyboardInterrupt):
        image.ensure(tmp_path, "bookworm")
    assert not image.path(tmp_path, "bookworm").exists()


def test_secrets_are_private_and_kept(spare_lab: Lab) -> None:
    env_file = spare_lab.layout.env_file
    by_hand = '# mine\nREDIS_PASSWORD=chosen "by\\ hand\n'
    env_file.write_text(by_hand)
    spare_lab.up(1)
    written = env_file.read_text()
    assert written.startswith(by_hand)
    assert all(f"\n{name}=" in written for name in ("STAGING_BEARER_TOKEN", "SMTP_USERNAME", "SMTP_PASSWORD"))
    assert "\nSMTP_HOST=198.18.0.1:2525\n" in written and "\nALERT_EMAIL=operator@mail.lab\n" in written
    assert env_file.stat().st_mode & 0o777 == 0o600

    spare_lab.up(1)
    assert env_file.read_text() == written


def test_an_older_file_of_secrets_gains_what_it_lacks_and_nothing_else(tmp_path: Path) -> None:
    env_file = tmp_path / ".env.lab"
    older = "# mine\nREDIS_PASSWORD=chosen\nALERT_EMAIL=me@mail.lab\nHEARTBEAT_URL=http://198.18.0.1:1/\n"
    env_file.write_text(older)
    found = credentials.ensure(env_file)
    assert env_file.read_text().startswith(older) and env_file.stat().st_mode & 0o777 == 0o600
    assert (found["REDIS_PASSWORD"], found["ALERT_EMAIL"]) == ("chosen", "me@mail.lab")
    assert (found["SMTP_HOST"], found["SMTP_FROM"]) == ("198.18.0.1:2525", "alertmanager@mail.lab")
    assert credentials.read(env_file) == found | {"HEARTBEAT_URL": "http://198.18.0.1:1/"}
    assert credentials.ensure(env_file) == found


def test_services_follow_changed_secrets_and_none_is_an_argument(spare_lab: Lab) -> None:
    spare_lab.up(1)
    values = [line.partition("=")[2] for line in spare_lab.layout.env_file.read_text().splitlines() if "=" in line]
    commands = list(filter(None, map(arguments, Group(spare_lab.network.bridge).pids())))
    assert commands and not [command for command in commands for value in values if value in command]
    before = service_pids(spare_lab)
    spare_lab.layout.env_file.unlink()

    spare_lab.up(1)

    assert all(set(old).isdisjoint(new) for old, new in zip(before, service_pids(spare_lab), strict=True))


def arguments(pid: int) -> str:
    """Give what a process was started with; nothing for one that has ended meanwhile."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""


def comm(pid: int) -> str:
    """Name the program that a process runs."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def test_process_1_is_known_by_what_it_is_and_not_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where numbers have wrapped around, a child that systemd has just made has a lower one."""
    with subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", "sleep", "30"]) as outside:
        try:
            children = Path(f"/proc/{outside.pid}/task/{outside.pid}/children")
            assert until(lambda: bool(children.read_text()), 5)
            first = int(children.read_text())
            scope = [os.getpid(), 2**22, first]  # somebody else, somebody who has gone, and the one
            monkeypatch.setattr("lab.cgroup.members", lambda folder: scope)
            assert Group("any").init() == first
            scope.remove(first)
            assert Group("any").init() is None
        finally:
            outside.kill()
