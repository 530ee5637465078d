"""The gaps lgtm/shields closes, shown in the bare pyinfra: a failure means that an upgrade changed one.

Then look at the shield named in the test: it may be gone, or need another name to patch.
"""

from __future__ import annotations

import importlib.metadata
import inspect
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

MAIN = "from pyinfra_cli.main import main; main()"
ENV = {**os.environ, "PYINFRA_PROGRESS": "off", "PYTHONHASHSEED": "0"}
FAKES = """
FAST = {"fake_delay": 0, "fake_delay_jitter": 0, "fake_responses": {"broken": {"success": False}}}
hosts = ([f"@fake/{name}" for name in ("zeta", "beta", "omega", "alpha")], FAST)
"""
HOST = "from pyinfra import host, state\nfrom pyinfra.operations import python, server\n"
SHELL = HOST + "server.shell(name='do', commands=['touch done'])\n"
FAIL = HOST + "server.shell(name='do', commands=['broken' if host.name == '@fake/beta' else 'true'])\n"
OPERATION = """
from pyinfra import host, state
from pyinfra.api import FactBase, operation

class Fragile(FactBase[str]):
    def command(self): return "test ! -e prepared || exit 3; touch prepared; echo x"

@operation()
def needs_it():
    yield f"touch done; echo {host.get_fact(Fragile)}"

@operation()
def fragile():
    if state.is_executing and host.name == "@fake/beta":
        raise KeyError
    yield "true"
"""

Bare = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def bare(tmp_path: Path) -> Bare:
    """The pyinfra command line without any shield."""

    def pyinfra(*arguments: str, deploy: str = SHELL, **files: str) -> subprocess.CompletedProcess[str]:
        for name, text in {"inv": FAKES, "deploy": deploy, **files}.items():
            (tmp_path / f"{name}.py").write_text(text)
        return subprocess.run(
            [sys.executable, "-c", MAIN, *arguments],
            cwd=tmp_path, env=ENV, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    return pyinfra


def test_the_version_is_the_one_the_shields_are_written_for() -> None:
    assert importlib.metadata.version("pyinfra") == "3.10.0"


def test_steps_are_counted(bare: Bare) -> None:
    assert "--> Starting operation: do" in bare("@local", "deploy.py", "-y").stderr


def test_colours_can_be_off() -> None:
    """click asks nothing but whether the stream is a terminal."""
    assert "NO_COLOR" not in inspect.getsource(importlib.import_module("click._compat"))


def test_hosts_in_inventory_order(bare: Bare) -> None:
    say = HOST + "python.call(name='say', function=lambda: print(host.name), _serial=True)\n"
    orders = {bare("inv.py", "deploy.py", "-y", deploy=say).stdout for _ in range(6)}
    assert orders != {"@fake/zeta\n@fake/beta\n@fake/omega\n@fake/alpha\n"}


@pytest.mark.parametrize(
    ("shield", "arguments", "deploy", "code"),
    [
        ("refuse_flags", ["inv.py", "deploy.py", "-y", "--no-wait"], FAIL, 0),
        ("limits_must_match", ["inv.py", "deploy.py", "-y", "--limit", "wbe"], SHELL, 0),
        ("limits_must_match", ["inv.py", "deploy.py", "-y", "--exclude", "@*"], SHELL, 0),
        ("inventory_must_exist", ["inventories/prdo.py", "deploy.py", "-y"], SHELL, 0),
        ("exit_codes", ["@local", "deploy.py", "--bogus"], SHELL, 2),
        ("data_stays_as_typed", ["@local", "deploy.py", "--data", "version"], SHELL, 1),
    ],
)
def test_exit_codes(bare: Bare, shield: str, arguments: list[str], deploy: str, code: int) -> None:
    assert bare(*arguments, deploy=deploy).returncode == code, shield


def test_refuse_flags_serial_goes_on_after_a_failure(bare: Bare) -> None:
    result = bare("inv.py", "deploy.py", "-y", "--serial", deploy=FAIL)
    assert result.stderr.count("Success\n") == 3


def test_operations_know_their_file(bare: Bare) -> None:
    task = "from pyinfra.operations import server\ndef go(): server.shell(name='{0}', commands=['true'])\n"
    loop = HOST + "import one, two\nfor task in [one] if host.name == '@fake/zeta' else [two]: task.go()\n"
    result = bare("inv.py", "deploy.py", "-y", deploy=loop, one=task.format("of one"), two=task.format("of two"))
    assert result.stderr.count("Starting operation") == 1


def test_ssh_without_nagle() -> None:
    import paramiko.client
    import paramiko.transport

    sources = [inspect.getsource(module) for module in (paramiko.client, paramiko.transport)]
    assert not any("TCP_NODELAY" in source for source in sources)


def test_interrupts_exit_130_and_do_not_wait(tmp_path: Path) -> None:
    (tmp_path / "deploy.py").write_text(SHELL.replace("touch done", "touch begun; sleep 4; touch done"))
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, "@local", "deploy.py", "-y"],
        cwd=tmp_path,
        env=ENV,
        stderr=subprocess.DEVNULL,
    )
    while not (tmp_path / "begun").exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 0
    assert (tmp_path / "done").exists()


