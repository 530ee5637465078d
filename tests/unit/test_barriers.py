"""Steps that cannot be taken back: which are refused, which need a word, and which are free."""

from __future__ import annotations

import pytest

from lgtm.load.plugins import barriers
from lgtm.model.barriers import Barrier, crossed, findings, number, periods, set_aside

OURS = barriers()


def step(service: str, old: str, new: str, oneway: tuple[str, ...] = ()) -> list[str]:
    return findings({service: old}, {service: new}, OURS, oneway)


@pytest.mark.parametrize(
    ("service", "old", "new"),
    [
        ("prometheus", "3.13.3", "2.54.1"),
        ("tempo", "3.0.3", "2.6.1"),
        ("tempo", "2.5.0", "1.5.0"),
        ("alertmanager", "0.33.0", "0.32.1"),
    ],
)
def test_data_that_went_forward_does_not_come_back(service: str, old: str, new: str) -> None:
    [sentence] = step(service, old, new, oneway=(service,))
    assert sentence.startswith(f"{service} {old} → {new}: ")
    assert sentence.endswith("so this version cannot read the data; deploy a newer one, or restore a backup")


@pytest.mark.parametrize(
    ("service", "old", "new"),
    [("tempo", "2.6.1", "3.0.3"), ("prometheus", "2.53.0", "3.13.3"), ("alertmanager", "0.32.1", "0.33.0")],
)
def test_a_step_without_a_way_back_needs_a_word(service: str, old: str, new: str) -> None:
    [sentence] = step(service, old, new)
    assert f"accept it with --data oneway={service}" in sentence
    assert step(service, old, new, oneway=(service,)) == []
    assert crossed({service: old}, {service: new}, OURS) == {service}


@pytest.mark.parametrize(
    ("service", "old", "new"),
    [
        ("prometheus", "3.13.3", "3.5.3"),
        ("prometheus", "3.13.3", "2.55.1"),
        ("prometheus", "2.55.1", "3.13.3"),
        ("alertmanager", "0.33.1", "0.32.1"),
        ("alertmanager", "0.33.0", "0.33.1"),
        ("tempo", "3.0.3", "3.0.1"),
        ("mimir", "3.0.2", "2.11.0"),
        ("mimir", "3.1.2", "3.2.1"),
        ("grafana", "11.6.16", "12.4.2"),
        ("loki", "3.7.8", "3.4.2"),
    ],
)
def test_other_steps_are_free_both_ways(service: str, old: str, new: str) -> None:
    assert step(service, old, new) == []
    assert crossed({service: old}, {service: new}, OURS) == set()


def test_a_version_that_must_be_gone_through_is_named() -> None:
    [sentence] = step("mimir", "3.0.2", "3.2.1", oneway=("mimir",))
    assert sentence.endswith("deploy 3.1 first")


def test_a_service_that_comes_or_goes_takes_no_step() -> None:
    assert findings({"tempo": "2.6.1"}, {"loki": "3.7.8"}, OURS) == []


def test_what_a_start_saves_and_puts_back_is_no_barrier() -> None:
    assert findings({"a": "1"}, {"a": "2"}, [Barrier("a", "2", "why", saved=True)]) == []


@pytest.mark.parametrize(
    ("version", "parts"),
    [("2.11.0+standin", (2, 11, 0)), ("v3.0", (3, 0, 0)), ("11.6.14+security-01", (11, 6, 14)), ("?", (0, 0, 0))],
)
def test_a_version_is_its_numbers(version: str, parts: tuple[int, ...]) -> None:
    assert number(version) == parts


def test_a_schema_period_that_has_begun_is_not_left() -> None:
    first, second = "2025-01-01 tsdb v13", "2027-01-01 tsdb v14"
    assert periods([first, second], [first], "2026-12-31") == []
    [sentence] = periods([first, second], [first], "2027-01-01")
    assert sentence.startswith("loki: logs are written with the schema period of 2027-01-01 (tsdb v14)")
    assert periods([first], [first, second], "2030-01-01") == []


def test_a_way_back_that_sets_aside_what_people_made_needs_a_word_and_says_where_it_is() -> None:
    [sentence] = step("grafana", "12.4.2", "11.6.16")
    assert sentence == (
        "grafana 12.4.2 → 11.6.16: its database is the one that this older version left; what people made since is set "
        "aside; accept it with --data oneway=grafana"
    )
    assert step("grafana", "12.4.2", "11.6.16", oneway=("grafana",)) == []
    assert crossed({"grafana": "11.6.16"}, {"grafana": "12.4.2"}, OURS) == set()  # a switch that fails takes it back
    [said] = set_aside({"grafana": "12.4.2"}, {"grafana": "11.6.16"}, OURS)
    assert "grafana 11.6.16 continues with its earlier data" in said and "/data/grafana/backup/12.4.2.db" in said
    assert set_aside({"grafana": "11.6.16"}, {"grafana": "12.4.2"}, OURS) == []
    assert set_aside({}, {"grafana": "12.4.2"}, OURS) == set_aside({"tempo": "2.6.1"}, {"tempo": "2.5.0"}, OURS) == []
