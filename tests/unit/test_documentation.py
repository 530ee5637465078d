"""docs/checklist.md names every check and no other, and docs/configuration.md describes every setting."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest
from examples import build, full
from sites import make_site

from lgtm.checklist.preflight import CHECKS
from lgtm.checklist.service_checks import checks
from lgtm.load.inventory import RunSettings
from lgtm.load.plugins import problems, tasks
from lgtm.model.plan import Plan
from lgtm.model.settings import Bytes, Duration, Settings, SiteSettings, descriptions, env_keys
from lgtm.tools import reference

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "checklist.md").read_text()
UNITS = (
    r"seconds|bytes|megabytes|cores|days|share|factor|percentile|requests|starts|samples|series|streams|lines|traces|"
    r"exemplars|hosts|generations|port"
)
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
    assert "| `GRAFANA_ADMIN_PASSWORD` | needed | Secret. Password of Grafana's administrator, " in page
    assert "An entry of `prometheus_extra_targets` has:" in page


def undescribed(model: type[Settings]) -> list[str]:
    """The fields whose description is missing, is no sentence, or does not name the unit of a number."""
    found = descriptions(model)
    numbers = {
        name for name, field in model.model_fields.items() if re.search(r"\b(int|float)\b", repr(field.annotation))
    }
    return [
        name
        for name in model.model_fields
        if not re.fullmatch(r"[A-Z`].*\.", found.get(name, ""))
        or (name in numbers and not re.search(rf"\b({UNITS})\b", found[name], flags=re.IGNORECASE))
    ]


MODELS = [SiteSettings, RunSettings, *(task.settings for task in tasks().values())]
ENTRIES = [entry for model in MODELS for entry in reference.entries(model).values()]


@pytest.mark.parametrize("model", [*MODELS, *ENTRIES], ids=lambda model: model.__name__)
def test_every_setting_has_a_description_and_every_number_a_unit(model: type[Settings]) -> None:
    assert undescribed(model) == []


def test_a_setting_without_a_description_or_without_a_unit_is_found() -> None:
    class Parent(Settings):
        inherited: Duration = "1h"
        """How long."""
        silent: str = ""

    class Child(Parent):
        inherited: Duration = "2h"
        wait: int = 5
        """Maximum wait."""
        size: Bytes = 5
        """Maximum size in bytes."""
        half: str = ""
        """no sentence"""

    assert undescribed(Child) == ["silent", "wait", "half"]
    assert descriptions(Child)["inherited"] == "How long."
