"""What pyinfra 3.10.0 gets wrong for us, mended: one small function per gap, all applied by `install()`.

config.py calls `install()`; the pyinfra CLI executes config.py before it loads the inventory. What is decided
earlier (an unknown option, a missing deploy file) is mended only where `install()` ran before the CLI did.
Every name patched is private to pyinfra: its version is pinned, and
tests/unit/test_pyinfra_assumptions.py says which gap an upgrade has closed.
"""

from __future__ import annotations

import getpass
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatch
from functools import partial, wraps
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

import click
from pyinfra.api import command as commands
from pyinfra.api.exceptions import NoConnectorError, PyinfraError
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import BaseStateCallback
from pyinfra.api.util import PYINFRA_INSTALL_DIR
from pyinfra.connectors.sshuserclient.client import get_ssh_config
from pyinfra.connectors.util import SUDO_PASSWORD_REQUIRED_LINES, CommandOutput

from lgtm import outcome
from lgtm.clivalue import CliValue
from lgtm.errors import Exit, LgtmError, Usage

cli, cli_errors = import_module("pyinfra_cli.cli"), import_module("pyinfra_cli.exceptions")
context, ssh = import_module("pyinfra.context"), import_module("pyinfra.connectors.ssh")

NOPASSWD = "a sudo password is readable in the host's process list; give the user NOPASSWD sudo instead"
REFUSED_FLAGS = {
    "no_wait": "pyinfra forgets failures with it",
    "serial": "pyinfra goes on to the next host after a failure; run host by host with --limit",
    "use_sudo_password": NOPASSWD,
    "same_sudo_password": NOPASSWD,
}

_said: dict[str, Exit] = {}  # host -> exit code of the sentence its running operation failed with
_accounted: set[str] = set()  # failed hosts whose exit code is in the outcome already
_applied: list[Callable[[], None]] = []


def install() -> None:
    """Apply every shield; a second call only looks at the command line again."""
    while len(_applied) < len(SHIELDS):
        _applied.append(SHIELDS[len(_applied)])
        _applied[-1]()
    interrupts_exit_130()
    refuse_flags()


def _around(owner: Any, name: str) -> Callable[[Callable[..., Any]], None]:
    """Put the decorated `f(original, …)` in the place of `owner.name`."""
    original = getattr(owner, name)

    def decorate(replacement: Callable[..., Any]) -> None:
        @wraps(original)
        def patched(*args: Any, **kwargs: Any) -> Any:
            return replacement(original, *args, **kwargs)

        setattr(owner, name, patched)

    return decorate


def _say(sentence: object, host: Any = None) -> None:
    """Print a sentence in red on stderr, each line behind its host."""
    prefix = host.print_prefix if host is not None else ""  # pyinfra's `host` has no truth value
    for line in str(sentence).splitlines():
        click.echo(f"    {prefix}{click.style(line, 'red')}", err=True)


def hosts_in_inventory_order() -> None:
    """Active hosts are kept in a set: which host goes first, and is the canary, changes from run to run."""

    @_around(Inventory, "get_active_hosts")
    def _(_original: Any, self: Any) -> list[Any]:
        return [host for host in self if host in self.state.active_hosts]

    @_around(Inventory, "iter_activated_hosts")
    def _(_original: Any, self: Any) -> Iterator[Any]:
        return (host for host in self if host in self.state.activated_hosts)


def limits_must_match() -> None:
    """`--limit`/`--exclude` collect a set (random order), and a typo deploys to nothing, with exit code 0."""

    @_around(cli, "_get_inventory_pattern_matches")
    def _(_original: Any, inventory: Any, patterns: Iterable[str], option: str) -> list[Any]:
        chosen: set[Any] = set()
        for pattern in patterns:
            hosts = inventory.get_group(pattern, None) or [h for h in inventory if fnmatch(h.name, pattern)]
            if not hosts:
                raise Usage(f"{option} {pattern}: no group and no host of the inventory is called that")
            chosen.update(hosts)
        return [host for host in inventory if host in chosen]

    @_around(cli, "_apply_inventory_exclude")
    def _(original: Any, *args: Any) -> Any:
        hosts = original(*args)
        if hosts is not None and not hosts:
            raise Usage("--limit and --exclude leave no host")
        return hosts


