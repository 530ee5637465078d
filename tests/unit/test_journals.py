"""Lines of level warning and above are found in every format a service logs in; none is excused without a reason."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import pytest

from tests import journals
from tests.journals import Row, kinds, severe, table, unexplained

ROWS = [Row("alpha", "no udev in …, it is a container", "as it says"), Row("any", "a known line", "known")]


def entry(text: Any, unit: str = "lgtm-alpha.service", **fields: str) -> dict[str, Any]:
    return {"MESSAGE": text, "_SYSTEMD_UNIT": unit, "PRIORITY": "6"} | fields


@pytest.mark.parametrize(
    "text",
    [
        'time=2026-11-30T17:57:25.135Z level=ERROR source=tracing.go:64 msg="x"',
        "ts=2026-11-30T17:57:25Z caller=main.go level=warn msg=slow",
        'logger=plugins t=2026-11-30 level=error msg="no folder"',
        "t=2026 lvl=eror msg=old",
        '{"ts":"2026","level": "warning","msg":"x"}',
        "panic: operation not permitted",
        "E1130 17:57:25.135000       1 reflector.go:158] failed",
    ],
)
def test_a_warning_or_an_error_is_found_in_every_format(text: str) -> None:
    assert severe([entry(text)]) == [("alpha", text)]


@pytest.mark.parametrize("text", ["level=info msg=hello", '{"level":"debug"}', "errors=0 level=INFO", "E1130: a plan"])
def test_a_line_of_a_lower_level_is_none(text: str) -> None:
    assert severe([entry(text)]) == []


def test_systemds_own_words_count_and_belong_to_the_unit_they_are_about() -> None:
    said = entry("Main process exited", "init.scope", UNIT="lgtm-beta.service", PRIORITY="4")
    assert severe([said]) == [("beta", "Main process exited")]


def test_a_line_that_is_no_text_is_read_all_the_same() -> None:
    assert severe([entry(list(b"level=error \xff"))]) == [("alpha", "level=error \ufffd")]


def test_only_what_the_table_has_for_that_service_is_explained() -> None:
    known, other = "level=warn no udev in /run, it is a container", "level=warn something else"
    assert unexplained([("alpha", known), ("beta", "a known line")], ROWS) == []
    assert unexplained([("beta", known), ("alpha", other)], ROWS) == [("beta", known), ("alpha", other)]


def test_times_and_numbers_make_no_other_kind() -> None:
    lines = [("alpha", f"t=2026-11-30T17:57:2{n}.1Z try {n} after {n}ms") for n in range(3)]
    assert list(kinds(lines).values()) == [3]


def test_the_page_has_a_reason_for_every_row() -> None:
    rows = table(journals.PAGE.read_text())
    assert rows and all(len(row.reason) > 20 and len(row.words) > 10 for row in rows)
    assert len(rows) == sum(line.startswith("| ") for line in journals.PAGE.read_text().splitlines()) - 1


@pytest.mark.parametrize(("text", "code"), [("level=info fine", 0), ("level=error unheard of", 1)])
def test_it_fails_for_a_line_that_is_not_in_the_table(
    text: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(entry(text)) + "\n"))
    assert journals.main() == code
    assert ("✗ alpha: level=error unheard of" in capsys.readouterr().out) == bool(code)
