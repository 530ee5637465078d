"""Promotion: production accepts a release only after staging has proved it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from lgtm.load import release
from lgtm.model.errors import Refusal, combined
from lgtm.model.settings import SiteSettings, seconds

FORCE = "--data promote=force deploys anyway"
ASKED_AGAIN = (
    "promote=force deploys a release that {source} has not proved; confirm it with --data confirm={environment}"
)


def require(root: Path, inventory: str, settings: SiteSettings, forced: bool, confirmed: str) -> None:
    """Raise Refusal unless staging has proved this release, or the operator forces the deploy and confirms that."""
    source = settings.promote_from
    if not source:
        return
    if forced:
        if confirmed != settings.environment:
            raise Refusal(ASKED_AGAIN.format(source=source, environment=settings.environment))
        return
    _require_proof(root, Path(inventory).with_name(f"{source}.py"), source, seconds(settings.promote_soak))


@cache
def _require_proof(root: Path, inventory: Path, source: str, soak: float) -> None:
    """Verify staging once per run, for any number of hosts."""
    if changed := release.uncommitted(root):
        raise Refusal(f"{changed}: only a commit can be promoted; commit it, or {FORCE}")
    report, stderr = ask(root, inventory)
    if problems := judge(report, stderr, release.identity(root), source, soak):
        raise combined([*problems, FORCE])


def ask(root: Path, inventory: Path) -> tuple[Mapping[str, Any], str]:
    """Run verify.py for staging in a process of its own; give its record and its standard error."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        done = subprocess.run(
            [sys.argv[0], "-y", str(inventory), "verify.py", "--data", f"json={path}"],
            cwd=root, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        return json.loads(path.read_text()) if path.exists() else {}, done.stderr.strip()


def judge(report: Mapping[str, Any], stderr: str, identity: str, source: str, soak: float) -> list[str]:
    """Give the reasons why the record of `source` does not prove release `identity`; `soak` in seconds."""
    if not report.get("hosts"):
        return [f"{source} could not be verified: {stderr.splitlines()[-1].strip() if stderr else 'it left no report'}"]
    if report["release"] != identity:
        return [f"{source} was verified with release {report['release']}, but this is {identity}; run again"]
    return [problem for host in report["hosts"] for problem in _host(host, source, soak)]


def _host(host: Mapping[str, Any], source: str, soak: float) -> Iterable[str]:
    where = f"{source}, {host['name']}"
    failed = [check for check in host["checks"] if check["verdict"] == "failed"]
    if not host["in_force"]:
        difference = " ".join((host["plan"] or ["it runs another generation"])[0].split())
        yield f"{where}: this release does not run there ({difference}); deploy it to {source} first"
    elif failed:
        sentences = "; ".join(f"{check['title']}: {check['found']}" for check in failed[:3])
        yield f"{where}: checks fail there: {sentences}"
    elif host["well_since"] is None or host["now"] - host["well_since"] < soak:
        healthy = host["now"] - (host["well_since"] or host["now"])
        yield f"{where}: healthy for {healthy:.0f} s, promote_soak is {soak:.0f} s; run again in {soak - healthy:.0f} s"
