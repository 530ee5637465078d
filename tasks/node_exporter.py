"""node_exporter: metrics of the host."""

from __future__ import annotations

from lgtm.task import (
    HARDENING,
    METRICS,
    Answer,
    Artifact,
    Bad,
    Check,
    Component,
    PortNumber,
    ServiceSettings,
    Site,
    Unit,
    ready,
)

# Collectors that must work on any Linux. They fail if the hardening hides too much of the host.
ESSENTIAL = ("cpu", "diskstats", "filesystem", "loadavg", "meminfo", "netdev", "stat")


class NodeExporterSettings(ServiceSettings):
    version: str = "1.12.1"
    http_port: PortNumber = 9100


def component(settings: NodeExporterSettings, site: Site) -> Component:
    return Component(
        service="node_exporter",
        artifact=Artifact("node_exporter", settings.version),
        unit=Unit(
            command=(
                "{artifact}/node_exporter",
                f"--web.listen-address={site.target('node_exporter')}",
                f"--collector.textfile.directory={METRICS}",
                f"--log.level={settings.log_level}",
            ),
            relax={
                "TemporaryFileSystem": None,  # it would be reported as a file system of the host
                "PrivateTmp": "yes",
                "ProtectProc": None,
                "PrivateUsers": None,
                "ProtectClock": None,
                "SystemCallFilter": f"{HARDENING['SystemCallFilter']}\nSystemCallFilter=adjtimex",
                "ProtectHome": "read-only",
                "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX AF_NETLINK",
            },
            reason="its work is to see the whole host: /proc, mounts, interfaces, how far the clock may be off",
        ),
        ready=site.url("node_exporter", "/"),
        ports=(site.port("node_exporter"),),
    )


def checks(settings: NodeExporterSettings, site: Site) -> list[Check]:
    return [
        ready("node_exporter", site.url("node_exporter", "/"), settings.ready_timeout),
        Check(
            id="node_exporter.collectors",
            title="node_exporter's essential collectors work",
            url=site.url("node_exporter", "/metrics"),
            judge=_collectors,
            remedy="journalctl -u lgtm-node_exporter -n 50; the unit's hardening may hide what the collector reads",
        ),
    ]


def _collectors(answer: Answer) -> str:
    if not answer.status:
        raise Bad(answer.body.strip())
    working = {f'node_scrape_collector_success{{collector="{name}"}} 1': name for name in ESSENTIAL}
    failing = sorted(working[line] for line in working.keys() - set(answer.body.splitlines()))
    if failing:
        raise Bad(f"HTTP {answer.status}, not working: {', '.join(failing)}")
    return f"{len(ESSENTIAL)} essential collectors work"
