"""What every run starts with: the site, the settings of the run, its record."""

from __future__ import annotations

import getpass
import socket

from pyinfra.api.host import Host
from pyinfra.context import ctx_state

from lgtm.host import remote
from lgtm.load import release
from lgtm.load.commandline import options
from lgtm.load.inventory import RunSettings, run_settings, site
from lgtm.model.run import RUN
from lgtm.model.settings import seconds
from lgtm.model.site import Site
from lgtm.report import record, terminal


def begin(host: Host) -> tuple[Site, RunSettings]:
    """Give the site, seen from a host, and the run's settings; the run writes its record if `--data` names a file."""
    run, here = run_settings(host), site(ctx_state.get().inventory, host)
    settings = here.here.settings
    RUN.record.script, RUN.record.inventory = options().script, options().inventory
    RUN.record.environment, RUN.record.release = here.environment, release.identity(here.root)
    RUN.record.settings = {"batch": settings.rollout_batch, "undo": settings.rollout_undo,
                           "soak": seconds(settings.promote_soak), "from": settings.promote_from}  # fmt: skip
    for one in ctx_state.get().inventory.get_active_hosts():
        RUN.record.host(one.name)  # in the order of the inventory
    record.leave(run.json_, run.html)
    return here, run


def unlock(host: Host, run: RunSettings) -> None:
    """Break the lock of a run that has ended, if `--data unlock=true`."""
    if run.unlock and not options().dry and (answer := remote.run(host, "break", [who(run)])):
        terminal.notes(host.name, [answer])


def who(run: RunSettings) -> str:
    """Give `anna@laptop` and the run's message, with single spaces: it becomes one line of the lock."""
    return " ".join([f"{getpass.getuser()}@{socket.gethostname()}", *run.message.split()])
