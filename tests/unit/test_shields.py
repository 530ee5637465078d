"""The shields, each through the real command line; test_pyinfra_assumptions.py shows the gaps."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import paramiko
import pytest

from lgtm.model.errors import Exit
from lgtm.model.run import SEVERITY
from lgtm.model.run import Run as RunState

ROOT = Path(__file__).resolve().parents[2]
MAIN = "from pyinfra_cli.main import main; main()"
ENV = {**os.environ, "PYTHONPATH": str(ROOT), "PYINFRA_PROGRESS": "off"}
CONFIG = "from lgtm import shields\nshields.install()\nshields.install()\n"
FAKES = """
FAST = {"fake_delay": 0, "fake_delay_jitter": 0, "fake_responses": {"broken": {"success": False}}}
hosts = ([f"@fake/{name}" for name in ("zeta", "beta", "omega", "alpha")], FAST)
web = ["@fake/omega", "@fake/beta"]
"""
SHELL = "from pyinfra.operations import server\nserver.shell(name='do', commands=['touch done'])\n"
HOST = "from pyinfra import host\n"

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "config.py").write_text(CONFIG)
    (tmp_path / "inv.py").write_text(FAKES)
    return tmp_path


@pytest.fixture
def run(project: Path) -> Run:
    def pyinfra(
        *arguments: str, deploy: str = SHELL, main: str = MAIN, stdin: int = subprocess.DEVNULL, **files: str
    ) -> subprocess.CompletedProcess[str]:
        for name, text in {"deploy": deploy, **files}.items():
            (project / f"{name}.py").write_text(text)
        return subprocess.run(
            [sys.executable, "-c", main, *arguments],
            cwd=project, env=ENV, stdin=stdin, capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    return pyinfra


def refused(result: subprocess.CompletedProcess[str], sentence: str, code: Exit = Exit.USAGE) -> None:
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr
    assert "internal exception" not in result.stderr
    assert result.returncode == code, result.stderr


def test_hosts_go_in_inventory_order(run: Run) -> None:
    for arguments in ([], ["--limit", "@fake/a*", "--limit", "web", "--limit", "@fake/zeta"]):
        result = run(
            "inv.py", "deploy.py", "-y", *arguments,
            deploy=HOST + "from pyinfra.operations import python, server\n"
            "def say(): print(host.name)\n"
            "python.call(name='say', function=say, _serial=True)\n",
        )  # fmt: skip
        assert result.stdout.split() == ["@fake/zeta", "@fake/beta", "@fake/omega", "@fake/alpha"]


@pytest.mark.parametrize("flag", ["--no-wait", "--serial", "--use-sudo-password", "--same-sudo-password"])
def test_dangerous_flags_are_refused(run: Run, project: Path, flag: str) -> None:
    refused(run("@local", "deploy.py", "-y", flag), f"{flag} is refused: ")
    assert not (project / "done").exists()


def test_operations_of_two_modules_called_from_one_loop_do_not_merge(run: Run) -> None:
    task = "from pyinfra.operations import server\ndef go(): server.shell(name='{0}', commands=['true'])\n"
    loop = "import one, two\nfor task in [one, two] if 'zeta' in host.name else [two]: task.go()\n"
    files = {"one": task.format("of one"), "two": task.format("of two")}
    result = run("inv.py", "deploy.py", "-y", deploy=HOST + loop, **files)
    started = [line.strip() for line in result.stderr.splitlines() if "Starting" in line]
    assert started == ["--> 1/2 Starting operation: of one", "--> 2/2 Starting operation: of two"]


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_colours_are_for_terminals_and_can_be_off(run: Run, project: Path, no_color: str, coloured: bool) -> None:
    run("@local", "deploy.py", "--dry")  # which writes the files
    terminal, inside = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", MAIN, "@local", "deploy.py", "-y"],
        cwd=project, env=ENV | {"NO_COLOR": no_color}, stdin=subprocess.DEVNULL, stdout=inside, stderr=inside,
    ):  # fmt: skip
        os.close(inside)
        shown = b""
        with suppress(OSError):  # what a terminal says when nobody has its other end any more
            while piece := os.read(terminal, 4096):
                shown += piece
    os.close(terminal)
    assert b"1/1 " in shown and (b"\x1b[" in shown) == coloured, shown


def test_modules_are_those_of_the_directory_one_works_in(run: Run, project: Path, tmp_path_factory: Any) -> None:
    installed = tmp_path_factory.mktemp("installed")
    for folder in (installed, project):
        (folder / "tasks.py").write_text(f"PLACE = {str(folder)!r}\n")
    main = MAIN.replace("from", f"import sys; sys.path.remove(''); sys.path.insert(0, {str(installed)!r}); from", 1)
    result = run("@local", "deploy.py", "-y", main=main, deploy="import tasks\nprint(tasks.PLACE)\n")
    assert result.stdout.split() == [str(project)], result.stderr


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("SSH error (No authentication methods available)", "start an agent, or set ssh_key"),
        ("Could not connect ([Errno 2] No such file or directory: '/root/.ssh/known_hosts')", "mkdir -m 700 ~/.ssh"),
        ("SSH error (Error reading SSH protocol banner)", "see ssh_port"),
    ],
)
def test_a_failed_connection_is_told_with_its_remedy(said: str, remedy: str) -> None:
    """As pyinfra words them; the others are shown in tests/lab/test_first_contact.py."""
    ask = (
        "import sys; from lgtm.shields.targets import _unreachable\n"
        "print(_unreachable(type('Host', (), {'name': 'web', 'connector': None})(), Exception(sys.argv[1])))"
    )
    done = subprocess.run([sys.executable, "-c", ask, said], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith(remedy)


class _AnyPassword(paramiko.ServerInterface):
    def check_auth_password(self, username: str, password: str) -> int:
        return paramiko.common.AUTH_SUCCESSFUL

    def get_allowed_auths(self, username: str) -> str:
        return "password"


@pytest.fixture
def ssh_port() -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        transport = paramiko.Transport(listener.accept()[0])
        transport.add_server_key(paramiko.RSAKey.generate(2048))
        transport.start_server(server=_AnyPassword())
        transport.join(20)

    threading.Thread(target=serve, daemon=True).start()
    yield int(listener.getsockname()[1])
    listener.close()


def ssh_inventory(**ports: int) -> str:
    common = {
        "ssh_hostname": "127.0.0.1",
        "ssh_user": "ops",
        "ssh_password": "x",
        "ssh_known_hosts_file": "known",
    }
    return f"hosts = {[(name, {**common, 'ssh_port': port}) for name, port in ports.items()]!r}\n"


def test_ssh_does_not_wait_for_nagle(run: Run, ssh_port: int) -> None:
    result = run(
        "inv.py", "deploy.py",
        inv=ssh_inventory(web=ssh_port),
        deploy=HOST + "import socket\nsock = host.connector.client.get_transport().sock\n"
        "print('nodelay', sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))\n",
    )  # fmt: skip
    assert result.stdout.strip() == "nodelay 1", result.stderr


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("flag", ["-y", "--dry"])
def test_every_unreachable_host_is_named_and_stops_the_run(run: Run, project: Path, flag: str) -> None:
    one, two = closed_port(), closed_port()
    inventory = ssh_inventory(one=one, two=two) + "here = ['@local']\n"
    result = run("inv.py", "deploy.py", flag, inv=inventory)
    refused(result, f"one: cannot connect as ops to 127.0.0.1:{one}: ", Exit.FAILED)
    assert f"two: cannot connect as ops to 127.0.0.1:{two}: Could not connect" in result.stderr
    assert not (project / "done").exists()


def test_ctrl_c_exits_130_at_once(project: Path) -> None:
    (project / "deploy.py").write_text(SHELL.replace("touch done", "touch begun; sleep 20"))
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, "@local", "deploy.py", "-y"],
        cwd=project, env=ENV, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 20
        while not (project / "begun").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == Exit.INTERRUPTED
    finally:
        os.killpg(process.pid, signal.SIGKILL)


def test_data_stays_as_typed(run: Run) -> None:
    deploy = HOST + "print([(type(v).__name__, v) for v in (host.data.sha, host.data.version, host.data.flag)])\n"
    result = run(
        "@local", "deploy.py", "--data", "sha=123e4567", "--data", "version=3.10", "--data", "flag=true=no",
        deploy=deploy,
    )  # fmt: skip
    assert result.stdout.strip() == str([("CliValue", v) for v in ("123e4567", "3.10", "true=no")])


def test_data_for_pyinfra_itself_means_what_it_says(run: Run, project: Path) -> None:
    assert run("@local", "deploy.py", "-y", "--data", "_sudo=false", "--data", "_timeout=30").returncode == 0
    assert (project / "done").exists()


def test_data_without_a_value_is_a_usage_error(run: Run) -> None:
    refused(run("@local", "deploy.py", "--data", "version"), "--data version: expected key=value")


@pytest.mark.parametrize(
    ("recorded", "failing", "code"),
    [
        ([], False, 0), ([], True, 1), ([Exit.PENDING], False, 2), ([Exit.LOCKED, Exit.PENDING], False, 4),
        ([Exit.LOCKED], True, 1),
    ],
)  # fmt: skip
def test_the_exit_code_is_the_worst_outcome(run: Run, recorded: list[Exit], failing: bool, code: int) -> None:
    deploy = (
        "from lgtm.model.run import RUN\nfrom lgtm.model.errors import Exit\nfrom pyinfra.operations import server\n"
    )
    deploy += "".join(f"RUN.ends_with(Exit.{each.name})\n" for each in recorded)
    deploy += "server.shell(name='do', commands=['broken'], _if=lambda: host.name.endswith('eta'))\n" * failing
    assert run("inv.py", "deploy.py", "-y", deploy=HOST + deploy).returncode == code


def test_severity() -> None:
    state = RunState()
    assert state.exit_code is Exit.OK
    for code in (Exit.OK, Exit.PENDING, Exit.REFUSED, Exit.LOCKED, Exit.FAILED, Exit.USAGE, Exit.INTERRUPTED):
        state.ends_with(code)
        state.ends_with(Exit.PENDING)
        assert state.exit_code == max(code, Exit.PENDING, key=SEVERITY.index)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["inventories/prdo.py"], "inventory inventories/prdo.py does not exist"),
        (["no-such-host.invalid"], "inventory no-such-host.invalid is neither a file nor a host"),
        (["@bogus/x"], "inventory @bogus/x: Invalid connector: bogus"),
        (["a,,b"], "inventory 'a,,b' has an empty host name in it"),
        (["."], "inventory . is a directory"),
        (["empty.py"], "inventory empty.py has no hosts"),
        (["inv.py", "--limit", "wbe"], "--limit wbe: no group and no host"),
        (["inv.py", "--limit", "web", "--limit", "wbe"], "--limit wbe: no group and no host"),
        (["inv.py", "--exclude", "wbe"], "--exclude wbe: no group and no host"),
        (["inv.py", "--limit", "web", "--exclude", "@fake/*"], "--limit and --exclude leave no host"),
    ],
)
def test_a_run_without_hosts_is_a_usage_error(run: Run, arguments: list[str], sentence: str) -> None:
    refused(run(arguments[0], "deploy.py", "-y", *arguments[1:], empty="hosts = []\n"), sentence)


@pytest.mark.parametrize("inventory", ["@local", "@fake/a,@fake/b", "inv.py", "inv.web"])
def test_every_kind_of_inventory_still_works(run: Run, inventory: str) -> None:
    assert run(inventory, "deploy.py", "-y", "--limit", "@*", deploy="").returncode == 0


def test_usage_errors_of_click_exit_64_where_the_shields_come_first(run: Run) -> None:
    first = f"from lgtm import shields; shields.install(); {MAIN}"
    result = run("@local", "deploy.py", "--bogus", main=first)
    assert (result.returncode, "No such option" in result.stderr) == (Exit.USAGE, True)
    assert run("@local", "deploy.py", "-y", "--serial", main=first).returncode == Exit.USAGE


RAISE = "from lgtm.model.errors import Locked\nraise Locked('held by ann\\nsince noon')\n"


def test_an_error_in_deploy_code_is_a_sentence_with_its_host_and_exit_code(run: Run) -> None:
    result = run("@local", "deploy.py", "-y", deploy=RAISE)
    refused(result, "[@local] held by ann\n    [@local] since noon", Exit.LOCKED)
    included = run("@local", "deploy.py", "-y", deploy="from pyinfra import local\nlocal.include('a.py')\n", a=RAISE)
    refused(included, "[@local] held by ann", Exit.LOCKED)


@pytest.mark.parametrize("inventory", ["@local", "inv.py"])
def test_an_error_in_a_callback_fails_its_hosts_with_its_exit_code(run: Run, inventory: str) -> None:
    deploy = (
        HOST + "from lgtm.model.errors import Locked\nfrom pyinfra.operations import python\n"
        "def lock():\n    if host.name in ('@local', '@fake/beta'): raise Locked('held by ann')\n"
        "python.call(name='lock', function=lock)\n"
    )
    refused(run(inventory, "deploy.py", "-y", deploy=deploy), "held by ann", Exit.LOCKED)
    ignored = run(inventory, "deploy.py", "-y", deploy=deploy.replace("=lock)", "=lock, _ignore_errors=True)"))
    refused(ignored, "held by ann", Exit.OK)


RAISING = """
from lgtm.model.errors import Locked
from pyinfra import host, state
from pyinfra.api import operation
from pyinfra.operations import server

