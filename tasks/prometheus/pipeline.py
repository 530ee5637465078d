"""Whether samples flow: from the targets to Prometheus, from there to Mimir; and alerts to Alertmanager."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import partial
from urllib.parse import quote

from lgtm.task import Answer, Bad, Check, Gate, Site, data_of, metric, seconds

from .scraping import Job

REMOTE = "mimir-remote-write"  # the name of the queue
PENDING, BEHIND = 1000, 60  # samples that wait, and seconds, up to which remote write is well
QUEUE = f'remote_name="{REMOTE}"'


def targets(every: tuple[Job, ...], site: Site) -> list[Check]:
    """The jobs in force are these and no others, and each target is up."""
    url = site.url("prometheus", "/api/v1/targets?state=active")

    def up(name: str, title: str, gate: Gate) -> Check:
        names = {job.name for job in every if job.gate == gate}
        remedy = "see /targets of Prometheus, or fetch the address named here from its host"
        return Check(name, title, url, lambda answer: _up(answer, names), remedy, gate, 60, slow=True)

    exact = "the configuration in force is not the deployed one: journalctl -u lgtm-prometheus -g config"
    title = "Prometheus scrapes what it should, and nothing else"
    found = [
        Check("prometheus.jobs", title, url, lambda answer: _jobs(answer, every), exact, slow=True),
        up("prometheus.targets", "The stack's own services can be scraped", "peer"),
    ]
    if any(job.gate == "world" for job in every):
        found.append(up("prometheus.world", "GatewayZ and targets of one's own can be scraped", "world"))
    return found


def alertmanagers(site: Site) -> list[Check]:
    """Every Alertmanager of the site is in use; no check where there is none."""
    many = len(site.carrying("alertmanager"))
    if not many:
        return []
    return [
        Check(
            "prometheus.alertmanagers",
            "Prometheus knows its Alertmanager",
            site.url("prometheus", "/api/v1/alertmanagers"),
            lambda answer: _alertmanagers(answer, many),
            "alerts reach nobody: see `alerting` in prometheus.yml, and whether the address answers",
            "peer",
            slow=True,
        )
    ]


def remote_write(site: Site) -> list[Check]:
    """Mimir takes what it is sent; no check where there is no Mimir."""
    if not site.the("mimir"):
        return []
    return [
        Check(
            "prometheus.remote_write",
            "Mimir takes what Prometheus sends",
            site.url("prometheus", "/metrics"),
            _remote_write,
            "journalctl -u lgtm-prometheus -g remote shows what Mimir answers",
            "peer",
            patience=60,
        )
    ]


def samples(every: tuple[Job, ...], cluster: str, site: Site) -> list[Check]:
    """Every job's samples can be read back from Mimir; no check where there is no Mimir."""
    return [check for job in every for check in _read_back(job, cluster, site)] if site.the("mimir") else []


def _read_back(job: Job, cluster: str, site: Site) -> list[Check]:
    """The job's samples, read back from Mimir: `up` is fresh and carries the external labels; and it is 1."""
    window = f"{int(2 * seconds(job.interval)) + 15}s"  # two scrapes, and the way to Mimir
    labels = f'job="{job.name}",environment="{site.environment}",cluster="{cluster}"'
    query = quote(f"last_over_time(up{{{labels}}}[{window}])", safe="")
    url = site.url("mimir", f"/prometheus/api/v1/query?query={query}", site.the("mimir"))

    def check(what: str, title: str, ones: bool, gate: Gate) -> Check:
        remedy = (
            "down: see /targets of Prometheus; missing: see prometheus.jobs and prometheus.remote_write, "
            "and whether environment and cluster are among the external labels"
        )
        judge = partial(_in_mimir, many=len(job.endpoints), window=window, ones=ones)
        return Check(f"mimir.{what}.{job.name}", f"{job.name}: {title}", url, judge, remedy, gate, 90, slow=True)

    up = check("up", "up, says Mimir", True, job.gate)
    return [check("series", "in Mimir", False, "peer"), up] if job.gate == "world" else [up]


def _in_mimir(answer: Answer, many: int, window: str, ones: bool) -> str:
    found = data_of(answer)["result"]
    if len(found) != many:
        raise Bad(f"{len(found)} of {many} series with a sample in the last {window}")
    down = [one["metric"].get("instance", "?") for one in found if float(one["value"][1]) != 1]
    if down and ones:
        raise Bad(f"down: {', '.join(down)}")
    return f"{many} fresh"


def _jobs(answer: Answer, every: Iterable[Job]) -> str:
    found = Counter(target["labels"]["job"] for target in data_of(answer)["activeTargets"])
    wanted = Counter({job.name: len(job.endpoints) for job in every})
    if found != wanted:
        less, more = ", ".join(sorted(wanted - found)), ", ".join(sorted(found - wanted))
        raise Bad(f"missing: {less or 'none'}; not expected: {more or 'none'}")
    return f"{len(wanted)} jobs, {wanted.total()} targets"


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
    """Judge by the queue's own counters, which start anew with it."""
    sent = metric(answer, "prometheus_remote_storage_samples_total", QUEUE)
    failed = metric(answer, "prometheus_remote_storage_samples_failed_total", QUEUE)
    if not metric(answer, "prometheus_remote_storage_queue_highest_sent_timestamp_seconds", QUEUE):
        raise Bad(f"Mimir has taken nothing yet; {failed:.0f} samples refused")
    if failed > 0.01 * sent:
        raise Bad(f"{failed:.0f} of {sent:.0f} samples refused")
    pending = metric(answer, "prometheus_remote_storage_samples_pending", QUEUE)
    newest = metric(answer, "prometheus_remote_storage_highest_timestamp_in_seconds")
    behind = newest - metric(answer, "prometheus_remote_storage_queue_highest_sent_timestamp_seconds", QUEUE)
    if pending > PENDING and behind > BEHIND:
        raise Bad(f"{behind:.0f} s behind, {pending:.0f} samples wait")
    if metric(answer, "prometheus_remote_storage_shards", QUEUE) < 1:
        raise Bad("no shard sends anything")
    return f"{sent:.0f} samples sent, {failed:.0f} refused"
