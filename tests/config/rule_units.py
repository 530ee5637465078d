"""Unit tests for promtool, generated from situations: all series of the site, and the expected ALERTS."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml
from sites import make_site
from situations import ALWAYS, HEALTH, OVER, STEP, Course, Situation

from lab.exposition import COUNTERS, HISTOGRAMS, cumulative
from lab.scenarios import Answers, Scenario
from lab.traffic import APP, Traffic, whole
from lgtm.model.settings import ServiceSettings
from lgtm.model.site import Scrape, Site
from tasks.prometheus.rules import rule_files
from tasks.prometheus.scraping import jobs

READ = {
    "fastapi_requests_total", "fastapi_requests_duration_seconds", "model_inference_requests_total",
    "model_inference_duration_seconds", "tokens_used_total", "credits_used_total",
}  # fmt: skip
OURSELVES = ("fastapi_requests_total", (APP, "GET", "/metrics", "200"))
SHOWN = "alertname, env, provider, model, job, integration, reason, rule_group, mountpoint"
NOW = f'count by ({SHOWN}) (ALERTS{{alertstate="firing"}})'
FRUGAL = {"GOMAXPROCS": "1", "GOGC": "400"}  # a second core for its garbage is one that a test lacks
Series = Mapping[str, list[float | None]]


def whole_site(**data: Any) -> Site:
    """A site that carries every service; of those that the rules only ask by name, any settings will do."""
    site = make_site(**data)
    further = {
        name: ServiceSettings(version="1", http_port=port)
        for name, port in (("loki", 3100), ("tempo", 3200), ("grafana", 3000), ("alloy", 12345))
    }
    node = replace(site.here, services={**further, **site.here.services})
    return replace(
        site, nodes=(node,), here=node, scrapes={**dict.fromkeys(further, Scrape()), **site.scrapes},
        uses={**dict.fromkeys(further, ()), **site.uses},
    )  # fmt: skip


def rules(site: Site) -> dict[str, str]:
    """The text of every rule file, by its name."""
    return {one.path.removeprefix("rules/"): one.content for one in rule_files(site.here.services["prometheus"], site)}


def run(promtool: Path, folder: Path, situation: Situation, texts: Mapping[str, str] | None = None) -> str:
    """What promtool finds wrong in a situation; nothing when the rules do what they must."""
    site, deployed = _rendered(json.dumps(situation.settings))
    texts = texts or deployed
    return judged(promtool, folder, texts, unit(situation, site, texts))


@cache
def _rendered(settings: str) -> tuple[Site, dict[str, str]]:
    """The site with these settings (JSON), and its rule files."""
    site = whole_site(**json.loads(settings))
    return site, rules(site)


def judged(promtool: Path, folder: Path, texts: Mapping[str, str], unit: Mapping[str, Any]) -> str:
    """What promtool finds wrong with rule files in a unit test of theirs."""
    for name, text in texts.items():
        (folder / name).write_text(text)
    (folder / "unit.yml").write_text(json.dumps(unit))  # which is YAML too, and quick
    command = [promtool, "test", "rules", folder / "unit.yml"]
    done = subprocess.run(command, env=os.environ | FRUGAL, capture_output=True, text=True, timeout=120)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def unit(situation: Situation, site: Site, texts: Mapping[str, str]) -> dict[str, Any]:
    """The file for promtool: nothing before, exactly these while it lasts, nothing after, no other meanwhile."""
    over = situation.calm + situation.minutes
    end = f"{over + OVER}m"
    ever = f'count by ({SHOWN}) (count_over_time(ALERTS{{alertstate="firing"}}[{end}]))'
    checks = [
        expect(NOW, f"{situation.calm}m"),
        expect(NOW, f"{over}m", *situation.fires),
        expect(NOW, end),
        expect(ever, end, *situation.fires, *situation.passing),
    ]
    return document(texts, {**_stack(situation, site), **_backend(situation, site)}, promql_expr_test=checks)


def document(texts: Mapping[str, str], series: Series, **checks: Any) -> dict[str, Any]:
    """A unit test of rule files, over series that are sampled every 15 s."""
    groups = [group["name"] for text in texts.values() for group in yaml.safe_load(text)["groups"]]
    written = [{"series": name, "values": notation(values)} for name, values in series.items()]
    return {
        "rule_files": sorted(texts),
        "evaluation_interval": "30s",  # as every group of ours
        "group_eval_order": sorted(groups, key=lambda name: "-" in name),  # recording rules first
        "tests": [{"interval": f"{STEP}s", "input_series": written, **checks}],
    }


def expect(query: str, at: str, *alerts: str) -> dict[str, Any]:
    """A query whose result is these alerts and the Watchdog, each once."""
    samples = []
    for alert in sorted({ALWAYS, *alerts}):
        name, _, labels = alert.partition("{")
        samples.append({"labels": f'{{alertname="{name}",{labels}', "value": 1})
    return {"expr": query, "eval_time": at, "exp_samples": samples}


def _phases(situation: Situation, usual: Any, event: Any) -> Iterator[tuple[int, Any]]:
    """Each scrape's time in seconds, and what holds then."""
    for step in range((situation.calm + situation.minutes + OVER) * 60 // STEP + 1):
        time = step * STEP
        yield time, event if situation.calm * 60 < time <= (situation.calm + situation.minutes) * 60 else usual


def _stack(situation: Situation, site: Site) -> Series:
    """The series of the stack's own services, and `up` of every job."""
    ups = {f"{place} up": HEALTH["prometheus up"] for place in _places(site)}
    calm: Mapping[str, Course | None] = {**HEALTH, **ups}
    found = {}
    for key in {**calm, **situation.changes}:
        values: list[float | None] = []
        before = 0.0
        for time, course in _phases(situation, calm.get(key), situation.changes.get(key, calm.get(key))):
            value = course(time, before) if course else None
            before = before if value is None else value
            values.append(value)
        found[_series(key, site)] = values
    return found


def _places(site: Site) -> dict[str, dict[str, str]]:
    """`job`, or `job/instance` where it has several → the labels that its scrape adds."""
    return {
        job.name if len(job.endpoints) == 1 else f"{job.name}/{endpoint.instance}": {
            "job": job.name, "instance": endpoint.instance, **endpoint.labels,
        }
        for job in jobs(site.here.services["prometheus"], site)
        for endpoint in job.endpoints
    }  # fmt: skip


def _series(key: str, site: Site) -> str:
    """`place metric{label="value"}` with the labels that the scrape adds."""
    place, _, metric = key.partition(" ")
    labels = _places(site)[place]
    name, _, own = metric.rstrip("}").partition("{")
    return f"{name}{{{own}{',' if own else ''}{_labels(labels)}}}"


def _labels(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{value}"' for name, value in labels.items())


def _backend(situation: Situation, site: Site) -> Series:
    """What the fake backend exposes in each environment, scrape by scrape."""
    found: dict[str, list[float | None]] = {}
    for env in ("production", "staging"):
        event = situation.backend if env in situation.envs else situation.usual
        scenarios = tuple(_phases(situation, situation.usual, event))
        samples = _scraped(scenarios, frozenset(situation.weights.items()))
        found |= {_series(f"gatewayz_{env} {name}", site): values for name, values in samples.items()}
    return found


@cache
def _scraped(scenarios: tuple[tuple[int, Scenario], ...], weights: frozenset[tuple[str, float]]) -> Series:
    """Every series of a backend that is scraped at these times, in these scenarios; None where it has no sample."""
    now = [0.0]
    traffic = Traffic(clock=lambda: now[0], scenario=scenarios[0][1])
    samples: dict[str, list[float | None]] = {}
    for number, (time, scenario) in enumerate(scenarios):
        if scenario is not traffic.scenario:
            traffic.switch(scenario)
        now[0] = float(time)
        traffic.advance()
        # A backend that counts its requests counts Prometheus' own among them.
        traffic.counts[OURSELVES] += 1
        if scenario.answers is not Answers.NOT_AT_ALL:
            for name, value in _exposed(traffic, dict(weights)):
                samples.setdefault(name, [None] * len(scenarios))[number] = value
    return samples


def _exposed(traffic: Traffic, weights: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    for (metric, values), amount in traffic.counts.items():
        labels = dict(zip(COUNTERS[metric], values, strict=True))
        weight = weights.get(labels.get("provider", ""), 1)
        if metric in READ and weight:
            exact = metric.startswith("credits")
            yield f"{metric}{{{_labels(labels)}}}", amount * weight if exact else whole(amount * weight)
    for (metric, values), observed in traffic.observations.items():
        names, bounds = HISTOGRAMS[metric]
        labels = dict(zip(names, values, strict=True))
        if metric in READ and weights.get(labels.get("provider", ""), 1):
            for bound, count in cumulative(observed, bounds):
                yield f"{metric}_bucket{{{_labels({**labels, 'le': bound})}}}", count


def notation(values: list[float | None]) -> str:
    """Values as promtool reads them: `_` for no sample, `stale` where a series ends, `axn` for n repetitions."""
    words = [f"{values[0]:.15g}" if values[0] is not None else "_"]
    for before, value in pairwise(values):
        absent = "stale" if before is not None else "_"
        words.append(f"{value:.15g}" if value is not None else absent)
    runs: list[tuple[str, int]] = []
    for word in words:
        runs[-1:] = [(word, runs[-1][1] + 1)] if runs and runs[-1][0] == word else [*runs[-1:], (word, 1)]
    return " ".join(_repeated(word, times) for word, times in runs)


def _repeated(word: str, times: int) -> str:
    if times == 1:
        return word
    return f"_x{times}" if word == "_" else f"{word}x{times - 1}"
