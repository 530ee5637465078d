"""Prometheus' rendered configuration: scrape jobs, remote write and labels."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from sites import ALL, ONE, SPLIT, component, file, make_site, parsed, stage, validate

from lgtm.load.plugins import tasks
from lgtm.model.checks import Answer, Bad, Check
from lgtm.model.errors import Refusal
from lgtm.model.site import Site

REQUIRED = {
    "prometheus",
    "gatewayz_production",
    "gatewayz_staging",
    "redis_exporter",
    "gatewayz_data_metrics_production",
    "gatewayz_data_metrics_staging",
    "mimir",
}
TOKEN_FILE = "/run/credentials/lgtm-prometheus.service/staging_bearer_token"


def main(site: Site) -> Any:
    return parsed(component(site, "prometheus"), "prometheus.yml")


def scraped(site: Site) -> dict[str, Any]:
    return {job["job_name"]: job for job in main(site)["scrape_configs"]}


def checks(site: Site) -> dict[str, Check]:
    node = site.carrying("prometheus")[0]
    found = tasks()["prometheus"].checks(node.services["prometheus"], site.at(node))
    return {check.id: check for check in found}


def test_the_jobs_are_the_required_ones_and_one_per_further_service() -> None:
    assert scraped(make_site()).keys() == REQUIRED | set(ALL) | {"certificates"}


@pytest.mark.parametrize(
    ("job", "interval", "timeout", "scheme", "path", "target", "labels"),
    [
        ("gatewayz_production", "15s", "10s", "https", "/metrics", "api.gatewayz.ai", {"env": "production"}),
        ("gatewayz_staging", "15s", "10s", "https", "/metrics",
         "gatewayz-staging.up.railway.app", {"env": "staging"}),
        ("gatewayz_data_metrics_production", "30s", "15s", "https", "/prometheus/data/metrics",
         "api.gatewayz.ai", {"env": "production", "source": "prometheus_data"}),
        ("gatewayz_data_metrics_staging", "30s", "15s", "https", "/prometheus/data/metrics",
         "gatewayz-staging.up.railway.app", {"env": "staging", "source": "prometheus_data"}),
        ("redis_exporter", "30s", "10s", "http", "/metrics", "127.0.0.1:9121",
         {"host": "one", "component": "redis_exporter"}),
        ("mimir", "30s", "10s", "http", "/metrics", "127.0.0.1:9009", {"host": "one", "component": "mimir"}),
        ("prometheus", "15s", "10s", "http", "/metrics", "127.0.0.1:9090",
         {"host": "one", "component": "prometheus"}),
    ],
)  # fmt: skip
def test_each_job_asks_as_it_should(
    job: str, interval: str, timeout: str, scheme: str, path: str, target: str, labels: dict[str, str]
) -> None:
    found = scraped(make_site())[job]
    assert (found["scrape_interval"], found["scrape_timeout"]) == (interval, timeout)
    assert (found["scheme"], found["metrics_path"]) == (scheme, path)
    assert found["static_configs"] == [{"targets": [target], "labels": labels}]


def test_only_staging_is_asked_with_a_token_and_that_from_a_file() -> None:
    found = {name: job.get("authorization") for name, job in scraped(make_site()).items()}
    wanted = {"gatewayz_staging", "gatewayz_data_metrics_staging"}
    assert {name for name, value in found.items() if value} == wanted
    assert all(found[name] == {"credentials_file": TOKEN_FILE} for name in wanted)


def test_a_service_on_two_hosts_is_one_job_with_two_targets() -> None:
    found = scraped(make_site(SPLIT))["node_exporter"]["static_configs"]
    assert [one["targets"] for one in found] == [["127.0.0.1:9100"], ["192.0.2.12:9100"]]
    assert [one["labels"]["host"] for one in found] == ["front", "store"]


def test_a_target_of_ones_own_is_one_line() -> None:
    line = {"job": "blog", "targets": ["192.0.2.7:80"], "interval": "5s", "labels": {"team": "a"}}
    found = scraped(make_site(prometheus_extra_targets=[line]))["blog"]
    assert found["static_configs"] == [{"targets": ["192.0.2.7:80"], "labels": {"team": "a"}}]
    assert found["scrape_interval"] == "5s"


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (
            {"job": "blog", "targets": ["192.0.2.7:80"], "intervall": "5s"},
            "prometheus_extra_targets.0.intervall",
        ),
        (
            {"job": "blog", "targets": ["192.0.2.7:80"], "interval": 5},
            "prometheus_extra_targets.0.interval = 5",
        ),
        ({"targets": ["192.0.2.7:80"]}, "prometheus_extra_targets.0.job"),
    ],
)
def test_a_wrong_target_is_refused_by_name(line: dict[str, Any], named: str) -> None:
    with pytest.raises(Refusal, match=f"one: {named}"):
        make_site(prometheus_extra_targets=[line])


def test_a_job_name_that_is_taken_is_refused() -> None:
    site = make_site(prometheus_extra_targets=[{"job": "mimir", "targets": ["192.0.2.7:80"]}])
    with pytest.raises(Refusal, match="one: prometheus_extra_targets: job 'mimir' is there 2 times"):
        component(site, "prometheus")


def test_gatewayz_can_be_left_out() -> None:
    some = {"one": ("prometheus", "mimir")}
    site = make_site(some, {}, prometheus_gatewayz_production_url=None, prometheus_gatewayz_staging_url=None)
    assert scraped(site).keys() == {"prometheus", "mimir"}
    assert component(site, "prometheus").secrets == ()
    assert "prometheus.world" not in checks(site)


def test_staging_without_its_token_is_refused() -> None:
    with pytest.raises(Refusal, match=r"one: prometheus needs STAGING_BEARER_TOKEN; add .* to \.env\.test"):
        component(make_site({"one": ("prometheus",)}, {}), "prometheus")


@pytest.mark.parametrize("url", ["api.gatewayz.ai", "https://api.gatewayz.ai/", "ftp://api.gatewayz.ai"])
def test_a_gatewayz_url_is_a_scheme_and_a_host(url: str) -> None:
    with pytest.raises(Refusal, match="prometheus_gatewayz_production_url"):
        make_site(prometheus_gatewayz_production_url=url)


def test_remote_write_is_as_required() -> None:
    assert main(make_site())["remote_write"] == [
        {
            "name": "mimir-remote-write",
            "url": "http://127.0.0.1:9009/api/v1/push",
            "remote_timeout": "30s",
            "send_exemplars": True,
            "queue_config": {
                "capacity": 10000,
                "max_shards": 50,
                "max_samples_per_send": 2000,
                "batch_send_deadline": "5s",
                "min_backoff": "30ms",
                "max_backoff": "5s",
                "retry_on_http_429": True,
            },
        }
    ]


def test_mimir_is_written_to_where_it_is() -> None:
    assert main(make_site(SPLIT))["remote_write"][0]["url"] == "http://192.0.2.12:9009/api/v1/push"


def test_without_mimir_and_alertmanager_prometheus_works_on_its_own() -> None:
    site = make_site({"one": ("prometheus",)})
    assert not {"remote_write", "alerting"} & main(site).keys()
    assert "RemoteWriteFailing" not in file(component(site, "prometheus"), "rules/stack.yml")
    found = checks(site)
    assert not any(name.startswith("mimir") for name in found)
    assert not {"prometheus.remote_write", "prometheus.alertmanagers"} & found.keys()


def test_alerts_go_to_alertmanager() -> None:
    assert main(make_site())["alerting"]["alertmanagers"] == [
        {"api_version": "v2", "timeout": "10s", "static_configs": [{"targets": ["127.0.0.1:9093"]}]}
    ]


def test_the_external_labels_are_there() -> None:
    found = main(make_site())["global"]
    assert found["external_labels"] == {"cluster": "gatewayz-monitoring", "environment": "test"}
    assert found["evaluation_interval"] == "15s"


def test_a_cluster_that_prometheus_would_expand_is_refused() -> None:
    with pytest.raises(Refusal, match="prometheus_cluster"):
        make_site(prometheus_cluster="${CLUSTER}")


def test_retention_is_a_flag_and_the_apis_that_change_things_stay_off() -> None:
    command = component(make_site(prometheus_retention_size="2G"), "prometheus").unit.command
    assert "--storage.tsdb.retention.time=15d" in command
    assert "--storage.tsdb.retention.size=2147483648B" in command
    assert not any("lifecycle" in word or "admin-api" in word for word in command)
    assert "storage" not in main(make_site())


def test_a_rule_or_a_target_is_a_reload() -> None:
    before = component(make_site(), "prometheus")
    line = {"job": "blog", "targets": ["192.0.2.7:80"]}
    after = component(make_site(prometheus_target_down_for="10m", prometheus_extra_targets=[line]), "prometheus")
    assert before.unit == after.unit
    assert all(one.on_change == "reload" for one in after.files)
    assert {one.path for one in set(after.files) - set(before.files)} == {"prometheus.yml", "rules/stack.yml"}


def test_it_waits_for_its_neighbours_only() -> None:
    assert component(make_site(ONE), "prometheus").after == ("alertmanager", "mimir", "tempo")
    assert component(make_site(SPLIT), "prometheus").after == ("alertmanager",)


def test_promtool_accepts_it(artifact: Callable[[str], Path], tmp_path: Path) -> None:
    found = component(make_site(prometheus_extra_targets=[{"job": "b", "targets": ["192.0.2.7:80"]}]), "prometheus")
    for run in validate(found, artifact("prometheus"), stage(found, tmp_path)):
        assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(
    ("path", "right", "wrong"),
    [
        ("prometheus.yml", "remote_timeout:", "remote_timeuot:"),
        ("prometheus.yml", "      retry_on_http_429", "    retry_on_http_429"),
        ("rules/stack.yml", "vector(1)", "vector(1"),
        ("rules/stack.yml", "{{ $labels.job }}", "{{ $labels.job }"),
        ("rules/recording.yml", "sum by (env, model)", "sum by (env model)"),
        ("rules/gatewayz.yml", "expr: gatewayz:request_errors:ratio5m > 0.1", "expr: gatewayz:request_errors > > 0.1"),
        # The same alert twice under one name: a lint of promtool's, which only --lint-fatal makes an error.
        (
            "rules/gatewayz.yml",
            "alert: CriticalAPILatency\n        expr: gatewayz:request_duration_seconds:p95_5m > 3.0",
            "alert: HighAPIErrorRate\n        expr: gatewayz:request_duration_seconds:p95_5m > 3.0",
        ),
    ],
)
def test_promtool_refuses_it_broken(
    artifact: Callable[[str], Path], tmp_path: Path, path: str, right: str, wrong: str
) -> None:
    found = component(make_site(), "prometheus")
    etc = stage(found, tmp_path)
    text = file(found, path)
    assert right in text
    (etc / path).write_text(text.replace(right, wrong))
    assert [run for run in validate(found, artifact("prometheus"), etc) if run.returncode]


def ok(data: Any) -> Answer:
    return Answer(200, json.dumps({"status": "success", "data": data}))


def up(value: str, *instances: str) -> Answer:
    return ok({"result": [{"metric": {"instance": one}, "value": [1, value]} for one in instances]})


def test_every_job_is_proved_by_a_query_to_mimir() -> None:
    site = make_site(SPLIT)
    found = checks(site)
    for job in scraped(site):
        url = unquote(found[f"mimir.up.{job}"].url)
        assert url.startswith("http://192.0.2.12:9009/prometheus/api/v1/query?query=last_over_time(up{")
        assert f'job="{job}",environment="test",cluster="gatewayz-monitoring"' in url
        assert not set(found[f"mimir.up.{job}"].url) & set(' {}[]"')


def test_only_the_outside_world_may_be_down() -> None:
    found = checks(make_site())
    assert found["mimir.up.gatewayz_production"].gate == "world"
    assert found["mimir.series.gatewayz_production"].gate == "peer"
    assert found["mimir.up.node_exporter"].gate == "peer"


def test_a_series_that_is_missing_or_zero_is_bad() -> None:
    check = checks(make_site())["mimir.up.mimir"]
    assert check.judge(up("1", "a"))
    for answer in (up("1"), up("0", "a"), Answer(500, "no"), Answer(0, "refused")):
        with pytest.raises(Bad):
            check.judge(answer)
    assert checks(make_site())["mimir.series.gatewayz_staging"].judge(up("0", "a"))
    with pytest.raises(Bad, match="0 of 1 series"):
        checks(make_site())["mimir.series.gatewayz_staging"].judge(up("1"))


def targets(*pairs: tuple[str, str]) -> Answer:
    return ok(
        {
            "activeTargets": [
                {"labels": {"job": job}, "health": health, "scrapeUrl": f"http://{job}", "lastError": ""}
                for job, health in pairs
            ]
        }
    )


def test_jobs_in_force_that_differ_are_named() -> None:
    site = make_site({"one": ("prometheus",)}, prometheus_gatewayz_staging_url=None)
    names = ("prometheus", "gatewayz_production", "gatewayz_data_metrics_production")
    check = checks(site)["prometheus.jobs"]
    assert check.judge(targets(*((name, "up") for name in names)))
    with pytest.raises(Bad, match="missing: prometheus; not expected: stranger"):
        check.judge(targets(*((name, "up") for name in names[1:]), ("stranger", "up")))


def test_a_target_that_is_down_fails_its_own_gate_only() -> None:
    found = checks(make_site({"one": ("prometheus",)}))
    answer = targets(("prometheus", "up"), ("gatewayz_production", "down"))
    assert found["prometheus.targets"].judge(answer)
    with pytest.raises(Bad, match="http://gatewayz_production"):
        found["prometheus.world"].judge(answer)
    with pytest.raises(Bad, match="no target"):
        found["prometheus.targets"].judge(targets())


QUEUE = '{remote_name="mimir-remote-write",url="http://127.0.0.1:9009/api/v1/push"}'


@pytest.mark.parametrize(
    ("sent", "failed", "stamp", "said"),
    [
        ("0", "0", "0", "accepted no sample"),
        ("900", "900", "0", "accepted no sample"),
        ("900", "90", "1.7e+09", "90 of 900"),
    ],
)
def test_a_queue_that_does_not_deliver_is_bad(sent: str, failed: str, stamp: str, said: str) -> None:
    check = checks(make_site())["prometheus.remote_write"]
    with pytest.raises(Bad, match=said):
        check.judge(queue(sent, failed, stamp))


def test_a_queue_that_delivers_is_good_and_none_at_all_is_bad() -> None:
    check = checks(make_site())["prometheus.remote_write"]
    assert check.judge(queue("900", "0", "1.7e+09")) == "900 samples sent, 0 refused"
    with pytest.raises(Bad, match='remote_name="mimir-remote-write" is not among the metrics'):
        check.judge(Answer(200, "go_goroutines 1\n"))


@pytest.mark.parametrize(
    ("pending", "newest", "shards", "said"),
    [("2000", "1.7000001e+09", "1", "100 s behind, 2000 samples pending"), ("0", "1.7e+09", "0", "no shard")],
)
def test_a_queue_that_falls_behind_is_bad(pending: str, newest: str, shards: str, said: str) -> None:
    with pytest.raises(Bad, match=said):
        checks(make_site())["prometheus.remote_write"].judge(queue("900", "0", "1.7e+09", pending, newest, shards))


def queue(sent: str, failed: str, stamp: str, pending: str = "0", newest: str = "1.7e+09", shards: str = "1") -> Answer:
    name = "prometheus_remote_storage"
    lines = (
        f"{name}_samples_total{QUEUE} {sent}",
        f"{name}_samples_failed_total{QUEUE} {failed}",
        f"{name}_queue_highest_sent_timestamp_seconds{QUEUE} {stamp}",
        f"{name}_samples_pending{QUEUE} {pending}",
        f"{name}_highest_timestamp_in_seconds {newest}",
        f"{name}_shards{QUEUE} {shards}",
    )
    return Answer(200, "\n".join(lines))


def test_an_alertmanager_that_is_not_used_is_bad() -> None:
    check = checks(make_site())["prometheus.alertmanagers"]
    assert check.judge(ok({"activeAlertmanagers": [{"url": "http://a"}]})) == "http://a"
    with pytest.raises(Bad, match="0 of 1"):
        check.judge(ok({"activeAlertmanagers": []}))
