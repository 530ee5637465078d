"""What runs is judged, and not what is declared: by the artifact that a process executes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from examples import build, component, converged, resolved

from lgtm.model import generation
from lgtm.model.artifact import Resolved
from lgtm.model.generation import Generation
from lgtm.model.hoststate import HostState, Process
from lgtm.model.running import as_declared, running
from lgtm.report import terminal

REAL = resolved(component())
STAND_IN = replace(REAL, version="1.0+standin", sha256="f" * 64, pinned=False, source="stand-in")
OTHER = replace(REAL, version="0.9", sha256="e" * 64)
STANDS_IN = "  STAND-IN  alpha 1.0+standin, not the real program"


def declares(artifact: Resolved) -> Generation:
    return generation.build("web1", [component()], {"alpha": artifact})


def executes(exe: str) -> HostState:
    return replace(converged(build(component())), processes={"alpha": Process("active", exe)})


def of(artifact: Resolved, suffix: str = "") -> HostState:
    return executes(f"/opt/lgtm/artifacts/{artifact.directory}/bin/alpha{suffix}")


@pytest.mark.parametrize(
    ("declared", "found", "stand_in", "said"),
    [
        (REAL, of(REAL), False, ""),
        (STAND_IN, of(STAND_IN), True, f"{STANDS_IN}\n"),
        (REAL, of(STAND_IN), True, f"{STANDS_IN}; 1.0 is declared\n"),
        (REAL, of(STAND_IN, " (deleted)"), True, f"{STANDS_IN}; 1.0 is declared\n"),
        (STAND_IN, of(REAL), False, f"  other     {REAL.directory} runs; {STAND_IN.directory} is declared\n"),
        (OTHER, of(REAL), False, f"  other     {REAL.directory} runs; {OTHER.directory} is declared\n"),
        (replace(REAL, pinned=False, source="Debian"), of(REAL), False, "  unpinned  alpha 1.0, from Debian\n"),
    ],
)  # fmt: skip
def test_what_a_process_executes_is_what_answers(
    declared: Resolved, found: HostState, stand_in: bool, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = running(declares(declared), found)
    assert runs["alpha"].stand_in == stand_in
    terminal.provenance(runs.values())
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("found", [executes("/usr/bin/foreign"), executes(""), HostState()])
def test_where_nothing_of_ours_runs_no_stand_in_does(found: HostState) -> None:
    assert running(declares(STAND_IN), found) == {}


def test_of_a_host_that_is_not_read_the_declaration_is_taken_and_that_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert as_declared(declares(STAND_IN))["alpha"].stand_in and not as_declared(declares(REAL))["alpha"].stand_in
    terminal.provenance([], ["web2"])
    assert capsys.readouterr().err.startswith("  not read  web2 is not part of this run: the check table assumes")
