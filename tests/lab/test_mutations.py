"""A verification that cannot fail proves nothing: each of these mutations must turn the demo red.

The mutated repositories are deployed to a host each, at once, since each takes as long as patience lasts.
"""

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from harness import ROOT, SERVICES, Run, Site

from lab.machines import Lab

PROMETHEUS = "templates/prometheus/prometheus.yml"
MUTATIONS = {
    "no remote_write": (PROMETHEUS, "{% if push %}", "{% if not push %}", "Mimir takes what Prometheus sends"),
    "a wrong Mimir path": (
        "tasks/prometheus.py",
        '"/api/v1/push"',
        '"/api/v1/write"',
        "Mimir takes what Prometheus sends",
    ),
    "no external labels": (PROMETHEUS, "{{ labels | yaml }}", "{}", "says Mimir"),
    "a scrape job missing": (
        PROMETHEUS,
        "{% for job in jobs %}",
        "{% for job in jobs if job.name != 'mimir' %}",
        "mimir",
    ),
}


def _mutated(folder: Path, file: str, old: str, new: str) -> Path:
    """A copy of the repository's tracked files with one text replaced, sharing the lab."""
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for name in names:
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    for shared in (".lab", ".env.lab"):
        (folder / shared).symlink_to(ROOT / shared)
    text = (folder / file).read_text()
    assert old in text, f"{file} no longer contains {old!r}: mend the mutation"
    (folder / file).write_text(text.replace(old, new))
    return folder


def _demo(site: Site) -> list[Run]:
    """What `make demo` runs once a host is up, as far as it gets."""
    deployed = site.deploy()
    return [deployed] if deployed.code else [deployed, site.run("verify.py", "--data", "patience=60")]


@pytest.fixture(scope="module")
def outcomes(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Run]]:
    numbers = range(1, len(MUTATIONS) + 1)
    lab.up(len(MUTATIONS))
    lab.reset(numbers)
    sites = [
        Site(
            tmp_path_factory.mktemp("inventory"), {lab.host(number): SERVICES},
            root=_mutated(tmp_path_factory.mktemp("repository"), *mutation[:3]),
        )
        for number, mutation in zip(numbers, MUTATIONS.values(), strict=True)
    ]  # fmt: skip
    with ThreadPoolExecutor() as pool:
        return dict(zip(MUTATIONS, pool.map(_demo, sites), strict=True))


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_turns_the_demo_red(name: str, outcomes: dict[str, list[Run]]) -> None:
    last = outcomes[name][-1]
    assert last.code == 1, last.text
    failures = [line for line in last.text.splitlines() if "✗" in line]
    assert any(MUTATIONS[name][3] in line for line in failures), last.text
