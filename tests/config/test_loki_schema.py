"""Loki's schema is append-only: in the settings, before a switch, and at every start."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from lokis import loki
from sites import file, parsed, stage

from lgtm.model.errors import Refusal

FIRST = {"start": "2025-01-01"}
LINE = "2025-01-01 tsdb v13 24h filesystem index_"
TODAY, TOMORROW, LATER = "2026-11-24", "2026-11-25", "2027-03-01"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"loki_schema_periods": []}, "must begin with the period of 2025-01-01"),
        ({"loki_schema_periods": [{"start": "2025-02-01"}]}, "must begin with the period of 2025-01-01"),
        ({"loki_schema_periods": [FIRST, FIRST]}, "2025-01-01 comes after 2025-01-01"),
        ({"loki_schema_periods": [FIRST, {"start": "2027-01-01"}, {"start": "2026-12-01"}]}, "in order of start"),
        ({"loki_schema_periods": [FIRST, {"start": "2027-02-30"}]}, "must be a day such as"),
        ({"loki_schema_periods": [FIRST, {"start": "20270201"}]}, "must be a day such as"),
        ({"loki_schema_periods": [FIRST | {"version": "v12"}]}, "version"),
        ({"loki_schema_periods": [FIRST | {"store": "boltdb-shipper"}]}, "store"),
        ({"loki_schema_periods": [FIRST | {"index": "24h"}]}, "index"),
        ({"loki_retention": "12h"}, "must be a day or longer"),
    ],
)
def test_settings_that_loki_could_not_live_with_are_refused(data: dict[str, Any], said: str) -> None:
    with pytest.raises(Refusal, match=said):
        loki(**data)


def test_every_period_is_in_both_files() -> None:
    found = loki(loki_schema_periods=[FIRST, {"start": "2027-03-01"}])
    lines = file(found, "schema").splitlines()
    assert lines == [LINE, LINE.replace("2025-01-01", "2027-03-01")]
    periods = parsed(found, "loki.yml")["schema_config"]["configs"]
    told = [
        (one["from"], one["store"], one["schema"], one["index"]["period"], one["object_store"], one["index"]["prefix"])
        for one in periods
    ]
    assert [" ".join(one) for one in told] == lines


class Guard:
    """`schema.sh` on a host of its own, on a day of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        self.data.mkdir()
        (folder / "bin").mkdir()
        (folder / "bin" / "date").touch(0o755)
        self.script = stage(loki(), folder / "etc") / "schema.sh"
        self.day(TODAY)

    def day(self, day: str) -> None:
        (self.folder / "bin" / "date").write_text(f'#!/bin/sh\n[ "$*" = "-u +%Y-%m-%d" ] && echo {day}\n')

    def run(self, action: str, *starts: str, **edits: str) -> str:
        """Ask for these periods; what it says against them, or nothing."""
        lines = [LINE.replace("2025-01-01", start) for start in starts]
        text = "".join(f"{line}\n" for line in lines)
        for old, new in edits.items():
            text = text.replace(old, new)
        (self.folder / "new").write_text(text)
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        words = ["/bin/sh", str(self.script), action, str(self.folder / "new"), str(self.data / "schema")]
        run = subprocess.run(words, capture_output=True, text=True, timeout=20, env={"PATH": path})
        assert (run.returncode == 0) is (run.stderr == ""), run
        return run.stderr

    @property
    def record(self) -> list[str]:
        return [line.split()[0] for line in (self.data / "schema").read_text().splitlines()]


@pytest.fixture
def guard(tmp_path: Path) -> Guard:
    return Guard(tmp_path)


def test_anything_goes_on_a_fresh_host(guard: Guard) -> None:
    assert guard.run("check", "2025-01-01", TODAY, v13="v14") == ""
    assert not (guard.data / "schema").exists()  # asking changes nothing


def test_a_period_may_be_added_in_the_future_only(guard: Guard) -> None:
    assert guard.run("record", "2025-01-01") == ""
    assert guard.run("check", "2025-01-01", TOMORROW) == ""
    for day in (TODAY, "2026-01-01"):
        assert f"the period of {day} is new" in guard.run("check", "2025-01-01", day)
    assert f"after today, {TODAY} (UTC)" in guard.run("check", "2025-01-01", TODAY)


def test_a_period_that_has_begun_is_neither_edited_nor_removed(guard: Guard) -> None:
    assert guard.run("record", "2025-01-01", LATER) == ""
    guard.day(LATER)
    assert guard.run("check", "2025-01-01", LATER) == ""
    assert f"the period of {LATER} is gone" in guard.run("check", "2025-01-01")
    said = guard.run("check", "2025-01-01", LATER, v13="v14")
    assert "the period of 2025-01-01 is now 'tsdb v14" in said
    assert "leave it as it was" in said


def test_a_period_that_has_not_begun_may_still_change(guard: Guard) -> None:
    """Nothing is written with it; and a deploy that was taken back leaves it in the record."""
    assert guard.run("record", "2025-01-01", LATER) == ""
    assert guard.run("record", "2025-01-01") == ""
    assert guard.record == ["2025-01-01"]
    guard.day(LATER)
    assert "is new" in guard.run("record", "2025-01-01", LATER)
    assert guard.record == ["2025-01-01"]


def test_each_start_notes_what_is_in_force(guard: Guard) -> None:
    assert guard.run("record", "2025-01-01") == ""
    assert guard.run("record", "2025-01-01", TOMORROW) == ""
    guard.day(LATER)
    assert guard.run("record", "2025-01-01", TOMORROW) == ""
    assert guard.record == ["2025-01-01", TOMORROW]
    assert sorted(path.name for path in guard.data.iterdir()) == ["schema"]


def test_logs_without_a_record_are_not_written_to(guard: Guard) -> None:
    (guard.data / "chunks").mkdir()
    assert guard.run("check", "2025-01-01") == ""
    (guard.data / "chunks" / "fake").mkdir()
    for action in ("check", "record"):
        assert "which says how they were written, is gone; restore it" in guard.run(action, "2025-01-01")


def test_the_guard_runs_before_the_switch_and_at_every_start() -> None:
    found = loki()
    words = ("{etc}/schema", "/data/loki/schema")
    assert [one.command for one in found.validators][1] == ("/bin/sh", "{etc}/schema.sh", "check", *words)
    now = "/opt/lgtm/current/etc/loki"
    assert found.unit.before == (("/bin/sh", f"{now}/schema.sh", "record", f"{now}/schema", "/data/loki/schema"),)
