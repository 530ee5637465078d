"""Every item of the checklist can fail, on a real host whose real thing is broken, with the sentence a person needs."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import stack
from harness import ROOT, Run, Site, sh
from stack import WHOLE

from lab import credentials
from lab.contract import REDIS_PASSWORD
from lab.machines import Host, Lab
from lgtm.checklist.preflight import CHECKS

CONFIG = "/opt/lgtm/current/etc"
EDITS = {  # what is changed by hand below the running generation: file → sed script
    "prometheus/prometheus.yml": "0,/scrape_interval: .*/s//scrape_interval: 14s/",
    "alertmanager/alertmanager.yml": "0,/repeat_interval: .*/s//repeat_interval: 7h/",
    "mimir/mimir.yml": "s/compactor_blocks_retention_period: .*/compactor_blocks_retention_period: 9d/",
    "loki/loki.yml": "s/retention_period: .*/retention_period: 216h/",
    "tempo/tempo.yml": 's/block_retention: .*/block_retention: 99h/; s/, "local-blocks"//',
}


def without(section: str) -> str:
    """Take a section out of Prometheus' configuration."""
    path = f"{CONFIG}/prometheus/prometheus.yml"
    return f"awk '/^[a-z]/ {{skip = /^{section}:/}} !skip' {path} >/tmp/p; cat /tmp/p >{path}; "


@dataclass(frozen=True)
class Break:
    """Something that is done to a host, how it is undone, and what is said of it: pattern of ids → words found."""

    name: str
    does: str
    mends: str
    said: Mapping[str, str]
    script: str = "verify.py"
    data: Mapping[str, Any] = field(default_factory=dict)
    waits: float = 0  # seconds until it shows
    scenario: tuple[str, ...] = ()  # of the lab


