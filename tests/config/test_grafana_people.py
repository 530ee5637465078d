"""What people created in Grafana: listed, read from an existing database, and never taken for ours."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import grafana_database
import pytest
from sites import component, make_site, parsed

from lgtm.load.plugins import tasks
from lgtm.model.checks import Answer, Bad, judge
from lgtm.model.made import Adopted, Made, counted
from tasks.grafana.dashboards import uids

FULL = {"one": ("grafana", "prometheus", "mimir", "loki", "tempo")}
KEPT = "grafana.kept_"
LINE = (
    'grafana_existing_sources = [{"name": "Prometheus", "uid": "PBFA97CFB590B2093", "service": "prometheus"}, '
    '{"name": "Loki", "uid": "P8E80F9AEF21F6940", "service": "loki"}]'
)
EXISTING = json.loads(LINE.partition(" = ")[2])


def adopted(folder: Path, key: bool = True, **data: Any) -> Adopted:
    """What the task module says of the files in a folder."""
    site = make_site(FULL, **data)
    files = {f"/data/grafana/{path.name}": path.read_bytes() for path in folder.iterdir()}
    if key:
        files["/data/grafana/secret_key"] = b""
    return tasks()["grafana"].adopted(site.here.services["grafana"], site, files)


def sources(**data: Any) -> dict[str, Any]:
    found = parsed(component(make_site(FULL, **data), "grafana"), "provisioning/datasources/datasources.yml")
    return {one["uid"]: one for one in found["datasources"]}


def kinds(**data: Any) -> dict[str, Made]:
    site = make_site(FULL, **data)
    return {one.id: one for one in tasks()["grafana"].made(site.here.services["grafana"], site)}


# --- a database of before


def test_without_a_database_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert adopted(tmp_path) == Adopted()


def test_a_database_without_its_key_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    grafana_database.write(tmp_path / "grafana.db", sources=())
    [problem] = adopted(tmp_path, key=False).problems
    assert problem.startswith(
        "grafana.db is there without secret_key, which decrypts its secrets; copy secret_key from the Grafana"
    )


def test_a_stopped_grafana_of_ours_does_not_lose_what_is_ours(tmp_path: Path) -> None:
    ours = (("grafana_prometheus", "Prometheus", "prometheus", 1), ("grafana_tempo", "Tempo", "tempo", 1))
    folder = "INSERT INTO dashboard VALUES (5, 1, 'pyinfra-lgtm', 'pyinfra-lgtm', 1);"
    grafana_database.write(tmp_path / "grafana.db", sources=(*ours, ("mine", "Mine", "loki", 0)), more=folder)
    found = adopted(tmp_path)
    assert found.problems == ()
    assert found.made[f"{KEPT}sources"] == {"mine": "Mine"}
    assert found.made[f"{KEPT}folders"] == {"folder": "Sales"}


def test_what_lies_in_our_folder_is_counted_neither_here_nor_there(tmp_path: Path) -> None:
    more = "ALTER TABLE dashboard ADD folder_uid TEXT; ALTER TABLE dashboard ADD deleted TEXT;"
    more += "INSERT INTO dashboard VALUES (7, 1, 'in', 'In our folder', 0, 'pyinfra-lgtm', NULL);"
    grafana_database.write(tmp_path / "grafana.db", sources=(), more=more)
    assert adopted(tmp_path).made[f"{KEPT}dashboards"] == {"theirs": "What somebody drew"}


def test_text_that_is_no_utf_8_is_read_all_the_same(tmp_path: Path) -> None:
    grafana_database.write(
        tmp_path / "grafana.db", sources=(), more="INSERT INTO user VALUES (7, CAST(X'ff61' AS TEXT), 0);"
    )
    assert len(adopted(tmp_path).made[f"{KEPT}users"]) == 3


def test_a_database_that_no_grafana_made_is_nothing_to_adopt(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "grafana.db").execute("CREATE TABLE other (x)")
    assert adopted(tmp_path, key=False) == Adopted()


def test_more_than_grafana_lists_is_not_counted() -> None:
    many = [{"uid": str(one), "title": "x"} for one in range(5000)]
    with pytest.raises(Bad, match="5000 or more"):
        kinds()[f"{KEPT}dashboards"].names(answer(many))


def test_what_people_have_is_read_from_the_database(tmp_path: Path) -> None:
    grafana_database.write(tmp_path / "grafana.db", sources=())
    found = adopted(tmp_path)
    assert found.problems == ()
    assert found.made == {
        f"{KEPT}dashboards": {"theirs": "What somebody drew"},
        f"{KEPT}folders": {"folder": "Sales"},
        f"{KEPT}users": {"admin": "admin", "anna": "anna"},
        f"{KEPT}sources": {},
        f"{KEPT}rules": {"rule": "Too much of it"},
    }
    counts, leaving = found.notes
    assert counts.startswith("finds dashboards: 1, folders: 1, users: 2, data sources: 0, alert rules: 1: all must")
    assert leaving == "dashboards from files of another installation are deleted (1): From a file"


def test_of_a_newer_database_the_resources_count_and_not_what_stayed_behind(tmp_path: Path) -> None:
    by = {"grafana.app/managedBy": "classic-file-provisioning", "grafana.app/managerId": "default"}
    ours = by | {"grafana.app/managerId": "pyinfra-lgtm"}
    rows = {
        "new": {"spec": {"title": "Newer"}},
        "file": {"metadata": {"annotations": by}, "spec": {"title": "From their file"}},
        "ours": {"metadata": {"annotations": ours}, "spec": {"title": "From our file"}},
    }
    more = grafana_database.UNIFIED
    for name, value in rows.items():
        where = "'dashboard.grafana.app', 'dashboards', 'default'"
        more += f"INSERT INTO resource VALUES ('{name}', {where}, '{name}', '{json.dumps(value)}');"
    grafana_database.write(tmp_path / "grafana.db", more=more)
    assert adopted(tmp_path).made[f"{KEPT}dashboards"] == {"new": "Newer"}
    assert adopted(tmp_path).made[f"{KEPT}folders"] == {"folder": "Sales"}
    assert adopted(tmp_path).notes[1] == (
        "dashboards from files of another installation are deleted (1): From their file"
    )


def test_data_sources_that_clash_are_refused_with_the_line_to_write(tmp_path: Path) -> None:
    grafana_database.write(tmp_path / "grafana.db")
    [problem] = adopted(tmp_path).problems
    assert "'Prometheus' (PBFA97CFB590B2093), 'Loki' (P8E80F9AEF21F6940)" in problem and LINE in problem
    assert adopted(tmp_path, grafana_existing_sources=EXISTING).problems == ()


@pytest.mark.parametrize(
    ("source", "proposed"),
    [
        (("grafana_tempo", "Traces", "tempo", 0), {"name": "Traces", "uid": "grafana_tempo", "service": "tempo"}),
        (("abc", "Prometheus", "influxdb", 0), {"name": "Prometheus", "uid": "abc", "service": ""}),
        (("abc", "our mimir", "prometheus", 1), {"name": "our mimir", "uid": "abc", "service": "mimir"}),
    ],
)
def test_each_kind_of_clash_has_its_line(tmp_path: Path, source: Any, proposed: Any) -> None:
    grafana_database.write(tmp_path / "grafana.db", sources=(source,))
    [problem] = adopted(tmp_path).problems
    assert f"grafana_existing_sources = {json.dumps([proposed])}" in problem
    assert adopted(tmp_path, grafana_existing_sources=[proposed]).problems == ()


def test_a_line_that_is_there_already_is_part_of_the_one_that_is_proposed(tmp_path: Path) -> None:
    grafana_database.write(tmp_path / "grafana.db")
    [problem] = adopted(tmp_path, grafana_existing_sources=EXISTING[:1]).problems
    assert LINE in problem and "'Prometheus'" not in problem.partition("which conflict")[0]


def test_our_own_under_the_name_that_made_room_is_no_clash(tmp_path: Path) -> None:
    ours = [(f"grafana_{name.lower()}", f"{name} (lgtm)", name.lower(), 1) for name in ("Prometheus", "Loki")]
    grafana_database.write(tmp_path / "grafana.db", sources=[*grafana_database.SOURCES, *ours])
    assert adopted(tmp_path, grafana_existing_sources=EXISTING).problems == ()
    [problem] = adopted(tmp_path).problems  # and once the setting is gone, Grafana would not start
    assert "'Prometheus (lgtm)' (grafana_prometheus)" in problem


@pytest.mark.parametrize("source", [("abc", "Billing", "postgres", 0), ("grafana_loki", "Loki", "loki", 0)])
def test_what_does_not_clash_is_left_alone(tmp_path: Path, source: Any) -> None:
    grafana_database.write(tmp_path / "grafana.db", sources=(source,))
    assert adopted(tmp_path).problems == ()


def test_a_dashboard_with_a_uid_of_ours_is_refused_by_name(tmp_path: Path) -> None:
    [uid, *_] = uids()
    grafana_database.write(
        tmp_path / "grafana.db", sources=(), more=f"INSERT INTO dashboard VALUES (9, 1, '{uid}', 'My own', 0);"
    )
    [problem] = adopted(tmp_path).problems
    assert f"the dashboard 'My own' has the uid {uid}, which one of our dashboards has" in problem


def test_a_database_that_cannot_be_read_is_said_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "grafana.db").write_bytes(b"no database at all" * 500)
    found = adopted(tmp_path)
    assert found.problems == () and found.made == {}
    assert "grafana.db cannot be read" in found.notes[0] and "a loss would not be noticed" in found.notes[0]


# --- what Grafana is told of sources of before


def test_ours_makes_room_and_theirs_is_answered_by_our_service() -> None:
    found = sources(grafana_existing_sources=EXISTING)
    assert found["grafana_prometheus"]["name"] == "Prometheus (lgtm)" and found["grafana_loki"]["name"] == "Loki (lgtm)"
    assert found["grafana_mimir"]["name"] == "Mimir"
    theirs = found["PBFA97CFB590B2093"]
    assert (theirs["name"], theirs["url"]) == ("Prometheus", found["grafana_prometheus"]["url"])
    assert [one["isDefault"] for one in found.values()].count(True) == 1


def test_a_source_with_our_uid_keeps_its_name() -> None:
    found = sources(grafana_existing_sources=[{"name": "Traces", "uid": "grafana_tempo", "service": "tempo"}])
    assert (len(found), found["grafana_tempo"]["name"]) == (4, "Traces")


def test_a_source_that_stays_as_it_is_is_not_in_the_file() -> None:
    found = sources(grafana_existing_sources=[{"name": "Prometheus", "uid": "abc"}])
    assert (len(found), found["grafana_prometheus"]["name"]) == (4, "Prometheus (lgtm)")


# --- what a running Grafana lists


def answer(body: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(body))


def test_what_is_ours_is_not_counted_as_theirs() -> None:
    found = kinds()
    boards = [{"uid": "a", "title": "A", "folderUid": "pyinfra-lgtm"}, {"uid": "b", "title": "B"}]
    assert found[f"{KEPT}dashboards"].names(answer(boards)) == {"b": "B"}
    folders = [{"uid": "pyinfra-lgtm", "title": "ours"}, {"uid": "f", "title": "F"}]
    assert found[f"{KEPT}folders"].names(answer(folders)) == {"f": "F"}
    listed = [{"uid": "grafana_loki", "name": "Loki", "type": "loki"}, {"uid": "x", "name": "X", "type": "loki"}]
    assert found[f"{KEPT}sources"].names(answer(listed)) == {"x": "X"}


def test_a_source_that_somebody_made_under_our_name_is_refused_before_anything_is_written() -> None:
    listed = [{"uid": "x", "name": "Tempo", "type": "tempo"}, {"uid": "grafana_loki", "name": "Loki", "type": "loki"}]
    [clash] = kinds()[f"{KEPT}sources"].clashes(answer(listed))
    assert 'grafana_existing_sources = [{"name": "Tempo", "uid": "x", "service": "tempo"}]' in clash
    said = [{"name": "Tempo", "uid": "x", "service": "tempo"}]
    assert list(kinds(grafana_existing_sources=said)[f"{KEPT}sources"].clashes(answer(listed))) == []


def test_fewer_than_before_is_a_failure_that_names_what_is_gone() -> None:
    made = kinds()[f"{KEPT}dashboards"]
    before = answer([{"uid": uid, "title": uid.upper()} for uid in "abcde"])
    [(_, check)], unknown = counted([("grafana", made)], [before])
    assert unknown == []
    assert judge("h", "grafana", check, before).found == "all 5"
    lost = judge("h", "grafana", check, answer([{"uid": "a", "title": "A"}, {"uid": "new", "title": "N"}]))
    assert (lost.verdict, lost.found) == ("failed", "of 5 dashboards 4 are gone: B, C, D and 1 more")
    assert lost.early  # they may still show: it is asked again for a while


@pytest.mark.parametrize("said", [Answer(401, '{"message": "Invalid username or password"}'), Answer(0, "curl: (7)")])
def test_what_cannot_be_listed_is_said(said: Answer) -> None:
    checks, [why] = counted([("grafana", kinds()[f"{KEPT}users"])], [said])
    assert checks == [] and why.startswith("grafana: its users could not be listed before the change (")
    with pytest.raises(Bad):
        kinds()[f"{KEPT}users"].names(said)
