"""blackbox_exporter: probes the certificates that the site depends on, to alert before one expires."""

from __future__ import annotations

import time
from urllib.parse import urlencode

from lgtm.task import (
    Answer,
    Artifact,
    Bad,
    Check,
    Component,
    ConfigFile,
    PortNumber,
    Reload,
    ServiceSettings,
    Site,
    Unit,
    Validator,
    etc,
    read,
    ready,
)

from .prometheus.scraping import CERTIFICATES, Endpoint, jobs
from .prometheus.settings import PrometheusSettings

EXPIRY = "probe_ssl_last_chain_expiry_timestamp_seconds"


class BlackboxExporterSettings(ServiceSettings):
    version: str = "0.28.0"
    http_port: PortNumber = 9115


def component(settings: BlackboxExporterSettings, site: Site) -> Component:
    return Component(
        service="blackbox_exporter",
        artifact=Artifact("blackbox_exporter", settings.version),
        unit=Unit(
            command=(
                "{artifact}/blackbox_exporter",
                f"--config.file={etc('blackbox_exporter', 'blackbox.yml')}",
                f"--web.listen-address={site.target('blackbox_exporter')}",
                f"--log.level={settings.log_level}",
            ),
        ),
        ready=site.url("blackbox_exporter", "/-/healthy"),
        ports=(site.port("blackbox_exporter"),),
        files=(ConfigFile("blackbox.yml", read(__file__, "blackbox.yml"), "reload"),),
        validators=(Validator(("{artifact}/blackbox_exporter", "--config.check", "--config.file={etc}/blackbox.yml")),),
        reload=Reload.named(site.url("blackbox_exporter", "/metrics"), "blackbox_exporter_config_last_reload"),
    )


def checks(settings: BlackboxExporterSettings, site: Site) -> list[Check]:
    return [
        ready("blackbox_exporter", site.url("blackbox_exporter", "/-/healthy"), settings.ready_timeout),
        *(_certificate(endpoint) for endpoint in _probed(site).values()),
    ]


def _probed(site: Site) -> dict[str, Endpoint]:
    """`host:port` of every certificate in a scrape job of Prometheus → its endpoint."""
    every = [job for _, settings in site.settings_of(PrometheusSettings) for job in jobs(settings, site)]
    return {
        endpoint.params["target"]: endpoint for job in every if job.name == CERTIFICATES for endpoint in job.endpoints
    }


def _certificate(endpoint: Endpoint) -> Check:
    at = endpoint.params["target"]
    return Check(
        id=f"blackbox_exporter.{at}",
        title=f"The certificate of {at} is trusted",
        url=f"http://{endpoint.address}/probe?{urlencode(endpoint.params)}",
        judge=_expiry,
        remedy="journalctl -u lgtm-blackbox_exporter -g level=ERROR shows the reason: no answer, or the certificate "
        "has expired, is for another name, or is signed by an authority that the host does not trust",
        gate="world",
        slow=True,
    )


def _expiry(answer: Answer) -> str:
    lines = answer.body.splitlines()
    ends = [float(line.split()[-1]) for line in lines if line.startswith(f"{EXPIRY} ")]
    if "probe_success 1" not in lines or not ends:
        raise Bad("the probe fails" if "probe_success 0" in lines else f"HTTP {answer.status}: {answer.body[:120]}")
    return f"valid for another {(ends[0] - time.time()) / 86400:.0f} days"
