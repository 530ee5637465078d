"""The data sources themselves: whether they answer, and what."""

import http.client
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

QUESTIONS = {  # what each type of data source is asked to see whether it is well
    "prometheus": "/api/v1/query?query=1%2B1",
    "loki": "/loki/api/v1/labels",
    "tempo": "/api/echo",
}
# What may be posted to a Prometheus: questions only.
POSTED = frozenset(f"api/v1/{name}" for name in ("query", "query_range", "query_exemplars", "series", "labels"))
FORWARDED = ("Content-Type", "Accept", "Accept-Encoding")


@dataclass(frozen=True)
class Reply:
    """What a data source answered."""

    status: int
    content: bytes
    headers: dict[str, str]


def ask(source: dict[str, Any], method: str, path: str, body: bytes = b"", headers: Any = ()) -> Reply:
    """Ask a data source for a path below its URL; OSError when it does not answer."""
    url = urlsplit(str(source["url"]))
    connection = http.client.HTTPConnection(url.hostname or "", url.port or 80, timeout=60)
    try:
        connection.request(method, f"{url.path.rstrip('/')}/{path.lstrip('/')}", body or None, dict(headers))
        response = connection.getresponse()
        kept = {name: value for name in ("Content-Type", "Content-Encoding") if (value := response.getheader(name))}
        return Reply(response.status, response.read(), kept)
    except http.client.HTTPException as error:
        raise OSError(f"{source['url']} speaks no HTTP: {error!r}") from error
    finally:
        connection.close()


def health(source: dict[str, Any]) -> tuple[int, dict[str, str]]:
    """HTTP status and answer for a data source's health."""
    question = QUESTIONS.get(source["type"])
    if question is None:
        return 501, {"message": f"the stand-in knows no data source of type {source['type']}"}
    try:
        reply = ask(source, "GET", question)
    except OSError as error:
        return 400, {"status": "ERROR", "message": f"{source['url']}: {error}"}
    if reply.status != 200:
        said = reply.content[:200].decode(errors="replace").strip()
        return 400, {"status": "ERROR", "message": f"{source['url']}: HTTP {reply.status}: {said}"}
    return 200, {"status": "OK", "message": f"{source['url']} answers (asked by a stand-in)"}
