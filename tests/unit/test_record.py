"""What a run leaves: JSON that says everything, and a page that a person can read without a network."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from examples import build, full

from lgtm.model.checks import Answer, Check, Plot, Result
from lgtm.model.errors import Usage
from lgtm.model.record import Record
from lgtm.report.html import points, scaled
from lgtm.report.record import leave, write

NOTHING: Any = {"url": "", "judge": lambda answer: ""}


def result(verdict: str, found: str = "it said") -> Result:
    check = Check(id=f"alpha.{verdict}", title=f"Alpha is {verdict}", remedy="turn it off and on", **NOTHING)
    if verdict == "warning":
        check = Check(id="alpha.warning", title="The world is well", remedy="wait", gate="world", **NOTHING)
    return Result("web1", "alpha", check, verdict in ("ok", "unproved"), found, stand_in=verdict == "unproved")


@pytest.fixture
def record() -> Record:
    found = Record(script="verify.py", inventory="inventories/prod.py", environment="prod", release="r1")
    host = found.host("web1")
    host.set_generation(build(full()))
    host.add_checks([result("ok"), result("failed", "<b>refused</b>"), result("warning"), result("unproved")])
    host.history = [
        {"time": 1_700_000_000, "action": "deploy", "from": "-", "to": "g1", "outcome": "ok", "who": "anna"}
    ]
    found.plots = [{"title": "Samples", "unit": "/s", "host": "web1", "top": 20.0, "values": [(0, 10), (60, 20)]}]
    found.steps = [{"name": "Staging: deploy", "hosts": ["s1"], "outcome": "succeeded", "seconds": 3.2, "well": True}]
    found.sentences = ["web1: it went wrong"]
    return found


def test_the_json_says_everything(record: Record, tmp_path: Path) -> None:
    write(record, 1, str(tmp_path / "a.json"), "")
    found = json.loads((tmp_path / "a.json").read_text())
    [host] = found["hosts"]
    assert (found["exit"], found["release"], host["name"], host["versions"]) == (1, "r1", "web1", {"alpha": "1.0"})
    assert [check["verdict"] for check in host["checks"]] == ["ok", "failed", "warning", "unproved"]
    assert found["sentences"] == ["web1: it went wrong"] and not list(tmp_path.glob("*.html"))


def test_the_page_needs_no_network_and_shows_what_failed_first(record: Record, tmp_path: Path) -> None:
    write(record, 1, "", str(tmp_path / "a.html"))
    page = (tmp_path / "a.html").read_text()
    assert not re.search(r"https?://|<script|<link|@import|url\(", page)
    order = [page.index(f"alpha.{verdict}") for verdict in ("failed", "warning", "unproved", "ok")]
    assert order == sorted(order)
    assert page.startswith("<!doctype html>") and page.index("→ turn it off and on") < page.index("<h2>Hosts")
    assert "&lt;b&gt;refused&lt;/b&gt;" in page and "→ turn it off and on" in page
    assert "2023-11-14 22:13:20 UTC" in page and "<polyline" in page and "Staging: deploy" in page


def test_a_run_without_anything_is_a_page_too(tmp_path: Path) -> None:
    write(Record(), 64, "", str(tmp_path / "a.html"))
    assert "wrong usage" in (tmp_path / "a.html").read_text()


def test_a_plot_fills_its_frame_from_zero() -> None:
    assert points([(0, 0), (60, 50), (120, 100)], 100) == "0.0,118.0 280.0,60.0 560.0,2.0"
    assert points([], 0) == "" and points([(5, 0)], 0) == "0.0,118.0"
    assert (scaled(1234, "B"), scaled(0.5, "s"), scaled(2.5e9, "B")) == ("1.2 kB", "0.5 s", "2.5 GB")


def test_a_plot_is_one_series_or_none() -> None:
    plot = Plot("a", "s", "http://127.0.0.1/")
    body = {"status": "success", "data": {"result": [{"metric": {}, "values": [[1, "2"], [2, "3"]]}]}}
    assert plot.values(Answer(200, json.dumps(body))) == [(1.0, 2.0), (2.0, 3.0)]
    assert plot.values(Answer(0, "refused")) == []
    assert plot.values(Answer(200, '{"status": "success", "data": {"result": []}}')) == []


@pytest.mark.parametrize("path", ["no/such/folder/a.json", "."])
def test_a_report_that_cannot_be_written_is_said_before_anything_is_done(tmp_path: Path, path: str) -> None:
    with pytest.raises(Usage, match=r"^html=.* cannot be written; its folder must exist and be writable$"):
        leave("", str(tmp_path / path))