def test_data_stays_as_typed(bare: Bare) -> None:
    show = HOST + "print(host.data.sha, host.data.version)\n"
    result = bare("@local", "deploy.py", "--data", "sha=123e4567", "--data", "version=3.10", "-y", deploy=show)
    assert result.stdout == "inf 3.1\n"


def test_errors_are_sentences(bare: Bare) -> None:
    assert "Traceback" in bare("@local", "deploy.py", deploy="raise ValueError('a sentence')").stderr
    callback = HOST + "def fail(): raise ValueError('a sentence')\npython.call(name='x', function=fail)\n"
    assert "Unexpected error in Python callback" in bare("@local", "deploy.py", "-y", deploy=callback).stderr


def test_operations_fail_alone(bare: Bare) -> None:
    deploy = (
        OPERATION + "from pyinfra.operations import server\nfragile(name='x')\nserver.shell(name='y', commands=['z'])\n"
    )
    result = bare("inv.py", "deploy.py", "-y", deploy=deploy)
    assert "An internal exception occurred" in result.stderr
    assert "operation: y" not in result.stderr


def test_failed_facts_fail_the_operation(bare: Bare, tmp_path: Path) -> None:
    inventory = FAKES + "here = ['@local']\n"
    deploy = OPERATION + "host.get_fact(Fragile)\nneeds_it(name='x')\n"
    bare("inv.py", "deploy.py", "-y", deploy=deploy, inv=inventory)
    assert (tmp_path / "done").exists()


def test_prompt_only_for_something(bare: Bare) -> None:
    for deploy in ("", SHELL):
        result = bare("@local", "deploy.py", deploy=deploy)
        assert "Detected changes" in result.stderr
        assert "EOFError" in result.stderr


def test_every_host_must_connect(bare: Bare, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    gone = {"ssh_hostname": "127.0.0.1", "ssh_port": port, "ssh_password": "x"}
    inventory = f"hosts = ['@local', ('gone', {gone!r})]\n"
    bare("inv.py", "deploy.py", "-y", inv=inventory)
    assert (tmp_path / "done").exists()


def test_refuse_sudo_password(bare: Bare, tmp_path: Path) -> None:
    sudo = tmp_path / "sudo"
    sudo.write_text('#!/bin/sh\ntr "\\0" " " </proc/$PPID/cmdline >seen\n')
    sudo.chmod(0o755)
    deploy = "import os\nos.environ['PATH'] = '.:' + os.environ['PATH']\n"
    deploy += SHELL.replace("])", "], _sudo=True, _sudo_password='hunter2')")
    bare("@local", "deploy.py", "-y", deploy=deploy)
    assert "hunter2" in (tmp_path / "seen").read_text()
