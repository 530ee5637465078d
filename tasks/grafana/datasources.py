"""Grafana's data sources and the links between them, as provisioning files."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Literal

from lgtm.task import Settings, Site

EXEMPLARS = ("trace_id", "traceID")  # the label that names the trace: GatewayZ's, and the one of span metrics
FOLDER = "pyinfra-lgtm"  # of the dashboards, in Grafana
PROVIDER = "lgtm"  # a new name would make Grafana delete all dashboards of the old one
PROVIDERS = (PROVIDER, "pyinfra-lgtm")  # our present and former names
NAMES = {"prometheus": "Prometheus", "mimir": "Mimir", "loki": "Loki", "tempo": "Tempo"}
HEXADECIMAL = "[0-9a-fA-F]{16,32}"
# A trace id in a line: JSON, also within a JSON text, and key=value, quoted or not.
IN_LINE = rf'trace_?[iI][dD][\\"]*\s*[:=]\s*[\\"]*({HEXADECIMAL})\b'
SPANS = {  # queries about the service of a span; `$__tags` is that service as a selector
    "Calls per second": "sum by (span_name) (rate(traces_spanmetrics_calls_total{$__tags}[5m]))",
    "Share of errors": (
        'sum(rate(traces_spanmetrics_calls_total{status_code="STATUS_CODE_ERROR", $__tags}[5m]))'
        " / sum(rate(traces_spanmetrics_calls_total{$__tags}[5m]))"
    ),
    "Latency p95": "histogram_quantile(0.95, sum by (le) (rate(traces_spanmetrics_latency_bucket{$__tags}[5m])))",
}


class Existing(Settings):
    """A data source that Grafana's database already has, under a name or uid of ours.

    Example: `grafana_existing_sources = [{"name": "Prometheus", "uid": "PBFA97CFB590B2093", "service": "prometheus"}]`.
    It keeps its name and uid, and our `prometheus` answers its queries. Ours is called `Prometheus (lgtm)`. Without a
    `service` it is not changed.
    """

    name: str
    """Name of the data source."""
    uid: str
    """Uid of the data source."""
    service: Literal["", "prometheus", "mimir", "loki", "tempo"] = ""
    """Service that answers its queries; empty = it is not changed."""


def kind(service: str) -> str:
    """Grafana's type for it: Mimir has the API of Prometheus."""
    return "prometheus" if service == "mimir" else service


def name(service: str, existing: Sequence[Existing] = ()) -> str:
    """Name of the data source. An existing one with our uid or our name keeps its name."""
    for one in existing:
        if one.uid == uid(service):
            return one.name
    taken = any(one.name == NAMES[service] for one in existing)
    return f"{NAMES[service]} (lgtm)" if taken else NAMES[service]


def mapped(site: Site, existing: Sequence[Existing]) -> list[Existing]:
    """The existing data sources whose queries one of our services answers."""
    ours = {uid(service) for service in NAMES}
    return [one for one in existing if one.uid not in ours and one.service in carried(site)]


def uid(service: str) -> str:
    """Uid of the data source, such as `grafana_loki`. Dashboards and links refer to it."""
    return f"grafana_{service}"


def carried(site: Site) -> tuple[str, ...]:
    """The services of the site that are data sources."""
    return tuple(service for service in NAMES if site.the(service))


def addresses(site: Site, existing: Sequence[Existing] = ()) -> dict[str, str]:
    """uid → URL of every deployed data source."""
    ours = {uid(service): _url(service, site) for service in carried(site)}
    return ours | {one.uid: _url(one.service, site) for one in mapped(site, existing)}


def proxied(service: str) -> str:
    """The path at which Grafana forwards a request to a data source."""
    return f"/api/datasources/proxy/uid/{uid(service)}"


def question(service: str) -> str:
    """The path at which Grafana reports the health of a data source. Tempo's has none, so Tempo itself answers."""
    if service == "tempo":
        return f"{proxied(service)}/api/echo"
    return f"/api/datasources/uid/{uid(service)}/health"


