"""The Mimir stand-in says what it is, refuses what it cannot honour, and keeps what Prometheus sends."""

import json
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.machines import Host, Lab
from lab.waiting import until

from .test_artifacts import index, unpack

CONFIG = """\
target: all
multitenancy_enabled: false
server: {http_listen_address: 127.0.0.1, http_listen_port: 9009, grpc_listen_port: 9095}
blocks_storage: {tsdb: {dir: /var/lib/mimir/tsdb}}
runtime_config: {file: /opt/runtime.yaml, period: 1s}
limits: {compactor_blocks_retention_period: 30d, out_of_order_time_window: 30m}
"""
BROKEN = {
    "an unknown section": ("target: all", "targets: all", "field targets not found"),
    "a section given twice": ("target: all", "target: all\nserver: {}", "given twice"),
    "a bad duration": ("30d", "30 days", "limits.compactor_blocks_retention_period: not a valid duration"),
    "a missing port": ("http_listen_port: 9009, ", "", "server.http_listen_port must be given"),
    "a port that is none": ("9009", "90090", "90090 is not a port"),
    "a missing directory": ("{dir: /var/lib/mimir/tsdb}", "{}", "blocks_storage.tsdb.dir must be given"),
    "a section that is no mapping": ("{tsdb: {dir: /var/lib/mimir/tsdb}}", "[]", "which is not a mapping"),
    "no YAML": ("target: all", "target: [", "not YAML"),
}
SANDBOX = """
    DynamicUser=yes StateDirectory=mimir ProtectSystem=strict ProtectHome=yes PrivateTmp=yes
    PrivateDevices=yes NoNewPrivileges=yes MemoryDenyWriteExecute=yes RestrictNamespaces=yes
    RestrictRealtime=yes LockPersonality=yes ProtectProc=invisible ProcSubset=pid
    SystemCallArchitectures=native CapabilityBoundingSet= PrivateUsers=yes SystemCallErrorNumber=EPERM
"""
FILTER = "SystemCallFilter=@system-service ~@privileged @resources"
PROMETHEUS = """\
global: {scrape_interval: 1s, external_labels: {cluster: lab}}
scrape_configs: [{job_name: prometheus, static_configs: [{targets: ['127.0.0.1:9090']}]}]
remote_write: [{url: 'http://127.0.0.1:9009/api/v1/push', queue_config: {batch_send_deadline: 1s}}]
"""


