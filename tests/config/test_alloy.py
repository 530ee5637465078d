"""Alloy: the whole journal, few labels, and no line lost while Loki is down."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sites import component, file, make_site, stage, validate

from lab.standins.alloy import Config, load
from lgtm.load.plugins import tasks
from lgtm.model.checks import Answer, Bad, Check
from lgtm.model.component import Component
from lgtm.model.errors import Refusal
from lgtm.model.unit import render

HOSTS = {"one": ("loki", "alloy"), "two": ("alloy",)}
ENTRY = {"MESSAGE": "hello", "PRIORITY": "3", "_SYSTEMD_UNIT": "lgtm-mimir.service"}


def alloy(**data: Any) -> Component:
    return component(make_site(HOSTS, **data), "alloy")


def check(name: str) -> Check:
    site = make_site(HOSTS)
    return next(one for one in tasks()["alloy"].checks(site.here.services["alloy"], site) if one.id == name)


def rules(folder: Path, **data: Any) -> Config:
    """The configuration as the stand-in understands it, relabelling included."""
    return load(stage(alloy(**data), folder) / "config.alloy")


@pytest.fixture
def program() -> Path:
    """A folder with the executable `alloy`, the real one."""
    folder = Path(os.environ.get("LGTM_BINARIES", "/nonexistent"))
    if not (folder / "alloy").exists():
        pytest.skip("no real Alloy: set LGTM_BINARIES to a folder with the executable `alloy`")
    return folder


def test_alloy_accepts_it(program: Path, tmp_path: Path) -> None:
    found = alloy(alloy_stack_only=True, alloy_log_level="debug")
    [run] = validate(found, program, stage(found, tmp_path))
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("loki.source.journal ", "loki.source.journald "),
        ("max_age ", "max_ages "),
        ("[loki.write.site.receiver]", "[loki.write.sight.receiver]"),
        ("url = ", "// url = "),
        ('"43200s"', '"12 hours"'),
        ('"journal"\n\t}', '"journal"\n'),
        ('"([^@]+@)', '"([^@]+@'),
        ('loki.write "site"', "loki.write"),
    ],
)
def test_alloy_refuses_it_broken(program: Path, tmp_path: Path, right: str, wrong: str) -> None:
    found = alloy()
    etc = stage(found, tmp_path)
    text = file(found, "config.alloy")
    assert right in text
    (etc / "config.alloy").write_text(text.replace(right, wrong, 1))
    assert validate(found, program, etc)[0].returncode == 1


def test_what_it_is_started_with() -> None:
    assert alloy().unit.command == (
        "{artifact}/alloy",
        "run",
        "--server.http.listen-addr=127.0.0.1:12345",
        "--storage.path=/data/alloy",
        "--disable-reporting",
        "--stability.level=generally-available",
        "/opt/lgtm/current/etc/alloy/config.alloy",
    )


def test_it_may_read_the_journal() -> None:
    assert alloy().unit.groups == ("systemd-journal",)
    assert "SupplementaryGroups=systemd-journal\n" in render(alloy(), "/opt/alloy")


def test_it_may_compile_as_it_starts_from_the_version_on_that_does() -> None:
    """Upstream's releases have the build tag gore2regex from 1.16 on."""
    assert alloy(alloy_version="1.16.0").unit.relax == {"MemoryDenyWriteExecute": None}
    assert alloy(alloy_version="1.15.9").unit.relax == {}
    assert "MemoryDenyWriteExecute=yes" in render(alloy(alloy_version="1.15.9"), "/opt/alloy")
    assert "MemoryDenyWriteExecute" not in render(alloy(), "/opt/alloy").replace("# ", "")


def test_it_follows_loki_wherever_that_is() -> None:
    site = make_site(HOSTS)
    two = replace(site, here=site.nodes[1])
    [near, far] = (
        tasks()["alloy"].component(one.here.services["alloy"], one) for one in (make_site({"one": HOSTS["one"]}), two)
    )
    assert 'url = "http://127.0.0.1:3100/loki/api/v1/push"' in file(near, "config.alloy")
    assert 'url = "http://192.0.2.11:3100/loki/api/v1/push"' in file(far, "config.alloy")
    assert (near.after, far.after) == (("loki",), ())
    assert 'labels        = {host = "two"}' in file(far, "config.alloy")


def test_a_site_without_loki_is_refused() -> None:
    with pytest.raises(Refusal, match="one: alloy ships the journal to Loki, but no host carries loki"):
        component(make_site({"one": ("alloy",)}), "alloy")