def inventory_must_exist() -> None:
    """A mistyped or empty inventory is an empty deploy, with exit code 0."""

    @_around(cli, "make_inventory")
    def _(original: Any, inventory: str, **kwargs: Any) -> Any:
        path = Path(inventory)
        is_list = "," in inventory or "@" in inventory or "ssh_hostname" in kwargs["override_data"]
        if path.is_dir():
            raise Usage(f"inventory {inventory} is a directory: name a file in it")
        if not path.exists() and not is_list and (path.suffix == ".py" or "/" in inventory):
            raise Usage(f"inventory {inventory} does not exist")
        if not path.exists() and not all(inventory.split(",")):
            raise Usage(f"inventory {inventory!r} has an empty host name in it")
        try:
            made = original(inventory, **kwargs)
        except NoConnectorError as error:
            raise Usage(f"inventory {inventory}: {error}") from error
        if not len(made):
            problem = "has no hosts" if path.exists() or is_list else "is neither a file nor a host"
            raise Usage(f"inventory {inventory} {problem}")
        for host in made:
            if host.data.get("_sudo_password") or host.data.get("_use_sudo_password"):
                raise Usage(f"{host.name}: _sudo_password: {NOPASSWD}")
        return made


def refuse_flags() -> None:
    """`--no-wait` forgets failures, `--serial` goes on after one, sudo passwords end up in argument lists."""
    running = click.get_current_context(silent=True)
    for flag, reason in REFUSED_FLAGS.items():
        if running and running.params.get(flag):
            raise Usage(f"--{flag.replace('_', '-')} is refused: {reason}")


def refuse_sudo_password() -> None:
    """A sudo password travels in the remote argument list; and where sudo asks for one, pyinfra prompts."""
    util, local = import_module("pyinfra.connectors.util"), import_module("pyinfra.connectors.local")

    @_around(util, "_ensure_sudo_askpass_set_for_host")
    def _(_original: Any, host: Any, **_kwargs: Any) -> str:
        raise Usage(f"{host.name}: _sudo_password: {NOPASSWD}")

    def run_once(_original: Any, host: Any, _arguments: Any, execute_command: Callable[[], Any]) -> Any:
        code, output = execute_command()
        if code and any(line.strip() in SUDO_PASSWORD_REQUIRED_LINES for line in output.output_lines):
            raise LgtmError(f"sudo on {host.name} asks for a password: give {_login(host)[0]} NOPASSWD sudo")
        return code, output

    for module in (util, ssh, local):
        _around(module, "execute_command_with_sudo_retry")(run_once)


def operations_know_their_file() -> None:
    """An operation is known by line numbers alone: modules called from one loop merge where lines agree."""

    @_around(import_module("pyinfra.api.operation"), "get_operation_order_from_stack")
    def _(_original: Any, state: Any) -> list[int]:
        frames = [frame for frame, _ in traceback.walk_stack(sys._getframe(1))][::-1]
        files = [frame.f_code.co_filename for frame in frames]
        deploy = state.current_deploy_filename
        # In a callback at execute the deploy file is not on the stack: pyinfra numbers those by host.
        start = 0 if not deploy else files.index(deploy) if deploy in files else len(files)
        skipped = (PYINFRA_INSTALL_DIR, __file__)
        ours = [frame for frame in frames[start:] if not frame.f_code.co_filename.startswith(skipped)]
        return [state.current_op_file_number, *map(_Line.of, ours)]


class _Line(int):
    """A line number that sorts as one, and is hashed (make_hash formats it) together with its file's name."""

    file = ""

    @classmethod
    def of(cls, frame: FrameType) -> _Line:
        line = cls(frame.f_lineno)
        line.file = frame.f_code.co_filename
        return line

    def __format__(self, spec: str) -> str:
        return f"{self.file}:{int(self)}"


def ssh_without_nagle() -> None:
    """paramiko leaves Nagle's algorithm on: every command waits some 40 ms for a delayed acknowledgement."""

    @_around(ssh.SSHConnector, "_connect")
    def _(original: Any, self: Any) -> None:
        original(self)
        transport = self.client.get_transport()
        if transport and isinstance(transport.sock, socket.socket):  # not a proxy's
            transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def interrupts_exit_130() -> None:
    """Ctrl-C exits 0: a script takes an interrupted deploy for a finished one."""

    def interrupt(_signum: int, _frame: FrameType | None) -> None:
        click.echo("Interrupted: what runs on a host goes on there.", err=True)
        outcome.record(Exit.INTERRUPTED)
        sys.exit(Exit.INTERRUPTED)

    signal.signal(signal.SIGINT, interrupt)


