"""Where artifacts come from: order, trust, and what happens when bytes are missing, cut short or wrong."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lgtm.artifacts.pins import PATH, Pins
from lgtm.artifacts.store import Store
from lgtm.model.artifact import Resolved
from lgtm.model.errors import Refusal

HERE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
THERE = {"amd64": "arm64", "arm64": "amd64"}[HERE]


@dataclass
class Upstream:
    """A release page on loopback: path → body, and how many bytes less it sends than it promises."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    withheld: int = 0
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def upstream(monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    page = Upstream()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page.asked.append(self.path)
            body = page.files.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write((body or b"")[: len(body or b"") - page.withheld])

        def log_message(self, format: str, *args: object) -> None:
            pass

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        page.url = f"http://127.0.0.1:{server.server_port}"
        yield page
        server.shutdown()


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def zipped(name: str, body: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), body)  # as upstream's: no exec bit
    return file.getvalue()


PROMETHEUS, MIMIR, LOKI = b"a tar of prometheus", b"#!/bin/sh\n", zipped(f"loki-linux-{HERE}", b"loki itself")
TAR, BARE, ZIP = "/v3.13.3/prometheus-3.13.3.tgz", "/mimir-3.2.1", "/3.7.8/loki.zip"


@pytest.fixture
def store(upstream: Upstream, tmp_path: Path) -> Store:
    """A store whose upstream has everything that the lock pins; mimir 2.11.0 has no sum."""
    upstream.files = {TAR: PROMETHEUS, BARE: MIMIR, ZIP: LOKI}
    lock = f"""
[prometheus]
url = "{upstream.url}/v{{version}}/prometheus-{{version}}.tgz"
sums = "{upstream.url}/sums"
layout = "tar"
members = ["prometheus", "promtool"]
[prometheus.versions."3.13.3"]
{HERE} = "{sha256(PROMETHEUS)}"
{THERE} = "{sha256(PROMETHEUS)}"
[prometheus.versions."3.5.0"]
[prometheus.versions."2.55.1"]
[prometheus.versions."3.14.0"]

[mimir]
url = "{upstream.url}/mimir-{{version}}"
sums = "{upstream.url}/sums"
layout = "binary"
members = ["mimir"]
[mimir.versions."2.11.0"]
[mimir.versions."3.2.1"]
{HERE} = "{sha256(MIMIR)}"

[loki]
url = "{upstream.url}/{{version}}/loki.zip"
sums = "{upstream.url}/sums"
layout = "zip"
members = ["loki"]
rename = {{ "loki-linux-{{arch}}" = "loki" }}
[loki.versions."3.7.8"]
{HERE} = "{sha256(LOKI)}"
"""
    return Store(Pins.parse(lock), tmp_path / "cache")


@pytest.fixture
def fallback(tmp_path: Path) -> Path:
    """A folder as the lab makes it: Debian's prometheus and a stand-in for mimir."""
    folder = tmp_path / "fallback"
    folder.mkdir()
    entries = {}
    rows = (("prometheus", "3.5.3", "Debian forky"), ("mimir", "2.11.0+standin", "stand-in"))
    for name, version, source in rows:
        body, file = f"tar of {name}".encode(), f"{name}.tar.gz"
        (folder / file).write_bytes(body)
        entry = {"version": version, "file": file, "sha256": sha256(body), "arch": HERE}
        entries[name] = entry | {"source": source}
    (folder / "index.json").write_text(json.dumps(entries))
    return folder


@pytest.fixture
def binaries(tmp_path: Path) -> Path:
    """LGTM_BINARIES with a prometheus that notes every run, and a promtool."""
    folder = tmp_path / "binaries"
    folder.mkdir()
    said = "prometheus, version v3.9.0+ds1 (branch: x)\n  go version: go1.24.1"
    script(folder / "prometheus", f"echo ran >> {tmp_path}/runs; echo '{said}'")
    script(folder / "promtool", "echo promtool, version 1.2.3")
    return folder


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def runs(tmp_path: Path) -> int:
    return len((tmp_path / "runs").read_text().splitlines())


