"""Take a host back. No settings of a service are read: they may be what is broken."""

from __future__ import annotations

import time

from pyinfra.api.host import Host

from lgtm.host import facts
from lgtm.load import plugins
from lgtm.load.commandline import options
from lgtm.load.inventory import run_settings, site_settings
from lgtm.model import barriers
from lgtm.model.errors import Exit, Refusal, combined
from lgtm.model.history import History, Kept
from lgtm.model.run import RUN, Switch
from lgtm.report import terminal
from lgtm.runs.start import unlock, who


def rollback(host: Host) -> None:
    """Take one host back to the last good generation, or to the one that is named; or show what there is."""
    run, settings = run_settings(host), site_settings(host)
    unlock(host, run)
    history = facts.generations(host)
    if run.list:
        terminal.generations(host.name, history)
        return
    try:
        target = history.target(run.to)
    except Refusal as refusal:
        raise Refusal(f"{host.name}: {refusal}") from None
    if target.id == history.current:
        terminal.nothing(host.name, f"{target.id} is in force")
        return
    _refuse(host, history, target, run.accepted_oneway)
    terminal.step(host.name, history, target)
    if options().dry:
        RUN.ends_with(Exit.PENDING)
        return
    now = history.kept.get(history.current or "")
    plugins.operation("rollback", "take_back")(
        switch=Switch(target.id, min(settings.activation_max, 10 + target.patience), 0, "rollback"),
        who=who(run),
        keep=settings.generations_kept,
        notes=barriers.set_aside(now.versions if now else {}, target.versions, plugins.barriers()),
    )


def _refuse(host: Host, history: History, target: Kept, accepted_oneway: frozenset[str]) -> None:
    """Raise Refusal when the data that lies there could not be read any more."""
    now = history.kept.get(history.current or "")
    if now is None:
        return
    today = time.strftime("%Y-%m-%d", time.gmtime(history.now))
    problems = barriers.findings(now.versions, target.versions, plugins.barriers(), accepted_oneway)
    problems += barriers.periods(now.periods, target.periods, today) if "loki" in target.versions else []
    if problems:
        raise combined([f"{host.name}: {problem}" for problem in problems])
