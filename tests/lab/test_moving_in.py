"""Data of the docker-compose stack, as its volumes held it: adopted by a deploy, owners mended, nothing lost."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path

import dotenv
import grafana_database
import pytest
from harness import ROOT, Site, active, current, sh

from lab.machines import Host

OLD = "old_requests_total"
DASHBOARD = {"uid": "theirs", "title": "What somebody drew", "panels": []}


@pytest.fixture(scope="module")
def services() -> tuple[str, ...]:
    return ("prometheus", "grafana")


def grafana(host: Host, path: str, body: str = "") -> dict[str, object]:
    """Ask Grafana as its administrator; the password is in no argument list."""
    password = dotenv.dotenv_values(ROOT / ".env.lab")["GRAFANA_ADMIN_PASSWORD"]
    config = f'user = "admin:{password}"\nurl = "http://127.0.0.1:3000/api/dashboards/{path}"\n'
    if body:
        config += f'header = "Content-Type: application/json"\ndata = {json.dumps(body)}\n'
    return json.loads(host.run("curl", "-s", "-K", "-", stdin=config))


@pytest.fixture(scope="module")
def volumes(site: Site, host: Host) -> Site:
    """A bare host with the two volumes of the old stack on it, owned by the users of its containers.

    The database is made by the Grafana of the lab, which is a stand-in; the block by Prometheus' own promtool.
    """
    site.deployed()
    saved = grafana(host, "db", json.dumps({"dashboard": DASHBOARD}))
    assert saved["status"] == "success", saved
    then = int(time.time()) - 3 * 86400
    samples = "".join(f'{OLD}{{path="/v1"}} {n} {then + 15 * n}\n' for n in range(400))
    sh(host, f"""set -e
        cp -a /data/grafana /root/grafana
        cp /opt/lgtm/artifacts/prometheus-*/promtool /root/promtool
        printf '# TYPE {OLD} counter\\n{samples}# EOF\\n' >/root/old.txt
        mkdir /root/prometheus && /root/promtool tsdb create-blocks-from openmetrics /root/old.txt /root/prometheus
        systemctl stop 'lgtm*'
        rm -rf /data/* /opt/lgtm /etc/lgtm /etc/systemd/system/lgtm* && systemctl daemon-reload
        for user in $(cut -d: -f1 /etc/passwd | grep ^lgtm-); do userdel $user; done
        mkdir -p /data && mv /root/prometheus /root/grafana /data/
        rm -rf /data/grafana/backup /data/grafana/last_version
        chown -R 65534:65534 /data/prometheus && chown -R 472:0 /data/grafana && chmod 0777 /data/grafana
    """)  # fmt: skip
    return site


def test_old_samples_and_dashboards_are_there_after_a_deploy(volumes: Site, host: Host) -> None:
    told = "find /data/prometheus /data/grafana -type f -newermt '2000-01-01' -exec sha256sum {} + | sort"
    before = sh(host, told)
    plan = volumes.dry()
    assert plan.code == 2
    assert any("/data/prometheus" in line for line in plan.text.splitlines()), plan.text
    assert any("/data/grafana" in line for line in plan.text.splitlines()), plan.text
    assert sh(host, told) == before
    run = volumes.deployed()
    assert active(host) == {"prometheus": "active", "grafana": "active"}
    for service in ("prometheus", "grafana"):
        assert sh(host, f"find /data/{service} ! -user lgtm-{service} | head -n 3") == "", run.text
    blocks = {line for line in before.splitlines() if "/data/prometheus/01" in line}
    assert len(blocks) > 3 and blocks <= set(sh(host, told).splitlines())
    asked = f"curl -s '127.0.0.1:9090/api/v1/query?query=count_over_time({OLD}%5B5d%5D)'"
    assert json.loads(sh(host, asked))["data"]["result"][0]["value"][1] == "400"
    assert grafana(host, "uid/theirs")["dashboard"] == DASHBOARD
    assert "nothing to do" in volumes.deployed().text


def test_a_database_without_its_key_is_refused_with_what_to_do(volumes: Site, host: Host) -> None:
    sh(host, "systemctl stop lgtm-grafana && mv /data/grafana/secret_key /root/key")
    run = volumes.deploy()
    assert run.code == 1
    assert "put there the secret_key of the Grafana it comes from" in run.text
    sh(host, "mv /root/key /data/grafana/secret_key && systemctl reset-failed lgtm-grafana; true")
    volumes.deployed()
    assert grafana(host, "uid/theirs")["dashboard"] == DASHBOARD


def test_a_grafana_that_loses_what_people_made_goes_back(volumes: Site, host: Host) -> None:
    before = current(host)
    drop_in = "/etc/systemd/system/lgtm-grafana.service.d"
    lose = 'ExecStartPre=sed -i s/"theirs"/"others"/ /data/grafana/grafana.db'
    sh(host, f"mkdir -p {drop_in} && printf '[Service]\\n{lose}\\n' >{drop_in}/lose.conf && systemctl daemon-reload")
    try:
        run = volumes.deploy(grafana_log_level="warn")
    finally:
        sh(host, f"rm -r {drop_in} && systemctl daemon-reload")
        sh(host, """sed -i 's/"others"/"theirs"/' /data/grafana/grafana.db""")
    assert run.code == 1, run.text
    assert "The dashboards that people had are there: of 1 dashboards 1 are gone: What somebody drew" in run.text
    assert current(host) == before
    volumes.deployed()


def test_a_directory_made_under_a_narrow_umask_is_mended(volumes: Site, host: Host) -> None:
    sh(host, "chmod 700 /data")
    assert "directory /data: mode 700 → 701: no service reaches what lies below" in volumes.dry().text
    volumes.deployed()
    assert sh(host, "runuser -u lgtm-grafana -- test -r /data/grafana/grafana.db && echo yes") == "yes"


def test_a_database_with_data_sources_of_our_names_is_refused_with_the_line_to_write(
    volumes: Site, host: Host, tmp_path: Path
) -> None:
    """A database in the form of Grafana's own, which no Grafana runs on yet."""
    grafana_database.write(tmp_path / "grafana.db")
    sh(host, "systemctl stop lgtm-grafana && cp -a /data/grafana /root/ours && rm -r /data/grafana/*")
    put = base64.b64encode((tmp_path / "grafana.db").read_bytes()).decode()
    host.inside("sh", "-c", f"printf '{put}' | base64 -d >/data/grafana/grafana.db")
    keyless = volumes.dry()
    sh(host, "printf SW2YcwTIb9zpOOhoPsMm >/data/grafana/secret_key")
    try:
        run = volumes.dry()
        assert run.code == 3, run.text
        assert keyless.code == 3 and "copy secret_key from the Grafana it comes from" in keyless.text
        assert "copy secret_key" not in run.text
        line = (
            'grafana_existing_sources = [{"name": "Prometheus", "uid": "PBFA97CFB590B2093", "service": "prometheus"}]'
        )
        assert f"set {line}, so that" in run.text
        assert volumes.deploy().code == 3
        told = volumes.dry(grafana_existing_sources=json.loads(line.partition(" = ")[2]))
        assert told.code == 2, told.text
        assert (
            "grafana: finds dashboards: 1, folders: 1, users: 2, data sources: 2, alert rules: 1: all must still be"
            in told.text
        )
        assert "dashboards from files of another installation are deleted (1): From a file" in told.text
    finally:
        sh(host, "rm -rf /data/grafana && cp -a /root/ours /data/grafana && rm -r /root/ours")
    volumes.deployed()
