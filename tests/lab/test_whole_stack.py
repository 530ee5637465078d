"""All services on one host: data in and out through Grafana, the links between them, and who is let in."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time

import dashboards
import pytest
import stack
from harness import ROOT, Site, active, pids, sh
from stack import WHOLE, Canary, Grafana, eventually

from lab.machines import Host
from tests import journals

host, site = stack.first_host, stack.whole_site
# node_exporter is left out: it keeps nothing in /tmp, and shows the host's file systems as they are.
AGED = r"""
systemd-run --quiet --unit=usual -p PrivateTmp=yes sleep 60
services=$(grep -v node_exporter /opt/lgtm/current/order)
within() { nsenter -t "$(systemctl show -P MainPID "$1")" -m sh -c "$2"; }
for unit in usual $(printf 'lgtm-%s ' $services); do
    within $unit 'cd /tmp && touch file && mkdir directory && timeout 30 systemd-socket-activate -l /tmp/socket true' &
done >/dev/null 2>&1
sleep 3
mkdir -p /etc/tmpfiles.d
echo 'q /tmp 1777 root root 1s' >/etc/tmpfiles.d/tmp.conf
systemd-tmpfiles --clean
rm /etc/tmpfiles.d/tmp.conf
for service in $services; do
    kept=$(within lgtm-$service 'cd /tmp && test -f file && test -d directory && test -S socket && echo all')
    echo "$service: $kept"
done
within usual 'test -e /tmp/socket' || echo "usual: gone"
systemctl stop usual
"""


@pytest.fixture(scope="module")
def grafana(converged: Site, host: Host) -> Grafana:
    return Grafana(host)


@pytest.fixture(scope="module")
def canary(converged: Site, host: Host) -> Canary:
    written = Canary()
    written.write(host)
    return written


def test_every_service_is_active_and_a_second_deploy_changes_nothing(converged: Site, host: Host) -> None:
    assert active(host) == dict.fromkeys(WHOLE, "active")
    run = converged.deploy()
    assert run.code == 0 and "nothing to do" in run.text


def test_no_journal_has_a_warning_or_an_error_without_a_reason(converged: Site, host: Host) -> None:
    """Stand-ins do not count; and what Prometheus says of a stand-in for Tempo, which speaks no gRPC, is right."""
    fakes = {name.split("-")[0] for name in sh(host, "ls /opt/lgtm/artifacts").splitlines() if "+standin" in name}
    said = sh(host, "journalctl -b -u 'lgtm-*' -o json")
    lines = journals.severe(map(json.loads, said.splitlines()))
    real = [line for line in lines if line[0] not in fakes and not ("tempo" in fakes and "OpenTelemetry" in line[1])]
    assert journals.unexplained(real, journals.table(journals.PAGE.read_text())) == []


def test_every_unit_is_rated_safe_by_systemd(converged: Site, host: Host) -> None:
    for service in WHOLE:
        said = sh(host, f"systemd-analyze security --no-pager lgtm-{service}.service | tail -n 1")
        assert float(said.split(": ")[1].split()[0]) <= 2.0, said


def test_every_real_service_says_when_it_was_started(grafana: Grafana, host: Host) -> None:
    """The alert ServiceRestarting counts these; the unit's hardening can hide what they are made of."""
    artifacts = sh(host, "ls /opt/lgtm/artifacts").splitlines()
    wanted = {name.split("-")[0] for name in artifacts if "+standin" not in name}

    def started() -> bool:
        found = grafana.query("grafana_prometheus", "process_start_time_seconds")
        return wanted <= {one["metric"]["job"] for one in found}

    assert len(wanted) >= 5
    eventually(started, 60, "when each service was started, in Prometheus")