def test_the_tracked_lock_file_is_sound() -> None:
    lock = Pins.load(PATH)
    assert lock.pin("mimir").versions["2.11.0"] == {}
    assert "0.33.0" not in lock.pin("alertmanager").versions
    assert lock.pin("grafana").members == ("bin/grafana",)
    for pin in lock.pins.values():
        assert "{version}" in pin.url and "{arch}" in pin.url and "{version}" in pin.sums


def test_a_locked_release_is_downloaded_once_and_then_comes_from_the_cache(store: Store, upstream: Upstream) -> None:
    first = store.resolve("prometheus", "3.13.3", HERE)
    assert (first.source, first.label, first.layout, first.url) == ("upstream", "locked", "tar", None)
    assert first.directory == f"prometheus-3.13.3-{sha256(PROMETHEUS)[:12]}"
    again = store.resolve("prometheus", "3.13.3", HERE)
    path, digest = store.local_file(again)
    assert (again.source, path.read_bytes(), digest) == ("cache", PROMETHEUS, sha256(PROMETHEUS))
    assert upstream.asked == [TAR]
    assert [each.name for each in store.cache.iterdir()] == [digest]


def test_the_cache_serves_when_offline_and_upstream_is_not_asked(store: Store, upstream: Upstream) -> None:
    offline = replace(store, offline=True)
    with pytest.raises(Refusal, match=r"prometheus 3\.13\.3 \(.*\) cannot be had: unset LGTM_OFFLINE.*not in the"):
        offline.resolve("prometheus", "3.13.3", HERE)
    assert upstream.asked == []
    store.resolve("prometheus", "3.13.3", HERE)
    assert offline.resolve("prometheus", "3.13.3", HERE).source == "cache"


def test_a_truncated_download_is_not_kept(store: Store, upstream: Upstream) -> None:
    upstream.withheld = 3
    with pytest.raises(Refusal, match="broke off 3 bytes before its end"):
        store.resolve("prometheus", "3.13.3", HERE)
    assert list(store.cache.iterdir()) == []
    upstream.withheld = 0
    assert store.resolve("prometheus", "3.13.3", HERE).source == "upstream"


def test_a_wrong_sum_is_refused_with_both_digests_and_the_file_is_removed(
    store: Store, upstream: Upstream, fallback: Path
) -> None:
    upstream.files[TAR] = b"replaced"
    lax = replace(store, fallback=fallback, allow_unlocked=True)
    with pytest.raises(Refusal) as refusal:
        lax.resolve("prometheus", "3.13.3", HERE)
    assert all(digest in str(refusal.value) for digest in (sha256(b"replaced"), sha256(PROMETHEUS)))
    assert list(store.cache.iterdir()) == []


def test_what_an_interrupted_run_left_is_never_taken_for_whole(store: Store) -> None:
    store.cache.mkdir()
    (store.cache / f"{sha256(PROMETHEUS)}.x1.part").write_bytes(PROMETHEUS[:5])
    found = store.resolve("prometheus", "3.13.3", HERE)
    assert found.source == "upstream"
    assert store.local_file(found)[0].read_bytes() == PROMETHEUS


def test_a_server_that_did_not_answer_is_not_asked_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = replace(store, mirror="http://127.0.0.1:1")
    with pytest.raises(Refusal, match=r"mirror: 127\.0\.0\.1:1 did not answer \("):
        dead.resolve("prometheus", "3.13.3", HERE)
    with pytest.raises(Refusal, match=r"mirror: 127\.0\.0\.1:1 did not answer before"):
        dead.resolve("mimir", "3.2.1", HERE)


def test_a_missing_release_is_a_sentence(store: Store, upstream: Upstream) -> None:
    upstream.files.clear()
    with pytest.raises(Refusal, match="answered 404"):
        store.resolve("prometheus", "3.13.3", HERE)


def test_a_mirror_replaces_everything_but_the_file_name(store: Store, upstream: Upstream) -> None:
    upstream.files["/mirror/prometheus-3.13.3.tgz"] = PROMETHEUS
    mirrored = replace(store, mirror=f"{upstream.url}/mirror")
    assert mirrored.resolve("prometheus", "3.13.3", HERE).source == "mirror"
    assert upstream.asked == ["/mirror/prometheus-3.13.3.tgz"]


