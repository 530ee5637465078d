"""Bad input stops before anything is written, with a sentence that names host, key, value and remedy."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import ROOT, SERVICES, Site, sh, written

from lab.machines import Host


@pytest.fixture(scope="module")
def host(bare: tuple[Host, ...]) -> Host:
    return bare[2]


@pytest.fixture(autouse=True)
def nothing_written(host: Host) -> Iterator[None]:
    """However a test goes about it, the bare host stays bare."""
    before = written(host)
    yield
    assert written(host) == before
    assert sh(host, "ls -d /opt/lgtm /data /run/lgtm /etc/lgtm 2>/dev/null || echo bare") == "bare"
    assert sh(host, "getent passwd | grep lgtm- || echo none") == "none"


@pytest.fixture
def copy(tmp_path: Path, host: Host) -> Site:
    """A site with a repository of its own, whose `.env.lab` can be anything."""
    root = tmp_path / "repository"
    root.mkdir()
    for path in ROOT.iterdir():
        if path.name not in (".env.lab", ".git", "pyinfra-debug.log"):
            (root / path.name).symlink_to(path)
    shutil.copy(ROOT / ".env.lab", root / ".env.lab")
    folder = tmp_path / "site"
    folder.mkdir()
    return Site(folder, {host: SERVICES}, root=root)


def edit(site: Site, old: str, new: str) -> None:
    """Replace a line of the site's `.env.lab` that starts with `old`."""
    path = site.root / ".env.lab"
    lines = [new if line.startswith(old) else line for line in path.read_text().splitlines()]
    path.write_text("".join(f"{line}\n" for line in lines if line))


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown setting": ({"prometheus_retension": "30d"}, "unknown setting prometheus_retension; did you mean prometheus_retention?"),  # noqa: E501
    "a wrong prefix": ({"prometeus_retention": "30d"}, "unknown setting prometeus_retention; did you mean prometheus_retention?"),  # noqa: E501
    "a mistyped value": ({"mimir_max_series": "many"}, "mimir_max_series = 'many' must be a valid integer"),
    "a wrong duration": ({"prometheus_retention": "30 days"}, "prometheus_retention = '30 days' must be a duration such as"),  # noqa: E501
    "a port out of range": ({"mimir_http_port": 70000}, "mimir_http_port = 70000 must be less than or equal to 65535"),
    "two services on one port": (
        {"alertmanager_http_port": 9090},
        "alertmanager_http_port and prometheus_http_port are both 9090; give one of them another port",
    ),
    "a stand-in where only pinned artifacts are accepted": ({"allow_unpinned": False}, "allow_unpinned is False"),
    "a password in an address": ({"redis_exporter_redis_url": "redis://u:p@127.0.0.1:6379"}, "redis_exporter_redis_url"),  # noqa: E501
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_wrong_settings_are_refused(site: Site, host: Host, what: str) -> None:
    data, sentence = WRONG[what]
    run = site.deploy(**data)
    assert run.code == 3, run.text
    assert sentence in run.text
    assert host.name in run.text
    assert "Traceback" not in run.text


def test_a_wrong_value_on_the_command_line_is_refused(site: Site, host: Host) -> None:
    run = site.deploy("--data", "mimir_max_series=123e4567")
    assert run.code == 3, run.text
    assert f"[{host.name}] mimir_max_series = '123e4567' must be a valid integer" in run.text


def test_every_wrong_setting_is_named_at_once(site: Site) -> None:
    run = site.deploy(mimir_max_series="many", mimir_retention="long")
    assert run.code == 3
    assert "mimir_max_series" in run.text and "mimir_retention" in run.text


def test_a_group_without_a_task_module_is_refused(site: Site, host: Host, tmp_path: Path) -> None:
    run = Site(tmp_path, {host: ("promtheus",)}).deploy()
    assert run.code == 3, run.text
    assert f"[{host.name}] group promtheus has no task module; did you mean prometheus?" in run.text


def test_a_missing_secret_is_refused(copy: Site, host: Host) -> None:
    edit(copy, "STAGING_BEARER_TOKEN", "")
    run = copy.deploy()
    assert run.code == 3, run.text
    assert f"[{host.name}] prometheus needs STAGING_BEARER_TOKEN; add STAGING_BEARER_TOKEN=… to .env.lab" in run.text


def test_a_placeholder_for_a_secret_is_refused(copy: Site) -> None:
    edit(copy, "STAGING_BEARER_TOKEN", "STAGING_BEARER_TOKEN=changeme")
    run = copy.deploy()
    assert run.code == 3, run.text
    assert ".env.lab: STAGING_BEARER_TOKEN still has its placeholder; put the real value there" in run.text


def test_an_unknown_secret_is_refused(copy: Site) -> None:
    edit(copy, "REDIS_PASSWORD", "REDIS_PASWORD=12345")
    run = copy.deploy()
    assert run.code == 3, run.text
    assert ".env.lab: unknown key REDIS_PASWORD; did you mean REDIS_PASSWORD?" in run.text
    assert "12345" not in run.text


def test_secrets_that_others_can_read_are_refused(copy: Site) -> None:
    (copy.root / ".env.lab").chmod(0o644)
    run = copy.deploy()
    assert run.code == 3, run.text
    assert "run `chmod 600 .env.lab`" in run.text


def test_a_port_taken_by_a_foreign_process_is_refused(site: Site, host: Host) -> None:
    sh(host, "systemd-run --quiet --collect --unit=foreign systemd-socket-activate -l 127.0.0.1:9090 cat")
    sh(host, "for i in $(seq 300); do ss -Hltn | grep -q :9090 && break; sleep 0.1; done")
    try:
        run = site.deploy()
    finally:
        sh(host, "systemctl stop foreign")
    assert run.code == 3, run.text
    assert f"[{host.name}] prometheus_http_port = 9090 is taken by systemd-socket" in run.text


def test_a_tampered_artifact_is_refused(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "artifacts"
    shutil.copytree(ROOT / ".lab" / "artifacts", folder)
    [archive] = folder.glob("node_exporter-*")
    archive.write_bytes(archive.read_bytes() + b"x")
    run = site.deploy(artifact_fallback=str(folder))
    assert run.code == 3, run.text
    assert "node_exporter" in run.text and "gives sha256" in run.text


def test_an_unreachable_host_fails_the_run_and_is_named(site: Site, host: Host) -> None:
    run = site.deploy("--data", "ssh_port=23")
    assert run.code == 1, run.text
    assert f"cannot connect as operator to {host.address}:23" in run.text


@pytest.mark.parametrize("flag", ["--no-wait", "--serial"])
def test_what_cannot_be_asked_for_is_a_usage_error(site: Site, flag: str) -> None:
    assert site.deploy(flag).code == 64


def test_without_yes_and_without_a_terminal_nothing_is_done(site: Site) -> None:
    run = site.run("deploy.py", yes=False)
    assert run.code == 64, run.text
    assert "pass -y to apply, or --dry to see the plan" in run.text
