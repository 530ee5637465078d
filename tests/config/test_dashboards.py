"""Dashboards: complete, readable, linked, and with valid queries only."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import dashboards
import grammars
import metrics
import pytest
from dashboardlint import faults
from dashboardlook import blemishes
from dashboards import EMPTY_WHEN_HEALTHY, EMPTY_WITH_STAND_IN, UIDS, Query, models, queries, queries_of
from querylanguages import Server, promtool, serving

from lgtm.model.errors import Refusal

WRONG = {
    "promql": ["sum(", "rate(up[5m]", "sum by (a (up)", "up{a=b}", "rate(up)", "label_values(up, env)"],
    "logql": [
        '{a="b"',
        '{a="b"} | jsn',
        'sum(rate({a="b"}))',
        'clamp_min(rate({a="b"}[5m]), 1)',
        "up",
        'rate({a="b"}[5])',
    ],
    "traceql": ["{", "{ status = eror }", "{ duration > }", 'name = "x"', '{ name = "x" } | selct(name)', "{ name 1 }"],
}


def of(language: str) -> list[Query]:
    return [query for query in queries() if query.language == language]


def executable(name: str) -> Path:
    found = Path(os.environ.get("LGTM_BINARIES", "/nonexistent")) / name
    if not found.exists():
        pytest.skip(f"no real {name}: set LGTM_BINARIES to a folder with the executable `{name}`")
    return found


@pytest.fixture(scope="module", params=["loki", "tempo"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(request.param, executable(request.param), tmp_path_factory.mktemp(request.param)) as running:
        yield running


LANGUAGE = {"loki": "logql", "tempo": "traceql"}


def test_there_are_six_and_each_is_named_by_its_uid() -> None:
    assert {name: model["uid"] for name, model in models().items()} == {uid: uid for uid in UIDS}
    assert all(uid.startswith("lgtm-") and len(uid) <= 40 for uid in UIDS)
    assert len({model["title"] for model in models().values()}) == len(UIDS)


@pytest.mark.parametrize("uid", UIDS)
def test_a_dashboard_has_no_fault(uid: str) -> None:
    assert faults(models()[uid]) == []
    assert blemishes(models()[uid]) == []


@pytest.mark.parametrize("uid", UIDS)
def test_a_file_is_legible(uid: str) -> None:
    text = (dashboards.FOLDER / f"{uid}.json").read_text()
    assert text.startswith('{\n  "id": null,\n') and text.endswith("\n}\n")
    assert len(text) < 1.3 * len(json.dumps(json.loads(text), indent=2, ensure_ascii=False))


def first(model: Any) -> Any:
    return dashboards.panels(model)[0]


BREAKS: list[tuple[str, Callable[[Any], Any], str]] = [
    ("exported", lambda m: m.update(__inputs=[]), "it is an export"),
    ("numbered", lambda m: m.update(id=7), "it is an export"),
    ("old", lambda m: m.update(schemaVersion=38), "schema version 38"),
    ("unlinked", lambda m: m.update(links=[]), "not linked"),
    ("untagged", lambda m: m.update(tags=["x"]), "not linked"),
    ("undescribed", lambda m: m.update(description=""), "no description"),
    ("no title", lambda m: first(m).pop("title"), "has no title"),
    ("no sentence", lambda m: first(m).update(description="Latency"), "no sentence"),
    ("no unit", lambda m: first(m)["fieldConfig"]["defaults"].pop("unit"), "no unit"),
    ("no thresholds", lambda m: first(m)["fieldConfig"]["defaults"].pop("thresholds"), "no thresholds"),
    ("other kind", lambda m: first(m).update(type="graph"), "graph is not one of"),
    ("same number", lambda m: first(m).update(id=dashboards.panels(m)[1]["id"]), "is there 2 times"),
    ("same title", lambda m: first(m).update(title=dashboards.panels(m)[1]["title"]), "is there 2 times"),
    ("too wide", lambda m: first(m)["gridPos"].update(w=25), "not within"),
    ("overlapping", lambda m: first(m)["gridPos"].update(w=9), "overlap"),
    ("unknown source", lambda m: first(m)["datasource"].update(uid="prometheus"), "no such data source"),
    ("wrong type", lambda m: first(m)["targets"][0]["datasource"].update(type="loki"), "no such data source"),
    ("source by name", lambda m: first(m).update(datasource="Prometheus"), "no such data source"),
    ("no target", lambda m: first(m).update(targets=[]), "no target"),
    ("hidden target", lambda m: first(m)["targets"][0].update(hide=True), "a hidden one"),
    ("same target", lambda m: first(m)["targets"][1].update(refId="A"), "two of one name"),
    ("foreign query", lambda m: first(m)["targets"][0].update(query="{ }"), "has its query in expr"),
    ("no query", lambda m: first(m)["targets"][0].update(expr=""), "has its query in expr"),
    ("long range", lambda m: first(m).update(timeFrom="7d"), "are not Mimir's"),
    ("no exemplars", lambda m: first(m)["targets"][0].pop("exemplar"), "without exemplars"),
    ("dead link", lambda m: first(m).update(links=[{"url": "/d/nowhere"}]), "nothing at /d/nowhere"),
    ("dead variable", lambda m: first(m).update(links=[{"url": "/d/lgtm-logs?var-env=x"}]), "nothing at /d/lgtm-logs"),
    (
        "dead variables",
        lambda m: first(m).update(links=[{"url": "/d/lgtm-logs?${env:queryparam}"}]),
        "nothing at /d/lgtm-logs",
    ),
]


@pytest.mark.parametrize(("change", "says"), [rest for _, *rest in BREAKS], ids=[name for name, *_ in BREAKS])
def test_a_fault_is_found(change: Callable[[Any], Any], says: str) -> None:
    model = deepcopy(models()["lgtm-golden-signals"])
    change(model)
    assert [sentence for sentence in faults(model) if says in sentence]


def named(title: str, change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A change of the panel with this title."""
    return lambda model: change(next(one for one in dashboards.panels(model) if one["title"] == title))


