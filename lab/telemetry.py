"""The fake backend's logs and traces: the requests of its sample, told to Loki and to Tempo."""

import json
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any

from .sample import Request, Sampler
from .scenarios import Scenario
from .traffic import APP

LOKI_PORT, OTLP_PORT = 3100, 4318
KEPT = 600  # requests at most that wait for a store which does not answer
SERVER, CLIENT, FAILED = 2, 3, 2  # kinds of a span, and a status, as OTLP counts them
TOKENS_PROMPT, TOKENS_COMPLETION, COST_USD = 300, 150, 0.002
Attributes = dict[str, str | int]


@dataclass
class Outbox:
    """What waits for a store: sent again until it is taken, refused for good, or pushed out by newer."""

    url: str
    encode: Callable[[Sequence[Request]], Any]
    waiting: deque[Request] = field(default_factory=lambda: deque(maxlen=KEPT))

    def send(self, requests: Sequence[Request]) -> list[Request]:
        """Send these and what waits; give those that were taken."""
        self.waiting.extend(requests)
        batch = list(self.waiting)
        status = post(self.url, self.encode(batch)) if batch else 0
        if status // 100 in (2, 4) and status != 429:
            self.waiting.clear()
        return batch if status // 100 == 2 else []


class Telemetry:
    """One environment's logs and traces, sent to the addresses of a Loki and of a Tempo."""

    def __init__(self, sampler: Sampler, loki: str, tempo: str) -> None:
        self.sampler = sampler
        self.logs = Outbox(f"{loki}/loki/api/v1/push", streams)
        self.traces = Outbox(f"{tempo}/v1/traces", spans)

    def tell(self, scenario: Scenario, seconds: float, now: float) -> list[Request]:
        """Tell what has happened in the last seconds; give the requests whose traces Tempo has by now."""
        requests = list(self.sampler.happen(scenario, seconds, now))
        self.logs.send(requests)
        return self.traces.send(requests)


def at(address: str, sampler: Sampler) -> Telemetry:
    """Make the telemetry for a host that carries both, on their usual ports."""
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
    told: dict[str, Any] = {
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
        told |= {"provider": asked.model.provider, "model": asked.model.model}
        if asked.failed:
            return told | {"message": f"{told['message']}: {asked.model.provider} did not answer"}
        told |= {"tokens_prompt": TOKENS_PROMPT, "tokens_completion": TOKENS_COMPLETION, "cost_usd": COST_USD}
    return told


def spans(requests: Sequence[Request]) -> dict[str, Any]:
    """Write requests of one environment as OTLP takes traces."""
    resource: Attributes = {"service.name": APP, "deployment.environment": requests[0].environment}
    told = [span for request in requests for span in (_server(request), *_client(request))]
    scopes = [{"scope": {"name": "lab.telemetry"}, "spans": told}]
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
    told: Attributes = {
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
        told["error.type"] = "provider_error"
    yield {
        "spanId": request.span_id("client"),
        "parentSpanId": request.span_id("server"),
        "name": "llm_inference",
        "kind": CLIENT,
        **_common(request, asked.seconds, told, asked.failed),
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
    """Send JSON, and give the HTTP status; 0 when nobody answers."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=2) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, HTTPException):
        return 0
