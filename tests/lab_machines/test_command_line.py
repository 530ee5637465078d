"""The command line says what is wrong in a sentence, and fails when it does."""

from pathlib import Path

import pytest

from lab import prerequisites
from lab.__main__ import main
from lab.errors import LabError
from lab.layout import Layout
from lab.machines import Lab

from .conftest import NETWORK


@pytest.fixture
def no_lab(tmp_path: Path) -> Lab:
    """A lab that nobody brought up."""
    return Lab(Layout(tmp_path), NETWORK)


def test_without_root_it_says_so(
    no_lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert main(["up"], no_lab) == 1
    assert "needs root" in capsys.readouterr().err
    assert list(no_lab.layout.home.iterdir()) == []


def test_without_apt_it_names_the_missing_tools(
    no_lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    assert main(["prerequisites"], no_lab) == 1
    assert "lacks systemd-nspawn, mmdebstrap" in capsys.readouterr().err


def test_a_tool_that_stays_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(prerequisites, "missing", lambda tests: {"mmdebstrap": "mmdebstrap"})
    monkeypatch.setattr(prerequisites, "install", lambda _: None)
    monkeypatch.setattr("shutil.which", lambda *_, **__: "/usr/bin/apt-get")
    assert main(["prerequisites"]) == 1
    assert "mmdebstrap is not on PATH" in capsys.readouterr().err


def test_what_is_no_host_is_refused(no_lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ssh", "web1"], no_lab) == 1
    assert main(["ssh", "7"], no_lab) == 1
    complaints = capsys.readouterr().err
    assert "'web1' is not a host" in complaints
    assert "lab7 does not run" in complaints


def test_a_host_beyond_the_network_is_refused(no_lab: Lab) -> None:
    assert no_lab.host(116).address == "198.18.0.254"
    with pytest.raises(LabError, match="has room for hosts 1 to 116, not for host 117"):
        _ = no_lab.host(117).address


def test_scenarios_need_a_lab_and_a_name(no_lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scenario", "healthy"], no_lab) == 1
    assert "is the lab up?" in capsys.readouterr().err
    assert main(["scenario", "catastrophe"], no_lab) == 1
    assert "no scenario 'catastrophe'; there are healthy" in capsys.readouterr().err


def test_status_shows_hosts_and_services(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status"], lab) == 0
    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert shown == [
        ["lab1", "198.18.0.139", "running"],
        *([name, "198.18.0.129", "running"] for name in ("backend", "redis", "smtp")),
    ]
