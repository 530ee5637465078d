"""Staging, then production host by host: `python -m lgtm.tools.rollout`, which is what `make rollout` runs.

It is a sequence of plain pyinfra runs, each of which could be typed by hand: every one's exit code decides whether the
next is begun. The framework's own serial modes go on after a failed host, and are not used.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lgtm.load import plugins
from lgtm.model.errors import Exit
from lgtm.model.record import Record
from lgtm.model.words import OUTCOMES, lasting
from lgtm.report import record as files
from lgtm.report import terminal
from lgtm.tools import parsed

PYINFRA = str(Path(sys.executable).with_name("pyinfra"))


class Stopped(Exception):
    """The rollout ends here: at this step, with the exit code of its run."""

    def __init__(self, code: int, step: Mapping[str, Any]) -> None:
        self.code, self.step = code, step


@dataclass
class Rollout:
    """The runs so far, and what is known of the hosts."""

    staging: str
    production: str
    data: Sequence[str] = ()  # further `key=value` of each run
    record: Record = field(default_factory=lambda: Record(script="rollout"))
    changed: list[str] = field(default_factory=list)  # production hosts, in the order of their deploys
    failing_before: set[tuple[str, str]] = field(default_factory=set)  # (host, check) of production
    undeployed: set[str] = field(default_factory=set)  # production hosts without a generation before

    def run(self, name: str, inventory: str, script: str, hosts: Sequence[str] = (), *flags: str) -> dict[str, Any]:
        """Make one pyinfra run and return its record. Raises Stopped unless it succeeded; `--dry` may find changes."""
        found, code = self.attempt(name, inventory, script, hosts, *flags)
        if code not in (Exit.OK, Exit.PENDING if "--dry" in flags else Exit.OK):
            raise Stopped(code, self.record.steps[-1])
        return found

    def attempt(
        self, name: str, inventory: str, script: str, hosts: Sequence[str] = (), *flags: str
    ) -> tuple[dict[str, Any], int]:
        """Make one pyinfra run and return its record and its exit code."""
        terminal.heading(name, hosts)
        limits = [word for host in hosts for word in ("--limit", host)]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "record.json"
            data = [word for one in (*self.data, f"json={path}") for word in ("--data", one)]
            start = time.monotonic()
            code = subprocess.run([PYINFRA, "-y", *limits, *flags, inventory, script, *data], check=False).returncode
            found = json.loads(path.read_text()) if path.exists() else {"hosts": [], "sentences": []}
        outcome = OUTCOMES.get(code, f"exit code {code}")
        self.record.steps.append({
            "name": name, "hosts": list(hosts), "outcome": outcome, "seconds": time.monotonic() - start,
            "well": code in (Exit.OK, Exit.PENDING),
        })  # fmt: skip
        self.record.sentences += [f"{name}: {sentence}" for sentence in found["sentences"]]
        for host in found["hosts"]:
            vars(self.record.host(host["name"])).update(host)
        return found, code

    def run_all(self) -> None:
        """Deploy staging, then production host by host. Raises Stopped at the first run that fails."""
        self.run("Staging: deploy", self.staging, "deploy.py")
        self.run("Staging: verify", self.staging, "verify.py", (), "--data", "patience=120")
        plan = self.run("Production: what will change", self.production, "deploy.py", (), "--dry")
        settings = plan["settings"]
        hosts = [host["name"] for host in plan["hosts"] if host["plan"]]
        self.record.environment, self.record.release = plan["environment"], plan["release"]
        self._soak(settings["soak"])
        if hosts:
            found, _ = self.attempt("Production: as it is", self.production, "verify.py")
            self.failing_before = {(host["name"], check["id"]) for host in found["hosts"] for check in _failed(host)}
            self.undeployed = {host["name"] for host in found["hosts"] if not host["checks"]}
        batches = [hosts[:1], *(hosts[at : at + settings["batch"]] for at in range(1, len(hosts), settings["batch"]))]
        try:
            for batch in filter(None, batches):
                self._deploy_batch(batch)
            self.run("Production: verify all", self.production, "verify.py", (), "--data", "patience=120")
        except Stopped:
            if settings["undo"] and self.changed:
                self._roll_back(self.changed)
            raise

    def _deploy_batch(self, batch: list[str]) -> None:
        """Deploy to some hosts and verify them: a host whose deploy fails reverts by itself."""
        self.run("Production: deploy", self.production, "deploy.py", batch)
        self.changed += batch
        found, code = self.attempt("Production: verify", self.production, "verify.py", batch, "--data", "patience=60")
        if code == Exit.OK:
            return
        failing = [host["name"] for host in found["hosts"] if self._failing_since(host)]
        if code == Exit.FAILED and found["hosts"] and not failing:
            self.record.steps[-1] |= {"well": True, "outcome": "only peers fail, as before"}
            return
        verified = self.record.steps[-1]
        self._roll_back(failing or batch)
        self.changed = [host for host in self.changed if host not in (failing or batch)]
        raise Stopped(code, verified)

    def _roll_back(self, hosts: list[str]) -> None:
        """Roll hosts back. Data of the last minutes is set aside: that needs no confirmation here."""
        saved = ",".join(sorted({barrier.service for barrier in plugins.barriers() if barrier.saved}))
        self.attempt("Production: roll back", self.production, "rollback.py", hosts, "--data", f"oneway={saved}")

    def _failing_since(self, host: dict[str, Any]) -> bool:
        """Whether a host fails by itself, or since its deploy; a peer that is not deployed yet does not count."""
        before = host["name"] not in self.undeployed
        return any(
            check["gate"] == "own" or (before and (host["name"], check["id"]) not in self.failing_before)
            for check in _failed(host)
        )

    def _soak(self, seconds: float) -> None:
        terminal.heading(f"Staging: soak for {lasting(seconds)}")
        start = time.monotonic()
        while (left := seconds - (time.monotonic() - start)) > 0:
            time.sleep(min(left, 300))
            self.run("Staging: verify", self.staging, "verify.py")
        self.record.steps.append(
            {"name": "Staging: soak", "hosts": [], "outcome": OUTCOMES[0], "seconds": seconds, "well": True}
        )


def _failed(host: dict[str, Any]) -> list[dict[str, str]]:
    return [check for check in host["checks"] if check["verdict"] == "failed"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; the exit code is that of the first run that was not well."""
    parser = argparse.ArgumentParser(prog="python -m lgtm.tools.rollout", description=__doc__)
    parser.add_argument("--staging", default="inventories/staging.py", help="inventory (default: %(default)s)")
    parser.add_argument("--production", default="inventories/prod.py", help="likewise")
    parser.add_argument("--data", action="append", default=[], metavar="KEY=VALUE", help="handed to every run")
    parser.add_argument("--json", default="", metavar="PATH", help="where to leave a report")
    parser.add_argument("--html", default="", metavar="PATH", help="likewise, as a page")
    options = parsed(parser, arguments)
    rollout = Rollout(options.staging, options.production, options.data)
    rollout.record.inventory = f"{options.staging}, then {options.production}"
    code, step = 0, None
    try:
        rollout.run_all()
    except Stopped as stopped:
        code, step = stopped.code, stopped.step
    files.write(rollout.record, code, options.json, options.html)
    terminal.steps(rollout.record.steps, step)
    return code


if __name__ == "__main__":
    sys.exit(main())
