"""The switch on the host, with systemd's commands played: where `current` points, what is kept, what is said."""

from __future__ import annotations

import json

import pytest
from examples import build, full
from private import Private, deliver, stage

from lgtm.model.component import ConfigFile
from lgtm.model.generation import Generation, sha256

ACTIVATE = "/usr/local/lib/lgtm/activate.sh"
# All is active, starts and is ready at once; a timer is not set.
PLAYED = """
mkdir -p /run/bin
for name in systemctl systemd-run journalctl curl sync; do printf '#!/bin/sh\\nexit 0\\n' >/run/bin/$name; done
chmod 755 /run/bin/*
"""


def version(number: str, beta: str = "1") -> Generation:
    """Two services, one of them with a configuration of that number."""
    alpha = full(files=(ConfigFile("a.yml", number),), secrets=())
    return build(alpha, full("beta", files=(ConfigFile("b.yml", beta),), secrets=()))


@pytest.fixture
def machine(host: Private) -> Private:
    deliver(host)
    assert host.sh(PLAYED).returncode == 0
    return host


def do(machine: Private, *words: str) -> str:
    ran = machine.sh(f'PATH=/run/bin:$PATH exec {ACTIVATE} "$@"', "activate", *words)
    return f"{ran.stdout}{ran.stderr}exit={ran.returncode}"


def switched(machine: Private, wanted: Generation, action: str = "deploy", keep: str = "5") -> None:
    stage(machine, wanted=wanted)
    assert do(machine, "arm", wanted.id, "60", "anna@one", action) == "exit=0"
    assert do(machine, "flip", wanted.id, "30").endswith(f"switched to {wanted.id}\nexit=0")
    assert do(machine, "commit", keep) == f"committed {wanted.id}\nexit=0"


def current(machine: Private) -> str:
    return machine.sh("readlink /opt/lgtm/current").stdout.strip().removeprefix("generations/")


def good(machine: Private) -> list[str]:
    return machine.path("/opt/lgtm/good").read_text().split()


def log(machine: Private) -> list[tuple[str, ...]]:
    entries = [json.loads(line) for line in machine.path("/opt/lgtm/log").read_text().splitlines()]
    return [tuple(str(one[key]) for key in ("who", "action", "from", "to", "outcome")) for one in entries]


def test_a_committed_switch_is_good_and_noted(machine: Private) -> None:
    first, second = version("1"), version("2")
    switched(machine, first)
    switched(machine, second)
    assert (current(machine), good(machine)) == (second.id, [first.id, second.id])
    assert log(machine)[-1] == ("anna@one", "deploy", first.id, second.id, "committed")
    assert not machine.path("/opt/lgtm/pending").exists()


def test_a_rollback_leaves_what_came_after_out_of_what_is_good(machine: Private) -> None:
    first, second, third = version("1"), version("2"), version("3")
    for one in (first, second, third):
        switched(machine, one)
    switched(machine, first, "rollback")
    assert good(machine) == [first.id]
    switched(machine, third, "rollback")
    assert good(machine) == [first.id, third.id]


def test_old_generations_go_with_what_only_they_need(machine: Private) -> None:
    made = [version(number) for number in "1234"]
    for one in made:
        switched(machine, one, keep="2")
    strangers = ("generations/mine", "generations/g1")
    for name in strangers:
        machine.path(f"/opt/lgtm/{name}").mkdir()
    for name in ("left-1.0-abc", "half.part"):
        machine.path(f"/opt/lgtm/artifacts/{name}").mkdir()
    needed = made[-1].artifacts["alpha"].directory
    machine.path(f"/opt/lgtm/artifacts/{needed}").mkdir()
    machine.path("/etc/lgtm/secrets/alpha").mkdir(parents=True)
    machine.path("/etc/lgtm/secrets/alpha/old").write_text("x")
    switched(machine, version("5"), keep="2")
    left = {path.name for path in machine.path("/opt/lgtm/generations").iterdir()}
    assert left == {made[-1].id, version("5").id, "mine", "g1"}
    assert [path.name for path in machine.path("/opt/lgtm/artifacts").iterdir()] == [needed]
    assert not machine.path("/etc/lgtm/secrets/alpha/old").exists()