def defaults(panel: Any) -> Any:
    return panel["fieldConfig"]["defaults"]


def ask(text: str) -> Callable[[Any], Any]:
    return lambda panel: panel["targets"][0].update({"query" if "query" in panel["targets"][0] else "expr": text})


# What was seen in a browser, once: the dashboard, what makes it so again, and what is said of it.
SEEN: list[tuple[str, Callable[[Any], Any], str]] = [
    ("stack", lambda m: m["time"].update({"from": "now-6h"}), "it opens with now-6h"),
    ("traces", named("Spans, seven days", lambda p: defaults(p).pop("noValue")), "not say why it is empty"),
    (
        "traces",
        named("Spans, seven days", lambda p: defaults(p)["custom"].update(showPoints="never")),
        "first point is not seen",
    ),
    ("golden-signals", named("Latency against an hour ago", lambda p: defaults(p).pop("noValue")), "why it is empty"),
    ("stack", named("Targets down", lambda p: p["targets"][0].update(instant=False)), "asks a range"),
    ("gatewayz-overview", named("Requests", lambda p: defaults(p).pop("mappings")), "coloured like a value"),
    (
        "stack",
        named("Days of disk left", lambda p: defaults(p)["mappings"][0]["options"]["result"].update(color="red")),
        "coloured like a value",
    ),
    (
        "stack",
        named("Watchdog", lambda p: defaults(p)["mappings"][1]["options"]["result"].update(text="")),
        "coloured like a value",
    ),
    ("traces", named("Errors in the chosen time by span", lambda p: defaults(p).pop("mappings")), "like a value"),
    ("stack", named("Targets down", lambda p: p["gridPos"].update(w=3)), "the title is cut"),
    ("golden-signals", named("Latency p95, seven days", lambda p: p["gridPos"].update(w=5)), "the title is cut"),
    ("stack", named("Samples ingested, thirty days", lambda p: p.pop("hideTimeOverride")), "the title is cut"),
    ("traces", named("Errors in the chosen time by span", ask("topk(11, up)")), "not all its bars"),
    ("providers-models", named("Success", ask("sort(up)")), "not all its bars"),
    ("providers-models", named("Success", lambda p: p["gridPos"].update(h=4)), "not all its bars"),
    ("providers-models", named("Success", lambda p: p["options"].pop("maxVizHeight")), "not all its bars"),
    ("stack", named("Shards of remote write", ask("max by (remote_name) (up)")), "legend does not tell remote_name"),
    ("stack", named("Targets", lambda p: defaults(p)["custom"].pop("minWidth")), "last columns are not seen"),
    (
        "providers-models",
        named("Models compared", lambda p: p["fieldConfig"]["overrides"][1]["properties"].pop(2)),
        "not those of the thresholds",
    ),
    (
        "logs",
        named("Slow requests", lambda p: p["transformations"][0]["options"]["jsonPaths"][-1].update(alias="Trace")),
        "fields called Trace already",
    ),
    ("logs", named("Slow requests", lambda p: p["options"].pop("sortBy")), "the newest are not first"),
    ("logs", named("Errors by unit", lambda p: defaults(p)["custom"].update(drawStyle="line")), "single errors"),
    ("stack", named("Rules that fail", lambda p: p.pop("transformations")), "a path is its legend"),
    ("traces", named("Spans, seven days", ask("rate(traces_spanmetrics_calls_total[5m])")), "own services"),
    ("traces", named("Requests between services", ask("rate(traces_service_graph_request_total[5m])")), "own services"),
    ("traces", named("Slow traces", ask("{ duration > 1s }")), "own services"),
    ("traces", lambda m: m["templating"]["list"][0]["query"].update(query="label_values(traces_x, a)"), "own services"),
    ("logs", named("Lines of GatewayZ", ask('{service=~"$service"}')), "own services"),
    ("traces", named("Slow traces", lambda p: p.update(title="Latest traces")), "not every Tempo"),
]


