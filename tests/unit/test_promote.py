"""What a release is, what staging must say of it, and what is refused otherwise."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lgtm.checklist import promote
from lgtm.load import release
from lgtm.model.errors import Refusal
from lgtm.model.settings import SiteSettings

HOST = {"name": "s1", "in_force": True, "plan": [], "checks": [], "well_since": 100, "now": 4000}
REPORT = {"release": "r1", "hosts": [HOST]}


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A small repository with an engine of its own, committed."""
    monkeypatch.setattr(release, "ENGINE", tmp_path / "lgtm")
    for name in ("lgtm/a.py", "tasks/b.py", "templates/b/b.yml", "group_data/all.py", "group_data/prod.py", "deploy.py",
                 "artifacts.lock", "inventories/prod.py", "docs/a.md"):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text("1\n")
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "one"]):
        subprocess.run(["git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", *command], check=True)
    release.identity.cache_clear()
    yield tmp_path
    release.identity.cache_clear()


@pytest.mark.parametrize(
    "path", ["lgtm/a.py", "tasks/b.py", "templates/b/b.yml", "group_data/all.py", "artifacts.lock"]
)
def test_a_release_is_its_code_templates_shared_settings_and_pins(tree: Path, path: str) -> None:
    before = release.identity(tree)
    (tree / path).write_text("2\n")
    release.identity.cache_clear()
    assert release.identity(tree) != before


@pytest.mark.parametrize("path", ["group_data/prod.py", "inventories/prod.py", "docs/a.md", ".env.prod"])
def test_an_environments_own_settings_and_secrets_are_not_part_of_it(tree: Path, path: str) -> None:
    before = release.identity(tree)
    (tree / path).write_text("2\n")
    release.identity.cache_clear()
    assert release.identity(tree) == before


def test_a_tree_with_changes_cannot_be_named(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert release.uncommitted(tree) == ""
    (tree / "tasks" / "b.py").write_text("2\n")
    assert release.uncommitted(tree) == "not committed: tasks/b.py"
    assert release.uncommitted(tmp_path_factory.mktemp("bare")).startswith("this is no git working tree")


def test_a_release_that_runs_well_on_staging_for_long_enough_is_taken() -> None:
    assert promote.judge(REPORT, "", "r1", "staging", 3600) == []


@pytest.mark.parametrize(
    ("host", "said"),
    [
        (
            {"in_force": False, "plan": ["file   a: changed"]},
            "staging, s1: this release does not run there (file a: changed); deploy it to staging first",
        ),
        (
            {"checks": [{"verdict": "failed", "title": "Mimir is ready", "found": "HTTP 503"}]},
            "staging, s1: checks fail there: Mimir is ready: HTTP 503",
        ),
        ({"well_since": 3900}, "staging, s1: healthy for 100 s, promote_soak is 3600 s; run again in 3500 s"),
        ({"well_since": None}, "staging, s1: healthy for 0 s, promote_soak is 3600 s; run again in 3600 s"),
    ],
)
def test_a_release_that_staging_has_not_proved_is_refused(host: dict[str, Any], said: str) -> None:
    assert promote.judge({**REPORT, "hosts": [HOST | host]}, "", "r1", "staging", 3600) == [said]


def test_a_warning_on_staging_stops_nothing() -> None:
    warned = HOST | {"checks": [{"verdict": "warning", "title": "Redis", "found": "down"}]}
    assert promote.judge({**REPORT, "hosts": [warned]}, "", "r1", "staging", 3600) == []


def test_a_staging_that_does_not_answer_is_a_refusal() -> None:
    [said] = promote.judge({}, "[s1] x\ns1: cannot connect", "r1", "staging", 0)
    assert said == "staging could not be verified: s1: cannot connect"
    [other] = promote.judge({**REPORT, "release": "r2"}, "", "r1", "staging", 0)
    assert other == "staging was verified with release r2, but this is r1; run again"


def settings(**data: Any) -> SiteSettings:
    return SiteSettings(environment="prod", **data)


def test_a_site_with_one_environment_asks_nobody(tmp_path: Path) -> None:
    promote.require(tmp_path, "inventories/prod.py", settings(), False, "")


def test_force_is_asked_for_twice(tmp_path: Path) -> None:
    demanding = settings(promote_from="staging")
    with pytest.raises(Refusal, match="confirm it with --data confirm=prod"):
        promote.require(tmp_path, "inventories/prod.py", demanding, True, "")
    promote.require(tmp_path, "inventories/prod.py", demanding, True, "prod")


def test_uncommitted_changes_are_refused_before_staging_is_asked(tree: Path) -> None:
    (tree / "tasks" / "b.py").write_text("2\n")
    with pytest.raises(Refusal, match=r"^not committed: tasks/b.py: only a commit can be promoted"):
        promote.require(tree, "inventories/prod.py", settings(promote_from="staging"), False, "")
