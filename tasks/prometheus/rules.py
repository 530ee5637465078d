"""Alert and recording rules, evaluated by Prometheus or by Mimir's ruler: their files, validators and check."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial

from lgtm.task import Check, ConfigFile, Site, Validator, combined, render, rules_loaded

from ..shared.limits import SeriesLimit
from . import pipeline
from .scraping import jobs
from .settings import PrometheusSettings

# The first must be below the second. Otherwise one of the two alerts could never fire.
ORDERED = (
    ("api_latency_high", "api_latency_critical"),
    ("mimir_series_high", "mimir_series_critical"),
    ("disk_free_critical", "disk_free_low"),
    ("certificate_days_critical", "certificate_days_low"),
)


def rule_files(settings: PrometheusSettings, site: Site) -> tuple[ConfigFile, ...]:
    """All rule files, of Prometheus and of Mimir: at most 20 rules in a group, and no group name twice.

    Raises Refusal for thresholds that contradict each other.
    """
    _check(settings, site)
    needed = {
        "recording.yml": _gatewayz(settings) or {"mimir", "node_exporter"} & set(site.services),
        "gatewayz.yml": _gatewayz(settings),
        "stack.yml": True,
    }
    return tuple(
        ConfigFile(f"rules/{name}", _rendered(name, settings, site), "reload") for name, when in needed.items() if when
    )


def mimirs(settings: PrometheusSettings) -> tuple[str, ...]:
    """The paths of the rule files that Mimir's ruler evaluates instead of Prometheus."""
    return ("rules/gatewayz.yml",) if settings.rules_in_mimir else ()


def in_force(settings: PrometheusSettings, site: Site) -> Check:
    """Prometheus evaluates its own rules, alerts and recordings."""
    files = [one for one in rule_files(settings, site) if one.path not in mimirs(settings)]
    return Check(
        id="prometheus.rules", title="Prometheus evaluates its rules", url=site.url("prometheus", "/api/v1/rules"),
        judge=partial(rules_loaded, names=names(files)),
        remedy="open /rules of Prometheus; journalctl -u lgtm-prometheus -g rule", patience=90, slow=True,
    )  # fmt: skip


def names(files: Iterable[ConfigFile]) -> set[str]:
    """The names of all alerts and recordings in rule files."""
    return {name for one in files for name in re.findall(r"(?:alert|record): (\S+)", one.content)}


def validators(files: tuple[ConfigFile, ...]) -> tuple[Validator, ...]:
    """promtool validates the rule files; no validator if there are none."""
    paths = [f"{{etc}}/{one.path}" for one in files]
    command = ("{artifact}/promtool", "check", "rules", "--lint=all", "--lint-fatal", *paths)
    return (Validator(command),) if paths else ()


def _check(settings: PrometheusSettings, site: Site) -> None:
    where = site.here.name
    problems = [
        f"{where}: prometheus_{low} = {getattr(settings, low)} must be below prometheus_{high} = "
        f"{getattr(settings, high)}; change one of them"
        for low, high in ORDERED
        if getattr(settings, low) >= getattr(settings, high)
    ]
    if settings.rules_in_mimir and not site.the("mimir"):
        problems.append(f"{where}: prometheus_rules_in_mimir = True, but no host carries mimir; add it or unset this")
    if problems:
        raise combined(problems)


def _gatewayz(settings: PrometheusSettings) -> bool:
    return bool(settings.gatewayz_production_url or settings.gatewayz_staging_url)


def _rendered(name: str, settings: PrometheusSettings, site: Site) -> str:
    return render(
        __file__, f"rules/{name}",
        settings=settings, services=site.services, jobs=jobs(settings, site), gatewayz=_gatewayz(settings),
        counted=f"path!~{_quoted(settings.ignored_paths)}", remote=pipeline.REMOTE, series_max=_series_max(site),
        runbook=lambda alert: f'"{settings.runbook_base_url}#{alert.lower()}"',
    )  # fmt: skip


def _quoted(paths: tuple[str, ...]) -> str:
    """The paths as one regular expression. PromQL anchors it at both ends."""
    return '"' + "|".join(path.replace(".", "[.]") for path in paths) + '"'


def _series_max(site: Site) -> int:
    """Mimir's limit of active series; 0 = there is no Mimir."""
    return next((settings.max_series for _, settings in site.settings_of(SeriesLimit)), 0)
