"""Alerts: each fires when it should, and no other does."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from dashboards import UIDS
from rule_units import NOW, document, expect, judged, rules, run, unit, whole_site
from sites import ROOT, component, file, make_site
from situations import CERTIFICATES, GATEWAYZ, STACK, Situation

from lgtm.load.plugins import tasks
from lgtm.model.checks import Answer, Bad
from lgtm.model.errors import Refusal
from lgtm.model.plan import MARGIN
from lgtm.model.settings import seconds
from lgtm.model.site import Site
from tasks.prometheus.alerting import AlertingSettings
from tasks.prometheus.rules import ORDERED, rule_files
from tasks.prometheus.scraping import jobs

SITUATIONS = {one.name: one for one in (*GATEWAYZ, *STACK, *CERTIFICATES)}
NO_GATEWAYZ: Mapping[str, Any] = {"prometheus_gatewayz_production_url": None, "prometheus_gatewayz_staging_url": None}
LINES = "sum by (job, instance) (rate(loki_distributor_lines_received_total[5m]))"
RULER_FILE = "rules/anonymous/gatewayz.yml"
EXPIRED = (
    '(last_over_time(probe_ssl_last_chain_expiry_timestamp_seconds{job="certificates"}[7d])'
    ' and up{job="certificates"}) - time() < 0 * 86400'
)
ORIGINAL = {  # for, severity, component
    "LowAPIRequestRate": ("5m", "warning", "api"),
    "HighAPIErrorRate": ("3m", "critical", "api"),
    "HighAPILatency": ("5m", "warning", "api"),
    "CriticalAPILatency": ("2m", "critical", "api"),
    "HighModelInferenceLatency": ("5m", "warning", "model"),
    "ModelInferenceErrorSpike": ("3m", "critical", "model"),
    "SlowProviderResponse": ("5m", "warning", "provider"),
    "ProviderErrorSpike": ("3m", "critical", "provider"),
    "APILatencyDegrading": ("10m", "warning", "api"),
    "APIErrorRateIncreasing": ("10m", "warning", "api"),
    "LowModelHealthScore": ("5m", "critical", "model"),
    "LowProviderHealthScore": ("5m", "critical", "provider"),
    "NoTrafficDetected": ("5m", "critical", "api"),
}


@pytest.fixture(scope="module")
def promtool(artifact: Callable[[str], Path]) -> Path:
    return artifact("prometheus") / "promtool"


def groups(site: Site) -> list[Any]:
    return [group for text in rules(site).values() for group in yaml.safe_load(text)["groups"]]


def alerts(site: Site) -> dict[str, Any]:
    return {rule["alert"]: rule for group in groups(site) for rule in group["rules"] if "alert" in rule}


@pytest.mark.parametrize("situation", SITUATIONS.values(), ids=str)
def test_a_situation_raises_exactly_its_alerts(promtool: Path, tmp_path: Path, situation: Situation) -> None:
    assert run(promtool, tmp_path, situation) == ""


def test_every_alert_is_raised_by_a_situation() -> None:
    raised = {alert.partition("{")[0] for one in SITUATIONS.values() for alert in (*one.fires, *one.passing)}
    assert raised | {"Watchdog"} == alerts(whole_site()).keys()


@pytest.mark.parametrize(
    ("name", "right", "wrong", "situation"),
    [
        ("recording.yml", '            or\n            0 * sum by (env, provider) (rate(model_inference_requests_total{'
         'provider!=""}[10m]))\n', "", "all requests fail since a restart"),
        ("recording.yml", 'path!~"/metrics|/prometheus/data/metrics"', 'path!=""',
         "zero traffic, the series are there"),
        ("gatewayz.yml", " unless on (env) gatewayz:requests:rate5m", " > 0",
         "zero traffic since a restart, no series"),
        ("gatewayz.yml", "> 0) == 1", "> 0) >= 1", "one provider of most of the traffic fails"),
        ("gatewayz.yml", "          and gatewayz:request_errors:ratio5m\n            > 2.0 *"
         " gatewayz:request_errors:ratio15m offset 1h\n", "", "all requests fail"),
        ("gatewayz.yml", "          and gatewayz:requests:rate5m offset 1h >= 10.0\n", "", "a trickle, all good"),
        ("gatewayz.yml", "          >= 10.0\n", "          >= 0\n",
         "one provider is asked every five minutes, another every twelve"),
        ("stack.yml", '          unless on () up{job="mimir"} == 0\n', "", "Mimir is down"),
        ("stack.yml", '          or absent(up{job="loki"})\n', "", "Loki's job is gone"),
        ("stack.yml", f"unless on (job, instance) {LINES} > 0", f"and on (job, instance) {LINES} == 0",
         "Loki has never got anything"),
        ("stack.yml", ' unless (up{job="certificates"} and on () up{job="blackbox_exporter"} == 0)', "",
         "what looks at certificates is down"),
        ("stack.yml", "last_over_time(probe_ssl_last_chain_expiry_timestamp_seconds{job=\"certificates\"}[7d])",
         "probe_ssl_last_chain_expiry_timestamp_seconds", "a certificate expires"),
        ("stack.yml", f"          unless on (instance) {EXPIRED}\n", "", "a certificate expires"),
        ("stack.yml", "unless on (instance) max by", "unless on (instance) min by",
         "one of the backend's jobs is down, and its certificate cannot be read"),
        ("stack.yml", '"$1:443"', '"$1:80"', "the backend is down, and its certificate cannot be read"),
        ("stack.yml", "([^:]+|.*])", "([^:]+)", "targets of one's own are down"),
        ("stack.yml", "([^:]+|.*])", "(.+)", "targets of one's own are down"),
    ],
)  # fmt: skip
def test_a_rule_without_its_safety_is_found_out(
    promtool: Path, tmp_path: Path, name: str, right: str, wrong: str, situation: str
) -> None:
    texts = rules(whole_site())
    assert right in texts[name]
    texts[name] = texts[name].replace(right, wrong)
    assert "exp: {alertname=" in run(promtool, tmp_path, SITUATIONS[situation], texts)


@pytest.mark.parametrize(
    ("situation", "alert", "labels", "summary", "description"),
    [
        ("zero traffic in one environment", "NoTrafficDetected",
         {"env": "staging", "severity": "critical", "component": "api"}, "No request at all in staging",
         "The backend answers Prometheus, and has had 0 requests/s over 5 minutes."),
        ("a flood of client errors", "HighAPIErrorRate",
         {"env": "production", "severity": "critical", "component": "api"}, "Requests fail in production",
         "20.98% of all requests over 5 minutes got a 4xx or 5xx answer."),
        ("Mimir comes near its limit", "MimirSeriesHigh", {"severity": "warning", "component": "monitoring"},
         "Mimir comes near its limit of series", "85% of the series it may have are in use."),
        ("Loki's job is gone", "TargetMissing", {"job": "loki", "severity": "critical", "component": "monitoring"},
         "loki is not scraped", "1 of the targets that job loki should have are not there."),
        ("the backend's certificate will soon expire", "CertificateExpiryCritical",
         {"env": "production", "instance": "api.gatewayz.ai:443", "job": "certificates", "severity": "critical",
          "component": "monitoring"}, "The certificate of api.gatewayz.ai:443 expires",
         "For so long it is still valid: 1d 23h 15m 0s; below zero, it is refused."),
        ("a certificate expires", "CertificateExpiryCritical",
         {"instance": "mail.example.com:587", "job": "certificates", "severity": "critical",
          "component": "monitoring"}, "The certificate of mail.example.com:587 has expired",
         "For so long it is still valid: -50m 0s; below zero, it is refused."),
    ],
)  # fmt: skip
def test_an_alert_says_what_and_where_and_how_much(
    promtool: Path, tmp_path: Path, situation: str, alert: str, labels: Any, summary: str, description: str
) -> None:
    site, happening = whole_site(), SITUATIONS[situation]
    annotations = alerts(site)[alert]["annotations"] | {"summary": summary, "description": description}
    wanted = {"eval_time": f"{happening.calm + happening.minutes}m", "alertname": alert}
    wanted["exp_alerts"] = [{"exp_labels": labels, "exp_annotations": annotations}]
    test = unit(happening, site, rules(site))
    test["tests"][0] |= {"promql_expr_test": [], "alert_rule_test": [wanted]}
    assert judged(promtool, tmp_path, rules(site), test) == ""


def test_one_target_of_several_is_missed(promtool: Path, tmp_path: Path) -> None:
    site = make_site({"front": ("prometheus", "node_exporter"), "store": ("node_exporter",)}, **NO_GATEWAYZ)
    ups = [
        f'up{{job="{job.name}",instance="{endpoint.address}"}}'
        for job in jobs(site.here.services["prometheus"], site)
        for endpoint in job.endpoints
    ]
    present = {name: [1.0] * 61 for name in ups if name != 'up{job="node_exporter",instance="192.0.2.12:9100"}'}
    assert len(present) == len(ups) - 1
    checks = [expect(NOW, "15m", 'TargetMissing{job="node_exporter"}')]
    assert judged(promtool, tmp_path, rules(site), document(rules(site), present, promql_expr_test=checks)) == ""
    whole = document(rules(site), dict.fromkeys(ups, [1.0] * 61), promql_expr_test=[expect(NOW, "15m")])
    assert judged(promtool, tmp_path, rules(site), whole) == ""


def test_the_original_alerts_are_there_as_they_were() -> None:
    found = alerts(whole_site())
    for name, wanted in ORIGINAL.items():
        labels = found[name]["labels"]
        assert (found[name]["for"], labels["severity"], labels["component"]) == wanted


def test_every_alert_can_be_routed_read_and_followed() -> None:
    for name, rule in alerts(whole_site()).items():
        assert rule["labels"]["severity"] in {"critical", "warning", "none"}, name
        assert rule["labels"]["component"] in {"api", "model", "provider", "monitoring"}, name
        notes = rule["annotations"]
        assert notes.keys() - {"dashboard"} == {"summary", "description", "runbook_url"}, name
        assert notes["runbook_url"].endswith(f"/docs/alerts.md#{name.lower()}")
        assert name == "Watchdog" or notes["dashboard"] in UIDS


def test_what_is_about_the_stack_waits_longer_than_a_deploy_may_take() -> None:
    site = whole_site()
    gate = [
        check for name, one in site.here.services.items() for check in tasks()[name].checks(one, site) if not check.slow
    ]
    patience = max(check.patience for check in gate if check.gate != "world")
    window = site.here.settings.activation_max + patience + MARGIN
    unhurried = {"Watchdog", "ServiceRestarting", "CertificateExpiring", "CertificateExpiryCritical"}
    for name, rule in alerts(site).items():
        if rule["labels"]["component"] == "monitoring" and name not in unhurried:
            assert seconds(rule["for"]) >= window, name


def test_the_documentation_has_a_section_for_every_alert_and_no_other() -> None:
    text = (ROOT / "docs" / "alerts.md").read_text()
    sections = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
    assert [one.partition("\n")[0] for one in sections] == list(alerts(whole_site()))
    assert all("*First:*" in one and "*Usual cause:*" in one for one in sections)


def test_the_documentation_names_settings_that_exist() -> None:
    named = set(re.findall(r"`prometheus_(\w+)`", (ROOT / "docs" / "alerts.md").read_text()))
    assert named == AlertingSettings.model_fields.keys()


def test_groups_are_small_enough_for_mimirs_ruler_and_have_names_of_their_own() -> None:
    found = groups(whole_site())
    assert all(len(group["rules"]) <= 20 and group["interval"] == "30s" for group in found)
    assert len({group["name"] for group in found}) == len(found)


def other(value: Any) -> Any:
    """A value that is not the default, and as good."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1 if isinstance(value, int) else value * 1.01
    return ("/other",) if isinstance(value, tuple) else "https://other" if value.startswith("http") else "7m"


