"""The controller is killed: whenever that is, the host ends wholly on one generation, and the next run converges."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from faults import FULL, heals, killed_after, killed_at, switching, until, whole
from harness import Site, current, sh

from lab.machines import Host
from lab.relabel import next_version

STEPS = (
    "Lock", "Artifacts", "Secrets", "Stage and validate", "Health before", "Activate", "Verify", "Commit",
)  # fmt: skip
BOUNDED = ("Stage and validate", "Activate", "Commit")
UNUSED = """ls -d /opt/lgtm/artifacts/node_exporter-* |
    grep -vxF "$(sed -n 's/^artifact //p' /opt/lgtm/current/services/node_exporter)" """
SEED = random.SystemRandom().randrange(10**6)
RANDOM = 30 if FULL else 2
switched: list[bool] = []  # of each random moment: whether the switch had begun by then


@pytest.fixture(scope="module")
def services() -> tuple[str, ...]:
    return "prometheus", "node_exporter"


@pytest.fixture(scope="module")
def binaries(converged: Site, host: Host, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """node_exporter's next version; made of the one that the host has."""
    folder = tmp_path_factory.mktemp("binaries")
    source = folder / "node_exporter"
    path = sh(host, "readlink /proc/$(systemctl show -P MainPID lgtm-node_exporter)/exe")
    pid = host._group.init()
    source.write_bytes(Path(f"/proc/{pid}/root{path}").read_bytes())
    source.chmod(0o755)
    next_version(source, folder / "next")
    return folder / "next"


def before(site: Site, host: Host, binaries: Path) -> str:
    """Take the host to what it was, but for what it lost, so that the deploy to come has every step there is."""
    site.env.pop("LGTM_BINARIES", None)
    run = site.deploy("--data", "unlock=true")
    assert run.code == 0, run.text
    sh(host, f"rm -rf $({UNUSED}) /etc/lgtm/secrets/prometheus/staging_bearer_token")
    site.env["LGTM_BINARIES"] = str(binaries)
    return current(host)


@pytest.fixture
def step(converged: Site, host: Host, binaries: Path) -> str:
    """The generation before; the deploy to come changes a version, a secret and a configuration."""
    return before(converged, host, binaries)


CHANGE = {"prometheus_disk_free_low": 0.2}


@pytest.mark.parametrize("name", STEPS if FULL else BOUNDED)
def test_killed_at_a_step(converged: Site, host: Host, step: str, name: str) -> None:
    assert killed_at(converged, name, **CHANGE), f"this deploy has no step called {name}"
    whole(host)
    heals(converged, host, step, **CHANGE)


@pytest.fixture(scope="module")
def lasts(converged: Site, host: Host, binaries: Path) -> float:
    """Seconds that such a deploy takes here, at its quickest."""

    def timed() -> float:
        before(converged, host, binaries)
        start = time.monotonic()
        converged.deployed(**CHANGE)
        return time.monotonic() - start

    return min(timed(), timed())


@pytest.mark.parametrize("number", range(RANDOM))
def test_killed_at_a_random_moment(converged: Site, host: Host, lasts: float, step: str, number: int) -> None:
    moment = random.Random(SEED * 100 + number).uniform(0.1, 0.95) * lasts
    print(f"seed {SEED}, moment {moment:.2f} s of {lasts:.2f} s")
    if not killed_after(converged, moment, **CHANGE):
        pytest.skip("the deploy was quicker")
    switched.append(current(host) != step or switching(host))
    whole(host)
    heals(converged, host, step, **CHANGE)


@pytest.mark.skipif(not FULL, reason="two moments may both be early; make faults")
def test_five_of_the_random_moments_were_after_the_switch() -> None:
    assert len(switched) > 20 and sum(switched) >= 5, switched


@pytest.mark.skipif(not FULL, reason="waits for a whole window; make faults")
def test_nobody_comes_back_and_the_host_goes_back_within_the_window(converged: Site, host: Host, step: str) -> None:
    assert killed_at(converged, "Verify", **CHANGE)
    assert current(host) != step
    assert until(lambda: not switching(host), 300)
    assert current(host) == step
    whole(host)
    assert "nobody committed within" in sh(host, "tail -n 1 /opt/lgtm/log")
    heals(converged, host, step, **CHANGE)