def test_without_push_the_host_is_given_the_url_and_nothing_is_downloaded(store: Store, upstream: Upstream) -> None:
    pulling = replace(store, push=False)
    found = pulling.resolve("prometheus", "3.13.3", HERE)
    assert (found.path, found.url, found.locked) == (None, upstream.url + TAR, True)
    assert upstream.asked == [] and not store.cache.exists()
    assert pulling.local_file(found)[0].read_bytes() == PROMETHEUS


def test_without_push_a_zip_is_still_fetched_by_the_controller(store: Store) -> None:
    found = replace(store, push=False).resolve("loki", "3.7.8", HERE)
    assert (found.url, found.layout) == (None, "flat")


def test_a_zip_becomes_a_flat_tar_with_the_exec_bit(store: Store) -> None:
    found = store.resolve("loki", "3.7.8", HERE)
    path, digest = store.local_file(found)
    assert digest == sha256(path.read_bytes()) != found.sha256 == sha256(LOKI)
    with tarfile.open(path) as archive:
        (member,) = archive.getmembers()
        content = archive.extractfile(member)
        assert (member.name, member.mode, member.mtime) == ("loki", 0o755, 0)
        assert content is not None and content.read() == b"loki itself"


def test_repacking_is_deterministic_and_done_once(store: Store, tmp_path: Path) -> None:
    found = store.resolve("loki", "3.7.8", HERE)
    path, digest = store.local_file(found)
    written = path.stat().st_mtime_ns
    assert store.local_file(found) == (path, digest)
    assert path.stat().st_mtime_ns == written
    elsewhere = replace(store, cache=tmp_path / "other")
    assert elsewhere.local_file(elsewhere.resolve("loki", "3.7.8", HERE))[1] == digest


def test_a_zip_that_changed_in_the_cache_is_refused_and_removed(store: Store) -> None:
    found = store.resolve("loki", "3.7.8", HERE)
    assert found.path is not None
    found.path.write_bytes(b"other")
    with pytest.raises(Refusal, match=sha256(b"other")):
        store.local_file(found)
    assert not found.path.exists()


def test_a_zip_without_the_expected_file_is_a_sentence(store: Store, upstream: Upstream) -> None:
    other = zipped("something", b"x")
    upstream.files[ZIP] = other
    pin = replace(store.pins.pins["loki"], versions={"3.7.8": {HERE: sha256(other)}})
    odd = replace(store, pins=Pins({"loki": pin}))
    with pytest.raises(Refusal, match=f"no zip of loki-linux-{HERE}"):
        odd.local_file(odd.resolve("loki", "3.7.8", HERE))


def test_a_bare_binary_stays_as_it_is(store: Store) -> None:
    found = store.resolve("mimir", "3.2.1", HERE)
    path, digest = store.local_file(found)
    assert (found.layout, path.read_bytes(), digest) == ("binary", MIMIR, found.sha256)


def test_a_version_without_a_sum_says_run_make_lock(store: Store, fallback: Path) -> None:
    with pytest.raises(Refusal, match=f"mimir 2.11.0 has no sha256 in artifacts.lock for {HERE}: run `make pins`"):
        replace(store, fallback=fallback).resolve("mimir", "2.11.0", HERE)


def test_an_unknown_version_names_the_nearest_ones(store: Store, fallback: Path) -> None:
    lax = replace(store, fallback=fallback, allow_unlocked=True)
    with pytest.raises(Refusal, match=r"3\.13\.4 is not in artifacts.lock \(nearest: 3\.13\.3, 3\.14\.0, 3\.5\.0\)"):
        lax.resolve("prometheus", "3.13.4", HERE)


def test_an_unknown_artifact_or_architecture_is_a_sentence(store: Store) -> None:
    with pytest.raises(Refusal, match=r"promtheus is not in artifacts\.lock: did you mean prometheus"):
        store.resolve("promtheus", "3.13.3", HERE)
    with pytest.raises(Refusal, match="not riscv64"):
        store.resolve("prometheus", "3.13.3", "riscv64")


def test_a_stand_in_says_so_in_its_version_and_so_in_its_directory_on_a_host(store: Store, fallback: Path) -> None:
    index = fallback / "index.json"
    index.write_text(index.read_text().replace("2.11.0+standin", "2.11.0"))
    mimir = replace(store, fallback=fallback, allow_unlocked=True, offline=True).resolve("mimir", "2.11.0", HERE)
    assert mimir.version == "2.11.0+standin" and mimir.directory.startswith("mimir-2.11.0+standin-")