@pytest.mark.parametrize("setting", AlertingSettings.model_fields)
def test_every_setting_is_in_force(setting: str) -> None:
    value = other(AlertingSettings.model_fields[setting].default)
    assert rules(whole_site(**{f"prometheus_{setting}": value})) != rules(whole_site())


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("api_error_share", 1.5),
        ("request_rate_low", 0),
        ("no_traffic_for", "soon"),
        ("restarts_max", 0),
        ("ignored_paths", ["metrics"]),
        ("ignored_paths", ['/"}']),
        ("runbook_base_url", "docs/alerts.md"),
    ],
)
def test_a_threshold_that_makes_no_sense_is_refused_by_name(setting: str, value: Any) -> None:
    with pytest.raises(Refusal, match=f"one: prometheus_{setting}"):
        make_site(**{f"prometheus_{setting}": value})


@pytest.mark.parametrize(("low", "high"), ORDERED)
def test_thresholds_that_contradict_each_other_are_refused(low: str, high: str) -> None:
    value = AlertingSettings.model_fields[high].default
    with pytest.raises(Refusal, match=f"one: prometheus_{low} = {value} must be below prometheus_{high}"):
        rules(whole_site(**{f"prometheus_{low}": value}))


def test_a_path_is_taken_literally() -> None:
    site = whole_site(prometheus_ignored_paths=["/metrics", "/health.json"])
    assert 'path!~"/metrics|/health[.]json"' in rules(site)["recording.yml"]