REFUSED = "Failed to connect"
BREAKS = (
    Break(
        "everything is stopped", "systemctl stop 'lgtm-*.service'", "systemctl start lgtm.target",
        {
            "*.active": "inactive", "*.sockets": "it does not listen on", "*.ready": REFUSED,
            "mimir.query": REFUSED, "mimir.runtime": REFUSED, "mimir.up.*": REFUSED, "mimir.series.*": REFUSED,
            "loki.query": REFUSED, "loki.ingester": REFUSED, "loki.runtime": REFUSED, "loki.rules": REFUSED,
            "loki.lines": REFUSED, "loki.canary": "it refuses what the check writes", "tempo.generator": REFUSED,
            "tempo.canary": "it refuses what the check writes", "tempo.span_metrics": REFUSED, "tempo.spans": REFUSED,
            "grafana.database": REFUSED, "grafana.asks_*": REFUSED, "grafana.queries_*": REFUSED,
            "alloy.components": REFUSED, "alloy.sends": REFUSED, "node_exporter.collectors": REFUSED,
            "blackbox_exporter.*": "", "alertmanager.status": REFUSED, "alertmanager.email": REFUSED,
            "prometheus.targets": REFUSED,
        },
    ),
    Break(
        "configurations are changed by hand, and taken",
        "".join(f"sed -i '{edit}' {CONFIG}/{file}; " for file, edit in EDITS.items())
        + without("alerting")
        + f"sed -i 's/9009/9008/' {CONFIG}/grafana/provisioning/datasources/datasources.yml; "
        + f"rm {CONFIG}/grafana/dashboards/lgtm-traces.json {CONFIG}/prometheus/rules/stack.yml; "
        + "systemctl restart lgtm-prometheus lgtm-alertmanager lgtm-mimir lgtm-loki lgtm-tempo lgtm-grafana",
        "",
        {
            "host.in_force": "changed by hand",
            "prometheus.config": "global.scrape_interval: '14s' is in force, not '15s'",
            "alertmanager.config": "route.repeat_interval: '7h' is in force, not '4h'",
            "mimir.config": "is in force, not '30d'", "loki.config": "is in force, not '30d'",
            "tempo.config": "is in force, not '1209600s'", "prometheus.alertmanagers": "0 of 1 in use",
            "prometheus.rules": "not loaded: ", "grafana.datasources": "grafana_mimir asks http://127.0.0.1:9008",
            "grafana.dashboards": "lgtm-traces missing",
            "grafana.traceql_metrics": "localblocks processor not found",
        },
        waits=12,
    ),
    Break(
        "Prometheus is told nothing of the others",
        without("remote_write")
        + f"sed -i 's/job_name: \"mimir\"/job_name: \"nimir\"/' {CONFIG}/prometheus/prometheus.yml; "
        + "systemctl restart lgtm-prometheus",
        "",
        {
            "prometheus.remote_write": 'remote_name="mimir-remote-write" is not among the metrics',
            "prometheus.jobs": "missing: mimir; not expected: nimir",
        },
        waits=5,
    ),
    Break(
        "files belong to others and can be read",
        "chown -R root /data/*; chmod 644 /etc/lgtm/secrets/prometheus/staging_bearer_token", "",
        {"*.owners": "owner root", "host.secrets": "/etc/lgtm/secrets/prometheus/staging_bearer_token is 644:root"},
    ),
    Break(
        "a limit cannot be read any more",
        f"for s in mimir loki; do echo 'overrides: [' >{CONFIG}/$s/runtime.yaml; done", "",
        {"*.runtime": "the last reading of runtime.yaml failed"},
        waits=12,
    ),
    Break(
        "a service crashes",
        "kill -9 $(systemctl show -P MainPID lgtm-redis_exporter); "
        "until [ $(systemctl show -P NRestarts lgtm-redis_exporter) = 1 ]; do sleep 0.1; done; "
        "until systemctl is-active -q lgtm-redis_exporter; do sleep 0.1; done",
        "",
        {"redis_exporter.active": "it ended, and systemd restarted it "},
    ),
    Break(
        "the password is another than the one that is deployed",
        "cp /etc/lgtm/secrets/grafana/admin_password /root/; echo another >/etc/lgtm/secrets/grafana/admin_password",
        "cat /root/admin_password >/etc/lgtm/secrets/grafana/admin_password",
        {"grafana.login": "HTTP 401, Grafana rejects the password of .env"},
    ),
    Break(
        "the world is away", "", "",
        {
            "prometheus.reach_gatewayz_*": "curl: (52) Empty reply", "prometheus.world": "/metrics: Get ",
            "alertmanager.smtp_login": "it rejects SMTP_USERNAME", "redis_exporter.reach": "WRONGPASS",
            "redis_exporter.redis": "redis_up is not 1",
        },
        waits=20, scenario=("down", "smtp_refusing"),
    ),
    Break(
        "staging refuses the token", "", "",
        {"prometheus.reach_gatewayz_staging": "HTTP 401: the token is not accepted"}, "preflight.py",
        scenario=("staging_401",),
    ),
    Break(
        "there is a switch, and something in the way",
        "echo 'g111111111111 g222222222222 9999999999 boot deploy - anna@laptop' >/opt/lgtm/pending; "
        "systemctl stop lgtm-alloy; mv /data/alloy /data/kept; touch /data/alloy; "
        "sed -i 's/^ID=.*/ID=slackware/' $(readlink -f /etc/os-release)",
        "rm -f /opt/lgtm/pending /data/alloy; mv /data/kept /data/alloy; "
        "sed -i 's/^ID=.*/ID=debian/' $(readlink -f /etc/os-release)",
        {
            "host.switch": "a switch to g222222222222 by anna@laptop (deploy) is under way",
            "host.volumes": "/data/alloy is a regular", "host.distribution": "runs slackware 12",
        },
        "preflight.py",
    ),
    Break(
        "a host that is not what its settings say",
        "", "",
        {
            "host.mounts": "/data should be a mount point", "host.disk": "is full: ",
            "host.retention": "by their retention", "host.memory": "of memory, but",
        },
        "preflight.py",
        {"mounts": ["/data"], "disk_free_min": "900T", "mimir_series_expected": 10**12, "memory_min": "1T"},
    ),
)  # fmt: skip
ELSEWHERE = {
    "grafana.anonymous": "tests/config/test_grafana.py: a stand-in lets nobody in without a login",
    "host.clock": "tests/unit/test_service_checks.py: a container has its machine's clock",
    "host.tools": "tests/unit/test_service_checks.py: without curl the lab could not mend it",
    "host.architecture": "tests/unit/test_service_checks.py: the lab has one architecture",
    "host.links": "tests/faults/test_hosts.py",
    "host.ports": "tests/lab/test_refusals.py",
    "host.services": "tests/lab/test_leaving.py",
    "*.memory": "tests/unit/test_service_checks.py: a lab host's services are not accounted for their memory",
    "alertmanager.drill": "test_a_test_mail_that_cannot_leave",
}


host, site = stack.first_host, stack.whole_site


@pytest.fixture(scope="module")
def well(converged: Site) -> tuple[Run, dict[str, Any]]:
    """The healthy stack: everything has flowed."""
    return converged.reported("verify.py", "--data", "patience=120")


