"""A verification that cannot fail proves nothing: each of these mutations must turn the demo red.

The mutated repositories are deployed to a host each, at once, since each takes as long as patience lasts.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from harness import ROOT, SERVICES, Run, Site, checkout, fresh

from lab.machines import Lab

PROMETHEUS = "templates/prometheus/prometheus.yml"
MUTATIONS = {
    "no remote_write": (PROMETHEUS, "{% if push %}", "{% if not push %}", "Mimir accepts the samples of Prometheus"),
    "a wrong Mimir path": (
        "tasks/prometheus/__init__.py",
        '"/api/v1/push"',
        '"/api/v1/write"',
        "Mimir accepts the samples of Prometheus",
    ),
    "no external labels": (PROMETHEUS, "{{ labels | yaml }}", "{}", "up in Mimir"),
    "a scrape job missing": (
        PROMETHEUS,
        "{% for job in jobs %}",
        "{% for job in jobs if job.name != 'mimir' %}",
        "mimir",
    ),
}


def _mutated(folder: Path, file: str, old: str, new: str) -> Path:
    """A copy of the repository with one text replaced."""
    checkout(folder)
    (folder / ".env.lab").symlink_to(ROOT / ".env.lab")
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
    with fresh(lab, *range(1, len(MUTATIONS) + 1)) as hosts, ThreadPoolExecutor() as pool:
        sites = [
            Site(
                tmp_path_factory.mktemp("inventory"), {host: SERVICES},
                root=_mutated(tmp_path_factory.mktemp("repository"), *mutation[:3]),
            )
            for host, mutation in zip(hosts, MUTATIONS.values(), strict=True)
        ]  # fmt: skip
        return dict(zip(MUTATIONS, pool.map(_demo, sites), strict=True))


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_turns_the_demo_red(name: str, outcomes: dict[str, list[Run]]) -> None:
    last = outcomes[name][-1]
    assert last.code == 1, last.text
    failures = [line for line in last.text.splitlines() if "✗" in line]
    assert any(MUTATIONS[name][3] in line for line in failures), last.text
