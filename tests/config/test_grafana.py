"""Grafana's rendered configuration: logins, data sources, and links between them."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from configparser import RawConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from sites import ENV, ROOT, component, file, make_site, parsed

from lgtm.load.plugins import tasks
from lgtm.model import unit
from lgtm.model.checks import Answer, Bad, Check
from lgtm.model.component import Component
from lgtm.model.errors import Refusal
from lgtm.model.secrets import Secret

STORES = ("prometheus", "mimir", "loki", "tempo")
FULL = {"one": ("grafana", *STORES)}
APART = {"front": ("grafana", "prometheus"), "store": ("mimir", "loki", "tempo")}
# Sections and keys of conf/defaults.ini in Grafana 12; one that is not there is ignored without a word.
KEYS = {
    "paths": {"data", "logs", "plugins", "provisioning"},
    "database": {"wal"},
    "server": {"http_addr", "http_port", "root_url"},
    "security": {"admin_user", "admin_password", "secret_key", "disable_gravatar", "cookie_secure"},
    "auth.anonymous": {"enabled"},
    "auth.basic": {"enabled"},
    "users": {"allow_sign_up", "allow_org_create"},
    "dashboards": {"default_home_dashboard_path"},
    "unified_alerting": {"enabled", "execute_alerts", "ha_peers"},
    "metrics": {"enabled"},
    "log": {"mode", "level"},
    "log.console": {"format"},
    "analytics": {"reporting_enabled", "check_for_updates", "check_for_plugin_updates", "feedback_links_enabled"},
    "news": {"news_feed_enabled"},
    "plugins": {"plugin_admin_enabled", "preinstall_disabled", "public_key_retrieval_disabled"},
    "cloud_migration": {"enabled"},
    "snapshots": {"external_enabled"},
    "public_dashboards": {"enabled"},
}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def made(hosts: Any = FULL, password: str | None = None, **data: Any) -> Component:
    secrets = ENV | ({"GRAFANA_ADMIN_PASSWORD": Secret(password)} if password is not None else {})
    return component(make_site(hosts, secrets, **data), "grafana")


def ini(**data: Any) -> dict[str, dict[str, str]]:
    found = RawConfigParser(strict=True)
    found.read_string(file(made(**data), "grafana.ini"))
    return {name: dict(found[name]) for name in found.sections()}


def as_grafana_reads(value: Any) -> Any:
    """Provisioned values with variables expanded: `$$` is a dollar, any other `$` would be a variable, and empty."""
    if isinstance(value, dict):
        return {key: as_grafana_reads(one) for key, one in value.items()}
    if isinstance(value, list):
        return [as_grafana_reads(one) for one in value]
    if not isinstance(value, str):
        return value
    return "$".join(re.sub(r"\$(\{[^}]*\}|\w+)", "", part) for part in value.split("$$"))


def sources(hosts: Any = FULL) -> dict[str, Any]:
    found = parsed(made(hosts), "provisioning/datasources/datasources.yml")
    return {one["uid"]: one for one in as_grafana_reads(found)["datasources"]}


def check(name: str, hosts: Any = FULL) -> Check:
    site = make_site(hosts)
    return next(one for one in tasks()["grafana"].checks(site.here.services["grafana"], site) if one.id == name)


def found(name: str, status: int, body: Any) -> str:
    return check(name).judge(Answer(status, body if isinstance(body, str) else json.dumps(body)))


def refused(name: str, status: int, body: Any, saying: str) -> None:
    with pytest.raises(Bad, match=re.escape(saying)):
        found(name, status, body)


def test_every_key_is_one_that_grafana_reads() -> None:
    used = {section: set(keys) for section, keys in ini(grafana_external_url="https://g.example.com/").items()}
    assert used == KEYS


def test_nobody_gets_in_without_a_login_and_nobody_signs_up() -> None:
    found = ini()
    assert (found["auth.anonymous"]["enabled"], found["auth.basic"]["enabled"]) == ("false", "true")
    assert set(found["users"].values()) == set(found["analytics"].values()) == {"false"}
    assert found["unified_alerting"]["ha_peers"] == ""


def test_secrets_are_read_from_files() -> None:
    found = ini()["security"]
    assert found["admin_password"] == "$__file{/run/credentials/lgtm-grafana.service/admin_password}"
    assert found["secret_key"] == "$__file{/data/grafana/secret_key}"


def test_a_cookie_for_https_is_sent_over_https_only() -> None:
    assert ini()["security"]["cookie_secure"] == "false"
    found = ini(grafana_external_url="https://mon.example.com/grafana/")
    assert found["server"]["root_url"] == "https://mon.example.com/grafana/"
    assert found["security"]["cookie_secure"] == "true"


@pytest.mark.parametrize("wrong", ["mon.example.com", "https://a b", "https://a/;x", "https://a/#b", "https://a/%(b)s"])
def test_an_external_address_that_the_file_would_cut_short_is_refused(wrong: str) -> None:
    with pytest.raises(Refusal, match="grafana_external_url"):
        made(grafana_external_url=wrong)


@pytest.mark.parametrize(
    "wrong", ["admin", "password", "elevenchars", "admin1234567", "Password-2026", " twelve-chars "]
)
def test_a_default_or_short_password_is_refused_and_never_shown(wrong: str) -> None:
    with pytest.raises(Refusal, match="GRAFANA_ADMIN_PASSWORD") as refusal:
        made(password=wrong)
    assert wrong.strip() not in str(refusal.value)


def test_a_missing_password_is_refused() -> None:
    with pytest.raises(Refusal, match="grafana needs GRAFANA_ADMIN_PASSWORD"):
        make_site(FULL, {key: value for key, value in ENV.items() if key != "GRAFANA_ADMIN_PASSWORD"})


def test_it_runs_the_one_executable_that_is_in_every_version() -> None:
    command = made().unit.command
    assert command[:2] == ("{artifact}/bin/grafana", "server")
    assert made().unit.before[0][:5] == (
        "/bin/sh", "/opt/lgtm/current/etc/grafana/prepare.sh", "{artifact}", "12.4.2", command[-1],
    )  # fmt: skip


def test_the_unit_is_rated_two_or_better(tmp_path: Path) -> None:
    path = tmp_path / "lgtm-grafana.service"
    path.write_text(unit.render(made(), "/opt/lgtm/artifacts/grafana"))
    command = ["systemd-analyze", "security", "--offline=yes", "--threshold=20", str(path)]
    try:
        rated = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("this machine has no systemd-analyze")
    assert rated.returncode == 0, rated.stdout


def test_the_data_sources_are_those_that_the_site_carries() -> None:
    assert {uid: (one["name"], one["type"], one["url"]) for uid, one in sources().items()} == {
        "grafana_prometheus": ("Prometheus", "prometheus", "http://127.0.0.1:9090"),
        "grafana_mimir": ("Mimir", "prometheus", "http://127.0.0.1:9009/prometheus"),
        "grafana_loki": ("Loki", "loki", "http://127.0.0.1:3100"),
        "grafana_tempo": ("Tempo", "tempo", "http://127.0.0.1:3200"),
    }
    assert sources(APART)["grafana_mimir"]["url"] == "http://192.0.2.12:9009/prometheus"
    assert sources({"one": ("grafana", "loki")}).keys() == {"grafana_loki"}
    assert sources({"one": ("grafana",)}) == {}


@pytest.mark.parametrize("hosts", [FULL, {"one": ("grafana", "loki", "tempo")}], ids=["full", "logs and traces"])
def test_one_data_source_is_the_default_and_none_can_be_edited(hosts: Any) -> None:
    assert [one["isDefault"] for one in sources(hosts).values()].count(True) == 1
    assert not any(one["editable"] for one in sources(hosts).values())
    assert parsed(made(hosts), "provisioning/datasources/datasources.yml")["prune"] is True


@pytest.mark.parametrize("left", [STORES[:number] for number in range(5)] + [STORES[number:] for number in range(5)])
def test_a_link_never_leads_to_a_data_source_that_is_not_there(left: tuple[str, ...]) -> None:
    there = sources({"one": ("grafana", *left)})
    assert set(re.findall(r'"datasourceUid": "(\w+)"', json.dumps(there))) <= there.keys()


def test_a_trace_leads_to_logs_and_to_the_metrics_that_are_in_mimir() -> None:
    details = sources()["grafana_tempo"]["jsonData"]
    logs = details["tracesToLogsV2"]
    assert (logs["datasourceUid"], logs["filterByTraceID"]) == ("grafana_loki", True)
    assert logs["tags"] == [{"key": "service.name", "value": "service"}]
    assert details["tracesToMetrics"]["datasourceUid"] == details["serviceMap"]["datasourceUid"] == "grafana_mimir"
    assert details["nodeGraph"] == {"enabled": True}


def test_what_a_trace_asks_of_mimir_is_promql(artifact: Callable[[str], Path], tmp_path: Path) -> None:
    queries = [one["query"] for one in sources()["grafana_tempo"]["jsonData"]["tracesToMetrics"]["queries"]]
    assert all("$__tags" in query and "traces_spanmetrics_" in query for query in queries)
    rules = [{"record": f"q{n}", "expr": q.replace("$__tags", 'service="a"')} for n, q in enumerate(queries)]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "links", "rules": rules}]}))
    checked = subprocess.run([artifact("prometheus") / "promtool", "check", "rules", tmp_path / "rules.yml"])
    assert checked.returncode == 0


@pytest.mark.parametrize(
    "line",
    [
        f'{{"level": "info", "trace_id": "{TRACE}", "msg": "x"}}',
        f'{{"traceID":"{TRACE}"}}',
        f'{{"message": "{{\\"trace_id\\": \\"{TRACE}\\"}}"}}',
        f"level=info trace_id={TRACE} msg=x",
        f'traceId="{TRACE}"',
    ],
)
def test_a_log_line_leads_to_its_trace(line: str) -> None:
    field = sources()["grafana_loki"]["jsonData"]["derivedFields"][0]
    match = re.search(field["matcherRegex"], line)
    assert match and match[1] == TRACE
    assert (field["url"], field["datasourceUid"]) == ("${__value.raw}", "grafana_tempo")


@pytest.mark.parametrize("line", ['{"trace_id": null}', "trace_id= span_id=1", "no trace", f"span={TRACE}"])
def test_a_log_line_without_a_trace_leads_nowhere(line: str) -> None:
    assert not re.search(sources()["grafana_loki"]["jsonData"]["derivedFields"][0]["matcherRegex"], line)


def test_a_label_leads_to_its_trace_by_a_field_of_its_own_name() -> None:
    fields = sources()["grafana_loki"]["jsonData"]["derivedFields"]
    assert len({one["name"] for one in fields}) == len(fields)
    assert ("label", "trace_id", "grafana_tempo") in [
        (one["matcherType"], one["matcherRegex"], one["datasourceUid"]) for one in fields
    ]


def test_exemplars_lead_to_traces() -> None:
    for uid in ("grafana_prometheus", "grafana_mimir"):
        details = sources()[uid]["jsonData"]
        links = {one["name"]: one["datasourceUid"] for one in details["exemplarTraceIdDestinations"]}
        assert links == {"trace_id": "grafana_tempo", "traceID": "grafana_tempo"}
        assert details["httpMethod"] == "POST"


def test_every_dashboard_is_delivered_under_its_uid() -> None:
    names = {path.name for path in (ROOT / "templates/grafana/dashboards").glob("*.json")}
    files = {one.path.removeprefix("dashboards/"): one for one in made().files if one.path.startswith("dashboards/")}
    assert files.keys() == names and "lgtm-gatewayz-overview.json" in names
    assert {f"{json.loads(one.content)['uid']}.json" for one in files.values()} == names
    assert {one.on_change for one in files.values()} == {"none"}
    assert ini()["dashboards"]["default_home_dashboard_path"].endswith("/dashboards/lgtm-gatewayz-overview.json")


def test_dashboards_are_read_again_from_whatever_is_current() -> None:
    [provider] = parsed(made(), "provisioning/dashboards/dashboards.yml")["providers"]
    assert provider["options"]["path"] == "/opt/lgtm/current/etc/grafana/dashboards"
    # From ten seconds down, Grafana may watch the folder that `current` led to when it started.
    assert provider["updateIntervalSeconds"] > 10
    assert provider["allowUiUpdates"] is False


def test_a_deploy_does_not_cost_people_their_stars() -> None:
    """With deletion, Grafana makes anew whatever lies at another path, as everything does after a switch."""
    [provider] = parsed(made(), "provisioning/dashboards/dashboards.yml")["providers"]
    assert provider["disableDeletion"] is True


def test_dashboards_of_before_they_had_uids_of_their_own_are_gone_from_the_same_folder() -> None:
    """Grafana deletes at its start what a provider has left that is no longer there: `pyinfra-lgtm`, until then."""
    [provider] = parsed(made(), "provisioning/dashboards/dashboards.yml")["providers"]
    assert provider["name"] == "lgtm"
    assert provider["folder"] == provider["folderUid"] == "pyinfra-lgtm"


def test_a_check_that_logs_in_names_the_secret_and_never_shows_it() -> None:
    site = make_site(FULL)
    every = tasks()["grafana"].checks(site.here.services["grafana"], site)
    assert {one.id for one in every if not one.user} == {"grafana.ready", "grafana.database", "grafana.anonymous"}
    assert {(one.user, one.secret) for one in every if one.user} == {("admin", "grafana/admin_password")}


def test_a_broken_database_is_bad() -> None:
    assert found("grafana.database", 200, {"database": "ok", "version": "12.4.2"}) == "version 12.4.2"
    refused("grafana.database", 503, {"database": "failing", "version": "12.4.2"}, "database: failing")
    refused("grafana.database", 502, "<html>", "not JSON")


def test_being_let_in_without_a_login_is_bad() -> None:
    assert found("grafana.anonymous", 401, {"message": "Unauthorized"}) == "401"
    refused("grafana.anonymous", 200, [], "can be read without a login")
    refused("grafana.anonymous", 500, "oops", "HTTP 500")


def test_a_password_that_is_not_in_force_is_bad() -> None:
    assert found("grafana.login", 200, {"id": 1, "name": "Main Org."}) == "organisation 'Main Org.'"
    refused("grafana.login", 401, {"message": "Invalid username or password"}, "Grafana rejects the password of .env")
    refused("grafana.login", 500, "oops", "HTTP 500")
    refused("grafana.datasources", 401, "{}", "Grafana rejects the password of .env")


def listed(**changes: Any) -> list[dict[str, Any]]:
    """The data sources as Grafana lists them, one of them changed."""
    return [{"uid": uid, "url": one["url"], "readOnly": True} | changes.get(uid, {}) for uid, one in sources().items()]


def test_a_data_source_that_is_missing_elsewhere_or_left_over_is_bad() -> None:
    name, by_hand = "grafana.datasources", {"uid": "sentry", "url": "", "readOnly": False}
    assert "grafana_tempo" in found(name, 200, listed())
    assert found(name, 200, [*listed(), by_hand]).endswith("and not ours: sentry")
    refused(name, 200, listed()[1:], "grafana_prometheus missing")
    refused(name, 200, listed(grafana_loki={"url": "http://a"}), "grafana_loki asks http://a")
    refused(name, 200, [*listed(), by_hand | {"readOnly": True}], "sentry provisioned by a file that is not ours")


def test_a_dashboard_that_is_missing_is_bad() -> None:
    every = [{"uid": path.stem} for path in (ROOT / "templates/grafana/dashboards").glob("*.json")]
    assert found("grafana.dashboards", 200, every) == f"{len(every)} dashboards"
    assert found("grafana.dashboards", 200, [*every, {"uid": "mine"}]).endswith("and not ours: mine")
    refused("grafana.dashboards", 200, [one for one in every if one["uid"] != "lgtm-stack"], "lgtm-stack missing")
    refused("grafana.dashboards", 200, [], "lgtm-gatewayz-overview")


def test_a_data_source_that_does_not_answer_is_bad() -> None:
    assert found("grafana.asks_loki", 200, {"status": "OK", "message": "connected"}) == "connected"
    refused("grafana.asks_loki", 400, {"status": "ERROR", "message": "connection refused"}, "connection refused")
    refused("grafana.asks_mimir", 404, {"message": "not found"}, "not found")
    refused("grafana.asks_mimir", 502, "bad gateway", "HTTP 502")
    assert found("grafana.asks_tempo", 200, "echo") == "it answers"
    refused("grafana.asks_tempo", 502, "connection refused", "connection refused")
    refused("grafana.asks_tempo", 200, "<html>", "<html>")
    assert check("grafana.asks_tempo").url.endswith("/api/datasources/proxy/uid/grafana_tempo/api/echo")
    assert check("grafana.asks_loki").gate == "peer"


def test_traceql_metrics_that_tempo_cannot_make_are_bad() -> None:
    name = "grafana.traceql_metrics"
    assert found(name, 200, {"series": [{"labels": [], "samples": []}], "metrics": {}}) == "1 series"
    assert found(name, 200, {"metrics": {}}) == "0 series"  # nobody has sent a span yet
    refused(name, 500, "error finding generators: localblocks processor not found", "localblocks processor not found")
    refused(name, 401, "no", "HTTP 401")
    refused(name, 200, {"status": "success"}, "HTTP 200, but")
    one = check(name)
    assert one.gate == "peer" and not one.slow
    assert "/api/datasources/proxy/uid/grafana_tempo/api/metrics/query_range?q=%7B%20%7D%20%7C%20rate%28%29&" in one.url


def test_traceql_metrics_are_asked_for_only_where_there_is_a_tempo() -> None:
    site = make_site({"one": ("grafana", "prometheus")})
    every = {one.id for one in tasks()["grafana"].checks(site.here.services["grafana"], site)}
    assert "grafana.traceql_metrics" not in every and "grafana.asks_prometheus" in every


def test_tempos_source_streams_searches_but_no_metrics() -> None:
    """Up to 2.7, Tempo refuses to stream metrics without a step, and Grafana 12 names none: "step required"."""
    assert sources()["grafana_tempo"]["jsonData"]["streamingEnabled"] == {"search": True, "metrics": False}
