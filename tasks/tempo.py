"""Grafana Tempo: stores traces and generates metrics from their spans, with all its components in one process."""

from __future__ import annotations

import time
from typing import Annotated
from urllib.parse import quote

from pydantic import Field

from lgtm.task import (
    LOOPBACK,
    Answer,
    Artifact,
    Bad,
    Bytes,
    Check,
    Component,
    ConfigFile,
    Duration,
    Many,
    Port,
    PortNumber,
    Scrape,
    ServiceSettings,
    Site,
    Unit,
    Validator,
    Volume,
    body_of,
    etc,
    metric,
    ready,
    render,
    samples,
    seconds,
)

from .grafana import traceql
from .shared import canary, inforce

USES = ("mimir",)
SCRAPE = Scrape("15s", "10s")
DATA = "/data/tempo"
OWN = "|".join(traceql.OWN)
REMOTE = "span-metrics"  # name of the generator's remote-write queue
DIMENSIONS = (
    "ai.model_id", "ai.provider", "db.system", "error.type", "gen_ai.request.model", "gen_ai.system",
    "http.route", "http.status_code",
)  # fmt: skip
BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
Version = Annotated[str, Field(pattern=r"^(2\.([5-9]|[1-9][0-9])|3\.[0-9]+)\.")]


class TempoSettings(ServiceSettings):
    version: Version = "2.5.0"  # the only 2.5 whose checksum for Linux is published
    """Version of the release, as in `artifacts.lock`: 2.5 or later, or 3.x."""
    http_port: PortNumber = 3200
    grpc_port: PortNumber = 9097
    """TCP port for gRPC between Tempo's components."""
    otlp_grpc_port: PortNumber = 4317
    """TCP port for spans over OTLP/gRPC."""
    otlp_http_port: PortNumber = 4318
    """TCP port for spans over OTLP/HTTP."""
    bytes_expected: Bytes = 200 * 2**20
    """Bytes on disk of one day of traces, to estimate the disk space that is needed."""
    retention: Duration = "14d"
    """How long traces are kept."""
    ingestion_rate: Bytes = 15_000_000
    """Maximum bytes of spans per second, on average."""
    ingestion_burst: Bytes = 20_000_000
    """Maximum bytes of spans in one burst."""
    max_traces: int = 10_000
    """Maximum traces that are being received at the same time."""
    max_trace_size: Bytes = 5_000_000
    """Maximum bytes of one trace."""
    span_dimensions: Many[str] = DIMENSIONS
    """Span attributes that become labels of metrics. Use attributes with few values, not ids of customers."""
    latency_buckets: Many[float] = BUCKETS
    """Buckets of the latency histograms, in seconds."""
    metrics_window: Duration = "3h"
    """How far back TraceQL metrics reach in 2.x. In 3.x they reach back to the retention."""
    metrics_block: Bytes = 100_000_000
    """Maximum bytes of spans in a block for TraceQL metrics in 2.x. A block ends after 5 minutes at the latest."""
    max_series: int = 50_000
    """Maximum series that are generated from spans. Further series are dropped."""
    stop_timeout: int = 60  # 3.0.3 never ends once it has been queried


def component(settings: TempoSettings, site: Site) -> Component:
    return Component(
        service="tempo",
        artifact=Artifact("tempo", settings.version),
        unit=Unit(
            command=("{artifact}/tempo", f"-config.file={etc('tempo', 'tempo.yml')}"),
            relax={"MemoryDenyWriteExecute": None} if _three(settings) else {},
            reason="Tempo 3 reads JSON by a library that makes machine code as it runs" if _three(settings) else "",
            start_timeout=600,  # replaying a large write-ahead log
        ),
        ready=site.url("tempo", "/ready"),
        # A single Tempo uses grpc only itself. It binds no memberlist port, because every ring is in memory.
        ports=(
            site.port("tempo"),
            Port("grpc", settings.grpc_port, LOOPBACK),
            site.port("tempo", "otlp_grpc"),
            site.port("tempo", "otlp_http"),
        ),
        files=(ConfigFile("tempo.yml", _main(settings, site)),),
        volumes=(Volume(DATA, expects=_expected(settings)),),
        # The file needs its flag: as a plain argument it is ignored, and the defaults are validated instead.
        validators=(Validator(("{artifact}/tempo", "-config.verify=true", "-config.file={etc}/tempo.yml")),),
        after=("mimir",) if "mimir" in site.here.services else (),
    )