def test_what_a_site_does_not_carry_has_no_rules() -> None:
    site = make_site({"one": ("prometheus",)}, **NO_GATEWAYZ)
    assert [file.path for file in rule_files(site.here.services["prometheus"], site)] == ["rules/stack.yml"]
    assert alerts(site).keys() == {
        "Watchdog", "TargetDown", "TargetMissing", "ServiceRestarting", "ConfigReloadFailed", "PrometheusRuleFailing",
    }  # fmt: skip


def test_a_site_without_certificates_has_no_alerts_about_them() -> None:
    site = make_site({"one": ("prometheus", "blackbox_exporter")}, **NO_GATEWAYZ)
    assert not [name for name in alerts(site) if name.startswith("Certificate")]
    assert alerts(site)["TargetDown"]["expr"] == "up == 0"


def test_a_mimir_without_a_limit_has_no_alert_about_it() -> None:
    assert not {"MimirSeriesHigh", "MimirSeriesCritical"} & alerts(whole_site(mimir_max_series=0)).keys()


def test_rules_that_mimir_evaluates_are_not_prometheus_own() -> None:
    site = make_site(prometheus_rules_in_mimir=True)
    found, ruler = component(site, "prometheus"), component(site, "mimir")
    assert [one.path for one in found.files] == ["prometheus.yml", "rules/recording.yml", "rules/stack.yml"]
    assert not any("gatewayz" in word for one in found.validators for word in one.command)
    assert file(ruler, RULER_FILE) == rules(site)["gatewayz.yml"]
    assert rules(site).keys() == rules(make_site()).keys()
    watched = 'cortex_prometheus_rule_evaluation_failures_total{job="mimir"}'
    assert watched in alerts(site)["PrometheusRuleFailing"]["expr"]