@operation()
def fragile():
    if state.is_executing and host.name == "@fake/beta":
        raise ERROR
    yield "true"

fragile(name="fragile")
server.shell(name="after", commands=["true"])
"""


def test_an_error_in_an_operation_fails_only_its_host(run: Run) -> None:
    for error, code in (("Locked('held by ann')", Exit.LOCKED), ("KeyError('x')", Exit.FAILED)):
        result = run("inv.py", "deploy.py", "-y", deploy=RAISING.replace("ERROR", error))
        assert result.returncode == code
        assert result.stderr.count("Success\n") == 6
    assert "[@fake/beta]  KeyError: 'x'" in result.stderr


def test_an_error_in_a_nested_operation_keeps_its_exit_code(run: Run) -> None:
    nested = RAISING.replace("ERROR", "Locked('held by ann')").replace(
        'fragile(name="fragile")',
        "from pyinfra.operations import python\npython.call(name='outer', function=lambda: fragile(name='fragile'))",
    )
    refused(run("inv.py", "deploy.py", "-y", deploy=nested), "held by ann", Exit.LOCKED)


FACT = """
from pyinfra import host
from pyinfra.api import FactBase, operation

class Fragile(FactBase[str]):
    def command(self): return "test ! -e prepared || exit 3; touch prepared; echo x"

