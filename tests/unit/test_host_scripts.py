"""The scripts that run on a host, run here: each test has /opt, /run, /etc and /data to itself."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest
from examples import NONCE, SUPPORT, build, component, full
from private import LGTM, WANTED, Private, arguments, deliver, stage

from lgtm.model.artifact import Resolved
from lgtm.model.generation import Generation
from lgtm.model.hoststate import parse
from lgtm.model.planning import make

SHELLCHECK = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")  # or the .venv's
SCRIPTS = sorted((LGTM / "host" / "scripts").glob("*.sh"))
LOCK, GENERATIONS, ARTIFACTS = "/run/lgtm/lock", "/opt/lgtm/generations", "/opt/lgtm/artifacts"


def lines(*texts: str) -> str:
    return "".join(base64.b64encode(text.encode()).decode() + "\n" for text in texts)


# --- the text of the scripts


@pytest.mark.skipif(not SHELLCHECK, reason="this machine has no shellcheck")
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_has_nothing_to_say(path: Path) -> None:
    command = [SHELLCHECK, "-x", "--shell=sh", "--severity=style", "--exclude=SC1091,SC2094", path]
    ran = subprocess.run(command, cwd=LGTM.parent, capture_output=True, text=True, timeout=30)
    assert (ran.returncode, ran.stdout) == (0, "")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_says_first_what_it_is_for(path: Path) -> None:
    text = [line for line in path.read_text().splitlines() if not line.startswith("#!")]
    assert text[0].startswith("# ") and len(text[0]) > 10


def test_activate_refuses_an_action_it_does_not_know() -> None:
    ran = subprocess.run(
        ["sh", LGTM / "host" / "scripts" / "activate.sh", "destroy"], capture_output=True, text=True, timeout=30
    )
    assert (ran.returncode, ran.stderr) == (64, "activate.sh: unknown action destroy\n")


# --- artifacts


def tarred(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, body in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(body), 0o755
            archive.addfile(info, io.BytesIO(body))
    return buffer.getvalue()


TAR = tarred({"top/alpha": os.urandom(5000), "top/doc/README": b"read me"})


def install(
    host: Private, body: bytes, sum_: str = "", layout: str = "tar", name: str = "alpha-1"
) -> subprocess.CompletedProcess[str]:
    host.path("/opt/upload").write_bytes(body)
    return host.run("artifact", name, sum_ or sha256(body).hexdigest(), layout, "alpha", "/opt/upload")


def listed(host: Private, folder: str) -> set[str]:
    return {str(path.relative_to(host.path(folder))) for path in host.path(folder).rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("layout", "body", "files"),
    [
        ("tar", TAR, {"alpha", "doc/README"}),
        ("flat", tarred({"alpha": b"a", "beta": b"b"}), {"alpha", "beta"}),
        ("binary", b"#!/bin/sh\n", {"alpha"}),
    ],
)
def test_an_artifact_is_unpacked_sealed_and_its_upload_removed(
    host: Private, layout: str, body: bytes, files: set[str]
) -> None:
    ran = install(host, body, layout=layout)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert listed(host, f"{ARTIFACTS}/alpha-1") == files | {".seal"}
    assert stat.S_IMODE(host.path(f"{ARTIFACTS}/alpha-1/alpha").stat().st_mode) == 0o755
    assert not host.path("/opt/upload").exists()
    assert host.read(build()).artifacts == {"alpha-1"}


def test_a_checksum_mismatch_leaves_nothing(host: Private) -> None:
    ran = install(host, TAR, "0" * 64)
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"alpha-1: checksum mismatch: expected {'0' * 64}, got ")
    assert list(host.path(ARTIFACTS).iterdir()) == [] and not host.path("/opt/upload").exists()


def test_a_truncated_archive_leaves_nothing_that_can_be_seen(host: Private) -> None:
    ran = install(host, TAR[:-200])
    assert ran.returncode != 0
    assert not host.path(f"{ARTIFACTS}/alpha-1").exists()
    assert host.read(build()).artifacts == frozenset()


def test_what_an_interrupted_run_left_is_cleaned_by_the_next(host: Private) -> None:
    for left in ("alpha-1.part", "alpha-1.old"):
        host.path(f"{ARTIFACTS}/{left}").mkdir()
        host.path(f"{ARTIFACTS}/{left}/junk").write_text("junk")
    assert install(host, TAR).returncode == 0
    assert [path.name for path in host.path(ARTIFACTS).iterdir()] == ["alpha-1"]
    assert not host.path(f"{ARTIFACTS}/alpha-1/junk").exists()


def test_a_failed_install_gives_the_lock_back(host: Private) -> None:
    host.path(LOCK).mkdir(parents=True)
    install(host, TAR, "0" * 64)
    assert not host.path(LOCK).exists()


@pytest.mark.parametrize("damage", ["echo >>alpha", "touch extra", "rm .seal"])
def test_a_damaged_artifact_counts_as_missing_until_it_is_installed_again(host: Private, damage: str) -> None:
    install(host, TAR)
    assert host.sh(f"cd {ARTIFACTS}/alpha-1 && {damage}").returncode == 0
    assert host.read(build()).artifacts == frozenset()
    assert install(host, TAR).returncode == 0
    assert host.read(build()).artifacts == {"alpha-1"}


# --- secrets


def test_secrets_are_for_root_alone_and_arrive_byte_for_byte(host: Private) -> None:
    value = "a b $HOME `id` # %s \\n ü'\""
    ran = host.run("secrets", "--", "alpha/token", "beta/key", stdin=lines(value, "k"))
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    path = host.path("/etc/lgtm/secrets/alpha/token")
    assert path.read_text() == value
    assert (stat.S_IMODE(path.stat().st_mode), path.stat().st_uid, path.stat().st_gid) == (0o600, 0, 0)
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (path.parent, path.parent.parent)} == {0o700}


def test_a_secret_that_others_could_read_is_mended_and_a_stale_one_removed(host: Private) -> None:
    host.run("secrets", "--", "alpha/token", "gone/key", stdin=lines("old", "k"))
    host.path("/etc/lgtm/secrets/alpha/token").chmod(0o644)
    host.run("secrets", "gone/key", "--", "alpha/token", stdin=lines("new"))
    path = host.path("/etc/lgtm/secrets/alpha/token")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", 0o600)
    assert listed(host, "/etc/lgtm/secrets") == {"alpha/token"}


# --- staging


def staged_well(host: Private) -> bool:
    found = host.read(WANTED)
    lines_ = make("web1", WANTED, found, NONCE, {}).lines()
    return not [line for line in lines_ if line.startswith("file ")]


def test_a_generation_is_staged_whole(host: Private) -> None:
    ran = stage(host)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert listed(host, f"{GENERATIONS}/{WANTED.id}") == set(WANTED.files)
    assert staged_well(host)


def test_an_unfinished_generation_of_an_interrupted_run_is_removed(host: Private) -> None:
    host.path(f"{GENERATIONS}/g1.part").mkdir()
    stage(host)
    assert [path.name for path in host.path(GENERATIONS).iterdir()] == [WANTED.id]


@pytest.mark.parametrize(
    "drift",
    [
        "echo >>order", "rm order", "chmod 600 order", "chown 1000 order", "touch etc/alpha/extra", "chmod 700 etc",
        "ln -s /etc/passwd etc/alpha/planted", "ln -sf /etc/hostname order", "mkfifo etc/pipe", "touch 'a b'",
        "touch 'ends in a blank '", "rm -r etc && ln -s /tmp etc",
    ],
)  # fmt: skip
def test_drift_in_a_staged_generation_is_seen_and_mended(host: Private, drift: str) -> None:
    stage(host)
    assert host.sh(f"cd {GENERATIONS}/{WANTED.id} && {drift}").returncode == 0
    assert not staged_well(host)
    ran = stage(host)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert staged_well(host)
    assert listed(host, f"{GENERATIONS}/{WANTED.id}") == set(WANTED.files)


def test_a_drifted_file_is_replaced_by_rename_and_the_others_are_left_alone(host: Private) -> None:
    stage(host)
    order, other = (host.path(f"{GENERATIONS}/{WANTED.id}/{path}") for path in ("order", "manifest.json"))
    order.write_text("edited")
    before = (order.stat().st_ino, other.stat().st_ino, other.stat().st_mtime_ns)
    with order.open() as reader:
        stage(host)
        assert reader.read() == "edited", "whoever has the old file open keeps it whole"
    assert order.read_text() == WANTED.files["order"] and order.stat().st_ino != before[0]
    assert (other.stat().st_ino, other.stat().st_mtime_ns) == before[1:]


def test_a_planted_symlink_is_removed_and_never_followed(host: Private) -> None:
    stage(host)
    host.path("/opt/victim").write_text("mine")
    host.sh(f"ln -sf /opt/victim {GENERATIONS}/{WANTED.id}/order")
    stage(host)
    assert host.path("/opt/victim").read_text() == "mine"


# --- the lock


def lock(host: Private, who: str = "anna@one", fingerprint: str = "") -> subprocess.CompletedProcess[str]:
    wanted = fingerprint or host.read(WANTED).fingerprint
    script = (LGTM / "host" / "scripts" / "read.sh").read_text()
    return host.run("lock", wanted, who, script, *arguments(WANTED), stdin=NONCE)


def test_a_host_that_has_not_changed_is_locked_for_the_lease(host: Private) -> None:
    ran = lock(host, "anna@one a message")
    assert (ran.returncode, ran.stderr) == (0, "")
    expires, holder = host.path(f"{LOCK}/holder").read_text().rstrip().split(" ", 1)
    assert holder == "anna@one a message" and 20 < int(expires) - time.time() <= 30


def test_a_second_lock_ends_with_4_and_names_the_holder(host: Private) -> None:
    lock(host, "anna@one")
    ran = lock(host, "bert@two")
    assert ran.returncode == 4
    assert re.match(
        r"locked by anna@one since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC; the lock expires within \d+ s", ran.stderr
    )
    assert "anna@one" in host.path(f"{LOCK}/holder").read_text()


@pytest.mark.parametrize("left", ["1000 anna@one\n", "", None], ids=["expired", "empty", "no holder"])
def test_a_lock_that_nobody_holds_any_more_is_taken_over(host: Private, left: str | None) -> None:
    host.path(LOCK).mkdir(parents=True)
    if left is not None:
        host.path(f"{LOCK}/holder").write_text(left)
    assert lock(host, "bert@two").returncode == 0
    assert "bert@two" in host.path(f"{LOCK}/holder").read_text()


def test_of_many_that_want_an_expired_lock_one_gets_it(host: Private) -> None:
    host.path(LOCK).mkdir(parents=True)
    host.path(f"{LOCK}/holder").write_text("1000 anna@one\n")
    with ThreadPoolExecutor() as pool:
        codes = list(pool.map(lambda number: lock(host, f"run@{number}").returncode, range(8)))
    assert sorted(codes) == [0] + [4] * 7


def test_a_directory_planted_where_a_file_belongs_and_the_reverse_are_mended(host: Private) -> None:
    stage(host)
    root = host.path(f"{GENERATIONS}/{WANTED.id}")
    (root / "order").unlink()
    (root / "order").mkdir()
    shutil.rmtree(root / "etc")
    (root / "etc").write_text("planted")
    assert stage(host).returncode == 0
    assert staged_well(host)


def test_a_host_that_changed_since_the_plan_is_locked_and_says_how_it_is_now(host: Private) -> None:
    stage(host)
    before = host.read(WANTED).fingerprint
    assert lock(host, fingerprint=before).stdout == "" and host.run("unlock").returncode == 0
    host.path(f"{GENERATIONS}/{WANTED.id}/order").write_text("edited")
    after = host.read(WANTED)
    ran = lock(host, fingerprint=before)
    assert (ran.returncode, ran.stderr) == (0, "")
    told = parse(ran.stdout)
    assert (told.fingerprint, told.sums) == (after.fingerprint, after.sums) and told.fingerprint != before
    assert host.path(LOCK).exists()


def test_what_a_service_was_started_from_is_never_seen_half_written(host: Private) -> None:
    """A service that crashes again and again is started anew every second: that is no change of the host."""
    deliver(host)
    stage(host)
    host.sh(f"ln -sfn generations/{WANTED.id} /opt/lgtm/current")
    starts = "for i in $(seq 60); do /usr/local/lib/lgtm/activate.sh started alpha; done"
    assert host.sh("/usr/local/lib/lgtm/activate.sh started alpha").returncode == 0
    whole, seen = host.read(WANTED), set()
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(host.sh, starts)
        while not starting.done():
            found = host.read(WANTED)
            seen.add(found.fingerprint)
            assert found.started["alpha"] == WANTED.restart_files("alpha")
    assert starting.result().returncode == 0 and seen == {whole.fingerprint}


def test_the_lock_is_given_back(host: Private) -> None:
    lock(host)
    assert host.run("unlock").returncode == 0
    assert lock(host, "bert@two").returncode == 0


def test_the_lease_is_made_longer_by_whoever_took_it_alone(host: Private) -> None:
    lock(host, "anna@one at work")
    host.path(f"{LOCK}/holder").write_text(f"{int(time.time()) + 5} anna@one at work\n")
    assert host.run("renew", "bert@two").returncode == 1
    assert host.run("renew", "anna@one at work").returncode == 0
    assert int(host.path(f"{LOCK}/holder").read_text().split()[0]) - time.time() > 20


def test_a_switch_under_way_is_waited_for_by_name(host: Private) -> None:
    host.path("/opt/lgtm/pending").write_text("- g1 0 boot deploy - anna@one\n")
    ran = lock(host, "bert@two", fingerprint="-")
    assert ran.returncode == 4 and "a switch is under way (- g1 0 boot deploy - anna@one)" in ran.stderr


def test_what_a_service_was_started_from_is_noted_also_where_a_file_is_gone(host: Private) -> None:
    stage(host)
    deliver(host)
    host.sh(f"ln -s generations/{WANTED.id} /opt/lgtm/current && /usr/local/lib/lgtm/activate.sh started alpha")
    assert host.read(WANTED).loaded["alpha"] == WANTED.reload_files("alpha")
    host.sh(f"rm {GENERATIONS}/{WANTED.id}/etc/alpha/reload.yml && /usr/local/lib/lgtm/activate.sh started alpha")
    assert "alpha" not in host.read(WANTED).loaded
    assert host.read(WANTED).started["alpha"] == WANTED.restart_files("alpha")


def test_the_lock_of_somebody_who_is_gone_is_broken_and_noted(host: Private) -> None:
    deliver(host)
    lock(host, "anna@one")
    host.path(f"{LOCK}/holder").write_text(f"{int(time.time()) + 2} anna@one\n")
    ran = host.run("break", "bert@two")
    assert (ran.returncode, ran.stdout) == (0, "broke the lock of anna@one\n"), ran.stderr
    assert not host.path(LOCK).exists()
    entry = json.loads(host.path("/opt/lgtm/log").read_text())
    assert (entry["who"], entry["action"], entry["outcome"]) == ("bert@two", "unlock", "broke the lock of anna@one")


def test_the_lock_of_somebody_at_work_is_not_broken(host: Private) -> None:
    deliver(host)
    lock(host, "anna@one")
    renewing = threading.Timer(2, lambda: host.path(f"{LOCK}/holder").write_text(f"{int(time.time()) + 61} anna@one\n"))
    renewing.start()
    ran = host.run("break", "bert@two")
    assert (ran.returncode, ran.stderr) == (
        4,
        "anna@one is still running and renews its lock; the lock was not broken\n",
    )
    assert host.path(LOCK).exists()


# --- all of them together


def test_after_the_scripts_only_the_switch_is_left_to_do(host: Private) -> None:
    one = full(volumes=full().volumes[:0])
    body = tarred({"top/alpha": b"#!/bin/sh\n"})
    artifact = Resolved("alpha", "1.0", "amd64", sha256(body).hexdigest(), "cache", True, "tar", None, None)
    wanted = build(one, component("beta"))
    wanted = Generation(wanted.id, wanted.components, {"alpha": artifact, "beta": artifact}, wanted.files)

    prepared = host.run("prepare", "lgtm-alpha", "lgtm-beta", "--", "--", "lgtm-alpha:0750:/opt/data/alpha", "--",
                        *SUPPORT, stdin=lines(*SUPPORT.values()))  # fmt: skip
    assert prepared.returncode == 0, prepared.stderr
    assert install(host, body, name=artifact.directory).returncode == 0
    assert host.run("secrets", "--", "alpha/token", stdin=lines("s3cret-of-alpha")).returncode == 0
    assert stage(host, wanted=wanted).returncode == 0

    todo = make("web1", wanted, host.read(wanted), NONCE, SUPPORT).lines()
    assert {line.split()[0] for line in todo} == {"switch", "link", "restart"}
    assert host.path("/opt/data/alpha").stat().st_mode & 0o777 == 0o750


def test_a_wrong_owner_is_mended_without_touching_the_data(host: Private) -> None:
    folder = host.path("/opt/data/alpha")
    folder.mkdir(parents=True)
    samples = folder / "samples"
    samples.write_text("precious")
    samples.chmod(0o406)
    before = samples.stat().st_mtime_ns
    assert host.run("prepare", "lgtm-alpha", "--", "--", "lgtm-alpha:0750:/opt/data/alpha", "--").returncode == 0
    assert folder.stat().st_uid == samples.stat().st_uid != 0
    assert (samples.stat().st_mtime_ns, stat.S_IMODE(samples.stat().st_mode)) == (before, 0o604)
    assert samples.read_text() == "precious"


def test_a_directory_above_that_keeps_services_out_is_seen_and_opened_no_further_than_needed(host: Private) -> None:
    assert host.run("prepare", "lgtm-alpha", "--", "--", "lgtm-alpha:0750:/opt/data/deep/alpha", "--").returncode == 0
    look = ("read", "g0", "lgtm-alpha:/opt/data/deep/alpha", "lgtm-alpha:/opt/none/beta", "lgtm-alpha:/opt/link/gamma")
    host.sh("mkdir -p /opt/far/gamma && ln -s /opt/far /opt/link && mkdir /opt/none")
    assert not parse(host.run(*look, stdin=NONCE).stdout).closed  # a volume's own 0750 is none
    host.sh("chmod 700 /opt/data /opt/far /opt/lgtm/artifacts && chmod 750 /opt/none /opt/data/deep")
    closed = {"/opt/data": "700", "/opt/data/deep": "750", "/opt/none": "750", "/opt/far": "700",
              "/opt/lgtm/artifacts": "700"}  # fmt: skip
    assert parse(host.run(*look, stdin=NONCE).stdout).closed == closed
    assert host.run("prepare", "--", *closed, "--", "--").returncode == 0
    assert not parse(host.run(*look, stdin=NONCE).stdout).closed
    host.sh(
        "ln -s /opt/far /opt/linked && mkdir '/opt/my disk' && ln -s '/opt/my disk' /opt/spaced && chmod 700 /opt/far"
    )
    behind = ("read", "g0", "lgtm-alpha:/opt/linked/not/yet", "lgtm-alpha:/opt/spaced/alpha")
    assert parse(host.run(*behind, stdin=NONCE).stdout).closed.keys() >= {"/opt/far"}  # and it comes to an end
    assert stat.S_IMODE(host.path("/opt/data").stat().st_mode) == 0o701
    assert stat.S_IMODE(host.path("/opt/none").stat().st_mode) == 0o751


def test_of_what_is_wrong_below_a_volume_the_first_is_named_and_all_are_counted(host: Private) -> None:
    assert host.run("prepare", "lgtm-alpha", "--", "--", "lgtm-alpha:0750:/opt/data/alpha", "--").returncode == 0
    look = ("read", "g0", "lgtm-alpha:/opt/data/alpha", "nobody-here:/opt/data/alpha", "--")
    assert not parse(host.run(*look, stdin=NONCE).stdout).wrong
    for number in range(3):
        host.path(f"/opt/data/alpha/roots {number}").touch(0o644)
    wrong = parse(host.run(*look, stdin=NONCE).stdout).wrong["/opt/data/alpha"]
    assert (wrong.many, wrong.owner, wrong.mode) == (3, "0:0", "644") and wrong.path.startswith("roots ")


def test_of_file_systems_mounted_on_each_other_the_last_is_the_one_that_has_room(host: Private) -> None:
    mounted = host.sh("cd /opt && mkdir over && mount -t tmpfs t over && mount -t tmpfs -o ro,size=1m t over")
    assert mounted.returncode == 0, mounted.stderr
    rooms = parse(host.run("read", "g0", "a:/opt/over/x/y", "a:/opt/x", "--", stdin=NONCE).stdout).rooms
    assert (rooms["/opt/over/x/y"].target, rooms["/opt/over/x/y"].read_only) == ("/opt/over", True)
    assert rooms["/opt/over/x/y"].free <= 2**20
    assert (rooms["/opt/x"].target, rooms["/opt/x"].read_only) == ("/opt", False)


def test_a_verdict_is_kept_and_says_since_when_all_has_been_well(host: Private) -> None:
    proved = host.path("/opt/lgtm/proved")
    proved.write_text("100 r1 g1 well\n200 r1 g1 unwell\n300 r1 g1 well\n400 r1 g1 well\n")
    now, since = host.run("prove", "r1", "g1", "well").stdout.split()
    assert (since, proved.read_text().splitlines()[-1]) == ("300", f"{now} r1 g1 well")
    assert host.run("prove", "r1", "g1", "unwell").stdout.split()[1] == "-"
    now, since = host.run("prove", "r2", "g1", "well").stdout.split()
    assert now == since, "another release begins anew"
    assert host.run("prove", "r2", "g2", "well").stdout.split()[1] >= since, "and so does another generation"


def test_drift_is_a_metric_that_remembers_since_when(host: Private) -> None:
    metrics = host.path("/opt/lgtm/metrics/lgtm_drift.prom")
    assert host.run("drift", "0").stdout.strip() == "0"
    first = host.run("drift", "1").stdout.strip()
    text = metrics.read_text()
    assert "lgtm_drift 1\n" in text and f"lgtm_drift_since_timestamp_seconds {first}\n" in text
    metrics.write_text(text.replace(first, "1700000000"))
    assert host.run("drift", "1").stdout.strip() == "1700000000"
    assert host.run("drift", "0").stdout.strip() == "0" and "lgtm_drift 0\n" in metrics.read_text()
    assert stat.S_IMODE(metrics.stat().st_mode) == 0o644 and not list(metrics.parent.glob("*.new"))
