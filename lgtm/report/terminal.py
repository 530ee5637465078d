"""What a run says to people: plans and check tables, on standard error like all of pyinfra's progress."""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterable, Mapping, Sequence

import click

from lgtm.model.checks import Result
from lgtm.model.diagnosis import Finding
from lgtm.model.generation import Generation
from lgtm.model.history import History, Kept
from lgtm.model.plan import Plan
from lgtm.model.running import Running

COLOURS = {"ok": "green", "unproved": "cyan", "warning": "yellow", "failed": "red"}
MARKS = {"ok": "✓", "unproved": "○", "warning": "!", "failed": "✗"}
ACTIONS = {"add": ("+", "green"), "change": ("~", "yellow"), "remove": ("-", "red")}


def plan(value: Plan, well: str = "") -> None:
    """Print a plan, the same for a dry run and a real one; `well` says why there is nothing to do."""
    if value.empty:
        nothing(value.host, well or f"{value.generation.id} is in force")
        return
    _say(f"[{click.style(value.host, bold=True)}] {counted(len(value.changes), 'change')}")
    for change in value.changes:
        mark, colour = ACTIONS[change.action]
        _say(f"  {click.style(f'{mark} {change}', fg=colour)}")


def counted(number: int, noun: str) -> str:
    """`1 change`, `2 changes`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def notes(host: str, sentences: Iterable[str]) -> None:
    """Say what somebody should know of a host."""
    for sentence in sentences:
        _say(f"[{click.style(host, bold=True)}] {sentence}")


def nothing(host: str, why: str) -> None:
    """Say that a host needs nothing."""
    _say(f"[{click.style(host, bold=True)}] nothing to do: {why}")


def planned_anew(host: str) -> None:
    """Say that a host is no longer as it was when its plan was made, and that this makes no difference."""
    _say(f"[{click.style(host, bold=True)}] changed since the plan was made; planned anew, with the same steps")


def step(host: str, history: History, target: Kept) -> None:
    """Print what going back to a generation means."""
    now = history.kept.get(history.current or "")
    old = now.versions if now else {}
    _say(f"[{click.style(host, bold=True)}] {history.current or 'nothing'} → {target.id}, {_age(history, target)} old")
    for service in sorted(old.keys() | target.versions.keys()):
        before, after = old.get(service, "-"), target.versions.get(service, "-")
        if before != after:
            _say(f"    {service} {before} → {after}")


def generations(host: str, history: History) -> None:
    """Print the generations of a host, the newest first, and what was done there."""
    _say(f"[{click.style(host, bold=True)}] {len(history.kept)} generations, {history.used / 2**20:.0f} MiB "
         f"in /opt/lgtm, {history.free / 2**20:.0f} MiB free")  # fmt: skip
    for one in sorted(history.kept.values(), key=lambda one: -one.made):
        who, came = history.told(one.id)
        colour = {"in force": "green", "good": None}.get(came, "yellow")
        versions = ", ".join(f"{service} {version}" for service, version in sorted(one.versions.items()))
        _say(f"  {click.style(f'{one.id}  {_age(history, one):>9}  {came}', fg=colour)}  by {who}")
        _say(f"      {versions}")
    for entry in history.log[-20:]:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(entry["time"]))
        _say(f"  {when}  {entry['action']:8} {entry['from']} → {entry['to']}  {entry['outcome']}  ({entry['who']})")


def _age(history: History, one: Kept) -> str:
    return _span(history.now - one.made)


def _span(between: int) -> str:
    seconds = max(0, between)
    for name, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {name}"
    return f"{seconds} s"


def differences(generation: Generation, present: Mapping[str, str], paths: Iterable[str]) -> None:
    """Print each file as a unified diff against what the host has (path → text); secrets are never in one."""
    for path in paths:
        old, new = present.get(path, ""), generation.files.get(path, "")
        lines = difflib.unified_diff(
            old.splitlines(), new.splitlines(), path if old else "/dev/null", path if new else "/dev/null", lineterm=""
        )
        for line in lines:
            colour = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
            _say(click.style(line, fg=colour))


def checks(results: Sequence[Result]) -> None:
    """Print the check table: what failed first, each with what was found and what to do."""
    order = {"failed": 0, "warning": 1, "unproved": 2, "ok": 3}
    width = max((len(result.check.title) for result in results), default=0)
    for result in sorted(results, key=lambda result: order[result.verdict]):
        mark = click.style(MARKS[result.verdict], fg=COLOURS[result.verdict], bold=True)
        found, *others = result.found.splitlines() or [""]
        unproved = click.style("NOT PROVED ", fg="cyan") if result.verdict == "unproved" else ""
        unproved += "as before this deploy: " if result.before and not result.ok else ""
        _say(f"  {mark} {result.host:12} {result.check.title:{width}} {unproved}{found}")
        for line in others if not result.ok else ():
            _say(f"    {'':12} {line}")
        if not result.ok:
            _say(f"      {click.style('→ ' + result.check.remedy, fg=COLOURS[result.verdict])}")
    counts = {verdict: sum(result.verdict == verdict for result in results) for verdict in order}
    unproved = f"{counts['unproved']} not proved, since a stand-in answered, " if counts["unproved"] else ""
    said = f"  {counts['ok']} well, {unproved}{counts['warning']} warnings, {counts['failed']} failed"
    _say(click.style(said, bold=True))


def waiting(host: str, ids: Sequence[str]) -> None:
    """Say what is waited for, so that nobody takes it for a standstill."""
    if ids:
        more = f" and {len(ids) - 3} more" if len(ids) > 3 else ""
        _say(f"[{click.style(host, bold=True)}] waiting for {', '.join(ids[:3])}{more}")


def since(host: str, when: int, now: int) -> None:
    """Say since when a host has not been as declared."""
    at = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(when))
    _say(f"[{click.style(host, bold=True)}] not as declared since {at}, {_span(now - when)}")


def finding(value: Finding, journals: Sequence[str]) -> None:
    """Print what a problem comes from and what to do; or, when nothing is to blame, what there is to go by."""
    cause = value.cause
    if cause is None:
        _say(f"  {click.style(MARKS['ok'], fg='green', bold=True)} {value.problem.title}? No: "
             f"{value.looked} checks about it are well")  # fmt: skip
    else:
        colour = COLOURS[cause.verdict]
        _say(f"  {click.style(MARKS[cause.verdict], fg=colour, bold=True)} {value.problem.title}? "
             f"{click.style('The cause:', bold=True)} {cause.host}: {cause.check.title}: {cause.found}")  # fmt: skip
        _say(f"      {click.style('→ ' + cause.check.remedy, fg=colour)}")
        if value.others:
            _say(f"      not well either: {', '.join(dict.fromkeys(one.check.id for one in value.others))}")
    for line in journals:
        _say(f"      {click.style(line, dim=True)}")


def provenance(runs: Iterable[Running], unread: Iterable[str] = ()) -> None:
    """Print what ran that artifacts.lock does not vouch for, above all stand-ins, and the hosts that were not read."""
    for one in sorted(set(runs), key=lambda one: (not one.stand_in, one.directory)):
        name = one.declared.name
        version = one.directory.removeprefix(f"{name}-").rpartition("-")[0]
        if one.stand_in:
            declared = "" if one.as_declared else f"; {one.declared.version} is declared"
            _say(click.style(f"  STAND-IN  {name} {version}, not the real program{declared}", "yellow", bold=True))
        elif not one.as_declared:
            _say(click.style(f"  other     {one.directory} runs; {one.declared.directory} is declared", "yellow"))
        elif not one.declared.locked:
            _say(click.style(f"  unlocked  {name} {version}, from {one.declared.source}", "yellow"))
    for host in unread:
        _say(f"  not read  {host} is not part of this run: its answers count as those of what is declared for it")


def instead(host: str, sentence: str) -> None:
    """Say what stands for all the checks that fail because of it."""
    _say(f"[{click.style(host, bold=True)}] {click.style(sentence, fg='red')}")


def _say(text: str) -> None:
    click.echo(text, err=True)
