"""A generation: content decides its name, order does not; and what it tells the host."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from examples import build, component, full, resolved

from lgtm.model import generation
from lgtm.model.component import ConfigFile, Port, Reload, SecretFile, Unit
from lgtm.model.errors import Refusal
from lgtm.model.generation import artifact_path, sha256
from lgtm.model.secrets import Secret

BASE = full(ready_timeout=5)


def card(**parts: Any) -> list[str]:
    return build(component(**parts)).files["services/alpha"].splitlines()


def test_its_name_is_g_and_12_hex_digits() -> None:
    assert re.fullmatch("g[0-9a-f]{12}", build(BASE).id)


def test_equal_content_is_one_generation_in_whatever_order_it_came() -> None:
    services = (component("alpha"), component("beta", after=("gamma",)), component("gamma"))
    assert len({build(*order).id for order in permutations(services)}) == 1


@pytest.mark.parametrize(
    "parts",
    [
        {"files": (*BASE.files, ConfigFile("more.yml", "x"))},
        {"files": (replace(BASE.files[0], content="new"), *BASE.files[1:])},
        {"files": (replace(BASE.files[0], path="other.yml"), *BASE.files[1:])},
        {"files": (replace(BASE.files[0], on_change="none"), *BASE.files[1:])},
        {"unit": Unit(("{artifact}/alpha", "-v"))},
        {"ready": "http://127.0.0.1:9001/other"},
        {"ready_timeout": 6},
        {"reload": Reload("http://127.0.0.1:9001/metrics", "ok", "stamp")},
        {"secrets": ()},
        {"volumes": ()},
    ],
    ids=lambda parts: next(iter(parts)),
)
def test_any_change_is_another_generation(parts: dict[str, Any]) -> None:
    assert build(replace(BASE, **parts)).id != build(BASE).id


def test_another_build_of_an_artifact_is_another_generation() -> None:
    other = generation.build("web1", [BASE], {"alpha": resolved(BASE, "rebuilt")})
    assert other.id != build(BASE).id


def test_the_value_of_a_secret_is_no_part_of_it() -> None:
    rotated = replace(BASE, secrets=(SecretFile("token", Secret("hunter2")),))
    assert build(rotated).id == build(BASE).id
    assert "hunter2" not in repr(build(rotated)) + repr(build(rotated).files)


def test_services_stand_in_the_order_in_which_they_start() -> None:
    last, second = component("alpha", after=("delta", "elsewhere")), component("delta", after=("beta",))
    found = build(last, component("beta"), second)
    assert found.services == ("beta", "delta", "alpha")
    assert found.files["order"] == "beta\ndelta\nalpha\n"


def test_a_service_has_its_files_its_unit_and_its_card() -> None:
    etc = {f"etc/alpha/{file.path}" for file in BASE.files}
    assert build(BASE).files.keys() == etc | {
        "units/lgtm-alpha.service", "services/alpha", "order", "manifest.json"
    }  # fmt: skip


def test_two_services_on_one_port_are_refused_with_both_settings() -> None:
    clash = component("beta", ports=(Port("grpc", 9001, "192.0.2.1"),))
    with pytest.raises(Refusal) as error:
        build(component("alpha"), clash)
    assert str(error.value) == ("web1: alpha_http_port and beta_grpc_port are both 9001; give one of them another port")


def test_one_service_cannot_use_a_port_twice() -> None:
    with pytest.raises(Refusal, match="alpha_a_port and alpha_b_port are both 1"):
        build(component("alpha", ports=(Port("a", 1, "x"), Port("b", 1, "x"))))


def test_udp_and_tcp_do_not_clash() -> None:
    build(component("alpha"), component("beta", ports=(Port("gossip", 9001, "127.0.0.1", "udp"),)))


def test_restart_and_reload_files_are_told_apart_and_the_unit_is_a_restart_file() -> None:
    found = build(BASE)
    assert found.restart_files("alpha") == {
        "units/lgtm-alpha.service": sha256(found.files["units/lgtm-alpha.service"]),
        "etc/alpha/restart.yml": sha256("restart"),
    }
    assert found.reload_files("alpha") == {"etc/alpha/reload.yml": sha256("reload")}


def test_the_card_tells_the_host_all_it_needs_to_go_back_alone() -> None:
    assert build(BASE).files["services/alpha"].splitlines() == [
        "version 1.0",
        f"artifact {artifact_path(resolved(BASE))}",
        "ready 5 http://127.0.0.1:9001/ready",
        "restart-file units/lgtm-alpha.service",
        "restart-file etc/alpha/restart.yml",
        "reload-file etc/alpha/reload.yml",
        "secret token",
    ]


@pytest.mark.parametrize(("signal", "word"), [("HUP", "HUP"), (None, "-")])
def test_the_card_says_how_to_reload(signal: str | None, word: str) -> None:
    reload = Reload("http://127.0.0.1:9001/metrics", "reload_ok", "reload_time", signal, 9)
    assert f"reload {word} 9 reload_ok reload_time http://127.0.0.1:9001/metrics" in card(reload=reload)


def test_the_manifest_names_versions_and_no_times() -> None:
    artifact = resolved(BASE)
    assert json.loads(build(BASE).files["manifest.json"]) == {
        "services": {"alpha": {"version": "1.0", "artifact": artifact.directory, "source": "locked"}}
    }


@pytest.mark.parametrize(
    ("given", "source"),
    [("Debian", "unlocked: Debian"), ("stand-in", "stand-in")],
)
def test_the_manifest_keeps_its_words_for_what_is_not_pinned(given: str, source: str) -> None:
    """Other words would be another manifest, and a new generation for every host."""
    artifact = replace(resolved(BASE), pinned=False, source=given)
    files = generation.build("web1", (BASE,), {"alpha": artifact}).files
    assert json.loads(files["manifest.json"])["services"]["alpha"]["source"] == source
