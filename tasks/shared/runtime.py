"""Limits that a service reads again by itself (`runtime.yaml`): how a change takes effect, and a check that it has."""

from __future__ import annotations

from functools import partial

from lgtm.task import Check, Reload, Site, reloaded

FILE = "runtime.yaml"


def reload(service: str, prefix: str, site: Site) -> Reload:
    """How the service takes a new runtime.yaml; `prefix` is that of its metrics.

    It reads the file every 5 s and reports the sha256 of what it makes of it. The template is written as the service
    itself would write it (sorted, four spaces), so that this is the sha256 of the file.
    """
    url = site.url(service, "/metrics")
    return Reload(url, _metric(prefix), f"{prefix}_runtime_config_hash", signal=None, timeout=30)


def check(service: str, title: str, prefix: str, site: Site) -> Check:
    """The check that the last change of runtime.yaml is in force; `title` is the service's name."""
    return Check(
        id=f"{service}.runtime",
        title=f"{title} runs with the deployed limits",
        url=site.url(service, "/metrics"),
        judge=partial(reloaded, name=_metric(prefix), file=FILE),
        remedy=f"journalctl -u lgtm-{service} -g runtime shows the error; the last valid limits stay in force",
    )


def _metric(prefix: str) -> str:
    return f"{prefix}_runtime_config_last_reload_successful"
