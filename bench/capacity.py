"""What series, samples, lines and spans cost, in memory and on disk: `LGTM_BINARIES=… python -m bench.capacity`.

The whole stack on one lab host. Memory and processor time: of Prometheus and Mimir, beside so many series of a target
that only counts. Disk: of six hours of samples in a block (the same format in both), by Prometheus' own promtool; of
the fake backend's log lines in Loki and spans in Tempo, after they were told to write out what they hold.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import random
import shutil
import subprocess
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bench.run import ARTIFACTS, pyinfra
from lab import telemetry
from lab.host import Host
from lab.machines import Lab
from lab.sample import PER_SECOND, Request, Sampler
from lab.scenarios import HEALTHY

INVENTORY = "inventories/lab.py"
SERIES = (0, 20_000, 100_000)
REQUESTS, BATCH = 40_000, 500
SECONDS = 45  # over which processor time is counted


class Load(BaseHTTPRequestHandler):
    """A target with `series` counters, all of which move."""

    series = 0
    scrapes = itertools.count()

    def do_GET(self) -> None:
        scrape = next(self.scrapes)
        text = "".join(
            f'load_total{{path="/{n % 97}",shard="{n}"}} {scrape * (n % 13 + 1)}\n' for n in range(self.series)
        )
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Be quiet."""


def main() -> None:
    """Measure and print."""
    if not os.environ.get("LGTM_BINARIES"):
        print("LGTM_BINARIES is not set: Mimir, Loki and Tempo are stand-ins, and their figures mean nothing")
    lab = Lab()
    lab.up(1)
    lab.reset([1])
    host = lab.host(1)
    server = ThreadingHTTPServer((lab.network.gateway, 0), Load)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    target = {"job": "load", "targets": [f"{lab.network.gateway}:{server.server_port}"]}
    _deploy(f"prometheus_extra_targets={json.dumps([target])}")
    _memory(host)
    _samples()
    _lines(host)
    _spans(host)
    server.shutdown()


def _memory(host: Host) -> None:
    print(f"{'series':>9} {'samples/s':>10}   Prometheus MiB, cores      Mimir MiB, cores")
    for series in SERIES:
        Load.series = series
        time.sleep(60)  # several scrapes, and what they are sent on with
        before = _processor(host)
        time.sleep(SECONDS)
        after = _processor(host)
        active = float(_metric(host, 9090, "prometheus_tsdb_head_series"))
        row = [
            f"{_resident(host, one):8.0f} {(after[one] - before[one]) / SECONDS:8.3f}"
            for one in ("prometheus", "mimir")
        ]
        print(f"{active:9.0f} {active / 15:10.0f}   {row[0]:>22} {row[1]:>21}", flush=True)


def _samples() -> None:
    """Six hours of 500 series of each kind, one sample every 15 s, as blocks."""
    known = json.loads((ARTIFACTS / "index.json").read_text())["prometheus"]
    chance, print_after = random.Random(1), []
    kinds: dict[str, Callable[[float], float]] = {
        "that never changes": lambda value: value,
        "of a counter": lambda value: value + math.floor(chance.expovariate(0.1)),
        "of a measurement, with fractions": lambda value: chance.gauss(100, 10),
    }
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(ARTIFACTS / known["file"]) as archive:
            archive.extractall(folder, filter="data")
        promtool = next(Path(folder).rglob("promtool"))
        for kind, moved in kinds.items():
            size = _block(Path(folder), promtool, moved)
            print_after.append(f"a sample {kind}: {size / (500 * 6 * 240):.2f} bytes in a block, index included")
    print("\n" + "\n".join(print_after))


def _block(folder: Path, promtool: Path, moved: Callable[[float], float]) -> int:
    start, blocks = 1_700_000_000, folder / "blocks"
    with (folder / "samples").open("w") as file:
        for n in range(500):
            value = 0.0
            for at in range(start, start + 6 * 3600, 15):
                value = moved(value)
                file.write(f'some_total{{path="/v1/{n}",service="gatewayz-api"}} {value} {at}\n')
        file.write("# EOF\n")
    command = [promtool, "tsdb", "create-blocks-from", "openmetrics", "samples", "blocks"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    size = sum(path.stat().st_size for path in blocks.rglob("*") if path.is_file())
    shutil.rmtree(blocks)
    return size


def _batches() -> Iterator[list[Request]]:
    """REQUESTS requests of the fake backend, a second's worth at a time."""
    sampler = Sampler("production", BATCH / PER_SECOND)
    for _ in range(0, REQUESTS, BATCH):
        yield list(sampler.happen(HEALTHY, 1, time.time()))
        time.sleep(0.2)


def _lines(host: Host) -> None:
    """A log line of the fake backend: as sent, and in Loki's chunks and index."""
    sent, folders = 0, ("/data/loki/chunks", "/data/loki/tsdb-index")
    before = _disk(host, *folders)
    for requests in _batches():
        lines = telemetry.streams(requests)
        sent += sum(len(line) for stream in lines["streams"] for _, line in stream["values"])
        assert telemetry.post(f"http://{host.address}:3100/loki/api/v1/push", lines) // 100 == 2
    assert telemetry.post(f"http://{host.address}:3100/flush", {}) // 100 == 2
    time.sleep(30)
    size = _disk(host, *folders) - before
    print(f"a log line of {sent / REQUESTS:.0f} bytes: {size / REQUESTS:.0f} bytes in Loki", flush=True)


def _spans(host: Host) -> None:
    """A span of the fake backend in Tempo's blocks."""
    spans = 0
    before = _disk(host, "/data/tempo/blocks")
    for requests in _batches():
        told = telemetry.spans(requests)
        spans += len(told["resourceSpans"][0]["scopeSpans"][0]["spans"])
        assert telemetry.post(f"http://{host.address}:4318/v1/traces", told) // 100 == 2
    time.sleep(15)  # until the traces are no longer under way
    assert telemetry.post(f"http://{host.address}:3200/flush", {}) // 100 == 2
    time.sleep(60)
    size = _disk(host, "/data/tempo/blocks") - before
    print(f"a span: {size / spans:.0f} bytes in Tempo ({spans} of them)", flush=True)


def _deploy(*data: str) -> None:
    pyinfra(INVENTORY, "deploy.py", *(word for one in data for word in ("--data", one)))


def _resident(host: Host, service: str) -> float:
    """MiB."""
    script = f"awk '/^VmRSS/ {{print $2}}' /proc/$(systemctl show -P MainPID lgtm-{service})/status"
    return int(host.inside("sh", "-c", script)) / 1024


def _processor(host: Host) -> dict[str, float]:
    """service → seconds of processor time so far."""
    script = "cut -d' ' -f14,15 /proc/$(systemctl show -P MainPID lgtm-{})/stat"
    return {
        one: sum(map(int, host.inside("sh", "-c", script.format(one)).split())) / os.sysconf("SC_CLK_TCK")
        for one in ("prometheus", "mimir")
    }


def _metric(host: Host, port: int, name: str) -> str:
    return host.inside("sh", "-c", f"curl -s 127.0.0.1:{port}/metrics | sed -n 's/^{name} //p'")


def _disk(host: Host, *folders: str) -> int:
    """Bytes of all files below."""
    return int(
        host.inside(
            "sh", "-c", f"find {' '.join(folders)} -type f -printf '%s\\n' | awk '{{s += $1}} END {{print s + 0}}'"
        )
    )


if __name__ == "__main__":
    main()
