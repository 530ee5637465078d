"""What people created in Grafana: listed with its API, or read from the database of another installation."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lgtm.task import Adopted, Answer, Bad, Made, Names, Site

from . import datasources
from .datasources import Existing

DATABASE = ("grafana.db", "grafana.db-wal")
KEY = "secret_key"
LIMIT = 5000  # maximum dashboards that Grafana lists at once
DASHBOARDS, FOLDERS, USERS, SOURCES, RULES = (
    f"grafana.kept_{kind}" for kind in ("dashboards", "folders", "users", "sources", "rules")
)
# Of organisation 1, which is the one we provision. The newest form comes first; a query of a table or column that a
# version lacks is skipped. Since 12 dashboards and folders are resources; older ones stay in their own tables.
RESOURCES = (
    "SELECT name, json_extract(value, '$.spec.title') FROM resource WHERE namespace = 'default' AND resource = '{}'"
    """ AND json_extract(value, '$.metadata.annotations."grafana.app/managedBy"') IS NULL"""
)
ELSEWHERE = (
    f"""coalesce(json_extract(value, '$.metadata.annotations."grafana.app/folder"'), '') <> '{datasources.FOLDER}'"""
)
THEIRS = "WHERE org_id = 1 AND id NOT IN (SELECT dashboard_id FROM dashboard_provisioning)"
QUERIES = {
    DASHBOARDS: (
        f"{RESOURCES.format('dashboards')} AND {ELSEWHERE}",
        f"SELECT uid, title FROM dashboard {THEIRS} AND NOT is_folder AND deleted IS NULL"
        f" AND coalesce(folder_uid, '') <> '{datasources.FOLDER}'",
        f"SELECT uid, title FROM dashboard {THEIRS} AND NOT is_folder AND deleted IS NULL",
        f"SELECT uid, title FROM dashboard {THEIRS} AND NOT is_folder",
    ),
    FOLDERS: (
        RESOURCES.format("folders"),
        f"SELECT uid, title FROM dashboard {THEIRS} AND is_folder AND deleted IS NULL",
        f"SELECT uid, title FROM dashboard {THEIRS} AND is_folder",
    ),
    USERS: (
        "SELECT login, login FROM user WHERE NOT coalesce(is_service_account, 0)",
        "SELECT login, login FROM user",
    ),
    SOURCES: ("SELECT uid, name FROM data_source WHERE org_id = 1",),
    RULES: ("SELECT uid, title FROM alert_rule WHERE org_id = 1",),
}
FROM_FILES = (
    RESOURCES.format("dashboards").replace("IS NULL", "IS NOT NULL")
    + """ AND json_extract(value, '$.metadata.annotations."grafana.app/managerId"') NOT IN {0}""",
    "SELECT uid, title FROM dashboard WHERE id IN"
    " (SELECT dashboard_id FROM dashboard_provisioning WHERE name NOT IN {0})",
)
PRUNABLE = "SELECT uid, name FROM data_source WHERE org_id = 1 AND is_prunable"
TYPES = "SELECT uid, type FROM data_source WHERE org_id = 1"


def made(site: Site, existing: Sequence[Existing], user: str, secret: str) -> list[Made]:
    """Every kind of object that people create in Grafana. What is in our own folder is not theirs."""
    ask = partial(Made, user=user, secret=secret)
    ours = {datasources.uid(service) for service in datasources.NAMES}
    return [
        ask(DASHBOARDS, "dashboards", site.url("grafana", f"/api/search?type=dash-db&limit={LIMIT}"),
            lambda answer: _listed(answer, "uid", "title", lambda one: one.get("folderUid") != datasources.FOLDER)),
        ask(FOLDERS, "folders", site.url("grafana", f"/api/search?type=dash-folder&limit={LIMIT}"),
            lambda answer: _listed(answer, "uid", "title", lambda one: one["uid"] != datasources.FOLDER)),
        ask(USERS, "users", site.url("grafana", f"/api/users?perpage={LIMIT}"),
            lambda answer: _listed(answer, "login", "login")),
        ask(SOURCES, "data sources", site.url("grafana", "/api/datasources"),
            lambda answer: _listed(answer, "uid", "name", lambda one: one["uid"] not in ours),
            lambda answer: _clashes(site, existing, [_listed_source(one) for one in answer.json()])),
        ask(RULES, "alert rules", site.url("grafana", "/api/v1/provisioning/alert-rules"),
            lambda answer: _listed(answer, "uid", "title")),
    ]  # fmt: skip


def _listed(answer: Answer, key: str, title: str, theirs: Callable[[Any], bool] = lambda one: True) -> Names:
    """id → title, from a list of Grafana's API. Raises Bad for any other answer."""
    found = answer.json()
    if answer.status != 200 or not isinstance(found, list):
        raise Bad(f"HTTP {answer.status}: {found.get('message', found) if isinstance(found, dict) else found}")
    if len(found) >= LIMIT:
        raise Bad(f"there are {LIMIT} or more, and Grafana lists no more at once")
    return {str(one[key]): str(one[title]) for one in found if theirs(one)}


def _listed_source(one: Mapping[str, Any]) -> Source:
    return Source(str(one["uid"]), str(one["name"]), str(one["type"]), goes=False)


@dataclass(frozen=True)
class Source:
    """A data source of the database. `goes`: Grafana removes it at the next start, because no file provisions it."""

    uid: str
    name: str
    type: str
    goes: bool


