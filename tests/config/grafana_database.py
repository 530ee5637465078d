"""A database like the one that another Grafana installation leaves."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

TABLES = """
CREATE TABLE data_source (id INTEGER PRIMARY KEY, org_id INTEGER, uid TEXT, name TEXT, type TEXT, is_prunable INTEGER);
CREATE TABLE dashboard (id INTEGER PRIMARY KEY, org_id INTEGER, uid TEXT, title TEXT, is_folder INTEGER);
CREATE TABLE dashboard_provisioning (id INTEGER PRIMARY KEY, dashboard_id INTEGER, name TEXT);
CREATE TABLE user (id INTEGER PRIMARY KEY, login TEXT, is_service_account INTEGER);
CREATE TABLE alert_rule (id INTEGER PRIMARY KEY, org_id INTEGER, uid TEXT, title TEXT);
"""
UNIFIED = 'CREATE TABLE resource (guid TEXT, "group" TEXT, resource TEXT, namespace TEXT, name TEXT, value TEXT);'
SOURCES = (("PBFA97CFB590B2093", "Prometheus", "prometheus", 0), ("P8E80F9AEF21F6940", "Loki", "loki", 0))


def write(
    path: Path,
    sources: Iterable[tuple[str, str, str, int]] = SOURCES,
    more: str = "",
) -> None:
    """Make one with two users, a folder, a dashboard of somebody's, one from a file, and data sources."""
    with closing(sqlite3.connect(path)) as database:
        database.executescript(TABLES)
        database.executescript("""
            INSERT INTO user VALUES (1, 'admin', 0), (2, 'anna', 0), (3, 'sa-robot', 1);
            INSERT INTO dashboard VALUES (1, 1, 'folder', 'Sales', 1), (2, 1, 'theirs', 'What somebody drew', 0),
                (3, 1, 'old', 'From a file', 0), (4, 2, 'elsewhere', 'Of another organisation', 0);
            INSERT INTO dashboard_provisioning VALUES (1, 3, 'default');
            INSERT INTO alert_rule VALUES (1, 1, 'rule', 'Too much of it');
        """)
        rows = [(1, *one) for one in sources]
        database.executemany(
            "INSERT INTO data_source (org_id, uid, name, type, is_prunable) VALUES (?, ?, ?, ?, ?)", rows
        )
        database.executescript(more)
        database.commit()
