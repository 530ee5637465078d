"""The guide from docker compose, typed literally, with the database of a real Grafana: where a real one is given."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dotenv
import pytest
from harness import ROOT, Site, active, sh
from stack import eventually

from lab.machines import Host

BINARIES = Path(os.environ.get("LGTM_BINARIES", "/nonexistent"))
pytestmark = pytest.mark.skipif(
    not (BINARIES / "grafana" / "bin" / "grafana").exists(),
    reason="no real Grafana: set LGTM_BINARIES to a folder with its release in `grafana/`",
)
NEXT = BINARIES / "grafana-next" / "bin" / "grafana"
KEY = "SW2YcwTIb9zpOOhoPsMm"  # Grafana's own default, which the old stack had
OLD = "/root/old"  # the volume of the old stack's Grafana
ANNA = "anna:an-old-password"
SOURCES = {
    "apiVersion": 1,
    "datasources": [
        {"name": "Prometheus", "uid": "PBFA97CFB590B2093", "type": "prometheus", "url": "http://prometheus:9090"},
        {"name": "Loki", "uid": "P8E80F9AEF21F6940", "type": "loki", "url": "http://loki:3100"},
    ],
}
PROVIDER = {"apiVersion": 1, "providers": [{"name": "default", "type": "file", "options": {"path": f"{OLD}/files"}}]}
FROM_A_FILE = {"uid": "from-a-file", "title": "From a file", "panels": []}
OWN = {
    "uid": "theirs",
    "title": "What somebody drew",
    "panels": [
        {
            "type": "timeseries",
            "title": "up",
            "gridPos": {"x": 0, "y": 0, "w": 12, "h": 8},
            "datasource": {"type": "prometheus", "uid": "PBFA97CFB590B2093"},
            "targets": [{"refId": "A", "expr": "up"}],
        }
    ],
}
READY = "for i in $(seq 600); do curl -sf 127.0.0.1:3000/api/health && break; sleep 0.2; done"
RUN = f"""set -e
    mkdir -p {OLD}/provisioning/datasources {OLD}/provisioning/dashboards {OLD}/files {OLD}/data
    cat >{OLD}/provisioning/datasources/a.yml <<'END'
{json.dumps(SOURCES)}
END
    cat >{OLD}/provisioning/dashboards/a.yml <<'END'
{json.dumps(PROVIDER)}
END
    cat >{OLD}/files/a.json <<'END'
{json.dumps(FROM_A_FILE)}
END
    cat >{OLD}/grafana.ini <<'END'
[paths]
data = {OLD}/data
provisioning = {OLD}/provisioning
plugins = {OLD}/data/plugins
[server]
http_addr = 127.0.0.1
[security]
admin_password = old-admin-password
[analytics]
reporting_enabled = false
check_for_updates = false
check_for_plugin_updates = false
[plugins]
public_key_retrieval_disabled = true
preinstall_disabled = true
END
    artifact=$(echo /opt/lgtm/artifacts/grafana-*)
    command="$artifact/bin/grafana server --homepath $artifact --config {OLD}/grafana.ini"
    systemd-run --quiet --unit=old-grafana $command
    {READY}"""


def ask(host: Host, login: str, path: str, body: Any = None, method: str = "") -> Any:
    """Ask Grafana's API; the password is in no argument list."""
    config = f'user = "{login}"\nurl = "http://127.0.0.1:3000/api/{path}"\n'
    if method:
        config += f'request = "{method}"\n'
    if body is not None:
        config += f'header = "Content-Type: application/json"\ndata = {json.dumps(json.dumps(body))}\n'
    return json.loads(host.run("curl", "-s", "-K", "-", stdin=config))


def admin() -> str:
    return f"admin:{dotenv.dotenv_values(ROOT / '.env.lab')['GRAFANA_ADMIN_PASSWORD']}"


@pytest.fixture(scope="module")
def services() -> tuple[str, ...]:
    return ("prometheus", "loki", "grafana")