def test_a_ruler_that_cannot_reach_its_alertmanager_is_refused() -> None:
    split = {"front": ("prometheus", "alertmanager"), "store": ("mimir",)}
    with pytest.raises(Refusal, match=r"store: .* Alertmanager on front listens on loopback only; set alertmanager_ex"):
        component(make_site(split, prometheus_rules_in_mimir=True), "mimir")
    site = make_site(split, prometheus_rules_in_mimir=True, alertmanager_exposed=True)
    assert 'alertmanager_url: "http://192.0.2.11:9093"' in file(component(site, "mimir"), "mimir.yml")


def test_whether_mimir_evaluates_its_rules_is_asked_of_its_ruler() -> None:
    site = make_site(prometheus_rules_in_mimir=True)
    [check] = [one for one in tasks()["mimir"].checks(site.here.services["mimir"], site) if one.id == "mimir.rules"]
    loaded = [{"name": name, "health": "ok"} for name in yaml_names(file(component(site, "mimir"), RULER_FILE))]

    def answer(rules: list[dict[str, str]]) -> Answer:
        return Answer(200, json.dumps({"status": "success", "data": {"groups": [{"rules": rules}]}}))

    assert check.judge(answer(loaded)) == f"{len(loaded)} rules"
    with pytest.raises(Bad, match=f"not loaded: {loaded[0]['name']}"):
        check.judge(answer(loaded[1:]))
    with pytest.raises(Bad, match="bad data"):
        check.judge(answer([*loaded[1:], loaded[0] | {"health": "err", "lastError": "bad data"}]))


def yaml_names(text: str) -> list[str]:
    return [rule["alert"] for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def test_rules_in_a_mimir_that_is_not_there_are_refused() -> None:
    site = make_site({"one": ("prometheus",)}, prometheus_rules_in_mimir=True)
    with pytest.raises(Refusal, match="one: prometheus_rules_in_mimir = True, but no host carries mimir"):
        component(site, "prometheus")


def test_whether_prometheus_evaluates_its_rules_is_asked_of_it() -> None:
    site = make_site()
    [check] = [
        one for one in tasks()["prometheus"].checks(site.here.services["prometheus"], site)
        if one.id == "prometheus.rules"
    ]  # fmt: skip
    every = [rule.get("alert") or rule["record"] for text in rules(site).values() for rule in flat(text)]

    def judge(health: str, names: list[str]) -> str:
        groups = [{"rules": [{"name": name, "health": health} for name in names]}]
        return check.judge(Answer(200, json.dumps({"status": "success", "data": {"groups": groups}})))

    assert judge("ok", every) == f"{len(every)} rules"
    with pytest.raises(Bad, match="not loaded: Watchdog"):
        judge("ok", [name for name in every if name != "Watchdog"])
    with pytest.raises(Bad, match="Watchdog: unknown"):
        judge("unknown", every)


def flat(text: str) -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
