"""The stand-ins answer our queries as the real programs do, lose nothing when they are killed, and refuse the rest.

That they suffice for our checks is shown where all of them are deployed: tests/lab/test_whole_stack.py. The real
programs are asked the same queries in tests/config/test_loki_running.py and test_tempo.py.
"""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from lab.standins import common, loki, tempo
from lab.waiting import until

NOW = time.time_ns()
TRACE = "5b8efff798038103d269b633813fc60c"
LINES = [
    ({"service": "api", "level": "info"}, {"message": "ok", "status_code": 200, "duration_ms": 10, "provider": "one"}),
    ({"service": "api", "level": "error"}, {"message": "slow", "status_code": 503, "duration_ms": 1200}),
    ({"job": "journal", "host": "lab1", "unit": "a.service"}, "the disk is full"),
]
FIGURES = {  # query → values of its labels: lines
    'sum(count_over_time({job="journal"}[5m]))': {(): 1},
    'sum by (level) (rate({service=~".+", level!~"inf."}[5m]))': {("error",): 1},
    'topk(10, sum by (host, unit) (rate({job="journal", host=~".+"}[1m])))': {("lab1", "a.service"): 1},
    'sum by (status_code) (rate({service=~".+"} | json status_code="status_code" | status_code != "" [1m]))': {
        ("200",): 1, ("503",): 1,
    },
    'quantile_over_time(0.9, {service="api"} | json | provider != "" | unwrap duration_ms [1m]) by (provider)': {
        ("one",): 1,
    },
    'sum(count_over_time({job="nobody"}[5m]))': {},
}  # fmt: skip
SELECTED = {  # query → messages
    '{service="api"} | json status_code="status_code" | status_code >= 500': ["slow"],
    '{service="api"} |= "ok"': ["ok"],
    '{service="api"} != "ok" |~ `(?i)SL`': ["slow"],
    '{service="api"} | json | duration_ms > 5000': [],
    '{service="other"} |= "ok"': [],
}
SEARCHES = {
    "{}": True,
    '{ resource.service.name = "api" }': True,
    '{ resource.service.name !~ "api|other" }': False,
    '{ resource.service.name =~ ".+" && status = error && duration > 1s }': True,
    "{ duration > 5s }": False,
    "{ status = ok }": False,
    "{ span.ai.provider != nil } | select(span.ai.provider)": True,
    "{ span.ai.model != nil }": False,
}


def push(labels: dict[str, str], line: Any, at: int = NOW) -> dict[str, Any]:
    text = line if isinstance(line, str) else json.dumps(line)
    return {"streams": [{"stream": labels, "values": [[str(at), text]]}]}


@pytest.fixture
def lines(tmp_path: Path) -> loki.Store:
    store = loki.Store(tmp_path)
    for labels, line in LINES:
        store.push(push(labels, line))
    return store


@pytest.fixture
def spans(tmp_path: Path) -> tempo.Store:
    store = tempo.Store(tmp_path)
    store.add(span())
    return store


def span() -> Any:
    """A failed call of a service, of two seconds, in OTLP's JSON form."""
    written = {
        "traceId": TRACE, "spanId": TRACE[:16], "name": "call", "kind": 3, "status": {"code": 2},
        "startTimeUnixNano": str(NOW - 2 * 10**9), "endTimeUnixNano": str(NOW),
        "attributes": [{"key": "ai.provider", "value": {"stringValue": "one"}}],
    }  # fmt: skip
    service = {"attributes": [{"key": "service.name", "value": {"stringValue": "api"}}]}
    return {"resourceSpans": [{"resource": service, "scopeSpans": [{"spans": [written]}]}]}


@pytest.mark.parametrize("query", FIGURES)
def test_loki_counts_the_lines_that_a_query_selects(lines: loki.Store, query: str) -> None:
    found = loki.answer(lines, "query", {"query": query, "end": str(NOW)})["result"]
    assert {tuple(one["metric"].values()): int(one["value"][1]) for one in found} == FIGURES[query]
    given = {"query": query, "start": str(NOW - 60 * 10**9), "end": str(NOW + 10**9), "step": "61"}
    ranges = loki.answer(lines, "query_range", given)["result"]
    assert {tuple(one["metric"].values()): int(one["values"][-1][1]) for one in ranges} == FIGURES[query]


@pytest.mark.parametrize("query", SELECTED)
def test_loki_gives_back_the_lines_that_a_query_selects(lines: loki.Store, query: str) -> None:
    found = loki.answer(lines, "query_range", {"query": query})["result"]
    assert [json.loads(text)["message"] for one in found for _, text in one["values"]] == SELECTED[query]
    assert loki.answer(lines, "query_range", {"query": query, "end": "1767229200"})["result"] == []


@pytest.mark.parametrize(
    "query", ["", "1 + 1", "{}", '{a="b"} | pattern "<c>"', '{a~"b"}', '{a="b"} | line_format "c"']
)
def test_loki_refuses_a_query_that_it_does_not_read(lines: loki.Store, query: str) -> None:
    with pytest.raises(loki.QueryError, match="the stand-in"):
        loki.answer(lines, "query_range", {"query": query})


@pytest.mark.parametrize("query", SEARCHES)
def test_tempo_finds_the_traces_that_a_search_selects(spans: tempo.Store, query: str) -> None:
    found = [(one["traceID"], one["rootServiceName"]) for one in spans.search({"q": query})]
    assert found == ([(TRACE, "api")] if SEARCHES[query] else [])
    assert spans.search({"q": query, "end": "1767229200"}) == []


@pytest.mark.parametrize(
    "query", ["{bad}", '{name="a"', '{ name = "a" }', "{status=error || status=ok}", "{} | count() > 1"]
)
def test_tempo_refuses_a_search_that_it_does_not_read(spans: tempo.Store, query: str) -> None:
    with pytest.raises(ValueError, match="the stand-in"):
        spans.search({"q": query})


def test_what_was_taken_in_survives_a_kill_in_the_middle_of_a_write(tmp_path: Path) -> None:
    stores: list[Any] = [loki.Store(tmp_path / "loki"), tempo.Store(tmp_path / "tempo")]
    stores[0].push(push({"a": "b"}, "whole"))
    stores[1].add(span())
    for store in stores:
        store.journal.file.write('{"streams": [{"stream": {"a": "b"}, "va')
        store.journal.file.close()
    again = loki.Store(tmp_path / "loki")
    again.push(push({"a": "b"}, "after"))
    [stream] = loki.answer(loki.Store(tmp_path / "loki"), "query_range", {"query": '{a="b"}'})["result"]
    assert sorted(text for _, text in stream["values"]) == ["after", "whole"]
    assert [one["traceID"] for one in tempo.Store(tmp_path / "tempo").search({})] == [TRACE]


def test_a_runtime_file_that_breaks_leaves_the_last_good_one_in_force(tmp_path: Path) -> None:
    path = tmp_path / "runtime.yaml"
    path.write_text("overrides: {}\n")
    runtime = common.Runtime(common.Config("", {"runtime_config": {"file": str(path)}}))
    before = runtime.metrics("loki", "loki")
    path.write_text("overrides: [")
    assert until(lambda: not runtime.healthy, 10)
    failed = "loki_runtime_config_last_reload_successful"
    assert before[failed] == 1 and runtime.metrics("loki", "loki") == before | {failed: 0}
    path.write_text("overrides: {a: {}}\n")
    assert until(lambda: runtime.healthy, 10)