def test_the_hosts_cleaner_does_not_reach_what_services_keep_in_tmp(converged: Site, host: Host) -> None:
    """As on Debian 13, where /tmp is aged; but within a second, and beside a service with PrivateTmp."""
    said = sh(host, AGED)
    assert said.splitlines()[-1] == "usual: gone"
    kept = dict(line.split(": ") for line in said.splitlines()[:-1])
    assert kept == {service: "all" for service in WHOLE if service != "node_exporter"}
    run = converged.run("verify.py", "--data", "patience=60")
    assert run.code == 0, run.text


def test_a_sample_is_read_back_through_grafana(grafana: Grafana, canary: Canary) -> None:
    metric = canary.name.replace("-", "_")
    [found] = eventually(lambda: grafana.query("grafana_mimir", metric), 30, "the canary's sample in Mimir")
    assert float(found["value"][1]) == 42


def test_a_log_line_is_read_back_through_grafana(grafana: Grafana, canary: Canary) -> None:
    selector = f'{{service="{canary.name}"}}'
    [line] = eventually(lambda: grafana.lines(selector), 30, "the canary's line in Loki")
    assert canary.trace_id in line


def test_the_handler_of_docs_telemetry_sends_a_line_that_leads_to_its_trace(grafana: Grafana, host: Host) -> None:
    code = (ROOT / "docs" / "telemetry.md").read_text().partition("```python\n")[2].partition("```")[0]
    subprocess.run([sys.executable, "-c", code], env={"LOKI_URL": f"http://{host.address}:3100"}, check=True)
    selector = '{app="gatewayz-api"} |= "4bf92f3577b34da6a3ce929d0e0e4736"'
    [line] = eventually(lambda: grafana.lines(selector), 30, "the handler's line in Loki")
    assert json.loads(line)["status_code"] == 200


def test_a_span_is_read_back_through_grafana(grafana: Grafana, canary: Canary) -> None:
    found = eventually(lambda: grafana.trace(canary.trace_id), 60, "the canary's trace in Tempo")
    assert canary.name in str(found)


def test_a_log_line_leads_to_its_trace(grafana: Grafana, canary: Canary) -> None:
    [line] = eventually(lambda: grafana.lines(f'{{service="{canary.name}"}}'), 30, "the canary's line in Loki")
    fields = grafana.get("/api/datasources/uid/grafana_loki")["jsonData"]["derivedFields"]
    fitting = [field for field in fields if field.get("matcherType") != "label"]
    found = [(field, match) for field in fitting if (match := re.search(field["matcherRegex"], line))]
    assert found, f"no link of {fields} fits {line}"
    field, match = found[0]
    assert field["datasourceUid"] == "grafana_tempo"
    assert match[1] == canary.trace_id
    assert eventually(lambda: grafana.trace(match[1]), 60, "the trace that the line names")


def test_a_trace_leads_to_its_log_lines(grafana: Grafana, canary: Canary) -> None:
    link = grafana.get("/api/datasources/uid/grafana_tempo")["jsonData"]["tracesToLogsV2"]
    assert (link["datasourceUid"], link["filterByTraceID"]) == ("grafana_loki", True)
    [tag] = [tag for tag in link["tags"] if tag["key"] == "service.name"]
    selector = f'{{{tag["value"]}="{canary.name}"}} |= "{canary.trace_id}"'  # as Grafana builds it of such a link
    assert eventually(lambda: grafana.lines(selector), 30, "the lines of the canary's trace")


def test_the_canarys_span_metrics_are_in_mimir(grafana: Grafana, canary: Canary) -> None:
    query = f'traces_spanmetrics_calls_total{{service="{canary.name}"}}'
    [found] = eventually(lambda: grafana.query("grafana_mimir", query), 120, "span metrics in Mimir")
    assert found["metric"]["span_name"] == "GET /canary"
    link = grafana.get("/api/datasources/uid/grafana_tempo")["jsonData"]["tracesToMetrics"]
    assert link["datasourceUid"] == "grafana_mimir"


