"""The checklist's page names every item there is, and no other."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest
from examples import build, full
from sites import make_site

from lgtm.checklist.preflight import CHECKS
from lgtm.checklist.service_checks import checks
from lgtm.load.plugins import problems, tasks
from lgtm.model.plan import Plan
from lgtm.model.settings import env_keys
from lgtm.tools import reference

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "checklist.md").read_text()
NAMED = set(re.findall(r"^\| ([a-z_*]+\.[a-z_*.]+) \|", PAGE, flags=re.MULTILINE))


def every() -> set[str]:
    """The id of every check that some site can have."""
    sites = [make_site(), make_site(prometheus_rules_in_mimir=True)]
    plan = Plan("one", build(full()), "f")
    found = {check.id for check in (*CHECKS, *checks([full()], plan))} | {"any.memory", "any.download"}
    for site in sites:
        for name, settings in site.here.services.items():
            found |= {
                check.id for check in (*tasks()[name].checks(settings, site), *tasks()[name].drills(settings, site))
            }
    return found


def test_the_checklists_page_names_every_item() -> None:
    assert [id for id in sorted(every()) if not any(fnmatch(id, pattern) for pattern in NAMED)] == []


def test_it_names_nothing_else() -> None:
    unknown = [pattern for pattern in sorted(NAMED) if not any(fnmatch(id, pattern) for id in every())]
    assert set(unknown) <= {"alertmanager.webhook", "alertmanager.heartbeat_name"}  # where somebody waits for one


@pytest.mark.parametrize("problem", problems(), ids=lambda problem: problem.id)
def test_every_problem_is_documented_and_looks_at_checks_that_exist(problem: object) -> None:
    assert f"| {problem.id} |" in PAGE  # type: ignore[attr-defined]
    generic = {f"{name}.{what}" for name in tasks() for what in ("active", "sockets", "owners", "memory")}
    known = every() | generic
    for pattern in problem.order:  # type: ignore[attr-defined]
        assert any(fnmatch(id, pattern) for id in known), pattern


def test_the_page_of_settings_is_what_they_are() -> None:
    assert (ROOT / reference.PAGE).read_text() == reference.page(), "stale: run `python -m lgtm.tools.reference`"


def test_every_setting_is_on_it() -> None:
    page = reference.page()
    for name, task in tasks().items():
        for field in task.settings.model_fields.keys() - env_keys(task.settings).keys():
            assert f"| `{name}_{field}` |" in page
    assert "| `GRAFANA_ADMIN_PASSWORD` | needed | secret |" in page
