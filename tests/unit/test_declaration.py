"""Settings → components → generation, for the task modules of this repository."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sites
from examples import component, resolved
from sites import ALL, SPLIT, make_site

from lgtm.load import declaration
from lgtm.model.checks import Answer, Bad, Result, ready
from lgtm.model.component import Artifact
from lgtm.model.errors import Refusal
from lgtm.model.run import RUN
from lgtm.model.running import Running
from lgtm.model.settings import SiteSettings


class Store:
    """Has every artifact, in a version of its own choice if it is told so."""

    def __init__(self, version: str | None = None) -> None:
        self.version = version
        self.asked: list[tuple[str, str, str]] = []

    def resolve(self, name: str, version: str, arch: str) -> Any:
        self.asked.append((name, version, arch))
        found = resolved(component(artifact=Artifact(name, self.version or version)))
        return replace(found, arch=arch, locked=self.version is None)


def use(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(declaration, "store", lambda root, settings: store)
    monkeypatch.setattr(RUN, "declarations", {})
    return store


def test_a_host_gets_the_services_it_carries_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    use(Store(), monkeypatch)
    site = make_site(SPLIT)
    for node in site.nodes:
        assert set(declaration.declare(site.at(node)).generation.services) == set(node.services)


def test_the_same_declaration_is_the_same_generation(monkeypatch: pytest.MonkeyPatch) -> None:
    use(Store(), monkeypatch)
    one, two = (declaration.declare(make_site({"one": order})).generation for order in (ALL, ALL[::-1]))
    assert one.id == two.id


def test_a_host_is_declared_once_in_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    store = use(Store(), monkeypatch)
    site = make_site(SPLIT)
    declared = [declaration.declared(site.at(node)) for _ in range(3) for node in site.nodes]
    assert len({id(one) for one in declared}) == len(site.nodes)
    assert len(store.asked) == sum(len(node.services) for node in site.nodes)


def test_prometheus_starts_after_what_it_writes_to(monkeypatch: pytest.MonkeyPatch) -> None:
    use(Store(), monkeypatch)
    order = declaration.declare(make_site()).generation.services
    assert order.index("prometheus") > max(order.index("mimir"), order.index("alertmanager"))


def test_artifacts_are_asked_for_in_the_version_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    store = use(Store(), monkeypatch)
    declaration.declare(make_site({"one": ("mimir",)}, mimir_version="2.17.0"))
    assert store.asked == [("mimir", "2.17.0", "amd64")]


def test_configuration_follows_the_version_that_will_run(monkeypatch: pytest.MonkeyPatch) -> None:
    use(Store("9.9.9"), monkeypatch)
    found = declaration.declare(make_site({"one": ("mimir",)})).generation
    assert found.component("mimir").artifact.version == "9.9.9" == found.artifacts["mimir"].version


def test_an_answer_of_a_stand_in_is_marked_wherever_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    class Standing(Store):
        def resolve(self, name: str, version: str, arch: str) -> Any:
            return super().resolve(name, f"{version}+standin" if name == "mimir" else version, arch)

    use(Standing(), monkeypatch)
    site = make_site(SPLIT)
    urls = ("http://192.0.2.12:9009/ready", "http://127.0.0.1:9090/-/ready", "http://192.0.2.99/")
    results = [Result("front", "any", ready("any", url), True, "200") for url in urls]
    assert [one.stand_in for one in declaration.marked(site, results, {})] == [True, False, False]


def test_what_answers_is_judged_and_not_what_is_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a host that was read; of any other the declaration is all there is."""
    use(Store(), monkeypatch)
    site = make_site(SPLIT)
    back = next(node for node in site.nodes if "mimir" in node.services)
    declared = declaration.declare(site.at(back)).generation.artifacts["mimir"]
    results = [Result("front", "any", ready("any", "http://192.0.2.12:9009/ready"), True, "200")]
    runs = {"mimir": Running("mimir-2.11.0+standin-0123456789ab", declared)}
    assert [one.stand_in for one in declaration.marked(site, results, {back.name: runs})] == [True]
    assert [one.stand_in for one in declaration.marked(site, results, {back.name: {}})] == [False]
    assert [one.stand_in for one in declaration.marked(site, results, {})] == [False]


def test_checks_follow_the_version_that_will_run(monkeypatch: pytest.MonkeyPatch) -> None:
    use(Store("3.0.3"), monkeypatch)
    site = make_site({"one": ("tempo",)})
    [config] = [check for _, check in declaration.declare(site).checks if check.id == "tempo.config"]
    newer = make_site({"one": ("tempo",)}, tempo_version="3.0.3")
    assert config.judge(Answer(200, sites.file(sites.component(newer, "tempo"), "tempo.yml")))
    with pytest.raises(Bad, match="is in force, not"):
        config.judge(Answer(200, sites.file(sites.component(site, "tempo"), "tempo.yml")))  # of the version that is set


def test_two_real_services_on_one_port_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    use(Store(), monkeypatch)
    with pytest.raises(Refusal, match=r"^one: .*_http_port and .*_http_port are both 9090; give one"):
        declaration.declare(make_site(alertmanager_http_port=9090))


def test_every_service_has_checks_with_names_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    use(Store(), monkeypatch)
    found = declaration.declare(make_site()).checks
    assert {service for service, _ in found} == set(ALL)
    ids = [check.id for _, check in found]
    assert len(set(ids)) == len(ids) and {f"{service}.ready" for service in ALL} <= set(ids)


def test_the_store_is_made_of_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    monkeypatch.setenv("LGTM_BINARIES", "/built")
    monkeypatch.setenv("LGTM_CACHE", str(tmp_path))
    monkeypatch.setenv("LGTM_OFFLINE", "1")
    made = declaration.store.__wrapped__(root, SiteSettings(environment="test", artifact_fallback="made"))
    assert (made.binaries, made.cache, made.offline) == (Path("/built"), tmp_path, True)
    assert (made.fallback, made.allow_unlocked, made.push) == (root / "made", False, False)