@pytest.fixture(scope="module")
def moved(site: Site, host: Host) -> Iterator[Site]:
    """A bare host on which somebody typed the guide, under umask 077: the old volume lies in /data/grafana."""
    site.deployed()  # brings the release
    sh(
        host,
        f"""set -e
        systemctl stop 'lgtm*'; {RUN}""",
    )
    old = "admin:old-admin-password"
    assert ask(host, old, "admin/users", {"name": "Anna", "login": "anna", "password": "an-old-password"})["id"]
    assert ask(host, old, "dashboards/db", {"dashboard": OWN})["status"] == "success"
    assert ask(host, ANNA, "user/stars/dashboard/uid/theirs", method="POST")["message"] == "Dashboard starred!"
    sh(
        host,
        f"""set -e
        systemctl stop old-grafana
        rm -rf /data /opt/lgtm/current /opt/lgtm/generations /opt/lgtm/good /etc/lgtm /etc/systemd/system/lgtm*
        systemctl daemon-reload
        for user in $(cut -d: -f1 /etc/passwd | grep ^lgtm-); do userdel $user; done
        tar -C {OLD}/data -cf /root/grafana.tar .
        umask 077
        mkdir -p /data/grafana && tar -C /data/grafana -xf /root/grafana.tar
        printf {KEY} >/data/grafana/secret_key""",
    )
    yield site


def everything_is_there(host: Host) -> None:
    assert {one["login"] for one in ask(host, admin(), "users")} == {"admin", "anna"}
    assert [one["uid"] for one in ask(host, ANNA, "search?starred=true")] == ["theirs"]
    assert ask(host, admin(), "dashboards/uid/theirs")["dashboard"]["title"] == OWN["title"]
    found = {one["uid"]: one for one in ask(host, admin(), "datasources")}
    assert {"grafana_prometheus", "PBFA97CFB590B2093", "P8E80F9AEF21F6940"} <= found.keys()
    assert found["PBFA97CFB590B2093"]["name"] == "Prometheus"
    assert found["PBFA97CFB590B2093"]["url"] == found["grafana_prometheus"]["url"]
    query = {
        "from": "now-5m", "to": "now",
        "queries": [{"refId": "A", "datasource": OWN["panels"][0]["datasource"], "expr": "up", "instant": True}],
    }  # fmt: skip

    def values() -> Any:
        frames = ask(host, ANNA, "ds/query", query)["results"]["A"]["frames"]
        return [frame["data"]["values"] for frame in frames if frame["data"]["values"]]

    assert eventually(values, 60, "their dashboard's query is answered by our Prometheus")


def test_the_guide_typed_literally_keeps_everything(moved: Site, host: Host) -> None:
    refused = moved.dry()
    assert refused.code == 3, refused.text
    line = refused.text.partition("set grafana_existing_sources = ")[2].partition(", so that")[0]
    assert json.loads(line) == [
        {"name": "Prometheus", "uid": "PBFA97CFB590B2093", "service": "prometheus"},
        {"name": "Loki", "uid": "P8E80F9AEF21F6940", "service": "loki"},
    ]
    moved.data["grafana_existing_sources"] = json.loads(line)
    told = moved.dry()
    assert told.code == 2, told.text
    assert "finds dashboards: 1, folders: 0, users: 2, data sources: 2" in told.text
    assert "dashboards from files of another installation are deleted (1): From a file" in told.text
    run = moved.deployed()
    assert set(active(host).values()) == {"active"}, run.text
    everything_is_there(host)
    assert "nothing to do" in moved.deployed().text


def test_it_is_the_same_after_a_restart(moved: Site, host: Host) -> None:
    before = [(one["id"], one["uid"]) for one in ask(host, admin(), "datasources")]
    sh(
        host,
        f"systemctl restart lgtm-grafana; {READY}",
    )
    everything_is_there(host)
    assert [(one["id"], one["uid"]) for one in ask(host, admin(), "datasources")] == before
    assert moved.run("verify.py", "--data", "patience=60").code == 0


@pytest.mark.skipif(not NEXT.exists(), reason="no later Grafana in grafana-next/ beside it, for an upgrade")
def test_it_is_the_same_after_an_upgrade_and_what_was_made_since_is_set_aside_by_a_rollback(
    moved: Site, host: Host, tmp_path: Path
) -> None:
    first, binaries = moved.env.get("LGTM_BINARIES"), tmp_path / "binaries"
    binaries.mkdir()
    (binaries / "grafana").symlink_to(NEXT.parents[1])
    moved.env["LGTM_BINARIES"] = str(binaries)
    run = moved.deployed()
    assert "Count what people made" in run.text
    everything_is_there(host)
    assert ask(host, admin(), "dashboards/db", {"dashboard": {"uid": "since", "title": "Made since"}})["uid"] == "since"
    refused = moved.run("rollback.py")
    assert refused.code == 3 and "accept it with --data oneway=grafana" in refused.text
    back = moved.run("rollback.py", "--data", "oneway=grafana")
    assert back.code == 0 and "what people made since is in /data/grafana/backup/" in back.text
    everything_is_there(host)
    assert ask(host, admin(), "dashboards/uid/since")["message"] == "Dashboard not found"
    moved.env["LGTM_BINARIES"] = first or ""
