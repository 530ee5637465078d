"""A STAND-IN for Grafana Loki 3: not Loki, but it keeps the lines it is sent, and gives them back.

It reads Loki's own configuration file, listens on the same ports and keeps its lines in the directory of the chunks. It
selects lines by labels, filters, and fields of JSON, as our checks and dashboards do. Any figure that is made of lines
is their number in the range, whatever the function is: it says that there are such lines, and no more. Rules are listed
and never evaluated.
"""

import json
import operator
import re
import sys
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from . import common
from .common import Config, MutePort, Reply, Request, Runtime

VERSION = "3.7.8+standin"
LABEL = f"Loki stand-in, version {VERSION}"
SECOND = 10**9  # times are nanoseconds, as in Loki
QUERY = re.compile(r"\{(?P<labels>[^}]*)\}(?P<stages>[^\[]*)(?:\[(?P<minutes>\d+)m\])?")
MATCHER = re.compile(r'\s*(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*,?')
STAGE = re.compile(
    r"""\s*(?: \|\s*json\b(?P<json>[^|]*) | \|\s*unwrap\s+(?P<unwrap>\w+)
    | \|\s*(?P<name>\w+)\s*(?P<sign>=~|!~|!=|>=|<=|=|>|<)\s*(?:"(?P<text>[^"]*)"|(?P<number>[\d.]+))
    | (?P<filter>\|=|\|~|!=|!~)\s*(?:"(?P<plain>[^"]*)"|`(?P<raw>[^`]*)`) )\s*""",
    re.VERBOSE,
)
NUMBERS = {
    "=": operator.eq, "!=": operator.ne, ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip
Labels = Mapping[str, str]


class Line(NamedTuple):
    """A line, and the labels of its stream or those made of its fields."""

    at: int
    text: str
    labels: Labels


class QueryError(ValueError):
    """Why a query is refused, in one sentence."""


class Store:
    """The lines, in memory and in a journal of pushes."""

    def __init__(self, folder: Path) -> None:
        self.journal = common.Journal(folder)
        self.streams: dict[tuple[tuple[str, str], ...], list[Line]] = {}
        self.received = self.received_bytes = 0
        for body in self.journal.read():
            self.keep(body)

    def push(self, body: Any) -> None:
        """Take lines in."""
        with self.journal.lock:
            lines = self.keep(body)
            self.journal.append(body)
        self.received += len(lines)
        self.received_bytes += sum(len(line.text) for line in lines)

    def keep(self, body: Any) -> list[Line]:
        lines = [Line(int(at), text, one["stream"]) for one in body["streams"] for at, text, *_ in one["values"]]
        for line in lines:
            self.streams.setdefault(tuple(sorted(line.labels.items())), []).append(line)
        return lines

    def lines(self, fits: Callable[[Labels], bool], start: int, end: int) -> list[Line]:
        """Return the lines after `start` and up to `end` of the streams whose labels fit, the first one first."""
        with self.journal.lock:
            chosen = [line for stream in self.streams.values() if fits(stream[0].labels) for line in stream]
        return sorted((line for line in chosen if start < line.at <= end), key=lambda line: line.at)


class Query:
    """A query: which lines, and for a figure by which labels and over how long."""

    def __init__(self, text: str) -> None:
        found = QUERY.search(text)
        if not found:
            raise QueryError(f"the stand-in finds no selector in {text!r}")
        by = re.search(r"\bby\s*\(([^)]*)\)", text)
        self.by = re.findall(r"\w+", by[1]) if by else []
        self.range = int(found["minutes"]) * 60 * SECOND if found["minutes"] else 0
        tests = [(name, _test(sign, value)) for name, sign, value in MATCHER.findall(found["labels"])]
        if not tests or MATCHER.sub("", found["labels"]).strip():
            raise QueryError(f"the stand-in does not read the selector {{{found['labels']}}}")
        self.fits = lambda labels: all(test(labels.get(name, "")) for name, test in tests)
        self.stages = list(_stages(found["stages"]))

    def lines(self, store: Store, start: int, end: int) -> list[Line]:
        """Return the lines that come through all stages."""
        found = store.lines(self.fits, start, end)
        for stage in self.stages:
            found = [made for line in found if (made := stage(line))]
        return found

    def counts(self, store: Store, times: range) -> dict[tuple[str, ...], list[tuple[int, int]]]:
        """Return values of the labels → (time, number of lines in the range before it), none for no lines."""
        groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for line in self.lines(store, times[0] - self.range, times[-1]):
            groups[tuple(line.labels.get(name, "") for name in self.by)].append(line.at)
        counted = {
            group: [(at, bisect_right(stamps, at) - bisect_right(stamps, at - self.range)) for at in times]
            for group, stamps in groups.items()
        }
        return {group: some for group, points in counted.items() if (some := [one for one in points if one[1]])}


Stage = Callable[[Line], Line | None]


def _stages(text: str) -> Iterator[Stage]:
    at = 0
    while text[at:].strip():
        found = STAGE.match(text, at)
        if not found:
            raise QueryError(f"the stand-in does not read {text[at:].strip()!r}")
        at = found.end()
        yield _stage(found)


def _stage(found: re.Match[str]) -> Stage:
    if found["json"] is not None:
        return _fields
    if name := found["unwrap"]:
        return lambda line: line if line.labels.get(name) else None
    if sign := found["filter"]:
        wanted = found["raw"] if found["plain"] is None else found["plain"]
        pattern = re.compile(wanted if "~" in sign else re.escape(wanted))
        return lambda line: line if bool(pattern.search(line.text)) is (sign[0] == "|") else None
    name, sign = found["name"], found["sign"]
    if found["number"]:
        return lambda line: line if _compare(line.labels.get(name, ""), sign, float(found["number"])) else None
    test = _test(sign, found["text"])
    return lambda line: line if test(line.labels.get(name, "")) else None


def _fields(line: Line) -> Line:
    """Add the fields of a line of JSON to its labels."""
    try:
        tree = json.loads(line.text)
    except ValueError:
        return line._replace(labels={**line.labels, "__error__": "JSONParserErr"})
    fields = {key: str(value) for key, value in tree.items()} if isinstance(tree, dict) else {}
    return line._replace(labels={**fields, **line.labels})


def _test(sign: str, value: str) -> Callable[[str], bool]:
    if sign in ("=", "!="):
        return lambda found: (found == value) is (sign == "=")
    pattern = re.compile(value)
    return lambda found: bool(pattern.fullmatch(found)) is (sign == "=~")


def _compare(found: str, sign: str, wanted: float) -> bool:
    try:
        return bool(NUMBERS[sign](float(found), wanted))
    except ValueError:
        return False


def answer(store: Store, name: str, given: Mapping[str, str]) -> dict[str, Any]:
    """Answer `query` or `query_range`. QueryError for what the stand-in does not read."""
    query = Query(given.get("query", ""))
    end = _moment(given.get("end", ""), time.time_ns())
    start = _moment(given.get("start", ""), end - 3600 * SECOND)
    if name == "query_range" and not query.range:
        streams: dict[tuple[tuple[str, str], ...], list[Any]] = defaultdict(list)
        for line in reversed(query.lines(store, start, end)[-int(given.get("limit", 100)) :]):
            streams[tuple(sorted(line.labels.items()))].append([str(line.at), line.text])
        shown = [{"stream": dict(labels), "values": values} for labels, values in streams.items()]
        return {"resultType": "streams", "result": shown}
    if not query.range:
        raise QueryError("lines are asked for by query_range")
    once = name == "query"
    times = range(end, end + 1) if once else range(start, end + 1, int(given.get("step", 60)) * SECOND)
    series = [
        {"metric": dict(zip(query.by, group, strict=True))}
        | {"value" if once else "values": points[-1] if once else points}
        for group, counts in query.counts(store, times).items()
        if (points := [[at / SECOND, str(count)] for at, count in counts])
    ]
    return {"resultType": "vector" if once else "matrix", "result": series}


def _moment(written: str, default: int) -> int:
    """Read a time, in seconds or in nanoseconds."""
    return (int(written) * SECOND if len(written) <= 10 else int(written)) if written else default


def rules(folder: Path) -> dict[str, Any]:
    """List the recording rules of each file, as if they had been evaluated."""
    groups = [group for path in sorted(folder.glob("*/*.yml")) for group in yaml.safe_load(path.read_text())["groups"]]
    for group in groups:
        named = ((rule["record"], rule["expr"]) for rule in group["rules"])
        group["rules"] = [{"name": name, "query": query, "type": "recording", "health": "ok"} for name, query in named]
    return {"groups": groups}


def run(config: Config) -> int:
    """Serve until told to stop."""
    stopping, runtime = common.stopped(), Runtime(config)
    store = Store(Path(config.get("storage_config.filesystem.directory")))

    def respond(request: Request) -> Reply:
        path = request.path
        if path == "/metrics":
            return common.metrics(_metrics(store) | runtime.metrics("loki", "loki"))
        if path == "/prometheus/api/v1/rules":
            return _success(rules(Path(config.get("ruler.storage.local.directory"))))
        try:
            if path == "/loki/api/v1/push":
                store.push(json.loads(request.body))
                return Reply(204, b"")
            if path == "/loki/api/v1/labels":
                return _success(sorted({name for stream in store.streams for name, _ in stream}))
            if path in ("/loki/api/v1/query", "/loki/api/v1/query_range"):
                return _success(answer(store, path.rpartition("/")[2], request.query))
        except (KeyError, TypeError, ValueError) as error:
            return common.text(f"{error!r}", 400)
        pages = {"/": LABEL, "/ready": "ready", "/config": config.text}
        return common.text(pages[path]) if path in pages else common.NOT_FOUND

    common.serve(common.Server(config.address("http"), respond), MutePort(config.address("grpc")))
    stopping.wait()
    return 0


def _success(data: Any) -> Reply:
    return common.as_json({"status": "success", "data": data})


def _metrics(store: Store) -> dict[str, float]:
    return {
        f'loki_build_info{{version="{VERSION}"}}': 1,
        "loki_distributor_lines_received_total": store.received,
        "loki_distributor_bytes_received_total": store.received_bytes,
        "loki_ingester_memory_streams": len(store.streams),
        'loki_ring_members{name="ingester",state="ACTIVE"}': 1,
    }


if __name__ == "__main__":
    sys.exit(common.main(LABEL, "verify-config", run))