def adopted(site: Site, existing: Sequence[Existing], dashboards: Sequence[str], files: Mapping[str, bytes]) -> Adopted:
    """What happens to an existing database; `files` is name → content, without the directory.

    `dashboards` are the uids of ours.
    """
    if not files.get(DATABASE[0]):
        return Adopted()
    try:
        with _opened(files) as database:
            names = {kind: _first(database, queries) for kind, queries in QUERIES.items()}
            sources = _sources(database, names[SOURCES])
            from_files = _first(database, [query.format(datasources.PROVIDERS) for query in FROM_FILES])
    except sqlite3.DatabaseError as error:  # Grafana may be writing it while it starts or stops
        return Adopted(notes=(f"{DATABASE[0]} cannot be read ({error}); a loss would not be noticed",))
    if not names[USERS]:
        return Adopted()  # not a database of Grafana
    names = {kind: _theirs(kind, found) for kind, found in names.items()}
    problems = (*_keyless(files), *_taken(names[DASHBOARDS], dashboards), *_clashes(site, existing, sources))
    counts = ", ".join(f"{kind.title}: {len(names[kind.id])}" for kind in made(site, existing, "", ""))
    notes = (f"finds {counts}: all must still be there afterwards", *_leaving(from_files))
    return Adopted(problems, notes, {kind: found for kind, found in names.items() if len(found) < LIMIT})


def _theirs(kind: str, found: Names) -> Names:
    """The names without our own objects, as in the lists of `made`: an earlier deploy may have created the database."""
    ours = {SOURCES: {datasources.uid(service) for service in datasources.NAMES}, FOLDERS: {datasources.FOLDER}}
    return {one: title for one, title in found.items() if one not in ours.get(kind, ())}


def _keyless(files: Mapping[str, bytes]) -> Iterator[str]:
    if KEY not in files:
        yield (
            f"{DATABASE[0]} is there without {KEY}, which decrypts its secrets; copy {KEY} from the "
            "Grafana it comes from (docs/from-docker-compose.md)"
        )


def _taken(theirs: Names, ours: Sequence[str]) -> Iterator[str]:
    for uid in sorted(theirs.keys() & set(ours)):
        yield f"the dashboard {theirs[uid]!r} has the uid {uid}, which one of our dashboards has; change its uid"


def _leaving(from_files: Names) -> Iterator[str]:
    """Grafana deletes dashboards from files that are no longer provisioned."""
    if from_files:
        some = ", ".join(sorted(from_files.values())[:5])
        yield f"dashboards from files of another installation are deleted ({len(from_files)}): {some}"


def _clashes(site: Site, existing: Sequence[Existing], sources: Sequence[Source]) -> Iterator[str]:
    """One sentence for all data sources that have a name or uid of ours and are not in `grafana_existing_sources`."""
    listed = {(one.name, one.uid) for one in existing}
    wanted = {datasources.name(service, existing): datasources.uid(service) for service in datasources.carried(site)}
    ours = {datasources.uid(service) for service in datasources.NAMES}  # those of a service that was removed disappear
    unlisted = [one for one in sources if (one.name, one.uid) not in listed and wanted.get(one.name) != one.uid]
    clashing = [
        one
        for one in unlisted
        if one.name in wanted or one.uid in wanted.values() or (one.goes and one.uid not in ours)
    ]
    if clashing:
        lines = json.dumps([_proposed(site, one) for one in [*_listed_sources(existing), *clashing]])
        names = ", ".join(f"{one.name!r} ({one.uid})" for one in clashing)
        yield (
            f"its database has the data sources {names}, which conflict with ours; set "
            f"grafana_existing_sources = {lines}, so that the named service answers the dashboards that use them"
        )


def _listed_sources(existing: Sequence[Existing]) -> list[Source]:
    return [Source(one.uid, one.name, datasources.kind(one.service), False) for one in existing]


def _proposed(site: Site, one: Source) -> dict[str, str]:
    """The value to set for it: answered by the service of that name, or else by the first one of its type."""
    able = [service for service in datasources.carried(site) if datasources.kind(service) == one.type]
    called = [service for service in able if datasources.NAMES[service].lower() in one.name.lower()]
    return {"name": one.name, "uid": one.uid, "service": next(iter(called + able), "")}


@contextmanager
def _opened(files: Mapping[str, bytes]) -> Iterator[sqlite3.Connection]:
    with tempfile.TemporaryDirectory() as folder:
        for name in DATABASE:
            if name in files:
                (Path(folder) / name).write_bytes(files[name])
        with closing(sqlite3.connect(Path(folder) / DATABASE[0])) as database:
            database.text_factory = partial(str, encoding="utf-8", errors="replace")
            database.execute("SELECT count(*) FROM sqlite_master").fetchone()
            yield database


def _first(database: sqlite3.Connection, queries: Sequence[str]) -> Names:
    """The result of the first query that this version of the database supports; a table of resources may be empty."""
    for query in queries:
        with suppress(sqlite3.OperationalError):  # no such table or column
            found = {str(key): str(title) for key, title in database.execute(query)}
            if found or "FROM resource" not in query:
                return found
    return {}


def _sources(database: sqlite3.Connection, names: Names) -> list[Source]:
    goes, types = _first(database, (PRUNABLE,)), _first(database, (TYPES,))
    return [Source(uid, name, types.get(uid, ""), uid in goes) for uid, name in names.items()]
