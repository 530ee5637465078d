"""A rollout is a sequence of runs, and stops at the first that is not well: the runs are played here."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lgtm.tools import rollout

HOSTS = ["p1", "p2", "p3", "p4"]


class Played:
    """Stands for pyinfra: keeps what it was asked, answers with exit codes by script, inventory and host."""

    def __init__(self, **settings: Any) -> None:
        self.settings = {"batch": 2, "undo": False, "soak": 0, "from": "staging"} | settings
        self.asked: list[str] = []
        self.words: list[list[str]] = []  # of each, what is said of steps that cannot be taken back
        self.codes: dict[str, int] = {}
        self.idle: set[str] = set()
        self.gate = "own"
        self.bare = False  # nothing is deployed in production yet

    def __call__(self, command: list[str], check: bool) -> subprocess.CompletedProcess[str]:
        limits = [command[at + 1] for at, word in enumerate(command) if word == "--limit"]
        at = next(at for at, word in enumerate(command) if word.startswith("inventories/"))
        inventory, script = Path(command[at]).stem, command[at + 1]
        dry = " dry" if "--dry" in command else ""
        said = f"{inventory} {script.removesuffix('.py')}{dry} {','.join(limits)}".strip()
        self.asked.append(said)
        self.words.append([word for word in command if word.startswith("oneway=")])
        code = self.codes.get(said, 2 if dry else 0)
        path = next(word.removeprefix("json=") for word in command if word.startswith("json="))
        told = {"id": "a.ready", "title": "A is ready", "found": "", "remedy": "mend it", "gate": self.gate}
        bare = said == "prod verify" and self.bare

        def asked(host: str) -> list[dict[str, str]]:
            ill = code == 1 and host == (limits or HOSTS)[-1]
            return [] if bare else [told | {"verdict": "failed" if ill else "ok"}]

        hosts = [
            {
                "name": host, "plan": [] if host in self.idle else ["a"], "current": "g1", "in_force": True,
                "versions": {}, "stand_ins": [], "history": [],
                "checks": asked(host),
            }
            for host in limits or HOSTS
        ]  # fmt: skip
        record = {
            "hosts": hosts, "sentences": ["it went wrong"] * (code == 1), "settings": self.settings,
            "environment": inventory, "release": "r1",
        }  # fmt: skip
        Path(path).write_text(json.dumps(record))
        return subprocess.CompletedProcess(command, code)


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    found = Played()
    monkeypatch.setattr(rollout.subprocess, "run", found)
    return found


BEGINNING = ["staging deploy", "staging verify", "prod deploy dry"]
BEFORE = [*BEGINNING, "prod verify"]  # how production is, before anything is changed there


def test_staging_then_the_first_host_then_the_others_in_batches(played: Played, tmp_path: Path) -> None:
    assert rollout.main(["--json", str(tmp_path / "a.json")]) == 0
    assert played.asked == [
        *BEFORE, "prod deploy p1", "prod verify p1", "prod deploy p2,p3", "prod verify p2,p3", "prod deploy p4",
        "prod verify p4", "prod verify",
    ]  # fmt: skip
    report = json.loads((tmp_path / "a.json").read_text())
    assert (report["exit"], report["release"], len(report["hosts"])) == (0, "r1", 4)


def test_hosts_without_anything_to_do_are_left_alone(played: Played) -> None:
    played.idle = set(HOSTS[:3])
    assert rollout.main([]) == 0
    assert played.asked == [*BEFORE, "prod deploy p4", "prod verify p4", "prod verify"]


@pytest.mark.parametrize(("ill", "code"), [("staging deploy", 1), ("staging verify", 1), ("prod deploy dry", 3)])
def test_nothing_reaches_production_when_what_comes_before_is_not_well(played: Played, ill: str, code: int) -> None:
    played.codes[ill] = code
    assert rollout.main([]) == code
    assert played.asked == BEGINNING[: BEGINNING.index(ill) + 1]


def test_a_deploy_that_fails_has_taken_itself_back(played: Played) -> None:
    played.codes["prod deploy p2,p3"] = 1
    assert rollout.main([]) == 1
    assert played.asked[-2:] == ["prod verify p1", "prod deploy p2,p3"]


def test_hosts_that_are_not_well_afterwards_are_taken_back(played: Played) -> None:
    played.codes["prod verify p2,p3"] = 1
    assert rollout.main([]) == 1
    assert played.asked[-1] == "prod rollback p3"


def test_peers_that_were_not_well_before_stop_nothing_and_new_ones_do(played: Played) -> None:
    played.gate = "peer"
    played.codes |= {"prod verify": 1, "prod verify p4": 1, "prod verify p2,p3": 1}  # p4 was ill before, p3 was not
    assert rollout.main([]) == 1
    assert played.asked[-1] == "prod rollback p3"
    played.asked.clear()
    played.codes["prod verify p2,p3"] = 0
    assert rollout.main([]) == 1  # the last verification wants everything to be well
    assert played.asked[-3:] == ["prod deploy p4", "prod verify p4", "prod verify"]


def test_all_that_was_changed_is_taken_back_where_that_is_wished(played: Played, tmp_path: Path) -> None:
    played.settings["undo"] = True
    played.codes["prod verify p2,p3"] = 1
    assert rollout.main(["--html", str(tmp_path / "a.html")]) == 1
    assert played.asked[-2:] == ["prod rollback p3", "prod rollback p1,p2"]
    assert "Production: roll back" in (tmp_path / "a.html").read_text()


def test_staging_is_verified_while_it_soaks(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(rollout.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(rollout.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    played.settings["soak"] = 700
    assert rollout.main([]) == 0
    assert played.asked[:6] == [*BEGINNING, *["staging verify"] * 3] and now[0] == 700


def test_a_run_that_leaves_no_record_is_a_failure(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollout.subprocess, "run", lambda command, check: subprocess.CompletedProcess(command, 64))
    assert rollout.main([]) == 64


def test_its_own_way_back_needs_no_word_for_a_database_that_was_saved(played: Played) -> None:
    played.codes["prod verify p1"] = 1
    assert rollout.main([]) != 0
    back = played.asked.index("prod rollback p1")
    assert played.words[back] == ["oneway=grafana"]
    assert [word for at, word in enumerate(played.words) if word and at != back] == []


def test_a_first_rollout_waits_for_peers_that_have_not_had_their_turn(played: Played) -> None:
    played.bare, played.gate = True, "peer"
    played.codes["prod verify p1"] = 1
    assert rollout.main([]) == 0
    assert not any("rollback" in one for one in played.asked)
    played.gate = "own"
    assert rollout.main([]) == 1
    assert "prod rollback p1" in played.asked