def test_a_log_level_alloy_does_not_know_is_refused() -> None:
    with pytest.raises(Refusal, match="alloy_log_level = 'trace'"):
        alloy(alloy_log_level="trace")


def test_days_become_seconds() -> None:
    assert 'max_age       = "172800s"' in file(alloy(alloy_max_age="2d"), "config.alloy")


def test_a_changed_file_is_reloaded_and_costs_no_restart() -> None:
    before, after = alloy(), alloy(alloy_stack_only=True)
    assert before.unit == after.unit
    assert [one.on_change for one in set(after.files) - set(before.files)] == ["reload"]


def test_lines_wait_for_loki_without_end() -> None:
    assert "max_backoff_retries = 0\n" in file(alloy(), "config.alloy")


def test_the_labels_of_a_line(tmp_path: Path) -> None:
    assert rules(tmp_path).stream(ENTRY) == {
        "job": "journal", "host": "one", "unit": "lgtm-mimir.service", "level": "error", "environment": "test",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "unit"),
    [
        ({"_SYSTEMD_UNIT": "user@1000.service"}, "user@.service"),
        ({"_SYSTEMD_UNIT": "systemd-coredump@12-3456-0.service"}, "systemd-coredump@.service"),
        ({"_SYSTEMD_UNIT": "session-7.scope"}, "session.scope"),
        ({"_SYSTEMD_UNIT": "run-u12.service"}, "run.service"),
        ({"_SYSTEMD_UNIT": "running-late.service"}, "running-late.service"),
        ({"_SYSTEMD_UNIT": "init.scope", "UNIT": "lgtm-loki.service"}, "lgtm-loki.service"),
        ({"_TRANSPORT": "kernel"}, None),
    ],
)
def test_units_stay_few(tmp_path: Path, fields: dict[str, str], unit: str | None) -> None:
    stream = rules(tmp_path).stream({"MESSAGE": "hello", "_PID": "4711"} | fields)
    assert stream is not None and stream.get("unit") == unit
    assert stream.keys() <= {"job", "host", "unit", "level", "environment"}


def test_the_stack_alone(tmp_path: Path) -> None:
    alone = rules(tmp_path, alloy_stack_only=True)
    assert alone.stream(ENTRY)
    assert alone.stream(ENTRY | {"_SYSTEMD_UNIT": "init.scope", "UNIT": "lgtm-loki.service"})
    assert not alone.stream(ENTRY | {"_SYSTEMD_UNIT": "ssh.service"})
    assert not alone.stream({"MESSAGE": "hello", "_TRANSPORT": "kernel"})


def test_a_component_that_is_ill_is_bad() -> None:
    judge, name = check("alloy.components").judge, "alloy_component_controller_running_components"
    assert judge(Answer(200, f'{name}{{controller_id="",health_type="healthy"}} 3\n')) == "3 components"
    ill = f'{name}{{health_type="healthy"}} 2\n{name}{{health_type="unhealthy"}} 1\n'
    with pytest.raises(Bad, match="1 of 3 components are not healthy"):
        judge(Answer(200, ill))
    for answer in (Answer(200, f'{name}{{health_type="exited"}} 1\n'), Answer(200, "other 1\n"), Answer(0, "refused")):
        with pytest.raises(Bad):
            judge(answer)


def test_lines_that_do_not_arrive_are_bad() -> None:
    judge, labels = check("alloy.sends").judge, 'component_id="loki.write.site",host="127.0.0.1:3100"'
    sent = f'loki_write_sent_entries_total{{{labels},tenant=""}} '
    dropped = f'loki_write_dropped_entries_total{{{labels},reason="line_too_long",tenant=""}} '
    assert judge(Answer(200, f"{sent}1.2e+03\n{dropped}0\n")) == "1200 lines sent, none lost"
    with pytest.raises(Bad, match="2 lines lost since Alloy started, 5 sent"):
        judge(Answer(200, f"{sent}5\n{dropped}2\n"))
    for answer in (Answer(200, f"{sent}0\n{dropped}0\n"), Answer(200, "other 1\n"), Answer(0, "refused")):
        with pytest.raises(Bad):
            judge(answer)


def test_the_format_is_that_of_alloy_fmt(tmp_path: Path) -> None:
    formatter = Path(os.environ.get("LGTM_BINARIES", "/nonexistent")) / "alloyfmt"
    if not formatter.exists():
        pytest.skip("no parser of Alloy's syntax: LGTM_BINARIES has no alloyfmt")
    for data in ({}, {"alloy_stack_only": True}):
        etc = stage(alloy(**data), tmp_path)
        subprocess.run([formatter, "-q", "-t", etc / "config.alloy"], check=True)
