"""What somebody changed on a host by hand is seen by a dry run and mended by a deploy."""

import pytest
from harness import Site, active, sh

from lab.machines import Host

DRIFTS = {
    "a hand-edited configuration": (
        "echo '# mine' >>/opt/lgtm/current/etc/prometheus/prometheus.yml",
        "etc/prometheus/prometheus.yml: changed by hand",
    ),
    "a deleted configuration": (
        "rm /opt/lgtm/current/etc/alertmanager/alertmanager.yml",
        "etc/alertmanager/alertmanager.yml: create",
    ),
    "another mode": ("chmod 666 /opt/lgtm/current/etc/prometheus/rules/stack.yml", "rules/stack.yml: owner or mode"),
    "another owner of a configuration": (
        "chown nobody /opt/lgtm/current/units/lgtm-prometheus.service",
        "units/lgtm-prometheus.service: owner or mode",
    ),
    "an extra file": (
        "echo x >/opt/lgtm/current/etc/prometheus/rules/own.yml",
        "etc/prometheus/rules/own.yml: remove",
    ),
    "an extra link": (
        "ln -s /etc/passwd /opt/lgtm/current/etc/prometheus/rules/link.yml",
        "etc/prometheus/rules/link.yml: remove",
    ),
    "a stopped unit": ("systemctl stop lgtm-alertmanager", "restart   alertmanager: is inactive"),
    "a disabled unit": (
        "rm /etc/systemd/system/lgtm.target.wants/lgtm-node_exporter.service",
        "lgtm.target.wants/lgtm-node_exporter.service: create",
    ),
    "a masked unit": (
        "ln -sfn /dev/null /etc/systemd/system/lgtm-node_exporter.service",
        "/etc/systemd/system/lgtm-node_exporter.service: changed",
    ),
    "another owner of the data": ("chown root /data/prometheus", "volume    /data/prometheus: owner root"),
    "another mode of the data": ("chmod 777 /data/alertmanager", "volume    /data/alertmanager: mode 777"),
    "a deleted secret": (
        "rm /etc/lgtm/secrets/redis_exporter/passwords",
        "secret    redis_exporter/passwords: create",
    ),
    "a changed secret": (
        "echo x >>/etc/lgtm/secrets/prometheus/staging_bearer_token",
        "secret    prometheus/staging_bearer_token: changed",
    ),
    "a readable secret": (
        "chmod 644 /etc/lgtm/secrets/prometheus/staging_bearer_token",
        "secret    prometheus/staging_bearer_token: mode 644",
    ),
    "a secret of nobody's": ("echo x >/etc/lgtm/secrets/prometheus/old", "secret    prometheus/old: remove"),
    "an edited activate.sh": ("echo '# mine' >>/usr/local/lib/lgtm/activate.sh", "lib/lgtm/activate.sh: changed"),
    "an artifact with another binary": (
        "cd /opt/lgtm/artifacts/node_exporter-*/ && cp node_exporter n && echo >>n && mv n node_exporter",
        "artifact  node_exporter-",
    ),
    "a process that is not the deployed binary": (
        "mkdir -p /run/systemd/system/lgtm-node_exporter.service.d && cp /opt/lgtm/artifacts/node_exporter-*/node_exporter"  # noqa: E501
        " /usr/bin/foreign && printf '[Service]\nExecStart=\nExecStart=/usr/bin/foreign --web.listen-address=127.0.0.1:9100\n'"  # noqa: E501
        " >/run/systemd/system/lgtm-node_exporter.service.d/x.conf && systemctl daemon-reload &&"
        " systemctl restart lgtm-node_exporter && rm -r /run/systemd/system/lgtm-node_exporter.service.d &&"
        " systemctl daemon-reload",
        "restart   node_exporter: runs /usr/bin/foreign",
    ),
    "a killed process": ("systemctl kill -s KILL lgtm-redis_exporter; systemctl stop lgtm-redis_exporter", "restart   redis_exporter: is"),  # noqa: E501
}  # fmt: skip


@pytest.fixture(scope="module")
def services() -> tuple[str, ...]:
    return "prometheus", "alertmanager", "node_exporter", "redis_exporter"


# Drifts that do not hide each other are looked at in one run.
BATCHES = (
    ("a hand-edited configuration", "a deleted configuration", "another mode", "another owner of a configuration",
     "an extra file", "an extra link", "another owner of the data", "another mode of the data", "a readable secret"),
    ("a stopped unit", "a masked unit", "a deleted secret", "an edited activate.sh"),
    ("a disabled unit", "a changed secret", "a secret of nobody's", "an artifact with another binary", "a killed process"),  # noqa: E501
    ("a process that is not the deployed binary",),
)  # fmt: skip


@pytest.mark.parametrize("batch", BATCHES, ids=", ".join)
def test_drift_is_seen_and_mended(converged: Site, host: Host, batch: tuple[str, ...]) -> None:
    for drift in batch:
        sh(host, DRIFTS[drift][0])
    seen = converged.dry()
    assert seen.code == 2, seen.text
    for drift in batch:
        assert DRIFTS[drift][1] in seen.text, (drift, seen.text)
    mended = converged.deploy()
    assert mended.code == 0, mended.text
    after = converged.dry()
    assert after.code == 0, after.text
    assert set(active(host).values()) == {"active"}


def test_every_drift_is_in_a_batch() -> None:
    assert sorted(DRIFTS) == sorted(drift for batch in BATCHES for drift in batch)


def test_a_dry_run_shows_what_was_edited_by_hand(converged: Site, host: Host) -> None:
    sh(host, "sed -i 's/group_wait: .*/group_wait: 9s/' /opt/lgtm/current/etc/alertmanager/alertmanager.yml")
    seen = converged.dry("--diff")
    assert "-  group_wait: 9s" in seen.text
    converged.deployed()


def test_drift_says_so_since_when_and_tells_node_exporter(converged: Site, host: Host) -> None:
    converged.deployed()
    told = "curl -s 127.0.0.1:9100/metrics | sed -n 's/^lgtm_drift //p'"
    well = converged.run("drift.py")
    assert well.code == 0 and "nothing to do" in well.text and sh(host, told) == "0"
    sh(host, "echo '# mine' >>/opt/lgtm/current/etc/prometheus/prometheus.yml")
    first, again = converged.run("drift.py"), converged.run("drift.py")
    for run in (first, again):
        assert run.code == 2 and "etc/prometheus/prometheus.yml: changed by hand" in run.text, run.text
    since = [
        line.split(", ")[0] for run in (first, again) for line in run.text.splitlines() if "not as declared" in line
    ]
    assert len(since) == 2 and since[0] == since[1], since
    assert sh(host, told) == "1"
    converged.deployed()
    assert converged.run("drift.py").code == 0 and sh(host, told) == "0"
