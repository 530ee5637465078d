"""What a run tells people: plans, checks and causes; what failed comes first, and what to do about it second."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.segment import Segment, Segments
from rich.style import Style
from rich.text import Text

from lgtm.model.checks import Result
from lgtm.model.diagnosis import Finding
from lgtm.model.generation import Generation
from lgtm.model.history import History, Kept
from lgtm.model.plan import Plan
from lgtm.model.running import Running
from lgtm.model.words import counted, lasting, when
from lgtm.report.console import console, grid, of_host, show, wraps

VERDICTS = {"failed": ("✗", "red"), "warning": ("!", "yellow"), "unproved": ("○", "cyan"), "ok": ("✓", "green")}
ACTIONS = {"add": ("+", "green"), "change": ("~", "yellow"), "remove": ("-", "red")}
DIFFERENCE = {"+": "green", "-": "red", "@": "cyan"}  # first character of a line of a diff → its colour
NOUNS = {"support": "support file"}  # kind of change → what is counted, where that is not the kind itself
NAMED = 3  # things that are waited for by name; more are counted


def plan(value: Plan, reason: str = "") -> None:
    """Print a plan, the same for a dry run and a real one; `reason` says why there is nothing to do."""
    if value.empty:
        nothing(value.host, reason or f"{value.generation.id} is in force")
        return
    kinds = Counter(NOUNS.get(change.kind, change.kind) for change in value.changes)
    counts = ", ".join(counted(many, kind) for kind, many in kinds.items())
    table = grid(0, 9, 0)
    for change in value.changes:
        mark, colour = ACTIONS[change.action]
        subject = f"{change.subject}: {change.why}" if change.why else change.subject
        table.add_row(f"  {mark}", change.kind, subject, style=colour)
    show(of_host(value.host, f"{counted(len(value.changes), 'change')}: {counts}"), table)


def notes(host: str, sentences: Iterable[str]) -> None:
    """Print sentences about a host."""
    show(*(of_host(host, sentence) for sentence in sentences))


def nothing(host: str, why: str) -> None:
    """Print that a host needs nothing."""
    notes(host, [f"nothing to do: {why}"])


def planned_anew(host: str) -> None:
    """Print that a host has changed since its plan was made, and that the new plan has the same steps."""
    notes(host, ["the host has changed since the plan was made; the new plan has the same steps"])


def step(host: str, history: History, target: Kept) -> None:
    """Print which versions change when a host goes back to a generation."""
    now = history.kept.get(history.current or "")
    old = now.versions if now else {}
    table = grid(0, 0)
    for service in sorted(old.keys() | target.versions.keys()):
        before, after = old.get(service, "-"), target.versions.get(service, "-")
        if before != after:
            table.add_row(f"    {service}", f"{before} → {after}")
    age = lasting(history.now - target.made)
    show(of_host(host, f"{history.current or 'nothing'} → {target.id}, made {age} ago"), table)


def generations(host: str, history: History) -> None:
    """Print the generations of a host, the newest first, and the last entries of its log."""
    space = f"{history.used / 2**20:.0f} MiB in /opt/lgtm, {history.free / 2**20:.0f} MiB free"
    kept, log = grid(0, 0, gap=2), grid(25, 0, gap=2)
    for one in sorted(history.kept.values(), key=lambda one: -one.made):
        who, state = history.outcome(one.id)
        colour = {"in force": "green", "good": ""}.get(state, "yellow")
        versions = ", ".join(f"{service} {version}" for service, version in sorted(one.versions.items()))
        summary = Text(f"{lasting(history.now - one.made)} old, {state}, by {who}", colour)
        kept.add_row(Text(f"  {one.id}", colour), Text("\n").join([summary, Text(versions)]))
    for entry in history.log[-20:]:
        step = f"{entry['action']} {entry['from']} → {entry['to']}: {entry['outcome']}, by {entry['who']}"
        log.add_row(f"  {when(entry['time'])}", step)
    show(of_host(host, f"{counted(len(history.kept), 'generation')}, {space}"), kept, log)


def differences(generation: Generation, present: Mapping[str, str], paths: Iterable[str]) -> None:
    """Print each file as a unified diff against what the host has (path → text); secrets are never in one.

    Its lines are never wrapped, and keep every blank.
    """
    lines: list[Segment] = []
    for path in paths:
        old, new = present.get(path, ""), generation.files.get(path, "")
        names = path if old else "/dev/null", path if new else "/dev/null"
        for line in difflib.unified_diff(old.splitlines(), new.splitlines(), *names, lineterm=""):
            lines += Segment(line, Style.parse(DIFFERENCE.get(line[:1], "none"))), Segment.line()
    console().print(Segments(lines), soft_wrap=True)


def checks(results: Sequence[Result]) -> None:
    """Print the results of the checks of a host: how many failed, each failure with its remedy, then the rest."""
    order = list(VERDICTS)
    failing, rest = grid(0, 0, 0), grid(0, 0, 0, 0)
    for result in sorted(results, key=lambda result: order.index(result.verdict)):
        mark, colour = VERDICTS[result.verdict]
        # A line in a file stands by itself, so it names the host; on a terminal the heading does.
        cells = [Text(f"  {mark}", f"bold {colour}"), *([] if wraps() else [Text(result.host)])]
        if result.ok:
            proof = ("NOT PROVED ", colour) if result.stand_in else ""
            found = Text.assemble(proof, result.found.partition("\n")[0])
            rest.add_row(*cells, result.check.title, found)
        else:
            failing.add_row(*cells, _failure(result, colour))
    if results:
        counts = of_host(results[0].host, _counts(results))
        # On a terminal the counts come again: the end of a long table is what one sees.
        show(counts, failing, rest, *([counts] if rest.row_count and wraps() else []))


def _failure(result: Result, colour: str) -> Text:
    """What failed, and below it what to do."""
    first, *others = result.found.splitlines() or [""]
    before = " (ignored: it failed before this deploy)" if result.before else ""
    lines = [Text(f"{result.check.title}: {first}{before}"), *map(Text, others)]
    return Text("\n").join([*lines, Text(f"→ {result.check.remedy}", colour)])


def _counts(results: Iterable[Result]) -> Text:
    many = Counter(str(result.verdict) for result in results)
    named = {
        "failed": f"{many['failed']} failed",
        "warning": counted(many["warning"], "warning"),
        "unproved": f"{many['unproved']} not proved (a stand-in answered)",
        "ok": f"{many['ok']} passed",
    }
    texts = [Text(words, VERDICTS[verdict][1] if many[verdict] else "") for verdict, words in named.items()
             if verdict != "unproved" or many[verdict]]  # fmt: skip
    return Text(", ").join(texts)


def waiting(host: str, ids: Sequence[str]) -> None:
    """Print which checks or services are waited for; nothing when none is."""
    if ids:
        more = f" and {len(ids) - NAMED} more" if len(ids) > NAMED else ""
        notes(host, [f"waiting for {', '.join(ids[:NAMED])}{more}"])


def since(host: str, start: int, now: int) -> None:
    """Print since when a host differs from its declaration."""
    notes(host, [f"not as declared since {when(start)}, for {lasting(now - start)}"])


def finding(value: Finding, journals: Sequence[str]) -> None:
    """Print the cause of a problem, what to do, and the journal of the service; or that no check blames anything."""
    cause, table = value.cause, grid(0, 0)
    mark, colour = VERDICTS[cause.verdict if cause else "ok"]
    if cause is None:
        lines = [Text(f"{value.problem.title}? No: {counted(value.looked, 'check')} for it passed")]
    else:
        found = f" {cause.host}: {cause.check.title}: {cause.found}"
        lines = [
            Text.assemble(f"{value.problem.title}? ", ("The cause:", "bold"), found),
            Text(f"→ {cause.check.remedy}", colour),
        ]
        if value.others:
            ids = dict.fromkeys(one.check.id for one in value.others)
            lines.append(Text(f"also failing: {', '.join(ids)}"))
    lines += [Text(line, "dim") for line in journals]
    table.add_row(Text(f"  {mark}", f"bold {colour}"), Text("\n").join(lines))
    show(table)


def provenance(runs: Iterable[Running], unread: Iterable[str] = ()) -> None:
    """Print what runs without a pin in artifacts.lock, stand-ins first, and the hosts that were not read."""
    table = grid(10, 0, gap=2)
    for one in sorted(set(runs), key=lambda one: (not one.stand_in, one.directory)):
        name = one.declared.name
        version = one.directory.removeprefix(f"{name}-").rpartition("-")[0]
        if one.stand_in:
            declared = "" if one.as_declared else f"; {one.declared.version} is declared"
            table.add_row("  STAND-IN", f"{name} {version}, not the real program{declared}", style="bold yellow")
        elif not one.as_declared:
            table.add_row("  other", f"{one.directory} runs; {one.declared.directory} is declared", style="yellow")
        elif not one.declared.pinned:
            table.add_row("  unpinned", f"{name} {version}, from {one.declared.source}", style="yellow")
    for host in unread:
        assumed = "the check table assumes that it runs what is declared for it"
        table.add_row("  not read", f"{host} is not part of this run: {assumed}")
    show(table)


def instead(host: str, sentence: str) -> None:
    """Print the one sentence that stands for all the checks which fail because of it."""
    show(of_host(host, Text(sentence, "red")))


def error(sentence: str, host: str = "", padding: str = "") -> None:
    """Print what went wrong and what to do, each line behind its host, indented and padded as pyinfra does it."""
    table = grid(0, 0)
    for line in sentence.splitlines():
        prefix = Text(f"    [{host}]{padding}", "bold") if host else "   "
        table.add_row(prefix, Text(line.removeprefix(f"{host}: ") if host else line, "red"))
    show(table)


def heading(name: str, hosts: Sequence[str] = ()) -> None:
    """Print what a rollout does next, and to which hosts."""
    show(Text(f"── {_named(name, hosts)}", "bold"))


def steps(done: Sequence[Mapping[str, Any]], stopped: Mapping[str, Any] | None = None) -> None:
    """Print how a rollout ended, and its steps; `stopped` is the step that stopped it."""
    table = grid(0, 0, 0, gap=2)
    for one in done:
        mark, colour = VERDICTS["ok" if one["well"] else "failed"]
        name = _named(one["name"], one["hosts"])
        table.add_row(Text(f"  {mark}", colour), f"{name}: {one['outcome']}", lasting(one["seconds"]))
    verdict = Text("The rollout succeeded", "bold green")
    if stopped:
        where = _named(stopped["name"], stopped["hosts"])
        verdict = Text(f"The rollout stopped at {where}: {stopped['outcome']}", "bold red")
        verdict.append("\n→ its output is above; fix the cause and run the rollout again")
    show(verdict, table)


def _named(name: str, hosts: Sequence[str]) -> str:
    return f"{name} ({', '.join(hosts)})" if hosts else name
