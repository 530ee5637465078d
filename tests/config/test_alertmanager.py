"""Alertmanager's rendered configuration."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sites import component, file, make_site, parsed, stage, validate

from lgtm.checks import Answer, Bad
from lgtm.plugins import tasks


def test_every_alert_goes_to_a_receiver_that_exists() -> None:
    found = parsed(component(make_site(), "alertmanager"), "alertmanager.yml")
    assert found["route"]["receiver"] in {one["name"] for one in found["receivers"]}


def test_it_does_not_gossip() -> None:
    assert "--cluster.listen-address=" in component(make_site(), "alertmanager").unit.command


def test_a_route_is_a_reload() -> None:
    before, after = (component(make_site(alertmanager_group_wait=wait), "alertmanager") for wait in ("30s", "1m"))
    assert before.unit == after.unit
    assert [one.on_change for one in set(after.files) - set(before.files)] == ["reload"]


def test_amtool_accepts_it(artifact: Callable[[str], Path], tmp_path: Path) -> None:
    found = component(make_site(), "alertmanager")
    [run] = validate(found, artifact("alertmanager"), stage(found, tmp_path))
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(("right", "wrong"), [("group_wait", "group_weight"), ("- name: default", "- name: other")])
def test_amtool_refuses_it_broken(artifact: Callable[[str], Path], tmp_path: Path, right: str, wrong: str) -> None:
    found = component(make_site(), "alertmanager")
    etc = stage(found, tmp_path)
    (etc / "alertmanager.yml").write_text(file(found, "alertmanager.yml").replace(right, wrong))
    assert validate(found, artifact("alertmanager"), etc)[0].returncode == 1


def test_a_status_without_configuration_or_with_a_cluster_is_bad() -> None:
    site = make_site()
    judge = tasks()["alertmanager"].checks(site.here.services["alertmanager"], site)[1].judge
    good = {
        "config": {"original": "receivers:\n- name: default\n"},
        "cluster": {"status": "disabled"},
        "versionInfo": {"version": "0.34.1"},
    }
    assert judge(Answer(200, json.dumps(good))) == "version 0.34.1"
    for wrong in ({"config": {"original": ""}}, {"cluster": {"status": "ready"}}):
        with pytest.raises(Bad):
            judge(Answer(200, json.dumps(good | wrong)))
