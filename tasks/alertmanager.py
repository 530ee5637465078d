"""Alertmanager: groups alerts and sends them to people."""

from __future__ import annotations

from lgtm.checks import Answer, Bad, Check, ready
from lgtm.component import Artifact, Component, ConfigFile, Reload, Unit, Validator, Volume, etc
from lgtm.render import render
from lgtm.settings import Duration, PortNumber, ServiceSettings
from lgtm.site import Site

DATA = "/data/alertmanager"


class AlertmanagerSettings(ServiceSettings):
    version: str = "0.34.1"
    http_port: PortNumber = 9093
    retention: Duration = "120h"  # how long silences and the log of notifications are kept
    group_wait: Duration = "30s"  # wait for more of a new group's alerts
    group_interval: Duration = "5m"  # between notifications of a group that grows
    repeat_interval: Duration = "4h"  # between reminders of a group that does not change


def component(settings: AlertmanagerSettings, site: Site) -> Component:
    return Component(
        service="alertmanager",
        artifact=Artifact("alertmanager", settings.version),
        unit=Unit(
            command=(
                "{artifact}/alertmanager",
                f"--config.file={etc('alertmanager', 'alertmanager.yml')}",
                f"--storage.path={DATA}",
                f"--data.retention={settings.retention}",
                f"--web.listen-address={site.target('alertmanager')}",
                "--cluster.listen-address=",  # empty: one Alertmanager does not gossip
                f"--log.level={settings.log_level}",
            ),
            memory_max=settings.memory_max,
            cpu_cores=settings.cpu_cores,
        ),
        ready=site.url("alertmanager", "/-/ready"),
        ports=(site.port("alertmanager"),),
        files=(ConfigFile("alertmanager.yml", render(__file__, "alertmanager.yml", settings=settings), "reload"),),
        volumes=(Volume(DATA),),
        validators=(Validator(("{artifact}/amtool", "check-config", "{etc}/alertmanager.yml")),),
        reload=Reload(
            site.url("alertmanager", "/metrics"),
            "alertmanager_config_last_reload_successful",
            "alertmanager_config_last_reload_success_timestamp_seconds",
        ),
        ready_timeout=settings.ready_timeout,
    )


def checks(settings: AlertmanagerSettings, site: Site) -> list[Check]:
    return [
        ready("alertmanager", site.url("alertmanager", "/-/ready"), settings.ready_timeout),
        Check(
            "alertmanager.status",
            "Alertmanager has a configuration and does not gossip",
            site.url("alertmanager", "/api/v2/status"),
            _status,
            "journalctl -u lgtm-alertmanager -n 50",
        ),
    ]


def _status(answer: Answer) -> str:
    data = answer.json()
    if answer.status != 200 or "receivers:" not in data.get("config", {}).get("original", ""):
        raise Bad(f"HTTP {answer.status}, no configuration: {answer.body[:200]}")
    if data["cluster"]["status"] != "disabled":
        raise Bad(f"the cluster is {data['cluster']['status']}, where there should be none")
    return f"version {data['versionInfo']['version']}"
