"""backup.py, restore.py, destroy.py: data that exists nowhere else is copied, restored, or deleted permanently."""

from __future__ import annotations

from pyinfra.api.command import FunctionCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.context import ctx_host

from lgtm.host import remote, switching
from lgtm.host.operations import Step
from lgtm.load.commandline import options
from lgtm.load.inventory import RunSettings, run_settings
from lgtm.model.errors import Exit, Refusal
from lgtm.model.run import RUN
from lgtm.report import terminal
from lgtm.runs.start import unlock, who

COPIES = 7  # backups of each service that are kept


def backup(host: Host) -> None:
    """Copy the databases of a host's services to /data/backup there; with `--data service`, of that one."""
    run = run_settings(host)
    _enqueue(host, run, "Backup", "backup", [str(COPIES), *([run.service] if run.service else [])])


def restore(host: Host) -> None:
    """Restore a backup of one service. Raises Refusal unless `--data service` names it."""
    run = run_settings(host)
    if not run.service:
        raise Refusal(
            f"{host.name}: name the service with --data service=<name>, and a backup other than the newest with "
            "--data copy_name=<name>"
        )
    _enqueue(host, run, f"Restore {run.service}", "restore", [run.service, run.copy_name])


def destroy(host: Host) -> None:
    """Delete the data of a service that was removed from a host. Raises Refusal unless service and host are named."""
    run = run_settings(host)
    if not run.service or run.confirm != host.name:
        raise Refusal(
            f"{host.name}: this deletes /data/<service> permanently; to confirm, use "
            f"--limit {host.name} --data service=<name> --data confirm={host.name}"
        )
    _enqueue(host, run, f"Destroy {run.service}", "destroy", [run.service])


@operation()
def under_lock(script: str, arguments: list[str]) -> Step:
    """
    Run a script that releases the lock of the host itself, and print its output.

    + script: name of a file in ``lgtm/host/scripts``, without ``.sh``
    + arguments: of the script

    **Example:**

    .. code:: python

        under_lock(name="Backup", script="backup", arguments=["anna@laptop", "7"])
    """
    yield FunctionCommand(_under_lock, [script, arguments], {})


def _under_lock(script: str, arguments: list[str]) -> None:
    host = ctx_host.get()
    switching.release(host)
    terminal.notes(host.name, remote.run(host, script, arguments).splitlines())


def _enqueue(host: Host, run: RunSettings, title: str, script: str, arguments: list[str]) -> None:
    unlock(host, run)
    if options().dry:
        terminal.notes(host.name, [f"to do: {title}"])
        RUN.ends_with(Exit.PENDING)
        return
    switching.lock(who=who(run), name="Lock")
    under_lock(script=script, arguments=[who(run), *arguments], name=title)
