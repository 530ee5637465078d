"""What a run says to people: plans and check tables, on standard error like all of pyinfra's progress."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

import click

from lgtm.checks import Result
from lgtm.generation import Generation
from lgtm.plan import Plan

COLOURS = {"ok": "green", "unproved": "cyan", "warning": "yellow", "failed": "red"}
MARKS = {"ok": "✓", "unproved": "○", "warning": "!", "failed": "✗"}
VERBS = {"create": "green", "install": "green", "start": "green", "remove": "red", "by hand": "yellow"}


def plan(value: Plan) -> None:
    """Print a plan, the same for a dry run and a real one."""
    if value.empty:
        _say(f"[{click.style(value.host, bold=True)}] nothing to do: {value.generation.id} is in force")
        return
    _say(f"[{click.style(value.host, bold=True)}] {len(value.lines())} changes")
    for line in value.lines():
        colour = next((colour for word, colour in VERBS.items() if word in line), None)
        _say(f"    {click.style(line, fg=colour)}")


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
    for result in sorted(results, key=lambda result: order[result.verdict]):
        mark = click.style(MARKS[result.verdict], fg=COLOURS[result.verdict], bold=True)
        found = result.found.splitlines()[0] if result.found else ""
        unproved = click.style("NOT PROVED ", fg="cyan") if result.verdict == "unproved" else ""
        _say(f"  {mark} {result.host:12} {result.check.title:58} {unproved}{found}")
        if not result.ok:
            _say(f"      {click.style('→ ' + result.check.remedy, fg=COLOURS[result.verdict])}")
    counts = {verdict: sum(result.verdict == verdict for result in results) for verdict in order}
    unproved = f"{counts['unproved']} not proved, since a stand-in answered, " if counts["unproved"] else ""
    said = f"  {counts['ok']} well, {unproved}{counts['warning']} warnings, {counts['failed']} failed"
    _say(click.style(said, bold=True))


def provenance(generations: Iterable[Generation]) -> None:
    """Print what ran that artifacts.lock does not vouch for, and above all what was a stand-in."""
    artifacts = {artifact for generation in generations for artifact in generation.artifacts.values()}
    for artifact in sorted(artifacts, key=lambda artifact: (not artifact.stand_in, artifact.name)):
        if artifact.stand_in:
            _say(
                click.style(
                    f"  STAND-IN  {artifact.name} {artifact.version}, not the real program", "yellow", bold=True
                )
            )
        elif not artifact.locked:
            _say(click.style(f"  unlocked  {artifact.name} {artifact.version}, from {artifact.source}", "yellow"))


def _say(text: str) -> None:
    click.echo(text, err=True)