def interrupts_do_not_wait() -> None:
    """The greenlet pool is as large as the inventory: disconnecting waits in it for every running command."""

    @_around(cli, "disconnect_all")
    def _(original: Any, state: Any) -> None:
        if outcome.current() is Exit.INTERRUPTED:
            state.pool.kill(timeout=5)
        original(state)


def data_stays_as_typed() -> None:
    """`--data` guesses types: version=3.10 becomes 3.1, sha=123e4567 infinity; without `=`: a traceback."""

    @_around(cli, "_set_override_data")
    def _(original: Any, data: Iterable[str], *ssh: Any) -> dict[str, Any]:
        for argument in data:
            if "=" not in argument:
                raise Usage(f"--data {argument}: expected key=value")
        typed = dict(argument.split("=", 1) for argument in data)
        # pyinfra's own arguments are no settings of ours: as a string, `_sudo=false` would switch sudo on.
        theirs = original([f"{key}={value}" for key, value in typed.items() if key.startswith("_")], *ssh)
        return {**{key: CliValue(value) for key, value in typed.items()}, **theirs}


def _verdict() -> Exit:
    """The run's recorded outcome; a failed host that nothing recorded accounts for counts as FAILED."""
    state = context.ctx_state.get()
    if state and state.initialised and {host.name for host in state.failed_hosts} - _accounted:
        outcome.record(Exit.FAILED)
    return outcome.current()


def exit_codes() -> None:
    """pyinfra exits 0 or 1, click 2 for usage: to a script, locked, refused, drift and a typo look alike."""
    click.UsageError.exit_code = Exit.USAGE

    @_around(cli, "_exit")
    def _(_original: Any) -> None:
        sys.exit(_verdict())

    @_around(cli_errors.WrappedError, "__init__")
    def _(original: Any, self: Any, error: Exception) -> None:
        original(self, error)
        if str(error).startswith(("No hosts remaining!", "Over ")):  # State.fail_hosts
            self.exit_code = _verdict()


def errors_are_sentences() -> None:
    """Whatever deploy code raises is shown as a traceback, with exit code 1: the sentence in it is lost."""

    def remember(original: Any, self: Any, error: BaseException, *args: Any) -> None:
        original(self, error, *args)
        while not isinstance(error, LgtmError) and isinstance(getattr(error, "exception", None), Exception):
            error = error.exception  # type: ignore[attr-defined]  # a file that includes a file is wrapped twice
        if isinstance(error, LgtmError):
            self.sentence, self.host = error, context.ctx_host.get()
            outcome.record(error.exit_code)
            self.exit_code = outcome.current()

    def show(original: Any, self: Any, file: Any = None) -> None:
        if hasattr(self, "sentence"):
            _say(self.sentence, self.host)
        else:
            original(self, file)

    hub = import_module("gevent.hub").Hub
    hub.NOT_ERROR = (*hub.NOT_ERROR, LgtmError)  # what a greenlet raises is printed, too, by gevent
    for wrapper in (cli_errors.UnexpectedExternalError, cli_errors.UnexpectedInternalError):
        _around(wrapper, "__init__")(remember)
        _around(wrapper, "show")(show)


def _report(host: Any, error: Exception) -> None:
    """Say why an operation fails on a host: a sentence for ours, the traceback for what nobody foresaw."""
    if not isinstance(error, LgtmError):
        _say("".join(traceback.format_exception(error)), host)
        return
    _say(error, host)
    _said[host.name] = error.exit_code


