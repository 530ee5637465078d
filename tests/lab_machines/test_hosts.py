"""A lab host is a Debian machine like any other: systemd, sshd, sudo, its own network, and no way out."""

import pytest

from lab.errors import LabError
from lab.machines import Host, Lab


def test_systemd_is_up_and_content(host: Host) -> None:
    host.ssh("systemctl", "is-system-running", "--wait")
    assert host.run("systemctl", "is-system-running") == "running\n"
    assert host.run("readlink", "/proc/1/exe", check=False) == "" != host.run("sudo", "readlink", "/proc/1/exe")


def test_the_operator_has_a_strict_umask_and_sudo_and_root_may_log_in(host: Host) -> None:
    assert host.run("id", "-un") == "operator\n"
    assert host.run("sh", "-c", "umask") == "0077\n"
    assert host.run("sudo", "-n", "id", "-u") == host.run("id", "-u", user="root") == "0\n"


def test_words_arrive_as_they_were_given(host: Host) -> None:
    assert host.run("printf", "%s|", "a b", "$HOME", "'", "") == "a b|$HOME|'||"


def test_there_is_no_way_out(host: Host) -> None:
    # The question to the routing table sends no packet.
    asked = host.ssh("ip", "route", "get", "1.1.1.1")
    assert asked.returncode != 0 and "unreachable" in asked.stderr
    assert [line.split()[0] for line in host.run("ip", "route").splitlines()] == ["198.18.0.128/25"]
    assert host.run("ip", "-6", "route", "show", "default") == ""


def test_names_are_known_without_dns(host: Host) -> None:
    assert host.run("getent", "ahostsv4", "localhost").startswith("127.0.0.1 ")
    assert host.run("hostname") == "lab1\n"
    assert host.run("getent", "hosts", "lab1").split() == [host.address, "lab1"]


def test_there_is_no_python(host: Host) -> None:
    assert host.ssh("which", "python3").returncode != 0
    assert host.run("which", "curl", "tar", "sudo").split() == ["/usr/bin/curl", "/usr/bin/tar", "/usr/bin/sudo"]


def test_sessions_are_counted(host: Host) -> None:
    before, commands = host.sessions(), host.sessions("command")
    host.run("true")
    host.run("true")
    assert (host.sessions() - before, host.sessions("command") - commands) == (2, 2)
    assert host.sessions("subsystem 'sftp'") == 0


def test_a_failing_command_names_the_host_and_says_why(host: Host) -> None:
    with pytest.raises(LabError, match=r"lab1: `ls /nowhere` exited 2: .*No such file"):
        host.run("ls", "/nowhere")


def test_a_reboot_keeps_the_disk(host: Host) -> None:
    before = host.boot_id()
    host.run("sudo", "touch", "/opt/kept")
    host.reboot()
    assert host.boot_id() != before
    assert host.run("ls", "/opt") == "kept\n"


def test_a_power_cut_leaves_no_time_for_last_words(host: Host) -> None:
    unit = ("sudo", "systemd-run", "--quiet", "--unit=last-words")
    host.run(*unit, "sh", "-c", "trap 'touch /opt/last-words' TERM; while :; do sleep 0.1; done")
    host.power_cut()
    assert not host.is_running
    host.power_on()
    assert "last-words" not in host.run("ls", "/opt")


def test_a_machine_that_does_not_answer_is_told_and_switched_off_and_on_again(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.host.BOOT_SECONDS", 20)
    late = "[Service]\nExecStartPre=sh -c 'test -e /opt/again || { touch /opt/again; sleep 60; }'\n"
    host.run("sudo", "mkdir", "/etc/systemd/system/ssh.service.d")
    host.run("sudo", "tee", "/etc/systemd/system/ssh.service.d/late.conf", stdin=late)
    host.power_off()
    with pytest.warns(UserWarning, match=r"off and on again: lab1 does not answer .*ssh\.service +start running"):
        host.power_on()
    host.run("sudo", "rm", "-r", "/etc/systemd/system/ssh.service.d", "/opt/again")


def test_an_orderly_power_off_stops_services_first(host: Host) -> None:
    host.run("sudo", "systemd-run", "--quiet", "--property=ExecStop=/bin/touch /opt/stopped", "sleep", "inf")
    host.power_off()
    assert not host.is_running
    host.power_on()
    assert "stopped" in host.run("ls", "/opt")


def test_hosts_see_each_other_and_the_services(lab: Lab) -> None:
    lab.up(2)
    second = lab.host(2)
    ask = 'exec 3<>"/dev/tcp/$0/22"; head -c 4 <&3'
    assert lab.host(1).run("bash", "-c", ask, second.address) == "SSH-"
    health = f"http://{lab.network.gateway}:8000/health"
    assert "healthy" in second.run("curl", "--silent", "--max-time", "5", health)