def test_an_exemplar_in_mimir_names_a_trace(grafana: Grafana) -> None:
    now = int(time.time())
    path = "/api/v1/query_exemplars?query=fastapi_requests_duration_seconds_bucket"

    def exemplars() -> list[str]:
        answer = grafana.proxied("grafana_mimir", f"{path}&start={now - 600}&end={now + 600}") or {"data": []}
        return [one["labels"]["trace_id"] for series in answer["data"] for one in series["exemplars"]]

    assert all(re.fullmatch(r"[0-9a-f]{32}", one) for one in eventually(exemplars, 60, "exemplars in Mimir"))


def test_the_journal_of_the_host_is_in_loki(grafana: Grafana, host: Host) -> None:
    lines = eventually(lambda: grafana.lines('{unit="lgtm-mimir.service"}'), 60, "Mimir's journal in Loki")
    assert lines
    sh(host, "logger -p user.err 'a line for the shipper'")
    eventually(lambda: grafana.lines('{job="journal"} |= "a line for the shipper"'), 30, "a new line")


def test_verify_is_content_and_calls_no_stand_in_proved(converged: Site) -> None:
    run = converged.run("verify.py", "--data", "patience=120")
    assert run.code == 0, run.text
    for line in run.text.splitlines():
        assert not ("Grafana" in line and "✓" in line), line
    assert any("✓" in line and "198.18.0.1:2525 is trusted" in line for line in run.text.splitlines()), run.text
    assert "NOT PROVED" in run.text
    assert "STAND-IN  grafana" in run.text


@pytest.mark.parametrize("login", ["", "-u admin:admin"])
def test_grafana_lets_in_neither_strangers_nor_the_default_password(converged: Site, host: Host, login: str) -> None:
    assert sh(host, f"curl -s -o /dev/null -w '%{{http_code}}' {login} http://127.0.0.1:3000/api/org") == "401"


def test_only_what_is_exposed_listens_beyond_loopback(converged: Site, host: Host) -> None:
    listening = set(sh(host, "ss -Hltn | awk '{print $4}'").splitlines()) - {"0.0.0.0:22", "[::]:22"}
    beyond = {address for address in listening if not address.startswith(("127.", "[::1]"))}
    assert beyond == {f"{host.address}:{port}" for port in (3100, 3200, 4317, 4318)}


def test_every_panel_has_data(grafana: Grafana, host: Host) -> None:
    queries = [query for query in dashboards.queries() if not query.panel.startswith(("variable", "annotation"))]
    waiting = {(query.dashboard, query.panel) for query in queries} - allowed_empty(host)

    def all_filled() -> bool:
        asked = [query for query in queries if (query.dashboard, query.panel) in waiting]
        waiting.difference_update((query.dashboard, query.panel) for query in asked if grafana.answers(query))
        return not waiting

    try:
        eventually(all_filled, 240, "data in every panel")
    except pytest.fail.Exception:
        pytest.fail(f"no data in {sorted(waiting)}")


def allowed_empty(host: Host) -> set[tuple[str, str]]:
    """Panels that may be empty while all is well, or because of what stands in on this host."""
    standing = set(sh(host, "sed -n '/stand-in/p' /opt/lgtm/current/manifest.json; ls /opt/lgtm/artifacts").split())
    fakes = {name.split("-")[0] for name in standing if "+standin" in name}
    missing = {key for key, service in dashboards.EMPTY_WITH_STAND_IN.items() if service in fakes}
    return dashboards.EMPTY_WHEN_HEALTHY.keys() | missing


def test_a_schema_period_that_begins_in_the_past_is_refused_by_the_host(converged: Site, host: Host) -> None:
    processes = pids(host)
    run = converged.deploy(loki_schema_periods=[{"start": "2025-01-01"}, {"start": "2025-06-01"}])
    assert run.code == 1
    assert "loki_schema_periods: the period of 2025-06-01 is new, but logs since then" in run.text
    assert pids(host) == processes
    assert converged.dry().code == 0
