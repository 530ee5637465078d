"""What is asked follows what is there: nothing deployed, all stopped, something else running than is declared."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import Site, sh, written

from lab.machines import Host

NOTHING = "nothing is deployed here; `pyinfra "


@pytest.fixture(scope="module")
def services() -> tuple[str, ...]:
    return "mimir", "node_exporter"


@pytest.mark.parametrize(("script", "code"), [("verify.py", 1), ("diagnose.py", 1), ("drift.py", 2), ("repair.py", 1)])
def test_where_nothing_is_deployed_there_is_one_sentence(site: Site, host: Host, script: str, code: int) -> None:
    before = written(host)
    page = site.folder / "report.html"
    run, record = site.reported(script, "--data", f"html={page}")
    assert run.code == code, run.text
    assert run.text.count(NOTHING) == 1 and f"[{host.name}] {NOTHING}" in run.text, run.text
    assert "lab.py deploy.py --dry` shows the plan" in run.text
    assert "✗" not in run.text and " failed" not in run.text and "changes" not in run.text, run.text
    [found] = record["hosts"]
    assert found["checks"] == [] and found["plan"] == [] and not found["in_force"] and found["well_since"] is None
    assert len(record["sentences"]) == 1 and record["sentences"][0].startswith(f"{host.name}: {NOTHING}")
    assert "nothing is deployed here" in page.read_text()
    assert written(host) == before


@pytest.mark.parametrize(("script", "words"), [("backup.py", []), ("restore.py", ["--data", "service=mimir"])])
def test_where_nothing_is_deployed_there_is_no_data_to_copy(
    site: Site, host: Host, script: str, words: list[str]
) -> None:
    run = site.run(script, *words)
    assert run.code == 1 and "nothing is deployed here, so there is nothing to " in run.text, run.text
    assert "cannot open" not in run.text and sh(host, "test -e /run/lgtm/lock || echo free") == "free"


def test_a_host_without_anything_keeps_no_other_from_being_asked(
    bare: tuple[Host, ...], host: Host, converged: Site, tmp_path: Path
) -> None:
    both = Site(tmp_path, {host: ("mimir", "node_exporter"), bare[1]: ("node_exporter",)})
    run, record = both.reported("verify.py", "--data", "patience=30")
    assert run.code == 1 and f"[{bare[1].name}] {NOTHING}" in run.text, run.text
    asked = {one["name"]: {check["id"]: check["verdict"] for check in one["checks"]} for one in record["hosts"]}
    assert asked[bare[1].name] == {} and asked[host.name]["node_exporter.ready"] == "ok"
    assert both.run("diagnose.py").text.count(NOTHING) == 1


def test_where_everything_is_stopped_the_host_alone_is_shown(converged: Site, host: Host) -> None:
    sh(host, "systemctl stop 'lgtm-*.service'")
    try:
        run, record = converged.reported("verify.py")
    finally:
        sh(host, "systemctl start lgtm.target")
    assert run.code == 1 and "every service is stopped here (2)" in run.text, run.text
    shown = [line for line in run.text.splitlines() if "✗" in line]
    assert len(shown) == 1 and "The host is as declared" in shown[0], shown
    [found] = record["hosts"]
    assert {"mimir.active", "node_exporter.ready"} <= {one["id"] for one in found["checks"]}
    assert any("every service is stopped here (2)" in sentence for sentence in record["sentences"])


def test_a_stand_in_that_runs_proves_nothing_whatever_is_declared(
    converged: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The declared one is another program; it is asked for its version, and never deployed."""
    declared = tmp_path / "mimir"
    declared.write_text("#!/bin/sh\necho 'Mimir, version 2.11.0 (branch: release)'\n")
    declared.chmod(0o755)
    well, _ = converged.reported("verify.py", "--data", "patience=60")
    assert "STAND-IN  mimir 2.11.0+standin, not the real program\n" in well.text, well.text
    monkeypatch.setitem(converged.env, "LGTM_BINARIES", str(tmp_path))
    run, record = converged.reported("verify.py", "--data", "patience=60")
    [found] = record["hosts"]
    verdicts = {check["id"]: check["verdict"] for check in found["checks"]}
    assert verdicts["mimir.ready"] == "unproved" and verdicts["node_exporter.ready"] == "ok", verdicts
    assert found["stand_ins"] == ["mimir"] and found["versions"]["mimir"] == "2.11.0"
    assert "STAND-IN  mimir 2.11.0+standin, not the real program; 2.11.0 is declared" in run.text, run.text