def rendered(site: Site, existing: Sequence[Existing] = ()) -> str:
    """The provisioning file. JSON, which is YAML; what is no longer in it is removed from Grafana.

    Grafana finds a source by its name, and does not start when that one has another uid (grafana/grafana 110740).
    """
    sources = [_source(service, name(service, existing), site) for service in carried(site)]
    for one in mapped(site, existing):
        sources.append(_source(one.service, one.name, site) | {"uid": one.uid, "isDefault": False})
    return _file({"apiVersion": 1, "prune": True, "datasources": sources})


def provider(path: str) -> str:
    """The provisioning file for a folder of dashboards, which Grafana reads again every 30 s."""
    one = {
        "name": PROVIDER,
        "orgId": 1,
        "folder": FOLDER,
        "folderUid": FOLDER,
        "type": "file",
        "allowUiUpdates": False,
        # Every deploy is a new folder behind `current`. With deletion enabled, Grafana would delete and recreate each
        # dashboard, and people would lose their stars. So a dashboard that we drop stays until somebody deletes it.
        "disableDeletion": True,
        "updateIntervalSeconds": 30,
        "options": {"path": path},
    }
    return _file({"apiVersion": 1, "providers": [one]})


def _file(content: Any) -> str:
    return json.dumps(_literal(content), indent=2) + "\n"


def _literal(value: Any) -> Any:
    """The value with each `$` as `$$`, because Grafana expands `$name` in provisioning files."""
    if isinstance(value, dict):
        return {key: _literal(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_literal(one) for one in value]
    return value.replace("$", "$$") if isinstance(value, str) else value


def _source(service: str, called: str, site: Site) -> dict[str, Any]:
    return {
        "name": called,
        "uid": uid(service),
        "type": kind(service),
        "access": "proxy",
        "orgId": 1,
        "url": _url(service, site),
        "isDefault": service == carried(site)[0],
        "editable": False,
        "jsonData": {"timeout": 60} | DETAILS[service](set(carried(site))),
    }


def _url(service: str, site: Site) -> str:
    return site.url(service, "/prometheus" if service == "mimir" else "", site.the(service))


def _metrics(kind: str, others: set[str]) -> dict[str, Any]:
    names = EXEMPLARS if "tempo" in others else ()
    exemplars = [{"name": label, "datasourceUid": uid("tempo")} for label in names]
    return {
        "httpMethod": "POST",
        "prometheusType": kind,
        "timeInterval": "15s",
        "exemplarTraceIdDestinations": exemplars,
    }


def _logs(others: set[str]) -> dict[str, Any]:
    if "tempo" not in others:
        return {}
    link = {"url": "${__value.raw}", "datasourceUid": uid("tempo"), "urlDisplayLabel": "Trace"}
    # Grafana ignores a second field of the same name: each way to find a trace id needs its own name.
    fields = [
        {"name": "Trace", "matcherType": "regex", "matcherRegex": IN_LINE},
        {"name": "Trace of the label", "matcherType": "label", "matcherRegex": "trace_id"},
    ]
    return {"derivedFields": [field | link for field in fields]}


def _traces(others: set[str]) -> dict[str, Any]:
    # Tempo streams on its HTTP port (`stream_over_http_enabled`). Streamed metrics need 2.8: Grafana sends no step.
    details: dict[str, Any] = {"nodeGraph": {"enabled": True}, "streamingEnabled": {"search": True, "metrics": False}}
    around = {"tags": [{"key": "service.name", "value": "service"}]}
    if "loki" in others:
        details["tracesToLogsV2"] = around | {
            "datasourceUid": uid("loki"),
            "spanStartTimeShift": "-1h",
            "spanEndTimeShift": "1h",
            "filterByTraceID": True,
            "filterBySpanID": False,
            "customQuery": False,
        }
    if "mimir" in others:  # metrics generated from spans are in Mimir, not in Prometheus
        details["serviceMap"] = {"datasourceUid": uid("mimir")}
        details["tracesToMetrics"] = around | {
            "datasourceUid": uid("mimir"),
            "spanStartTimeShift": "-1h",
            "spanEndTimeShift": "1h",
            "queries": [{"name": title, "query": query} for title, query in SPANS.items()],
        }
    return details


DETAILS: dict[str, Callable[[set[str]], dict[str, Any]]] = {
    "prometheus": lambda others: _metrics("Prometheus", others),
    "mimir": lambda others: _metrics("Mimir", others),
    "loki": _logs,
    "tempo": _traces,
}
