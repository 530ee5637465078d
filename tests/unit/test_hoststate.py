"""Reading a host: what the lines of read.sh mean, and that the real script prints such lines."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lgtm.model.errors import LgtmError
from lgtm.model.hoststate import (
    Filesystem,
    HostState,
    Misowned,
    Process,
    SecretState,
    Usage,
    digest,
    fingerprint,
    parse,
    process_name,
)
from lgtm.model.secrets import Secret

READ = Path(__file__).parents[2] / "lgtm" / "host" / "scripts" / "read.sh"

RECORDED = """\
os|debian|12|x86_64
~now|1700000000|4a4d-boot
lacks|ss
current|g1
pending|- g1 1700000100 4a4d-boot deploy - anna@laptop
file|g1|l|777|0:0|etc/prometheus/planted
file|g1|d|700|0:0|etc/prometheus/rules
mode|g1|644|0:0|order
mode|g1|600|0:0|etc/prometheus/a b.yml
mode|g1|644|1000:0|manifest.json
sum|g1|aa|order
sum|g1|bb|etc/prometheus/a b.yml
support|/usr/local/lib/lgtm/activate.sh|cc
support|/etc/systemd/system/lgtm.target|dd
access|/usr/local/lib/lgtm/activate.sh|755:root
access|/etc/systemd/system/lgtm.target|666:root
link|/etc/systemd/system/lgtm-mimir.service|/opt/lgtm/current/units/lgtm-mimir.service
link|/etc/systemd/system/lgtm.target|
artifact|prometheus-3.13.3-0123456789ab
user|lgtm-mimir
volume|/data/mimir|lgtm-mimir:lgtm-mimir|750|directory
owners|/data/mimir
~wrong|/data/mimir|0:0|600|tsdb/wal|12
owners|/data/loki
~wrong|/data/loki|0:0|600|a|tab|1
~lies|/data/mimir|/data/mimir
~lies|/data/loki|/
~room|/data/mimir|/data|1000|rw|77
~room|/|/|2000|ro|-
unmounted|/data
named|prometheus/token
runs|prometheus|3.13.3
~secret|prometheus/token|600:root|ee|fresh
~secret|redis_exporter/passwords|644:nobody|ff|
~unit|prometheus|active|42
~unit|mimir|failed|0
~executes|/proc/42|/opt/lgtm/artifacts/prometheus-3.13.3-0123456789ab/prometheus
~use|prometheus|3|1048576|infinity|1500000
~use|mimir|0|[not set]|2097152|0
~memory|2048|1024|77.5
~used|/data/mimir|4096
started|prometheus|11|units/lgtm-prometheus.service
loaded|prometheus|22|etc/prometheus/prometheus.yml
~listen|127.0.0.1:9090|users:(("prometheus",pid=42,fd=7))
~listen|[::]:22|
""".replace("|", "\t")


@pytest.fixture(scope="module")
def found() -> HostState:
    return parse(RECORDED)


def test_it_says_what_the_host_is(found: HostState) -> None:
    assert (found.os, found.arch, found.now, found.missing_tools) == ("debian 12", "amd64", 1700000000, {"ss"})


def test_it_says_what_is_in_force_and_under_way(found: HostState) -> None:
    assert found.current == "g1"
    assert found.pending == "- g1 1700000100 4a4d-boot deploy - anna@laptop"
    assert found.versions == {"prometheus": "3.13.3"}


def test_files_are_known_by_their_sum_and_odd_ones_by_type_owner_or_mode(found: HostState) -> None:
    assert found.sums == {"g1": {"order": "aa", "etc/prometheus/a b.yml": "bb"}}
    odd = {"etc/prometheus/planted", "etc/prometheus/rules", "etc/prometheus/a b.yml", "manifest.json"}
    assert found.irregular == {"g1": odd}


def test_a_support_file_with_a_wrong_mode_counts_as_another_file(found: HostState) -> None:
    assert found.support["/usr/local/lib/lgtm/activate.sh"] == "cc"
    assert found.support["/etc/systemd/system/lgtm.target"] == "666:root"


def test_a_plain_file_is_a_link_to_nothing(found: HostState) -> None:
    assert found.links["/etc/systemd/system/lgtm.target"] == ""
    assert found.links["/etc/systemd/system/lgtm-mimir.service"].startswith("/opt/lgtm/current/")


def test_artifacts_users_and_volumes_are_listed(found: HostState) -> None:
    assert found.artifacts == {"prometheus-3.13.3-0123456789ab"} and found.users == {"lgtm-mimir"}
    assert found.volumes == {"/data/mimir": ("lgtm-mimir:lgtm-mimir", "750", "directory")}


def test_volumes_come_with_what_is_wrong_below_them_and_where_they_lie(found: HostState) -> None:
    assert found.misowned["/data/mimir"] == Misowned(12, "0:0", "600", "tsdb/wal")
    assert found.misowned["/data/loki"] == Misowned(1, "0:0", "600", "a\ttab")
    assert found.filesystems == {
        "/data/mimir": Filesystem("/data", 1000, False, 77),
        "/data/loki": Filesystem("/", 2000, True, None),
    }
    assert found.unmounted == {"/data"} and found.referenced_secrets == {"prometheus/token"}


def test_a_secret_is_fresh_when_the_running_process_has_it(found: HostState) -> None:
    assert found.secrets == {
        "prometheus/token": SecretState("600:root", "ee", True),
        "redis_exporter/passwords": SecretState("644:nobody", "ff", False),
    }


def test_processes_come_with_what_they_were_started_from(found: HostState) -> None:
    exe = "/opt/lgtm/artifacts/prometheus-3.13.3-0123456789ab/prometheus"
    assert found.processes == {"prometheus": Process("active", exe), "mimir": Process("failed", "")}
    assert found.processes["prometheus"].active and not found.processes["mimir"].active
    assert found.started == {"prometheus": {"units/lgtm-prometheus.service": "11"}}
    assert found.loaded == {"prometheus": {"etc/prometheus/prometheus.yml": "22"}}
    assert found.pids == {"prometheus": 42, "mimir": 0}


def test_processes_come_with_what_they_take_and_the_host_with_what_it_has(found: HostState) -> None:
    assert found.usage == {"prometheus": Usage(3, 2**20, None, 1.5), "mimir": Usage(0, None, 2**21, 0)}
    assert (found.memory, found.uptime, found.used) == ((2 * 2**20, 2**20), 77.5, {"/data/mimir": 4096})


def test_listeners_come_with_the_process_that_holds_them(found: HostState) -> None:
    holder = 'users:(("prometheus",pid=42,fd=7))'
    assert found.listeners == (("127.0.0.1:9090", holder), ("[::]:22", ""))
    assert (process_name(holder), process_name("")) == ("prometheus (pid 42)", "an unknown process")


def test_a_bare_host_has_nothing() -> None:
    bare = parse("os\tdebian\t12\taarch64\n~now\t1\tboot\ncurrent\t-\n")
    assert bare == HostState(arch="arm64", os="debian 12", now=1, fingerprint=bare.fingerprint)


@pytest.mark.parametrize("text", ["", "bash: read: command not found"])
def test_output_of_something_else_is_refused_and_quoted(text: str) -> None:
    with pytest.raises(LgtmError, match="could not be read") as error:
        parse(text)
    assert repr(text) in str(error.value)


def test_the_fingerprint_ignores_what_changes_by_itself() -> None:
    later = RECORDED.replace("1700000000", "1700009999").replace("prometheus\tactive\t42", "prometheus\tactive\t43")
    assert later != RECORDED and fingerprint(later) == fingerprint(RECORDED) == parse(RECORDED).fingerprint
    crashing = RECORDED.replace("\tactive", "\tactivating")  # and a moment later it is active again
    assert crashing != RECORDED and fingerprint(crashing) == fingerprint(RECORDED)
    written = RECORDED.replace("tsdb/wal\t12", "tsdb/wal\t13")  # what belongs to somebody else comes and goes
    assert written != RECORDED and fingerprint(written) == fingerprint(RECORDED)


@pytest.mark.parametrize(("old", "new"), [("sum\tg1\taa", "sum\tg1\tab"), ("g1", "g2"), ("owners\t/data/loki\n", "")])
def test_the_fingerprint_changes_with_all_else(old: str, new: str) -> None:
    assert fingerprint(RECORDED.replace(old, new)) != fingerprint(RECORDED)


def test_a_secrets_digest_tells_nothing_without_the_nonce() -> None:
    token = Secret("hunter2")
    assert digest("one", token) != digest("two", token)
    assert digest("one", token) == digest("one", Secret("hunter2")) != digest("one", Secret("hunter3"))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, as on a host")
@pytest.mark.skipif(not shutil.which("ss"), reason="this machine has no ss")
def test_the_real_script_prints_what_parse_reads() -> None:
    ran = subprocess.run(
        ["sh", "-c", READ.read_text(), "read", "g0", "root:/tmp", "root:/tmp/nothing/yet", "--", "/tmp/nothing"],
        input="n0nce\n", capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    here = parse(ran.stdout)
    assert here.now > 1_700_000_000 and here.os.split()[0]
    assert here.volumes["/tmp"] == ("root:root", "1777", "directory")
    assert here.filesystems["/tmp"] == here.filesystems["/tmp/nothing/yet"] and here.filesystems["/tmp"].free > 0
    assert here.unmounted == {"/tmp/nothing"}
