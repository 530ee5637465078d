"""Grafana Mimir: long-term store for metrics, with all its components in one process."""

from __future__ import annotations

from functools import partial

from lgtm.task import (
    LOOPBACK,
    Answer,
    Artifact,
    Check,
    Component,
    ConfigFile,
    Duration,
    Port,
    PortNumber,
    Refusal,
    Scrape,
    ServiceSettings,
    Site,
    Unit,
    Validator,
    Volume,
    data_of,
    etc,
    ready,
    render,
    rules_loaded,
)

from .prometheus import rules
from .prometheus.settings import PrometheusSettings
from .shared import disk, inforce, runtime
from .shared.limits import SeriesLimit

TENANT = "anonymous"  # Mimir's only tenant while multitenancy is off
SCRAPE = Scrape("30s", "10s")
DATA = "/data/mimir"


class MimirSettings(SeriesLimit, ServiceSettings):
    version: str = "2.11.0"
    http_port: PortNumber = 9009
    grpc_port: PortNumber = 9095
    """TCP port for gRPC between Mimir's components."""
    memberlist_port: PortNumber = 7946
    """TCP port for gossip between Mimir's components."""
    retention: Duration = "30d"
    """How long samples are kept."""
    series_expected: int = 20_000
    """Active series, to estimate the disk space that is needed."""
    ingestion_rate: int = 50_000
    """Maximum samples per second, on average."""
    ingestion_burst: int = 500_000
    """Maximum samples in one burst."""
    out_of_order_window: Duration = "30m"
    """How much older than the newest sample of its series a sample may be."""
    max_exemplars: int = 100_000
    """Maximum exemplars kept in memory; 0 = none."""
    stop_timeout: int = 120


def component(settings: MimirSettings, site: Site) -> Component:
    http = site.port("mimir")
    return Component(
        service="mimir",
        artifact=Artifact("mimir", settings.version),
        unit=Unit(
            command=("{artifact}/mimir", f"-config.file={etc('mimir', 'mimir.yml')}"),
            relax={"RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX AF_NETLINK"},
            reason="Go lists the interfaces while Mimir registers its flags, even when every address is set",
            start_timeout=1200,  # 20 minutes: replaying a large write-ahead log
        ),
        ready=site.url("mimir", "/ready"),
        # A single Mimir uses grpc and memberlist only itself; several will need them at `site.address`.
        ports=(
            http,
            Port("grpc", settings.grpc_port, LOOPBACK),
            Port("memberlist", settings.memberlist_port, LOOPBACK),
        ),
        files=(
            ConfigFile("mimir.yml", _main(settings, site)),
            ConfigFile("runtime.yaml", render(__file__, "runtime.yaml", settings=settings), "reload"),
            *_rules(site),
        ),
        volumes=(Volume(DATA, expects=disk.stored(settings.series_expected, settings.retention)),),
        validators=(Validator(("{artifact}/mimir", "-modules", "-config.file={etc}/mimir.yml")),),
        reload=runtime.reload("mimir", "cortex", site),
    )


def _main(settings: MimirSettings, site: Site) -> str:
    rules = etc("mimir", "rules") if _rules(site) else None
    return render(
        __file__, "mimir.yml",
        settings=settings, http=site.port("mimir"), own=LOOPBACK, data=DATA, runtime=etc("mimir", "runtime.yaml"),
        rules=rules, alertmanagers=_alertmanagers(site) if rules else [],
    )  # fmt: skip


def _alertmanagers(site: Site) -> list[str]:
    """URLs to which Mimir's ruler sends alerts. Alertmanager's port is not opened for it by default."""
    for node in site.carrying("alertmanager"):
        if node != site.here and site.address("alertmanager", node) == LOOPBACK:
            raise Refusal(
                f"{site.here.name}: prometheus_rules_in_mimir is True, but Alertmanager on {node.name} listens on "
                "loopback only; set alertmanager_exposed = True there"
            )
    return [site.url("alertmanager", node=node) for node in site.carrying("alertmanager")]


def _rules(site: Site) -> tuple[ConfigFile, ...]:
    """The rule files that Mimir's ruler evaluates instead of Prometheus. It reads them again every minute."""
    for node, settings in site.settings_of(PrometheusSettings):
        files = [one for one in rules.rule_files(settings, site.at(node)) if one.path in rules.mimirs(settings)]
        return tuple(ConfigFile(one.path.replace("rules/", f"rules/{TENANT}/"), one.content, "none") for one in files)
    return ()


def checks(settings: MimirSettings, site: Site) -> list[Check]:
    return [
        ready("mimir", site.url("mimir", "/ready"), settings.ready_timeout),
        Check(
            id="mimir.query",
            title="Mimir answers queries",
            url=site.url("mimir", "/prometheus/api/v1/labels"),
            judge=_labels,
            remedy="journalctl -u lgtm-mimir -n 50; usual cause: /data/mimir is full or not readable",
        ),
        runtime.check("mimir", "Mimir", "cortex", site),
        inforce.check("mimir", "Mimir", site.url("mimir", "/config"), _main(settings, site), inforce.body),
        *_ruler(site),
    ]


def _ruler(site: Site) -> list[Check]:
    """Mimir evaluates its rules; no check if it has none."""
    names = rules.names(_rules(site))
    if not names:
        return []
    remedy = "journalctl -u lgtm-mimir -g rule; one invalid expression disables its whole file"
    url = site.url("mimir", "/prometheus/api/v1/rules")
    judge = partial(rules_loaded, names=names)
    return [
        Check(
            id="mimir.rules",
            title="Mimir evaluates its rules",
            url=url,
            judge=judge,
            remedy=remedy,
            patience=120,
            slow=True,
        )
    ]


def _labels(answer: Answer) -> str:
    return f"{len(data_of(answer))} label names"
