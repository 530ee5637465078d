"""diagnose.py finds what was planted, in each of the problems that people know."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import stack
from harness import Run, Site, sh

from lab.machines import Host, Lab

host, site = stack.first_host, stack.whole_site


@pytest.fixture(scope="module", autouse=True)
def flowing(converged: Site) -> None:
    """Everything has flowed once, or a first minute would be taken for a problem."""
    run = converged.run("verify.py", "--data", "patience=120")
    assert run.code == 0, run.text


@pytest.fixture
def mending(lab: Lab, converged: Site) -> Iterator[None]:
    yield
    lab.scenario("healthy", None)
    lab.scenario("smtp_accepting", None)
    assert converged.deploy().code == 0


def diagnosed(site: Site, problem: str) -> Run:
    return site.run("diagnose.py", "--data", f"problem={problem}")


TEMPO = "/opt/lgtm/current/etc/tempo/tempo.yml"
PLANTED = {
    "volumes": (
        "chown -R root:root /data/loki/chunks", "",
        "A service cannot write its data? The cause: lab1: loki owns its data: /data/loki: repair chunks",
        "run `repair.py`: it repairs owners and modes",
    ),
    "remote_write": (
        "systemctl stop lgtm-mimir", "",
        "Prometheus does not write to Mimir? The cause: lab1: mimir runs, and keeps running: lgtm-mimir is inactive",
        "journalctl -u lgtm-mimir",
    ),
    "mails": (
        "", "smtp_refusing", "Mails do not arrive? The cause: lab1: The mail server 198.18.0.1:2525 accepts the login",
        "Gmail wants an App Password",
    ),
    "targets": (
        "", "down", "A target is down? The cause: lab1: gatewayz_production answers: curl: (52)",
        "curl it from Prometheus' host",
    ),
    "logs": (
        "systemctl stop lgtm-alloy", "",
        "There are no logs? The cause: lab1: alloy runs, and keeps running: lgtm-alloy is inactive",
        "lab1, alloy: ",
    ),
    "traces": (
        f"sed -i 's/:4318/:4328/' {TEMPO}; systemctl restart lgtm-tempo; sleep 3", "",
        "There are no traces? The cause: lab1: tempo listens on its own ports only: it does not listen",
        "also failing: tempo.config, tempo.canary",
    ),
}  # fmt: skip


@pytest.mark.parametrize("problem", PLANTED)
def test_the_planted_cause_is_found(lab: Lab, converged: Site, host: Host, mending: None, problem: str) -> None:
    script, scenario, cause, advice = PLANTED[problem]
    sh(host, script or "true")
    if scenario:
        lab.scenario(scenario, None)
    run = diagnosed(converged, problem)
    assert run.code == 1 and cause in run.text and advice in run.text, run.text


def test_where_nothing_is_to_blame_there_is_the_evidence(converged: Site) -> None:
    run = diagnosed(converged, "mails")
    assert run.code == 0 and "Mails do not arrive? No: " in run.text and "lab1, alertmanager: " in run.text, run.text


def test_an_unknown_problem_is_refused_with_those_that_are_known(converged: Site) -> None:
    run = diagnosed(converged, "everything")
    assert run.code == 3 and "problem=everything is not known; there are volumes, remote_write, mails" in run.text
