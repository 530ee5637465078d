"""preflight.py: checks a host before a deploy, and changes nothing."""

from __future__ import annotations

from pyinfra.api.host import Host

from lgtm.checklist import comparison, network_preflight
from lgtm.model.errors import Exit, combined
from lgtm.model.run import RUN
from lgtm.report import terminal
from lgtm.runs import start


def preflight(host: Host) -> None:
    """Check one host and print the results; whatever would refuse a deploy ends this run with the same exit code."""
    site, run = start.begin(host)
    view = comparison.read_view(host, site, run.removable)
    results = network_preflight.results(host, view, comparison.make_plan(view))
    RUN.record.host(host.name).add_checks(results)
    terminal.checks(results)
    if steps := comparison.refused_steps(view, run.accepted_oneway):
        raise combined(steps)
    if any(result.verdict == "failed" for result in results):
        RUN.ends_with(Exit.REFUSED)