@pytest.fixture(autouse=True)
def mended(lab: Lab, converged: Site, host: Host) -> Iterator[None]:
    yield
    for name in ("healthy", "smtp_accepting"):
        lab.scenario(name, None)


def ids(record: dict[str, Any]) -> dict[str, dict[str, str]]:
    return {check["id"]: check for one in record["hosts"] for check in one["checks"]}


def ill(record: dict[str, Any]) -> list[dict[str, str]]:
    return [check for check in ids(record).values() if check["verdict"] in ("failed", "warning")]


def redis(password: str, *words: str) -> None:
    command = ["redis-cli", "-h", "198.18.0.1", "--no-auth-warning", *words]
    subprocess.run(command, env={"REDISCLI_AUTH": password, "PATH": "/usr/bin:/bin"}, check=True, capture_output=True)


def test_a_healthy_stack_passes_every_item(well: tuple[Run, dict[str, Any]]) -> None:
    run, record = well
    assert run.code == 0 and " 0 failed, 0 warnings" in run.text, ill(record)
    [host] = record["hosts"]
    assert host["in_force"] and host["well_since"] and host["versions"].keys() == set(WHOLE)


def missing(record: dict[str, Any], said: Mapping[str, str]) -> list[str]:
    """The patterns of which some check does not say its words."""
    found = ids(record)
    return [
        pattern for pattern, words in said.items()
        if not all(words in check["found"] for id, check in found.items() if fnmatch(id, pattern))
    ]  # fmt: skip


def reported(site: Site, broken: Break) -> tuple[Run, dict[str, Any]]:
    """What is said of it, as soon as it shows: what takes time takes more of it on a busy machine."""
    for _ in range(4 if broken.waits else 1):
        time.sleep(broken.waits)
        run, record = site.reported(broken.script, **broken.data)
        if not missing(record, broken.said):
            break
    return run, record


@pytest.mark.parametrize("broken", BREAKS, ids=lambda one: one.name)
def test_what_is_broken_is_said(
    lab: Lab, converged: Site, host: Host, well: tuple[Run, dict[str, Any]], broken: Break
) -> None:
    secret = credentials.ensure(ROOT / ".env.lab")[REDIS_PASSWORD]
    for name in broken.scenario:
        lab.scenario(name, None)
    if broken.scenario[:1] == ("down",):
        redis(secret, "config", "set", "requirepass", "another")
    try:
        sh(host, broken.does or "true")
        run, record = reported(converged, broken)
    finally:
        if broken.scenario[:1] == ("down",):
            redis("another", "config", "set", "requirepass", secret)
        sh(host, broken.mends or "true")
        mend = converged.deploy()
    found = ids(record)
    for pattern, words in broken.said.items():
        hit = [check for id, check in found.items() if fnmatch(id, pattern)]
        assert hit, f"{pattern} was not asked"
        for check in hit:
            assert check["verdict"] in ("failed", "warning") and words in check["found"], check
            assert check["remedy"]
    failed = any(check["verdict"] == "failed" for check in found.values())
    assert run.code == ((1 if broken.script == "verify.py" else 3) if failed else 0), ill(record)
    assert mend.code == 0, mend.text


def test_a_test_mail_that_cannot_leave(lab: Lab, converged: Site) -> None:
    lab.scenario("smtp_refusing", None)
    run, record = converged.reported("verify.py", "--data", "mail=true")
    drill = ids(record)["alertmanager.drill"]
    assert drill["verdict"] == "warning" and "attempts since the test alert failed" in drill["found"], drill
    assert run.code == any(check["verdict"] == "failed" for check in ill(record)), run.text


def test_every_item_has_a_test_in_which_it_fails(well: tuple[Run, dict[str, Any]]) -> None:
    patterns = [pattern for broken in BREAKS for pattern in broken.said] + list(ELSEWHERE)
    every = ids(well[1]).keys() | {check.id for check in CHECKS}
    assert [id for id in sorted(every) if not any(fnmatch(id, pattern) for pattern in patterns)] == []
    assert all((ROOT / where.split(":")[0]).exists() for where in ELSEWHERE.values() if where.startswith("tests/"))


def test_the_page_is_one_that_a_browser_shows(converged: Site, tmp_path: Path) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("no chromium here")
    page = tmp_path / "report.html"
    converged.run("verify.py", "--data", f"html={page}")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}", "--dump-dom"]
    shown = subprocess.run([browser, *flags, page.as_uri()], capture_output=True, text=True, timeout=120)
    for words in ("lab: <span", "mimir.config", "The last hour", "<polyline", "Log of lab1"):
        assert words in shown.stdout, shown.stdout[:2000]