def _expected(settings: TempoSettings) -> int:
    """Bytes on disk: traces of the retention; in 2.x also a second copy of those for TraceQL metrics."""
    twice = 0.0 if _three(settings) else seconds(settings.metrics_window)
    return int(settings.bytes_expected * (seconds(settings.retention) + twice) / 86400)


def _main(settings: TempoSettings, site: Site) -> str:
    mimir, window = site.the("mimir"), seconds(settings.metrics_window)
    return render(
        __file__, "tempo.yml",
        settings=settings, data=DATA, own=LOOPBACK, environment=site.environment, remote=REMOTE,
        three=_three(settings), http=site.port("tempo"), parts=f"{LOOPBACK}:{settings.grpc_port}",
        otlp_grpc=site.target("tempo", "otlp_grpc"), otlp_http=site.target("tempo", "otlp_http"),
        retention=f"{seconds(settings.retention):.0f}s",  # Go has no unit for days
        # Tempo rounds the range of a query up to whole steps: 5 minutes more are allowed, and kept that much longer.
        window={"kept": f"{window:.0f}s", "asked": f"{window + 300:.0f}s"}, own_services=OWN,
        processors=_processors(settings, bool(mimir)),
        push=site.url("mimir", "/api/v1/push", mimir) if mimir else None,
    )  # fmt: skip


def _processors(settings: TempoSettings, pushes: bool) -> list[str]:
    """The generator's processors: for metrics if there is a Mimir, and for blocks for TraceQL metrics in 2.x."""
    return ["service-graphs", "span-metrics"] * pushes + ["local-blocks"] * (not _three(settings))


def _three(settings: TempoSettings) -> bool:
    return settings.version.startswith("3.")


def checks(settings: TempoSettings, site: Site) -> list[Check]:
    return [
        ready("tempo", site.url("tempo", "/ready"), settings.ready_timeout),
        inforce.check("tempo", "Tempo", site.url("tempo", "/status/config"), _main(settings, site), inforce.body),
        canary.span(site),
        *canary.span_metrics(site),
        *_flowing(site),
    ]


def _flowing(site: Site) -> list[Check]:
    """Applications send spans, and the metrics generated from them reach Mimir, if there is one."""
    checks = [_sent(site)]
    if site.the("mimir"):
        remedy = "journalctl -u lgtm-tempo -g remote shows what Mimir answers"
        title = "Mimir accepts the metrics generated from spans"
        checks.append(
            Check(
                id="tempo.generator",
                title=title,
                url=site.url("tempo", "/metrics"),
                judge=_generator,
                remedy=remedy,
                gate="peer",
                patience=90,
                slow=True,
            )
        )
    return checks


def _sent(site: Site) -> Check:
    """Applications send spans; those of the stack itself, such as verify.py's canary, do not count."""
    now = int(time.time())
    query = quote(f'{{ resource.service.name !~ "{OWN}" }}', safe="")
    return Check(
        id="tempo.spans", title="Applications send spans to Tempo",
        url=site.url("tempo", f"/api/search?q={query}&start={now - 3600}&end={now + 60}&limit=1"), judge=_spans,
        remedy=f"point an OTLP exporter at {site.target('tempo', 'otlp_grpc')}", gate="world", slow=True,
    )  # fmt: skip


def _spans(answer: Answer) -> str:
    body_of(answer)
    result = answer.json()
    if not result.get("traces"):
        raise Bad("no trace of an application within the last hour")
    return f"latest: {result['traces'][0]['rootServiceName']}"


def _generator(answer: Answer) -> str:
    """Judge by the counters of the generator's queue, which exist as soon as there is a span."""
    queue = f'remote_name="{REMOTE}"'
    sent = _total(answer, "prometheus_remote_storage_samples_total", queue)
    failed = _total(answer, "prometheus_remote_storage_samples_failed_total", queue)
    if failed > 0.01 * sent:
        raise Bad(f"{failed:.0f} of {sent:.0f} samples refused")
    if sent == 0 and _total(answer, "tempo_metrics_generator_spans_received_total"):
        raise Bad("spans were received, but no sample has been sent yet")
    return f"{sent:.0f} samples sent, {failed:.0f} refused" if sent else "no span yet, so nothing to send"


def _total(answer: Answer, name: str, *labels: str) -> float:
    """A metric summed over its series, 0 if there is none. Raises Bad if these are not Tempo's metrics."""
    metric(answer, "tempo_build_info")
    return sum(samples(answer, name, *labels))