def test_a_revert_goes_back_and_says_why(machine: Private) -> None:
    first, second = version("1"), version("2")
    switched(machine, first)
    stage(machine, wanted=second)
    do(machine, "arm", second.id, "60", "anna@one")
    do(machine, "flip", second.id)
    said = do(machine, "revert", 'a "quoted"\treason')
    assert f"reverted to {first.id} (" in said and said.endswith("exit=0")
    assert current(machine) == first.id
    assert log(machine)[-1] == ("anna@one", "revert", second.id, first.id, 'a "quoted" reason')
    assert do(machine, "commit").startswith("too late: this host has already reverted")
    assert do(machine, "revert", "again") == "nothing to revert\nexit=0"


def test_a_revert_leaves_what_cannot_go_back_as_it_is(machine: Private) -> None:
    first, second = version("1", beta="1"), version("2", beta="2")
    switched(machine, first)
    stage(machine, wanted=second)
    do(machine, "arm", second.id, "60", "anna@one", "deploy", "beta")
    do(machine, "flip", second.id)
    said = do(machine, "revert", "not well")
    mixed = version("1", beta="2")
    files = {path: text for path, text in mixed.files.items() if path != "manifest.json"}
    assert "beta stays as it is in" in said and said.endswith("exit=0")
    root = machine.path(f"/opt/lgtm/generations/{current(machine)}")
    lying = {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}
    assert lying == files
    lines = "".join(f"{sha256(text)}  {path}\n" for path, text in sorted(files.items()))
    assert current(machine) == f"g{sha256(lines)[:12]}"


def test_one_switch_at_a_time(machine: Private) -> None:
    first = version("1")
    stage(machine, wanted=first)
    do(machine, "arm", first.id, "60", "anna@one")
    said = do(machine, "arm", first.id, "60", "bert@two")
    assert said.startswith("a switch is under way already (- ") and said.endswith("exit=1")


def test_the_timer_is_there_before_anything_waits_for_it(machine: Private) -> None:
    machine.path("/run/bin/systemd-run").write_text("#!/bin/sh\nls /opt/lgtm >/run/seen\n")
    do(machine, "arm", version("1.0").id, "60", "anna@one")
    assert machine.path("/opt/lgtm/pending").exists()
    assert "pending" not in machine.path("/run/seen").read_text().split()


def test_nothing_is_armed_that_no_timer_takes_back(machine: Private) -> None:
    machine.path("/run/bin/systemd-run").write_text("#!/bin/sh\nexit 1\n")
    assert do(machine, "arm", "g0", "60", "anna@one").endswith("exit=1")
    assert not machine.path("/opt/lgtm/pending").exists()


@pytest.mark.parametrize("left", ["pending", "reverting"])
def test_what_a_reboot_finds_undecided_is_undone(machine: Private, left: str) -> None:
    first, second = version("1"), version("2")
    switched(machine, first)
    stage(machine, wanted=second)
    do(machine, "arm", second.id, "60", "anna@one")
    do(machine, "flip", second.id)
    machine.sh(f"mv /opt/lgtm/pending /opt/lgtm/{left}")
    assert do(machine, "recover").endswith("exit=0")
    assert current(machine) == first.id and not machine.path(f"/opt/lgtm/{left}").exists()
    assert log(machine)[-1][-1] == "the host was rebooted before the switch was committed"


def test_a_commit_that_a_power_cut_interrupts_is_one(machine: Private) -> None:
    first, second = version("1"), version("2")
    switched(machine, first)
    stage(machine, wanted=second)
    do(machine, "arm", second.id, "60", "anna@one")
    do(machine, "flip", second.id)
    machine.sh("mv /opt/lgtm/pending /opt/lgtm/committed")
    assert do(machine, "recover").endswith("exit=0")
    assert (current(machine), good(machine)) == (second.id, [first.id, second.id])
    assert log(machine)[-1] == ("anna@one", "deploy", first.id, second.id, "committed, and rebooted")
    assert not machine.path("/opt/lgtm/committed").exists()


def test_a_writer_is_not_stopped_while_what_it_writes_to_is_away(machine: Private) -> None:
    first, second = version("1"), version("2")
    switched(machine, first)
    machine.path("/run/bin/curl").write_text("#!/bin/sh\ncase $* in *store*) exit 7 ;; esac\n")
    machine.path("/run/lgtm/alpha.drain").write_text("http://store/ready\n")
    stage(machine, wanted=second)
    do(machine, "arm", second.id, "60", "anna@one")
    said = do(machine, "flip", second.id)
    assert "alpha is not stopped: http://store/ready does not answer, and data that alpha has not sent yet" in said
    assert said.endswith("exit=1") and current(machine) == first.id