@pytest.mark.parametrize(("uid", "change", "says"), SEEN, ids=[f"{uid}: {says}" for uid, _, says in SEEN])
def test_what_was_seen_once_is_found(uid: str, change: Callable[[Any], Any], says: str) -> None:
    model = deepcopy(models()[f"lgtm-{uid}"])
    change(model)
    assert [sentence for sentence in blemishes(model) if says in sentence]


def test_a_panel_that_may_well_be_empty_says_what_that_means() -> None:
    shown = {
        (uid, panel["title"]): defaults(panel) for uid, model in models().items() for panel in dashboards.panels(model)
    }
    may_be = [key for key in (EMPTY_WHEN_HEALTHY | EMPTY_WITH_STAND_IN) if key in shown]
    assert len(may_be) > 15
    assert [key for key in may_be if not (shown[key].get("noValue") or shown[key].get("mappings"))] == [
        ("lgtm-stack", "Requests by status")  # of Mimir, which always has some
    ]


def test_every_language_is_asked_and_no_variable_is_left() -> None:
    assert {query.language for query in queries()} == {"promql", "logql", "traceql"}
    assert {query.dashboard for query in queries()} == set(UIDS)
    assert not [str(query) for query in queries() if "$" in query.expression or not query.expression]


def test_a_variable_that_nobody_declares_is_refused() -> None:
    model = deepcopy(models()["lgtm-golden-signals"])
    model["templating"]["list"] = []
    with pytest.raises(Refusal, match="no variable env"):
        queries_of(model)


def test_a_data_source_that_is_none_of_ours_is_refused_with_its_panel() -> None:
    panel = {
        "type": "stat",
        "title": "Up",
        "targets": [{"datasource": {"uid": "P1", "type": "prometheus"}, "expr": "up"}],
    }
    with pytest.raises(
        Refusal, match=r"^dashboard lgtm-mine: Up: no data source has the uid P1; use one of grafana_loki,"
    ):
        queries_of({"uid": "lgtm-mine", "panels": [panel]})