@pytest.fixture(scope="module")
def program(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-in, unpacked on this machine."""
    archive, folder = (
        lab.layout.artifacts / str(index(lab)["mimir"]["file"]),
        tmp_path_factory.mktemp("mimir"),
    )
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="tar")
    return folder / archive.name.removesuffix(".tar.gz") / "mimir"


def check(program: Path, config: Path) -> subprocess.CompletedProcess[str]:
    """Have a configuration validated."""
    command = [str(program), "-modules", f"-config.file={config}"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_says_what_it_is(program: Path) -> None:
    said = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=True).stdout
    assert said == "Mimir stand-in, version 2.11.0+standin\n"


def test_it_accepts_a_good_configuration(program: Path, tmp_path: Path) -> None:
    (tmp_path / "mimir.yaml").write_text(CONFIG)
    done = check(program, tmp_path / "mimir.yaml")
    assert (done.returncode, "stand-in" in done.stdout, "config ok" in done.stdout) == (0, True, True)


@pytest.mark.parametrize("fault", BROKEN)
def test_it_refuses_a_bad_configuration(program: Path, tmp_path: Path, fault: str) -> None:
    old, new, complaint = BROKEN[fault]
    assert old in CONFIG
    (tmp_path / "mimir.yaml").write_text(CONFIG.replace(old, new, 1))
    done = check(program, tmp_path / "mimir.yaml")
    assert done.returncode == 1
    assert complaint in done.stderr


def test_it_refuses_a_file_that_is_not_there_and_an_unknown_flag(program: Path, tmp_path: Path) -> None:
    assert check(program, tmp_path / "absent.yaml").returncode == 1
    done = subprocess.run([str(program), "-verify-config"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "not defined: -verify-config" in done.stderr


@pytest.fixture(scope="module")
def running(lab: Lab) -> Iterator[Host]:
    """A host on which Prometheus writes to the stand-in, in a strict sandbox."""
    host = lab.host(1)
    for path, content in (("mimir", CONFIG), ("runtime", "overrides: {}"), ("prometheus", PROMETHEUS)):
        host.run("sudo", "tee", f"/opt/{path}.yaml", stdin=content)
    host.run("sudo", "chmod", "-R", "a+rX", "/opt")
    mimir, prometheus = unpack(lab, host, "mimir"), unpack(lab, host, "prometheus")
    start(host, "mimir", f"{mimir}/mimir", "-config.file=/opt/mimir.yaml")
    arguments = (
        "--config.file=/opt/prometheus.yaml",
        "--storage.tsdb.path=/tmp/data",
        "--web.listen-address=127.0.0.1:9090",
    )
    host.run("sudo", "systemd-run", "--quiet", "--unit=prometheus", f"{prometheus}/prometheus", *arguments)
    yield host


def start(host: Host, unit: str, *command: str) -> None:
    """Start a program as a sandboxed unit."""
    options = [f"--property={option}" for option in [*SANDBOX.split(), FILTER]]
    host.run("sudo", "systemd-run", "--quiet", f"--unit={unit}", *options, *command)


def ask(host: Host, path: str) -> str:
    """Ask the stand-in for a page."""
    return host.run("curl", "--silent", "--globoff", "--max-time", "5", f"http://127.0.0.1:9009{path}", check=False)


def up_series(host: Host) -> list[dict[str, str]]:
    """Query `up` as Grafana would."""
    answer = ask(host, "/prometheus/api/v1/query?query=up")
    return [series["metric"] for series in json.loads(answer or '{"data": {"result": []}}')["data"]["result"]]


def metric(host: Host, name: str) -> float:
    """Read one of the stand-in's own metrics."""
    values = dict(line.rpartition(" ")[::2] for line in ask(host, "/metrics").splitlines())
    return float(values.get(name, "nan"))


def test_what_prometheus_sends_can_be_read_back(running: Host) -> None:
    assert until(lambda: ask(running, "/ready") == "ready\n", 20)
    assert until(lambda: up_series(running) != [], 20)
    (series,) = up_series(running)
    assert (series["job"], series["cluster"]) == ("prometheus", "lab")
    assert metric(running, "cortex_distributor_received_samples_total") > 100
    assert metric(running, "cortex_ingester_memory_series") > 100


def test_it_follows_its_runtime_file(running: Host) -> None:
    healthy = "cortex_runtime_config_last_reload_successful"
    assert metric(running, healthy) == 1
    running.run("sudo", "tee", "/opt/runtime.yaml", stdin="overrides: [")
    assert until(lambda: metric(running, healthy) == 0, 10)
    running.run("sudo", "tee", "/opt/runtime.yaml", stdin="overrides: {anonymous: {ingestion_rate: 1000}}")
    assert until(lambda: metric(running, healthy) == 1, 10)
    assert "ingestion_rate: 1000" in ask(running, "/runtime_config")


def test_what_it_has_stored_survives_a_restart(running: Host) -> None:
    running.run("sudo", "systemctl", "stop", "prometheus")
    before = metric(running, "cortex_ingester_memory_series")
    running.run("sudo", "systemctl", "restart", "mimir")
    assert until(lambda: ask(running, "/ready") == "ready\n", 20)
    assert metric(running, "cortex_ingester_memory_series") >= before - 5


def test_it_ends_well_when_told_to(running: Host) -> None:
    running.run("sudo", "systemctl", "stop", "mimir")
    journal = running.run("sudo", "journalctl", "--unit=mimir", "--output=cat")
    assert "Deactivated successfully" in journal and "Failed with result" not in journal


def test_it_dies_when_its_store_does(running: Host, lab: Lab) -> None:
    folder = f"/opt/{str(index(lab)['mimir']['file']).removesuffix('.tar.gz')}"
    start(running, "doomed", f"{folder}/mimir", "-config.file=/opt/mimir.yaml")
    assert until(lambda: ask(running, "/ready") == "ready\n", 20)
    store = running.run("pgrep", "--full", "^[^ ]*/standin/prometheus ").strip()
    running.run("sudo", "kill", "-KILL", store)
    assert until(lambda: "status=1/FAILURE" in running.run("sudo", "journalctl", "--unit=doomed"), 10)
