"""Ask what can be known of a host before a deploy, and change nothing."""

from __future__ import annotations

from pyinfra.api.host import Host

from lgtm.checklist import comparison, network_preflight
from lgtm.model.errors import Exit, combined
from lgtm.model.run import RUN
from lgtm.report import terminal
from lgtm.runs import start


def preflight(host: Host) -> None:
    """Ask it of one host, and show it; whatever would refuse a deploy refuses here."""
    site, run = start.begin(host)
    view = comparison.viewed(host, site, run.removable)
    results = network_preflight.results(host, view, comparison.planned(view))
    RUN.record.host(host.name).checked(results)
    terminal.checks(results)
    if steps := comparison.refused_steps(view, run.accepted_oneway):
        raise combined(steps)
    if any(result.verdict == "failed" for result in results):
        RUN.ends_with(Exit.REFUSED)