def test_a_dashboard_needs_neither_variables_nor_annotations() -> None:
    source = {"uid": "grafana_mimir", "type": "prometheus"}
    panel = {"type": "stat", "title": "Up", "targets": [{"datasource": source, "expr": "up"}]}
    assert [query.expression for query in queries_of({"uid": "lgtm-mine", "panels": [panel]})] == ["up"]


def test_variables_are_filled_in_however_they_are_written() -> None:
    assert dashboards.substitute("$a ${a} ${a:regex} $ab", {"a": "1", "ab": "2"}) == "1 1 1 2"
    assert dashboards.selected('label_values(up{a="b"}, env)') == 'up{a="b"}'
    with pytest.raises(Refusal, match="not label_values"):
        dashboards.selected("query_result(up)")


def test_promtool_parses_every_promql(artifact: Callable[[str], Path], tmp_path: Path) -> None:
    found = [query.expression for query in of("promql")]
    assert promtool(artifact("prometheus") / "promtool", found, tmp_path) == ""


@pytest.mark.parametrize("expression", WRONG["promql"])
def test_promtool_refuses_what_is_no_promql(artifact: Callable[[str], Path], tmp_path: Path, expression: str) -> None:
    assert "number1" in promtool(artifact("prometheus") / "promtool", ["up", expression], tmp_path)


def test_the_real_service_parses_every_query(server: Server) -> None:
    found = of(LANGUAGE[server.name])
    assert found
    assert [fault for query in found if (fault := server.fault(query.expression))] == []


def test_the_real_service_refuses_what_is_none(server: Server) -> None:
    wrong = WRONG[LANGUAGE[server.name]]
    assert [expression for expression in wrong if server.fault(expression) is None] == []


def test_a_service_that_does_not_start_is_said(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError, match="loki does not answer"), serving("loki", Path("/bin/false"), tmp_path):
        pass


@pytest.mark.parametrize("language", ["logql", "traceql"])
def test_our_own_grammar_takes_every_query(language: str) -> None:
    assert [fault for query in of(language) if (fault := grammars.fault(language, query.expression))] == []


@pytest.mark.parametrize(
    ("language", "expression"), [(one, text) for one in ("logql", "traceql") for text in WRONG[one]]
)
def test_our_own_grammar_refuses_what_is_none(language: str, expression: str) -> None:
    assert grammars.fault(language, expression)


def test_every_metric_and_label_is_one_that_somebody_exposes() -> None:
    assert [f"{query}: {fault}" for query in of("promql") if (fault := metrics.fault(query.expression))] == []


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("rate(fastapi_request_total[5m])", "nobody exposes fastapi_request_total"),
        ("gatewayz:requests:rate1m", "nobody exposes gatewayz:requests:rate1m"),
        ('{job="mimir"}', "nobody exposes None"),
        ('fastapi_requests_total{status="500"}', "fastapi_requests_total has no label status"),
        ('gatewayz:requests:rate5m{provider="openai"}', "gatewayz:requests:rate5m has no label provider"),
        ("sum by (endpoint) (rate(fastapi_requests_total[5m]))", "nothing has the label endpoint"),
        ("sum by (provider) (gatewayz:model_errors:ratio5m)", "nothing has the label provider"),
    ],
)
def test_a_metric_or_a_label_that_is_none_is_refused(expression: str, says: str) -> None:
    assert says in str(metrics.fault(expression))


def test_no_promql_at_all_is_no_answer() -> None:
    for expression in WRONG["promql"]:
        with pytest.raises(ValueError):
            metrics.fault(expression)


def test_every_recording_rule_of_gatewayz_is_known_with_its_labels() -> None:
    found = metrics.recorded()
    assert found["gatewayz:requests_by_status:rate5m"] == {"env", "status_code"}
    assert all(labels for name, labels in found.items() if name.startswith("gatewayz:"))


def test_what_may_be_empty_is_there() -> None:
    there = {(query.dashboard, query.panel) for query in queries()}
    assert (EMPTY_WHEN_HEALTHY | EMPTY_WITH_STAND_IN).keys() <= there
    assert not EMPTY_WHEN_HEALTHY.keys() & EMPTY_WITH_STAND_IN.keys()
