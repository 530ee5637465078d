"""Exporters: how they are started, and how their answers are judged."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sites import component, make_site

from lgtm.load.plugins import tasks
from lgtm.model.checks import Answer, Bad, Check
from lgtm.model.errors import Refusal

PASSWORD_FILE = "-redis.password-file=/run/credentials/lgtm-redis_exporter.service/passwords"


def second_check(service: str) -> Check:
    site = make_site()
    return tasks()[service].checks(site.here.services[service], site)[1]


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({}, "redis://192.0.2.9:6379"),
        ({"redis_exporter_redis_url": "rediss://r.test:6380/0"}, "rediss://r.test:6380/0"),
        ({"redis_exporter_redis_user": "metrics"}, "redis://metrics@192.0.2.9:6379"),
    ],
)
def test_the_password_is_found_under_the_address_that_is_dialled(data: dict[str, Any], key: str) -> None:
    found = component(make_site(**data), "redis_exporter")
    assert PASSWORD_FILE in found.unit.command
    assert [json.loads(one.value.reveal()) for one in found.secrets] == [{key: "pa55-of-redis"}]


def test_a_redis_without_password_needs_none() -> None:
    found = component(make_site({"one": ("redis_exporter",)}, secrets={}), "redis_exporter")
    assert found.secrets == ()
    assert not any("password" in word for word in found.unit.command)


@pytest.mark.parametrize("url", ["192.0.2.9:6379", "redis://u:pw@192.0.2.9:6379", "http://192.0.2.9:6379"])
def test_a_redis_url_has_a_scheme_and_no_password(url: str) -> None:
    with pytest.raises(Refusal, match="redis_exporter_redis_url"):
        make_site(redis_exporter_redis_url=url)


def test_a_redis_that_is_down_is_the_worlds_failure() -> None:
    check = second_check("redis_exporter")
    assert check.gate == "world"
    assert check.judge(Answer(200, "# TYPE redis_up gauge\nredis_up 1\nredis_uptime_in_seconds 3\n"))
    for body in ("redis_up 0\n", "redis_uptime_in_seconds 1\n"):
        with pytest.raises(Bad):
            check.judge(Answer(200, body))


def test_a_collector_that_sees_nothing_is_named() -> None:
    names = ("cpu", "diskstats", "filesystem", "loadavg", "meminfo", "netdev", "stat")
    lines = [f'node_scrape_collector_success{{collector="{name}"}} 1' for name in names]
    judge = second_check("node_exporter").judge
    assert judge(Answer(200, "\n".join(lines)))
    lines[2] = lines[2].removesuffix("1") + "0"
    with pytest.raises(Bad, match="filesystem"):
        judge(Answer(200, "\n".join(lines)))
