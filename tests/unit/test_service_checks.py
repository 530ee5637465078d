"""What a host that was read says of its services: every item can fail, and says what a person needs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from examples import NONCE, SUPPORT, build, converged, full, view

from lgtm.checklist.preflight import CHECKS
from lgtm.checklist.preflight import results as preflight_results
from lgtm.checklist.service_checks import all_stopped, not_deployed, results
from lgtm.model import planning
from lgtm.model.checks import Result
from lgtm.model.component import Unit, Volume
from lgtm.model.hoststate import Filesystem, HostState, Misowned, Process, SecretState, Usage
from lgtm.model.settings import SiteSettings
from lgtm.model.site import Node, Site

NOW = 1_700_000_000
ALPHA = full(unit=Unit(("{artifact}/alpha",), memory_max=100 * 2**20), volumes=(Volume("/data/alpha", expects=2**30),))
WANTED = build(ALPHA)
NODE = Node("web1", SiteSettings(environment="test"), {})
SITE = Site((NODE,), NODE, {}, {}, Path("/"))
HERE = replace(
    converged(WANTED),
    now=NOW,
    os="debian 12",
    pids={"alpha": 42},
    listeners=(("127.0.0.1:9001", 'users:(("alpha",pid=42,fd=7))'), ("0.0.0.0:22", 'users:(("sshd",pid=7,fd=3))')),
    memory=(4 * 2**30, 2**30),
    uptime=1000.0,
    usage={"alpha": Usage(0, 10 * 2**20, 100 * 2**20, 100.0)},
    filesystems={"/data/alpha": Filesystem("/data", 2**40, False, 5)},
    used={"/data/alpha": 2**20},
)


def verified(**parts: Any) -> dict[str, Result]:
    found: HostState = replace(HERE, **parts)
    plan = planning.make("web1", WANTED, found, NONCE, SUPPORT)
    return {one.check.id: one for one in results(view(SITE, WANTED, found, NOW), plan)}


def test_a_healthy_host_is_well_in_every_item() -> None:
    found = verified()
    assert [one for one in found.values() if not one.ok] == []
    assert {f"alpha.{what}" for what in ("active", "sockets", "owners", "memory")} | {"host.in_force"} <= found.keys()
    assert all(one.check.remedy for one in found.values())
    assert found["alpha.active"].found == "for 15 min"
    assert found["host.retention"].found == "/data: 1.0 GiB of 1024.0 GiB"


def test_a_host_on_which_nothing_is_deployed_is_a_sentence() -> None:
    def said(**parts: Any) -> str:
        return not_deployed(view(SITE, WANTED, replace(HERE, **parts), NOW), "inventories/prod.py")

    assert said() == ""
    assert said(current=None).startswith(
        "nothing is deployed here; `pyinfra inventories/prod.py deploy.py --dry` shows"
    )
    gone = said(current="g0")
    assert (
        "/opt/lgtm/current points to g0, which is missing; `pyinfra inventories/prod.py deploy.py` repairs it" in gone
    )


def test_a_host_on_which_all_is_stopped_is_a_sentence_and_one_service_that_runs_is_enough() -> None:
    def said(*states: str) -> str:
        units = {f"s{number}": Process(state, "") for number, state in enumerate(states)}
        return all_stopped(view(SITE, WANTED, replace(HERE, processes=units), NOW))

    assert said("inactive", "active") == ""
    assert said("inactive", "activating") == ""  # it crashes again and again: that is for its own checks to say
    assert said("inactive", "failed").startswith("every service is stopped here (2)") and "lgtm.target" in said()


LOOKS = 'users:(("alpha",pid=42,fd=7))'


@pytest.mark.parametrize(
    ("id", "parts", "said"),
    [
        ("host.in_force", {"loaded": {}}, "reload alpha: etc/alpha/reload.yml changed"),
        ("alpha.active", {"processes": {"alpha": Process("failed", "")}}, "lgtm-alpha is failed"),
        ("alpha.active", {"processes": {}}, "lgtm-alpha is not there"),
        (
            "alpha.active",
            {"usage": {"alpha": Usage(7, None, None, 990.0)}},
            "it keeps restarting: 7 restarts, the last one ",
        ),
        ("alpha.sockets", {"listeners": ()}, "it does not listen on 127.0.0.1:9001"),
        (
            "alpha.sockets",
            {"listeners": (("127.0.0.1:9001", LOOKS), ("*:6060", LOOKS))},
            "it also listens on *:6060, which other hosts can reach",
        ),
        (
            "alpha.owners",
            {"misowned": {"/data/alpha": Misowned(3, "root:root", "600", "wal")}},
            "/data/alpha: repair wal (root:root, 600) and 2 more",
        ),
        (
            "alpha.memory",
            {"usage": {"alpha": Usage(0, 95 * 2**20, 100 * 2**20, 0.0)}},
            "it uses 0.1 GiB of at most 0.1 GiB",
        ),
        (
            "host.secrets",
            {"secrets": {"alpha/token": SecretState("644:root", "x", True)}},
            "/etc/lgtm/secrets/alpha/token is 644:root, and should be 600:root",
        ),
        (
            "host.disk",
            {"filesystems": {"/data/alpha": Filesystem("/data", 0, False, 5)}},
            "the file system at /data is full",
        ),
        ("host.clock", {"now": NOW + 100}, "the clock differs by 100 s"),
        (
            "host.retention",
            {"filesystems": {"/data/alpha": Filesystem("/data", 2**29, False, 5)}},
            "/data/alpha will grow to 1.0 GiB by their retention, but /data has 0.5 GiB for them",
        ),
    ],
)
def test_each_item_fails_with_a_sentence(id: str, parts: dict[str, Any], said: str) -> None:
    found = verified(**parts)[id]
    assert not found.ok and found.found.startswith(said), found


def test_a_socket_in_the_words_of_ipv6_is_the_same_socket() -> None:
    assert verified(listeners=(("[::ffff:127.0.0.1]:9001", LOOKS),))["alpha.sockets"].ok


def ahead(**parts: Any) -> dict[str, Result]:
    return {one.check.id: one for one in preflight_results(view(SITE, WANTED, replace(HERE, **parts), NOW))}


@pytest.mark.parametrize(
    ("id", "parts", "verdict", "said"),
    [
        ("host.distribution", {"os": "alpine 3.20"}, "warning", "runs alpine 3.20, which is untested"),
        ("host.memory", {"memory": (32 * 2**20, 0)}, "warning", "the services may use 0.1 GiB, the host has 0.0 GiB"),
        ("host.architecture", {"arch": "arm64"}, "failed", "is arm64, but its artifacts are for amd64"),
        ("host.tools", {"missing_tools": frozenset({"curl"})}, "failed", "curl is missing; install it"),
    ],
)
def test_what_is_known_ahead_has_a_severity(id: str, parts: dict[str, Any], verdict: str, said: str) -> None:
    found = ahead(**parts)[id]
    assert found.verdict == verdict and found.found.startswith(said), found


def test_every_item_of_the_checklist_has_an_id_of_its_own_a_title_and_a_remedy() -> None:
    assert len({check.id for check in CHECKS}) == len(CHECKS)
    assert all(check.title and check.remedy for check in CHECKS)
    assert all(one.ok for one in ahead().values())
