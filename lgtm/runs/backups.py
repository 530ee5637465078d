"""Data that has no other source of truth: copied, put back, or destroyed for ever. What the runs do for each host."""

from __future__ import annotations

import click
from pyinfra.api.host import Host

from lgtm.host import operations, remote, switching
from lgtm.load.commandline import flag
from lgtm.load.inventory import run_settings
from lgtm.model.errors import Exit, Refusal
from lgtm.report import outcome
from lgtm.runs import unlock, who

COPIES = 7  # of each service that are kept


def backup(host: Host) -> None:
    """Copy what services of one host keep that nobody else has, to /data/backup there."""
    run = run_settings(host)
    services = [run.service] if run.service else []
    _do(host, "Backup", "backup", [who(run), str(COPIES), *services])


def restore(host: Host) -> None:
    """Put a copy of one service's data back in force."""
    run = run_settings(host)
    if not run.service:
        raise Refusal(f"{host.name}: say --data service=<name>, and --data copy_name=<name> unless it is the newest")
    _do(host, f"Restore {run.service}", "restore", [who(run), run.service, run.copy_name])


def destroy(host: Host) -> None:
    """Destroy the data of a service that has left one host; asked for by the service's name and the host's."""
    run = run_settings(host)
    if not run.service or run.confirm != host.name:
        raise Refusal(
            f"{host.name}: this destroys /data/<service> for ever; if that is what you want, say "
            f"--limit {host.name} --data service=<name> --data confirm={host.name}"
        )
    _do(host, f"Destroy {run.service}", "destroy", [who(run), run.service])


def _do(host: Host, title: str, script: str, arguments: list[str]) -> None:
    """Enqueue a script that takes the lock before it, and gives it back itself."""
    run = run_settings(host)
    unlock(host, run)
    if flag("dry"):
        click.echo(f"[{host.name}] {title}: would be done", err=True)
        outcome.record(Exit.PENDING)
        return

    def act(host: Host) -> None:
        switching.release(host)
        for line in remote.run(host, script, arguments).splitlines():
            click.echo(f"    [{host.name}] {line}", err=True)

    switching.lock(who=who(run), name="Lock")
    operations.call(function=act, name=title)