@operation()
def needs_it():
    yield f"touch done; echo {host.get_fact(Fragile)}"

host.get_fact(Fragile)
needs_it(name="needs it")
"""


def test_a_failed_fact_fails_its_operation(run: Run, project: Path) -> None:
    result = run("inv.py", "deploy.py", "-y", deploy=FACT, inv=FAKES + "here = ['@local']\n")
    refused(result, "the operation that needs it is not run", Exit.FAILED)
    assert (project / "prepared").exists()
    assert not (project / "done").exists()


READING = (
    HOST
    + """
from dataclasses import dataclass
from pyinfra.api import FactBase
from lgtm.host.remote import HiddenInput

@dataclass
class Found:
    lines: frozenset

class Reader(FactBase[Found]):
    def command(self, arguments=()): return COMMAND
    def process(self, output): return Found(frozenset(output))
"""
)
READ = "print(host.get_fact(Reader, arguments=['a-volume'], _stdin=HiddenInput('k3y-of-digests')))\n"


def test_what_a_fact_reads_on_standard_input_is_shown_to_nobody(run: Run) -> None:
    deploy = READING.replace("COMMAND", "'tr a-z A-Z'") + READ
    result = run("@local", "deploy.py", "-y", "-vvv", deploy=deploy)
    assert "K3Y-OF-DIGESTS" in result.stdout, result.stderr
    assert "k3y-of-digests" not in result.stdout + result.stderr and "_stdin=********" in result.stderr


@pytest.mark.parametrize(
    ("command", "sentence"),
    [("'echo a-digest; echo the cause >&2; exit 3'", "the cause"),
     ("'echo a-digest; exit 3'", "the host gave no answer, or the connection was lost: run again")],
)  # fmt: skip
def test_a_fact_that_fails_says_why_and_nothing_else(run: Run, command: str, sentence: str) -> None:
    result = run("@local", "deploy.py", "-y", deploy=READING.replace("COMMAND", command) + READ)
    assert result.returncode == 1 and sentence in result.stderr, result.stderr
    assert "a-digest" not in result.stderr and "a-volume" not in result.stderr


def test_a_fact_can_be_shown(run: Run) -> None:
    result = run("@local", "fact", "reader.Reader", reader=READING.replace("COMMAND", "'echo b; echo a'"))
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stderr[result.stderr.index("{") : result.stderr.rindex("}") + 1])["@local"] == {
        "lines": ["a", "b"]
    }


def test_no_operations_no_prompt(run: Run) -> None:
    result = run("@local", "deploy.py", deploy="")
    assert result.returncode == 0
    assert "etected changes" not in result.stderr


def test_without_a_terminal_nothing_is_executed_unasked(run: Run, project: Path) -> None:
    refused(run("@local", "deploy.py"), "stdin is not a terminal: pass -y to apply, or --dry to see the plan")
    assert not (project / "done").exists()
    assert run("@local", "deploy.py", "--dry").returncode == 0


@pytest.mark.parametrize(
    ("typed", "code"),
    [(b"\n", Exit.OK), (b"no\n", Exit.USAGE), (b"\x04", Exit.USAGE)],
    ids=["enter", "no", "eof"],
)
def test_only_enter_at_the_prompt_executes(run: Run, project: Path, typed: bytes, code: Exit) -> None:
    terminal, stdin = pty.openpty()
    os.write(terminal, typed)
    refused(run("@local", "deploy.py", stdin=stdin), "" if code is Exit.OK else "stopped at the prompt", code)
    assert (project / "done").exists() == (code is Exit.OK)


@pytest.mark.parametrize("typed", [b"\nno\n", b"\n\x04"], ids=["no", "eof"])
def test_a_failure_asks_whether_to_go_on(run: Run, typed: bytes) -> None:
    deploy = SHELL.replace("['touch done']", "['broken' if host.name == '@fake/beta' else 'true']")
    terminal, stdin = pty.openpty()
    os.write(terminal, typed)
    result = run("inv.py", "deploy.py", stdin=stdin, deploy=HOST + deploy + "server.shell(name='b', commands=['x'])")
    refused(result, "One of more hosts failed, continue?", Exit.FAILED)
    assert "operation: b" not in result.stderr


def test_a_failure_without_a_terminal_stops(run: Run) -> None:
    deploy = (
        HOST
        + "from pyinfra.facts.server import Command\n"
        + ("if host.name == '@fake/beta': host.get_fact(Command, command='broken')\n")
    )
    result = run("inv.py", "deploy.py", deploy=deploy)
    refused(result, "stdin is not a terminal to ask", Exit.FAILED)


@pytest.mark.parametrize("where", ["host data", "command line", "operation"])
def test_a_sudo_password_is_refused(run: Run, where: str) -> None:
    inventory = "hosts = [('@fake/a', {'fake_delay': 0, '_sudo_password': 'hunter2'})]\n"
    password = ["--data", "_sudo_password=hunter2"] if where == "command line" else []
    deploy = SHELL.replace("])", "], _sudo=True, _sudo_password='hunter2')") if where == "operation" else SHELL
    result = run("@local", "deploy.py", "-y", *password, deploy=deploy, inv=inventory)
    if where == "host data":
        result = run("inv.py", "deploy.py", "-y", inv=inventory)
    refused(result, "_sudo_password: a sudo password is readable")
    assert "hunter2" not in result.stderr + result.stdout


def test_sudo_asking_for_a_password_is_a_sentence(run: Run, project: Path) -> None:
    sudo = project / "sudo"
    sudo.write_text("#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n")
    sudo.chmod(0o755)
    deploy = "import os\nos.environ['PATH'] = '.:' + os.environ['PATH']\n"
    deploy += SHELL.replace("])", "], _sudo=True)")
    fact = "from pyinfra.facts.server import Command\nhost.get_fact(Command, command='true', _sudo=True)\n"
    for text in (deploy, deploy.split("server.shell")[0] + HOST + fact):
        result = run("@local", "deploy.py", "-y", deploy=text)
        refused(result, "sudo on @local asks for a password: give ", Exit.FAILED)