def test_the_fallback_serves_what_upstream_cannot(store: Store, fallback: Path) -> None:
    lab = replace(store, fallback=fallback, allow_unlocked=True, offline=True)
    debian, mimir = lab.resolve("prometheus", "3.13.3", HERE), lab.resolve("mimir", "2.11.0", HERE)
    assert (debian.version, debian.label, debian.layout) == ("3.5.3", "unlocked: Debian forky", "tar")
    assert (mimir.version, mimir.label, mimir.locked) == ("2.11.0+standin", "stand-in", False)
    assert lab.local_file(mimir) == (fallback / "mimir.tar.gz", sha256(b"tar of mimir"))
    assert lab.resolve("prometheus", "3.5.3", HERE).version == "3.5.3"


def test_the_fallback_is_refused_where_only_locked_artifacts_may_run(store: Store, fallback: Path) -> None:
    strict = replace(store, fallback=fallback, offline=True)
    with pytest.raises(Refusal, match=r"Debian forky has 3\.5\.3, .* allow_unlocked is False"):
        strict.resolve("prometheus", "3.13.3", HERE)


def test_the_fallback_is_not_used_for_another_architecture(store: Store, fallback: Path) -> None:
    lab = replace(store, fallback=fallback, allow_unlocked=True, offline=True)
    with pytest.raises(Refusal, match=f"no prometheus for {THERE}"):
        lab.resolve("prometheus", "3.13.3", THERE)


@pytest.mark.parametrize("index", ["", "[]", '{"prometheus": {"arch": "HERE"}}'])
def test_a_broken_index_is_a_sentence(store: Store, fallback: Path, index: str) -> None:
    (fallback / "index.json").write_text(index.replace("HERE", HERE))
    lab = replace(store, fallback=fallback, allow_unlocked=True, offline=True)
    with pytest.raises(Refusal, match=r"index\.json is missing or broken"):
        lab.resolve("prometheus", "3.13.3", HERE)


def test_a_fallback_file_that_is_not_the_indexs_is_refused(store: Store, fallback: Path) -> None:
    lab = replace(store, fallback=fallback, allow_unlocked=True, offline=True)
    found = lab.resolve("mimir", "2.11.0", HERE)
    lab.local_file(found)
    with pytest.raises(Refusal, match="0" * 64):
        lab.local_file(replace(found, sha256="0" * 64))
    (fallback / "mimir.tar.gz").write_bytes(b"exchanged")
    with pytest.raises(Refusal, match=sha256(b"exchanged")):
        lab.local_file(found)
    assert not (fallback / "mimir.tar.gz").exists()


def test_lgtm_binaries_come_first_with_the_version_they_say(
    store: Store, binaries: Path, fallback: Path, upstream: Upstream
) -> None:
    store.resolve("prometheus", "3.13.3", HERE)
    lab = replace(store, binaries=binaries, fallback=fallback, allow_unlocked=True)
    found = lab.resolve("prometheus", "3.13.3", HERE)
    assert (found.version, found.label, found.layout) == ("3.9.0+ds1", "unlocked: LGTM_BINARIES", "flat")
    path, digest = lab.local_file(found)
    assert digest == sha256(path.read_bytes()) == found.sha256
    with tarfile.open(path) as archive:
        assert [(each.name, each.mode) for each in archive] == [("prometheus", 0o755), ("promtool", 0o755)]
    assert lab.resolve("loki", "3.7.8", HERE).source == "upstream"


def test_a_whole_release_lies_in_a_folder_of_its_name(store: Store, binaries: Path) -> None:
    release = binaries / "prometheus"
    release.unlink()
    (release / "conf").mkdir(parents=True)
    (release / "conf" / "defaults").write_text("x")
    script(release / "prometheus", "echo prometheus, version 3.9.1")
    script(release / "promtool", "true")
    lab = replace(store, binaries=binaries, allow_unlocked=True)
    found = lab.resolve("prometheus", "3.13.3", HERE)
    assert (found.version, found.layout) == ("3.9.1", "flat")
    with tarfile.open(lab.local_file(found)[0]) as archive:
        modes = {each.name: each.mode for each in archive}
    assert modes == {"conf/defaults": 0o644, "prometheus": 0o755, "promtool": 0o755}
    (release / "conf" / "more").write_text("y")
    assert lab.resolve("prometheus", "3.13.3", HERE).sha256 != found.sha256
    (release / "promtool").unlink()
    assert "has no executable promtool" in refused(store, binaries)


