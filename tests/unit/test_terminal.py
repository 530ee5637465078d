"""Output for people: on a terminal it fits the width and loses nothing; in a pipe each sentence is one line."""

from __future__ import annotations

import fcntl
import io
import pty
import re
import struct
import sys
import termios
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from examples import build, full
from test_diagnosis import PROBLEM
from test_history import RECORDED

from lgtm.model.checks import Check, Result
from lgtm.model.diagnosis import Finding
from lgtm.model.history import parse
from lgtm.model.plan import Change, Plan
from lgtm.model.words import counted, lasting, when
from lgtm.report import terminal

WIDTHS = pytest.mark.parametrize("columns", [60, 80, 120])
LONG = "http://127.0.0.1:9009/prometheus/api/v1/query?query=up%7Bjob%3D%22gatewayz_data_metrics_production%22%7D"
WANTED = build(full())


class Pipe:
    """Standard error where no terminal reads."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys, self.text = capsys, ""

    def getvalue(self) -> str:
        self.text += self.capsys.readouterr().err
        return self.text

    @property
    def lines(self) -> list[str]:
        return self.getvalue().splitlines()


class Stream(io.StringIO):
    """Standard error as a terminal: its size is that of a pseudo terminal, what is written is kept."""

    def __init__(self, terminal: int) -> None:
        super().__init__()
        self.terminal, self.pieces = terminal, 0

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.terminal

    def write(self, text: str) -> int:
        self.pieces += bool(text)
        return super().write(text)

    @property
    def text(self) -> str:
        return re.sub(r"\x1b\[[0-9;]*m", "", self.getvalue())

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.text.splitlines()]


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a usual terminal, whoever runs the tests."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "COLORTERM", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture
def pipe(capsys: pytest.CaptureFixture[str]) -> Pipe:
    return Pipe(capsys)


Sized = Callable[[int], Stream]


@pytest.fixture
def sized(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sized]:
    """A terminal with so many columns."""
    ours, theirs = pty.openpty()

    def made(columns: int) -> Stream:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        stream = Stream(theirs)
        monkeypatch.setattr(sys, "stderr", stream)
        return stream

    with open(ours, "rb"), open(theirs, "rb"):
        yield made


def result(verdict: str, title: str, found: str, before: bool = False) -> Result:
    gate = "world" if verdict == "warning" else "own"
    check = Check(
        id=f"alpha.{verdict}", title=title, url="", judge=lambda answer: "", remedy="journalctl -u lgtm-alpha -n 50",
        gate=gate,  # type: ignore[arg-type]  # one of the two above
    )  # fmt: skip
    ok = verdict in ("ok", "unproved")
    return Result("web1", "alpha", check, ok, found, before=before, stand_in=verdict == "unproved")


RESULTS = [
    result("ok", "alpha listens where it should, and nowhere else", "127.0.0.1:9009, 127.0.0.1:9095, 127.0.0.1:7946"),
    result("ok", "alpha runs, and keeps running", "for 3 min"),
    result("unproved", "gatewayz_data_metrics_production: up, says Mimir", "1 fresh"),
    result("warning", "The certificate is valid", "it expires in 3 days"),
    result("failed", "alpha answers queries", f"{LONG} answers HTTP 503, and so does everything else that was asked"),
]


def words(text: str) -> str:
    """Without blanks: what must be there, however it is wrapped."""
    return re.sub(r"\s", "", text)


@WIDTHS
def test_the_table_of_checks_fits_and_loses_nothing(sized: Sized, columns: int) -> None:
    stream = sized(columns)
    terminal.checks(RESULTS)
    assert max(map(len, stream.lines)) <= columns and "…" not in stream.getvalue()
    failure = "\n".join(stream.lines).partition("  ✗")[2].partition("  !")[0]
    assert words(failure) == words(f"{RESULTS[-1].check.title}: {RESULTS[-1].found} → {RESULTS[-1].check.remedy}")
    for one in RESULTS:
        assert all(word in words("".join(stream.lines)) or len(word) > 20 for word in one.found.split())


@WIDTHS
def test_a_cell_that_is_too_long_wraps_inside_its_column(sized: Sized, columns: int) -> None:
    stream = sized(columns)
    terminal.checks(RESULTS)
    first = next(at for at, line in enumerate(stream.lines) if "✓" in line)
    column = stream.lines[first].index("127.0.0.1:9009")
    titles, found = (
        words("".join(line[part] for line in stream.lines[first:])) for part in (slice(4, column), slice(column, None))
    )
    assert titles.startswith(words(f"{RESULTS[0].check.title} {RESULTS[1].check.title}"))
    assert found.startswith(words(f"{RESULTS[0].found} {RESULTS[1].found}"))


def test_what_failed_comes_first_then_what_to_do_then_the_rest(pipe: Pipe) -> None:
    terminal.checks(RESULTS)
    assert pipe.lines[0] == "[web1] 1 failed, 1 warning, 1 not proved (a stand-in answered), 2 passed"
    assert [line.split()[0] for line in pipe.lines[1:]] == ["✗", "→", "!", "→", "○", "✓", "✓"]
    assert pipe.lines[2].strip() == "→ journalctl -u lgtm-alpha -n 50"


def test_whoever_looks_at_the_end_of_a_table_reads_the_counts_too(sized: Sized) -> None:
    stream = sized(80)
    terminal.checks([result("ok", "alpha is ready", "200")])
    assert stream.lines[0] == stream.lines[-1] == "[web1] 0 failed, 0 warnings, 1 passed"


def test_in_a_pipe_each_sentence_is_one_line_that_names_its_host(pipe: Pipe) -> None:
    terminal.checks(RESULTS)
    [line] = [line for line in pipe.lines if "✗" in line]
    assert line == f"  ✗ web1 {RESULTS[-1].check.title}: {RESULTS[-1].found}"
    [line] = [line for line in pipe.lines if "listens" in line]
    assert re.fullmatch(rf"  ✓ web1 {RESULTS[0].check.title} +{RESULTS[0].found}", line)
    [line] = [line for line in pipe.lines if "○" in line]
    assert re.fullmatch(r"  ○ web1 gatewayz_data_metrics_production: up, says Mimir +NOT PROVED 1 fresh", line)
    assert "\x1b" not in pipe.getvalue() and all(line == line.rstrip() for line in pipe.lines)


def test_a_terminal_has_colours_and_no_color_takes_all_codes_away(
    sized: Sized, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = sized(60)
    terminal.checks(RESULTS)
    assert "\x1b[1;31m" in stream.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    bare = sized(60)
    terminal.checks(RESULTS)
    assert "\x1b" not in bare.getvalue() and bare.lines == stream.lines


def test_a_dumb_terminal_has_no_codes_and_keeps_its_width(sized: Sized, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    stream = sized(60)
    terminal.checks(RESULTS)
    assert "\x1b" not in stream.getvalue() and 50 < max(map(len, stream.lines)) <= 60


def test_a_terminal_that_does_not_know_its_width_has_80_columns(sized: Sized) -> None:
    stream = sized(0)
    terminal.instead("web1", "word " * 100)
    assert max(map(len, stream.lines)) in range(70, 81)


def test_what_failed_before_is_marked_as_ignored(pipe: Pipe) -> None:
    terminal.checks([result("failed", "alpha is ready", "HTTP 503", before=True)])
    assert pipe.lines[:2] == [
        "[web1] 0 failed, 1 warning, 0 passed",
        "  ! web1 alpha is ready: HTTP 503 (ignored: it failed before this deploy)",
    ]


def test_every_line_of_a_failure_is_shown(pipe: Pipe) -> None:
    terminal.checks([result("failed", "The host is as declared", "one\ntwo"), result("ok", "x", "three\nfour")])
    assert [line.strip() for line in pipe.lines[2:4]] == ["two", "→ journalctl -u lgtm-alpha -n 50"]
    assert "three" in pipe.lines[4] and "four" not in pipe.getvalue()


def test_no_results_are_no_output(pipe: Pipe) -> None:
    terminal.checks([])
    terminal.notes("web1", [])
    terminal.provenance([])
    terminal.differences(WANTED, {}, [])
    assert pipe.getvalue() == ""


def test_what_looks_like_markup_is_text(sized: Sized) -> None:
    stream = sized(80)
    terminal.notes("web1", ["[red]level[/red]=error :warning: [/data]"])
    assert stream.lines == ["[web1] [red]level[/red]=error :warning: [/data]"]


def test_a_table_is_written_in_one_piece_since_hosts_write_at_the_same_time(sized: Sized) -> None:
    stream = sized(80)
    terminal.checks(RESULTS)
    assert stream.pieces == 1


CHANGES = (
    Change("volume", "/data/alpha", "create", "add"),
    Change("file", "etc/alpha/a.yml", "changed"),
    Change("file", "etc/alpha/b.yml", "remove", "remove"),
    Change("switch", "g1 → g2"),
)


def test_a_plan_is_counted_by_kind_and_each_change_has_a_mark(pipe: Pipe) -> None:
    terminal.plan(Plan("web1", WANTED, "f", changes=CHANGES))
    assert pipe.lines == [
        "[web1] 4 changes: 1 volume, 2 files, 1 switch",
        "  + volume    /data/alpha: create",
        "  ~ file      etc/alpha/a.yml: changed",
        "  - file      etc/alpha/b.yml: remove",
        "  ~ switch    g1 → g2",
    ]


def test_the_colour_of_a_change_is_that_of_its_action(sized: Sized) -> None:
    stream = sized(80)
    terminal.plan(Plan("web1", WANTED, "f", changes=(Change("restart", "alpha", "start", "change"),)))
    assert "\x1b[33m" in stream.getvalue() and "\x1b[32m" not in stream.getvalue()


def test_a_long_change_wraps_behind_its_kind(sized: Sized) -> None:
    stream = sized(60)
    terminal.plan(Plan("web1", WANTED, "f", changes=(Change("restart", "alpha", "runs from another " + "x" * 60),)))
    assert max(map(len, stream.lines)) <= 60
    assert stream.lines[1].startswith("  ~ restart   alpha: ") and stream.lines[2].startswith(" " * 14 + "x")


def test_an_empty_plan_says_why(pipe: Pipe) -> None:
    terminal.plan(Plan("web1", WANTED, "f"))
    terminal.plan(Plan("web1", WANTED, "f"), "owners and modes are as they should be")
    assert pipe.lines == [
        f"[web1] nothing to do: {WANTED.id} is in force",
        "[web1] nothing to do: owners and modes are as they should be",
    ]


def test_a_difference_keeps_every_blank_and_is_never_wrapped(sized: Sized) -> None:
    path = next(iter(WANTED.files))
    text = "\tindented  \n" + "word " * 40 + "\n"
    stream = sized(60)
    terminal.differences(replace(WANTED, files={path: text}), {}, [path])
    assert stream.lines[:2] == ["--- /dev/null", f"+++ {path}"]
    assert [line for line in stream.text.splitlines() if "word" in line or "indented" in line] == [
        f"+{line}" for line in text.splitlines()
    ]
    assert "\x1b[32m" in stream.getvalue()


def test_what_is_waited_for_is_named(pipe: Pipe) -> None:
    terminal.waiting("web1", [])
    terminal.waiting("web1", ["alpha.ready"])
    terminal.waiting("web1", [f"{one}.ready" for one in "abcde"])
    assert pipe.lines == ["[web1] waiting for alpha.ready", "[web1] waiting for a.ready, b.ready, c.ready and 2 more"]


def test_a_cause_comes_with_what_to_do_and_the_evidence(pipe: Pipe) -> None:
    cause, other = result("failed", "alpha is ready", "HTTP 503"), result("warning", "The world answers", "no")
    terminal.finding(Finding(PROBLEM, cause, (other,), 2), ["web1, alpha: disk full"])
    assert pipe.lines == [
        "  ✗ It does not work? The cause: web1: alpha is ready: HTTP 503",
        "    → journalctl -u lgtm-alpha -n 50",
        "    also failing: alpha.warning",
        "    web1, alpha: disk full",
    ]


def test_a_problem_that_is_none_is_said_to_be_none(pipe: Pipe) -> None:
    terminal.finding(Finding(PROBLEM, None, (), 1), [])
    assert pipe.lines == ["  ✓ It does not work? No: 1 check for it passed"]


def test_generations_are_listed_with_what_was_done(pipe: Pipe) -> None:
    terminal.generations("web1", parse(RECORDED))
    assert pipe.lines[0] == "[web1] 4 generations, 0 MiB in /opt/lgtm, 0 MiB free"
    assert "  g4  5 min old, left: activation failed, by carl@three" in pipe.lines
    assert '  g3  6 min old, in force, by bert@two a "fix"' in pipe.lines
    assert "      loki 3.4.2, mimir 2.11.0" in pipe.lines
    assert pipe.lines[-1] == "  2023-11-14 22:18:20 UTC  revert g4 → g3: activation failed, by carl@three"


def test_a_step_back_names_the_versions_that_change(pipe: Pipe) -> None:
    history = parse(RECORDED)
    terminal.step("web1", replace(history, current="g2"), history.kept["g1"])
    assert pipe.lines == ["[web1] g2 → g1, made 10 min ago", "    loki  - → 3.4.2", "    mimir 2.17.4 → 2.11.0"]


def test_since_when_a_host_differs(pipe: Pipe) -> None:
    terminal.since("web1", 1_700_000_000, 1_700_000_300)
    assert pipe.lines == ["[web1] not as declared since 2023-11-14 22:13:20 UTC, for 5 min"]


def test_an_error_is_indented_behind_its_host_and_names_it_once(pipe: Pipe) -> None:
    terminal.error("web1: a port is taken\nweb1: end that process", "web1")
    terminal.error("stopped at the prompt")
    assert pipe.lines == ["    [web1] a port is taken", "    [web1] end that process", "    stopped at the prompt"]


def test_an_error_wraps_between_words(sized: Sized) -> None:
    stream = sized(60)
    terminal.error("the clock is 400 s away from this machine's, clock_skew_max = 5; set up NTP there", "web1")
    assert stream.lines == [
        "    [web1] the clock is 400 s away from this machine's,",
        "           clock_skew_max = 5; set up NTP there",
    ]
    assert "\x1b[31m" in stream.getvalue()


DONE = [
    {"name": "Staging: deploy", "hosts": [], "outcome": "succeeded", "seconds": 12.3, "well": True},
    {"name": "Production: deploy", "hosts": ["p1", "p2"], "outcome": "failed", "seconds": 200.0, "well": False},
]


def test_a_rollout_that_stopped_says_first_where_and_what_to_do(pipe: Pipe) -> None:
    terminal.steps(DONE, DONE[1])
    assert pipe.lines == [
        "The rollout stopped at Production: deploy (p1, p2): failed",
        "→ its output is above; fix the cause and run the rollout again",
        "  ✓  Staging: deploy: succeeded           12 s",
        "  ✗  Production: deploy (p1, p2): failed  3 min",
    ]


def test_a_rollout_that_succeeded_says_so_first(pipe: Pipe) -> None:
    terminal.steps(DONE[:1])
    assert pipe.lines == ["The rollout succeeded", "  ✓  Staging: deploy: succeeded  12 s"]


def test_the_hosts_of_a_step_are_named_before_it_begins(pipe: Pipe) -> None:
    terminal.heading("Production: deploy", ["p1", "p2"])
    terminal.heading("Staging: verify")
    assert pipe.lines == ["── Production: deploy (p1, p2)", "── Staging: verify"]


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [
        (0, "file", "0 files"), (1, "file", "1 file"), (2, "file", "2 files"), (1, "switch", "1 switch"),
        (2, "switch", "2 switches"), (2, "directory", "2 directories"), (2, "support file", "2 support files"),
    ],
)  # fmt: skip
def test_a_noun_has_its_plural(number: int, noun: str, text: str) -> None:
    assert counted(number, noun) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (3.7, "3 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (86400, "24 h"), (172800, "2 days")],
)
def test_a_duration_is_told_in_its_largest_unit_of_which_there_are_two(seconds: float, text: str) -> None:
    assert lasting(seconds) == text


def test_a_time_is_utc() -> None:
    assert when(1_700_000_000) == "2023-11-14 22:13:20 UTC"
