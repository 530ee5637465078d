"""docs/tests.md, made of the tests' own words: run to write it anew, and with `--check` to hear if it is stale."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "tests.md"
HEAD = """\
# What is tested

Made by `make docs` from the tests' own words; `make check` fails when it is stale.

`make test` runs all of it. The lab's hosts, their systemd, sshd and sudo are real, and so are Prometheus,
Alertmanager, the exporters, Redis, the mail server's protocol and the browser. Mimir, Loki, Tempo, Grafana and Alloy
are stand-ins unless `LGTM_BINARIES` names a folder with the real ones. Whatever a stand-in answered is marked so, and
counts as not proved. With a real Grafana there, `tests/lab/test_real_grafana.py` types the guide from docker compose.
Wherever a real Grafana runs, `python -m tests.browser --url … --env …` walks through it with headless Chromium: login,
home, each dashboard, Explore, the links between traces, logs and metrics, the service map. It takes pictures, and fails
for what is broken or empty.

`make faults` kills a deploy at every step and at 30 random moments instead of a few.

It takes some 14 minutes on two cores, on a good day of the machine, whose bad days are half as quick: 4 for what needs
no host (most of it promtool, which plays 110 situations of an hour or two), 10 on hosts, where four workers have a lab
each (tests/worker.sh) and keep both cores busy. A third of the processor time there is pyinfra's, started 350 times.
The slowest, in seconds of a worker: samples counted over an upgrade, a revert and a rollback (165), the checklist,
whose items are broken one by one on a real host (more than 160), a release over five hosts (140),
mutations of the whole (more than 100), alerts that are mailed (90), and the quickstart (70).
"""
FOLDERS = {
    "unit": "Without a host",
    "config": "Configuration, against the programs that read it",
    "lab": "On real hosts",
    "faults": "What breaks during a deploy",
    "lab_machines": "The lab itself, and its stand-ins",
}


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for folder, title in FOLDERS.items():
        parts.append(f"\n## {title}: `tests/{folder}/`\n\n| what holds | shown by | tests |\n|---|---|---|\n")
        parts += [_row(path) for path in sorted((ROOT / "tests" / folder).glob("test_*.py"))]
    return "".join(parts)


def _row(path: Path) -> str:
    tree = ast.parse(path.read_text())
    said = (ast.get_docstring(tree) or "").splitlines()[0].removesuffix(".").replace("|", "\\|")
    tests = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    return f"| {said} | `{path.name}` | {len(tests)} |\n"


if __name__ == "__main__":
    if sys.argv[1:] != ["--check"]:
        PAGE.write_text(page())
    elif PAGE.read_text() != page():
        sys.exit(f"{PAGE.relative_to(ROOT)} is stale: run `make docs`")
