"""Preflight: every reason not to deploy, as sentences that name host, value and remedy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from examples import build, converged, full, view

from lgtm.checklist.preflight import findings
from lgtm.model.component import Volume
from lgtm.model.hoststate import HostState, Room
from lgtm.model.planning import UNITS
from lgtm.model.settings import SiteSettings
from lgtm.model.site import Node, Site

NOW = 1_700_000_000
WANTED = build(full())
NODE = Node("web1", SiteSettings(environment="test"), {})
SITE = Site((NODE,), NODE, {}, {}, Path("/"))
HERE = replace(converged(WANTED), now=NOW)
NGINX = ("127.0.0.1:9001", 'users:(("nginx",pid=7,fd=5))')


def found(**parts: Any) -> list[str]:
    return findings(view(SITE, WANTED, replace(HERE, **parts), NOW))


def test_a_good_host_has_no_findings() -> None:
    assert found() == []


def test_a_bare_host_has_no_findings_either() -> None:
    assert findings(view(SITE, WANTED, HostState(now=NOW), NOW)) == []


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"lacks": frozenset({"curl"})}, "web1: curl is missing; install it"),
        ({"arch": "arm64"}, "web1: is arm64, but its artifacts are for amd64; set arch"),
        ({"now": NOW + 31}, "web1: clock is 31 s away from this machine's, clock_skew_max = 30; set up NTP"),
        ({"now": NOW - 31}, "web1: clock is 31 s away"),
        (
            {"pending": "- g1 0 boot deploy - anna@one hotfix"},
            "web1: a switch to g1 by anna@one hotfix (deploy) is under way; it commits",
        ),
        ({"volumes": {"/data/alpha": ("a:a", "644", "regular file")}}, "web1: /data/alpha is a regular file, not a"),
        (
            {"planted": {"/opt/lgtm/current": "directory"}},
            "web1: /opt/lgtm/current is a directory, not a link; move it",
        ),
        ({"rooms": {"/data/alpha": Room("/data", 0, False, 5)}}, "web1: the file system at /data is full: 0 MiB free"),
        (
            {"rooms": {"/data/alpha": Room("/data", 2**40, False, 0)}},
            "web1: the file system at /data has no inode left",
        ),
        ({"rooms": {"/data/alpha": Room("/data", 2**40, True, 5)}}, "web1: the file system at /data is read-only"),
        (
            {"links": {**HERE.links, f"{UNITS}/lgtm-gone.service": "x"}},
            "web1: gone is on this host, but in no group of it any more; put it back, or remove it with --data remove=",
        ),
        ({"processes": {}, "listeners": (NGINX,)}, "web1: alpha_http_port = 9001 is taken by nginx (pid 7);"),
    ],
    ids=[
        "tool",
        "architecture",
        "clock ahead",
        "clock behind",
        "pending",
        "volume",
        "planted",
        "full",
        "no inodes",
        "read-only",
        "leaving",
        "port",
    ],
)
def test_each_reason_is_one_sentence(parts: dict[str, Any], said: str) -> None:
    (sentence,) = found(**parts)
    assert sentence.startswith(said)


@pytest.mark.parametrize("now", [NOW - 30, NOW, NOW + 30])
def test_a_clock_may_be_as_wrong_as_the_setting_allows(now: int) -> None:
    assert found(now=now) == []


def test_every_reason_is_told_at_once() -> None:
    assert len(found(lacks=frozenset({"curl", "ss"}), arch="arm64", now=0)) == 4


def test_a_service_that_may_go_is_no_finding() -> None:
    leaving = replace(HERE, links={**HERE.links, f"{UNITS}/lgtm-gone.service": "x"})
    assert findings(view(SITE, WANTED, leaving, NOW, {"gone"})) == []


def test_data_is_not_written_below_a_mount_point_without_its_mount() -> None:
    wanted = build(full(volumes=(Volume("/data/alpha", mount="/data"),)))
    [sentence] = findings(view(SITE, wanted, replace(HERE, unmounted=frozenset({"/data"})), NOW))
    assert sentence.startswith("web1: /data should be a mount point (setting mounts), but nothing is mounted there")
    assert findings(view(SITE, WANTED, replace(HERE, unmounted=frozenset({"/data"})), NOW)) == []
