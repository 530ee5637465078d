"""Checks of the data flow: samples from the targets to Prometheus and on to Mimir, alerts to Alertmanager."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import partial
from urllib.parse import quote

from lgtm.task import Answer, Bad, Check, Gate, Site, counted, data_of, metric, seconds

from .scraping import Job

REMOTE = "mimir-remote-write"  # name of the queue
PENDING, BEHIND = 1000, 60  # remote write fails above both: samples pending, and seconds behind
QUEUE = f'remote_name="{REMOTE}"'


def targets(every: tuple[Job, ...], site: Site) -> list[Check]:
    """Prometheus has exactly these scrape jobs, and each target is up."""
    checks = [
        Check(
            id="prometheus.jobs",
            title="Prometheus has exactly the configured scrape jobs",
            url=_targets(site),
            judge=lambda answer: _jobs(answer, every),
            remedy="the running configuration is not the deployed one: journalctl -u lgtm-prometheus -g config",
            slow=True,
        ),
        _all_up("prometheus.targets", "The stack's own services can be scraped", every, "peer", site),
    ]
    if any(job.gate == "world" for job in every):
        title = "GatewayZ and additional targets can be scraped"
        checks.append(_all_up("prometheus.world", title, every, "world", site))
    return checks


def _targets(site: Site) -> str:
    return site.url("prometheus", "/api/v1/targets?state=active")


def _all_up(id: str, title: str, every: tuple[Job, ...], gate: Gate, site: Site) -> Check:
    """Every target of the jobs with this gate is up."""
    names = {job.name for job in every if job.gate == gate}
    remedy = "open /targets of Prometheus, or curl the address from its host"
    return Check(
        id=id, title=title, url=_targets(site), judge=lambda answer: _up(answer, names), remedy=remedy,
        gate=gate, patience=60, slow=True,
    )  # fmt: skip


def alertmanagers(site: Site) -> list[Check]:
    """Prometheus uses every Alertmanager of the site; no check if there is none."""
    many = len(site.carrying("alertmanager"))
    if not many:
        return []
    return [
        Check(
            id="prometheus.alertmanagers",
            title="Prometheus is connected to Alertmanager",
            url=site.url("prometheus", "/api/v1/alertmanagers"),
            judge=lambda answer: _alertmanagers(answer, many),
            remedy="no alert is sent: check `alerting` in prometheus.yml, and that the address answers",
            gate="peer",
            slow=True,
        )
    ]


def remote_write(site: Site) -> list[Check]:
    """Mimir accepts the samples; no check without Mimir."""
    if not site.the("mimir"):
        return []
    return [
        Check(
            id="prometheus.remote_write",
            title="Mimir accepts the samples of Prometheus",
            url=site.url("prometheus", "/metrics"),
            judge=_remote_write,
            remedy="journalctl -u lgtm-prometheus -g remote shows what Mimir answers",
            gate="peer",
            patience=60,
        )
    ]


def samples(every: tuple[Job, ...], cluster: str, site: Site) -> list[Check]:
    """The samples of every job can be read back from Mimir; no check without Mimir."""
    return [check for job in every for check in _read_back(job, cluster, site)] if site.the("mimir") else []


def _read_back(job: Job, cluster: str, site: Site) -> list[Check]:
    """The job's samples can be read back from Mimir: `up` is recent, has the external labels, and is 1."""
    window = f"{int(2 * seconds(job.interval)) + 15}s"  # two scrapes, and the time to Mimir
    labels = f'job="{job.name}",environment="{site.environment}",cluster="{cluster}"'
    query = quote(f"last_over_time(up{{{labels}}}[{window}])", safe="")
    url = site.url("mimir", f"/prometheus/api/v1/query?query={query}", site.the("mimir"))

    def check(what: str, title: str, ones: bool, gate: Gate) -> Check:
        remedy = (
            "down: see /targets of Prometheus; missing: see prometheus.jobs and prometheus.remote_write, "
            "and the external labels environment and cluster"
        )
        judge = partial(_in_mimir, many=len(job.endpoints), window=window, ones=ones)
        return Check(
            id=f"mimir.{what}.{job.name}",
            title=f"{job.name}: {title}",
            url=url,
            judge=judge,
            remedy=remedy,
            gate=gate,
            patience=90,
            slow=True,
        )

    up = check("up", "up in Mimir", True, job.gate)
    return [check("series", "samples are in Mimir", False, "peer"), up] if job.gate == "world" else [up]


def _in_mimir(answer: Answer, many: int, window: str, ones: bool) -> str:
    series = data_of(answer)["result"]
    if len(series) != many:
        raise Bad(f"{len(series)} of {many} series with a sample in the last {window}")
    down = [one["metric"].get("instance", "?") for one in series if float(one["value"][1]) != 1]
    if down and ones:
        raise Bad(f"down: {', '.join(down)}")
    return f"{many} fresh"


def _jobs(answer: Answer, every: Iterable[Job]) -> str:
    active = Counter(target["labels"]["job"] for target in data_of(answer)["activeTargets"])
    wanted = Counter({job.name: len(job.endpoints) for job in every})
    if active != wanted:
        missing, unexpected = ", ".join(sorted(wanted - active)), ", ".join(sorted(active - wanted))
        raise Bad(f"missing: {missing or 'none'}; not expected: {unexpected or 'none'}")
    return f"{counted(len(wanted), 'job')}, {counted(wanted.total(), 'target')}"


def _up(answer: Answer, names: set[str]) -> str:
    targets = [target for target in data_of(answer)["activeTargets"] if target["labels"]["job"] in names]
    down = [
        f"{target['scrapeUrl']}: {target['lastError'] or 'not scraped yet'}"
        for target in targets
        if target["health"] != "up"
    ]
    if down or not targets:
        raise Bad("; ".join(down) or "there is no target")
    return f"{len(targets)} up"


def _alertmanagers(answer: Answer, many: int) -> str:
    active = data_of(answer)["activeAlertmanagers"]
    if len(active) != many:
        raise Bad(f"{len(active)} of {many} in use")
    return ", ".join(one["url"] for one in active)


def _remote_write(answer: Answer) -> str:
    """Judge by the counters of the queue, which start at 0 when Prometheus starts."""
    sent = metric(answer, "prometheus_remote_storage_samples_total", QUEUE)
    failed = metric(answer, "prometheus_remote_storage_samples_failed_total", QUEUE)
    if not metric(answer, "prometheus_remote_storage_queue_highest_sent_timestamp_seconds", QUEUE):
        raise Bad(f"Mimir has accepted no sample yet; {failed:.0f} samples refused")
    if failed > 0.01 * sent:
        raise Bad(f"{failed:.0f} of {sent:.0f} samples refused")
    pending = metric(answer, "prometheus_remote_storage_samples_pending", QUEUE)
    newest = metric(answer, "prometheus_remote_storage_highest_timestamp_in_seconds")
    behind = newest - metric(answer, "prometheus_remote_storage_queue_highest_sent_timestamp_seconds", QUEUE)
    if pending > PENDING and behind > BEHIND:
        raise Bad(f"{behind:.0f} s behind, {pending:.0f} samples pending")
    if metric(answer, "prometheus_remote_storage_shards", QUEUE) < 1:
        raise Bad("no shard is active")
    return f"{sent:.0f} samples sent, {failed:.0f} refused"
