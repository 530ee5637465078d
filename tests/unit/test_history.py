"""Where one can go back to: what the lines of history.sh mean, and which generation that comes to."""

from __future__ import annotations

import pytest

from lgtm.model.errors import LgtmError, Refusal
from lgtm.model.history import History, parse

RECORDED = """\
now|1700000600
current|g3
good|g1
good|g2
good|g3
generation|g1|1700000000
service|g1|mimir|2.11.0|mimir-2.11.0-aa|60
service|g1|loki|3.4.2|loki-3.4.2-bb|30
schema|g1|2025-01-01 tsdb v13 24h filesystem index_
generation|g2|1700000100
service|g2|mimir|2.17.4|mimir-2.17.4-cc|60
generation|g3|1700000200
generation|g4|1700000300
artifact|mimir-2.11.0-aa
artifact|loki-3.4.2-bb
artifact|mimir-2.17.4-cc
log|{"time":1700000100,"who":"anna@one","action":"deploy","from":"g1","to":"g2","outcome":"committed"}
log|{"time":1700000200,"who":"bert@two a \\"fix\\"","action":"deploy","from":"g2","to":"g3","outcome":"committed"}
log|{"time":1700000300,"who":"carl@three","action":"revert","from":"g4","to":"g3","outcome":"activation failed"}
used|1000|2000
""".replace("|", "\t")


@pytest.fixture
def history() -> History:
    return parse(RECORDED)


def changed(old: str, new: str) -> History:
    assert old in RECORDED
    return parse(RECORDED.replace(old, new))


def test_a_generation_is_what_it_runs(history: History) -> None:
    first = history.kept["g1"]
    assert first.versions == {"mimir": "2.11.0", "loki": "3.4.2"}
    assert first.periods == ("2025-01-01 tsdb v13 24h filesystem index_",)
    assert (first.made, first.patience, history.used, history.free) == (1700000000, 90, 1000, 2000)


def test_the_last_good_one_is_gone_back_to(history: History) -> None:
    assert history.target("").id == "g2"


def test_after_a_failed_first_try_the_last_good_one_is_the_one_before() -> None:
    assert changed("current\tg3", "current\tg4").target("").id == "g3"


def test_any_generation_can_be_named(history: History) -> None:
    assert history.target("g1").id == "g1" and history.target("g4").id == "g4"


def test_one_that_is_not_there_is_refused_with_those_that_are(history: History) -> None:
    with pytest.raises(Refusal, match="to=g9 is not a generation on this host; it has g1, g2, g3, g4"):
        history.target("g9")


def test_without_a_good_one_there_is_no_way_back() -> None:
    with pytest.raises(Refusal, match="there is no earlier good generation"):
        changed("good\tg1\ngood\tg2\n", "").target("")


def test_one_whose_artifact_is_gone_is_refused() -> None:
    with pytest.raises(Refusal, match=r"g2 needs mimir-2\.17\.4-cc, which is missing or damaged"):
        changed("artifact\tmimir-2.17.4-cc\n", "").target("")


def test_while_a_switch_is_under_way_nobody_goes_back() -> None:
    with pytest.raises(Refusal, match="a switch is under way"):
        changed("good\tg1", "pending\tg3 g4 0 boot deploy - anna\ngood\tg1").target("")


def test_of_each_is_told_who_made_it_and_what_came_of_it(history: History) -> None:
    assert history.outcome("g3") == ('bert@two a "fix"', "in force")
    assert history.outcome("g2") == ("anna@one", "good")
    assert history.outcome("g4") == ("carl@three", "left: activation failed")
    assert history.outcome("g9") == ("?", "never in force")


def test_output_of_something_else_is_refused() -> None:
    with pytest.raises(LgtmError, match="could not be read; the output was: 'sh: no'"):
        parse("sh: no")