def test_lgtm_binaries_are_run_and_packed_once_until_they_change(
    store: Store, binaries: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = replace(store, binaries=binaries, allow_unlocked=True)
    first = lab.resolve("prometheus", "3.13.3", HERE)
    with monkeypatch.context() as unhashed:
        unhashed.setattr("hashlib.file_digest", None)
        assert lab.local_file(lab.resolve("prometheus", "3.13.3", HERE)) == (first.path, first.sha256)
    assert runs(tmp_path) == 1
    script(binaries / "promtool", "echo promtool, version 1.2.4 and longer")
    assert lab.resolve("prometheus", "3.13.3", HERE).sha256 != first.sha256
    assert runs(tmp_path) == 2


def test_a_packed_folder_that_left_the_cache_is_packed_again(store: Store, binaries: Path) -> None:
    lab = replace(store, binaries=binaries, allow_unlocked=True)
    first = lab.resolve("prometheus", "3.13.3", HERE)
    assert first.path is not None
    first.path.unlink()
    assert lab.resolve("prometheus", "3.13.3", HERE) == first
    assert first.path.exists()


def test_lgtm_binaries_are_refused_unrun_where_only_locked_artifacts_may_run(
    store: Store, binaries: Path, tmp_path: Path
) -> None:
    with pytest.raises(Refusal, match=r"LGTM_BINARIES=.* is not in artifacts\.lock, and allow_unlocked is False"):
        replace(store, binaries=binaries).resolve("prometheus", "3.13.3", HERE)
    assert not (tmp_path / "runs").exists()


def test_lgtm_binaries_are_not_for_another_architecture(store: Store, binaries: Path) -> None:
    lab = replace(store, binaries=binaries, allow_unlocked=True)
    assert lab.resolve("prometheus", "3.13.3", THERE).source == "upstream"


def refused(store: Store, binaries: Path) -> str:
    with pytest.raises(Refusal) as refusal:
        replace(store, binaries=binaries, allow_unlocked=True).resolve("prometheus", "3.13.3", HERE)
    return str(refusal.value)


def test_an_unusable_lgtm_binaries_is_a_sentence(store: Store, binaries: Path) -> None:
    assert "is no folder" in refused(store, binaries / "absent")
    (binaries / "promtool").chmod(0o644)
    assert "has no executable promtool, which prometheus needs" in refused(store, binaries)
    (binaries / "promtool").unlink()
    assert "has no executable promtool" in refused(store, binaries)


def test_an_executable_that_tells_no_version_is_a_sentence(store: Store, binaries: Path) -> None:
    script(binaries / "prometheus", "echo hello")
    assert "names no version but says 'hello" in refused(store, binaries)
    (binaries / "prometheus").write_text("#!/nowhere/at/all\n")
    assert "--version` fails" in refused(store, binaries)


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("alertmanager, version 0.33.1 (branch: debian/sid)", "0.33.1"),
        ("Mimir, version 2.11.0 (branch: release-2.11)", "2.11.0"),
        ("time=2026-11-24T02:06:35.123Z msg=Redis Metrics Exporter v1.86.0-1    build date: x", "1.86.0-1"),
    ],
)
def test_versions_are_read_as_programs_say_them(store: Store, binaries: Path, said: str, version: str) -> None:
    script(binaries / "prometheus", f"echo '{said}' >&2")
    lab = replace(store, binaries=binaries, allow_unlocked=True)
    assert lab.resolve("prometheus", "3.13.3", HERE).version == version


def test_labels_say_how_far_an_artifact_can_be_trusted() -> None:
    locked = Resolved("loki", "3", "amd64", "0" * 64, "cache", True, "flat", None, None)
    assert locked.label == "locked"
    assert replace(locked, locked=False, source="Debian forky").label == "unlocked: Debian forky"
    assert replace(locked, locked=False, source="stand-in").label == "stand-in"