class _Failed(commands.PyinfraCommand):
    """A command that does nothing but fail, in the place of one that could not be made."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def execute(self, state: Any, host: Any, connector_arguments: Any) -> bool:
        _report(host, self.error)
        return False


def _failing_alone(generator: Callable[[], Iterator[Any]]) -> Iterator[Any]:
    try:
        yield from generator()
    except Exception as error:
        yield _Failed(error)


def operations_fail_alone() -> None:
    """An exception in an operation at execute ends the run midway, for every host."""

    @_around(import_module("pyinfra.api.operations"), "_run_host_op")
    def _(original: Any, state: Any, host: Any, op_hash: str) -> bool:
        operation = state.get_op_data_for_host(host, op_hash)
        operation.command_generator = partial(_failing_alone, operation.command_generator)
        succeeded: bool = original(state, host, op_hash)
        if not host.nested_executing_op_hash:  # a nested one's parent decides whether it counts
            code = _said.pop(host.name, Exit.FAILED)
            if not succeeded:
                outcome.record(code)
                _accounted.add(host.name)
        return succeeded

    def execute(failure: Any, original: Any, self: Any, state: Any, host: Any, arguments: Any) -> Any:
        try:
            return original(self, state, host, arguments)
        except (LgtmError, EOFError) as error:  # EOFError: paramiko's word for a lost SFTP connection
            _report(host, error)
            return failure

    _around(commands.StringCommand, "execute")(partial(execute, (False, CommandOutput([]))))
    for kind in (commands.FunctionCommand, commands.FileUploadCommand, commands.FileDownloadCommand):
        _around(kind, "execute")(partial(execute, False))


def failed_facts_fail_the_operation() -> None:
    """A fact that fails at execute answers with its default: the operation acts on it and reports success."""

    @_around(import_module("pyinfra.api.facts"), "log_error_or_warning")
    def _(original: Any, host: Any, ignore_errors: bool, **kwargs: Any) -> None:
        original(host, ignore_errors, **kwargs)
        if host.state.is_executing and not ignore_errors:
            raise LgtmError(f"{kwargs['description'].strip()}: the operation that needs it is not run")


def prompt_only_for_something() -> None:
    """pyinfra asks before doing nothing, exits 0 after a "no", and without a terminal it crashes."""

    @_around(cli, "_handle_commands")
    def _(original: Any, state: Any, *args: Any, json_output: bool = False) -> Any:
        can_diff, state, config = original(state, *args, json_output=json_output)
        return can_diff and (json_output or bool(state.op_meta)), state, config

    @_around(cli, "_do_confirm")
    def _(original: Any, message: str) -> bool:
        about_changes = message.startswith("Detected changes")
        if sys.stdin is None or not sys.stdin.isatty():
            if about_changes:
                raise Usage("stdin is not a terminal: pass -y to apply, or --dry to look")
            _say("a host failed and stdin is not a terminal to ask whether to go on: stopped")
            return False
        try:
            confirmed: bool = original(message)
        except EOFError:
            confirmed = False
        if about_changes and not confirmed:
            raise Usage("stopped at the prompt, nothing was changed")
        return confirmed


def _login(host: Any) -> tuple[str, str]:
    """The user and address (host:port) a host is reached with; the address is empty where that is not SSH."""
    if not isinstance(host.connector, ssh.SSHConnector):
        return getpass.getuser(), ""
    data: Any = host.connector.data
    name = data["ssh_hostname"] or host.name
    configured = getattr(host.connector.client, "_ssh_config", {})
    ssh_config = get_ssh_config(data["ssh_config_file"])
    address = ssh_config.lookup(name).get("hostname", name) if ssh_config else name
    user = data["ssh_user"] or configured.get("username") or getpass.getuser()
    return user, f"{address}:{data['ssh_port'] or configured.get('port', 22)}"


def every_host_must_connect() -> None:
    """With -y an unreachable host is dropped, and the deploy goes on without it."""

    @_around(cli, "connect_all")
    def _(original: Any, state: Any) -> None:
        reasons: dict[Any, Exception] = {}
        handler: Any = BaseStateCallback()
        handler.host_connect_error = lambda _state, host, error: reasons.update({host: error})
        state.add_callback_handler(handler)
        ask, state.should_raise_failed_hosts = state.should_raise_failed_hosts, None
        try:
            original(state)
        except PyinfraError:
            if not reasons:
                raise
        state.should_raise_failed_hosts = ask
        if reasons:
            raise LgtmError("\n".join(_unreachable(host, reasons[host]) for host in state.inventory if host in reasons))


def _unreachable(host: Any, reason: Exception) -> str:
    user, address = _login(host)
    return f"{host.name}: cannot connect{f' as {user} to {address}' if address else ''}: {reason}"


SHIELDS = (
    errors_are_sentences,
    exit_codes,
    hosts_in_inventory_order,
    limits_must_match,
    inventory_must_exist,
    refuse_sudo_password,
    operations_know_their_file,
    ssh_without_nagle,
    interrupts_do_not_wait,
    data_stays_as_typed,
    operations_fail_alone,
    failed_facts_fail_the_operation,
    prompt_only_for_something,
    every_host_must_connect,
)
