"""The fake backend's logs and traces: the requests of its sample, sent to Loki and to Tempo."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any

from .sample import Request, Sampler
from .scenarios import Scenario
from .traffic import APP

LOKI_PORT, OTLP_PORT = 3100, 4318
SERVER, CLIENT, FAILED = 2, 3, 2  # kinds of a span, and a status, as OTLP counts them
TOKENS_PROMPT, TOKENS_COMPLETION, COST_USD = 300, 150, 0.002
Attributes = dict[str, str | int]


@dataclass(frozen=True)
class Telemetry:
    """One environment's logs and traces, and the addresses of a Loki and of a Tempo.

    What a store does not take is lost.
    """

    sampler: Sampler
    loki: str
    tempo: str

    def send(self, scenario: Scenario, seconds: float, now: float) -> list[Request]:
        """Send the requests of the last seconds. Return them if Tempo has their traces."""
        requests = list(self.sampler.happen(scenario, seconds, now))
        if not requests:
            return []
        post(f"{self.loki}/loki/api/v1/push", streams(requests))
        return requests if post(f"{self.tempo}/v1/traces", spans(requests)) // 100 == 2 else []


def at(address: str, sampler: Sampler) -> Telemetry:
    """Return the telemetry for a host that carries both, on their usual ports."""
    return Telemetry(sampler, f"http://{address}:{LOKI_PORT}", f"http://{address}:{OTLP_PORT}")


def streams(requests: Sequence[Request]) -> dict[str, Any]:
    """Write requests as Loki takes lines."""
    by_level: dict[str, list[list[str]]] = {}
    for request in requests:
        by_level.setdefault(request.level, []).append([_nanoseconds(request.end), json.dumps(line(request))])
    labels = {"app": APP, "service": APP}
    return {"streams": [{"stream": labels | {"level": level}, "values": lines} for level, lines in by_level.items()]}


def line(request: Request) -> dict[str, Any]:
    """Write a request as one line of the log."""
    method, path = request.endpoint.method, request.endpoint.path
    fields: dict[str, Any] = {
        "timestamp": datetime.fromtimestamp(request.end, UTC).isoformat(timespec="milliseconds"),
        "level": request.level,
        "service": APP,
        "environment": request.environment,
        "message": f"{method} {path} {request.status}",
        "trace_id": request.trace,
        "span_id": request.span_id("server"),
        "endpoint": path,
        "method": method,
        "status_code": request.status,
        "duration_ms": round(request.seconds * 1000, 3),
    }
    if asked := request.inference:
        fields |= {"provider": asked.model.provider, "model": asked.model.model}
        if asked.failed:
            return fields | {"message": f"{fields['message']}: {asked.model.provider} did not answer"}
        fields |= {"tokens_prompt": TOKENS_PROMPT, "tokens_completion": TOKENS_COMPLETION, "cost_usd": COST_USD}
    return fields


def spans(requests: Sequence[Request]) -> dict[str, Any]:
    """Write requests of one environment as OTLP takes traces."""
    resource: Attributes = {"service.name": APP, "deployment.environment": requests[0].environment}
    fields = [span for request in requests for span in (_server(request), *_client(request))]
    scopes = [{"scope": {"name": "lab.telemetry"}, "spans": fields}]
    return {"resourceSpans": [{"resource": {"attributes": _attributes(resource)}, "scopeSpans": scopes}]}


def _server(request: Request) -> dict[str, Any]:
    method, path = request.endpoint.method, request.endpoint.path
    http: Attributes = {"http.method": method, "http.route": path, "http.status_code": request.status}
    return {
        "spanId": request.span_id("server"),
        "name": f"{method} {path}",
        "kind": SERVER,
        **_common(request, request.seconds, http, request.status >= 500),
    }


def _client(request: Request) -> Iterator[dict[str, Any]]:
    asked = request.inference
    if asked is None:
        return
    prompt, completion = (0, 0) if asked.failed else (TOKENS_PROMPT, TOKENS_COMPLETION)
    fields: Attributes = {
        "gen_ai.system": asked.model.provider,
        "gen_ai.request.model": asked.model.model,
        "gen_ai.usage.prompt_tokens": prompt,
        "gen_ai.usage.completion_tokens": completion,
        "gen_ai.usage.total_tokens": prompt + completion,
        "ai.provider": asked.model.provider,
        "ai.model_id": asked.model.model,
        "customer.id": f"customer-{request.number % 10}",
    }
    if asked.failed:
        fields["error.type"] = "provider_error"
    yield {
        "spanId": request.span_id("client"),
        "parentSpanId": request.span_id("server"),
        "name": "llm_inference",
        "kind": CLIENT,
        **_common(request, asked.seconds, fields, asked.failed),
    }


def _common(request: Request, seconds: float, attributes: Attributes, failed: bool) -> dict[str, Any]:
    """Write what a span of either kind has; both end with their request."""
    return {
        "traceId": request.trace,
        "startTimeUnixNano": _nanoseconds(request.end - seconds),
        "endTimeUnixNano": _nanoseconds(request.end),
        "attributes": _attributes(attributes),
        "status": {"code": FAILED} if failed else {},
    }


def _attributes(values: Attributes) -> list[dict[str, Any]]:
    return [
        {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}}
        for key, value in values.items()
    ]


def _nanoseconds(seconds: float) -> str:
    return str(round(seconds * 1e9))


def post(url: str, body: Any) -> int:
    """Send JSON. Return the HTTP status, or 0 if nobody answers."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=2) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, HTTPException):
        return 0
