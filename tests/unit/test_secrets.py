"""Secrets: shown to nobody by accident, and read from one file that says what is wrong with it."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from examples import full

from lgtm.model.errors import Refusal
from lgtm.model.secrets import MASK, Secret, as_json, load

VALUE = "hunter2 $HOME"
SECRET = Secret(VALUE)


@pytest.mark.parametrize(
    "shown",
    [
        str(SECRET), repr(SECRET), f"{SECRET}", f"{SECRET!r:>30}", f"{SECRET:>30}", "%s %r" % (SECRET, SECRET),  # noqa: UP031
        f"{SECRET} {SECRET!r}", repr([SECRET]), repr({"key": SECRET}), str(Refusal(f"{SECRET}")),
        repr(Refusal(SECRET)),
        json.dumps({"key": SECRET}, default=str), repr(full()),
    ],
)  # fmt: skip
def test_a_secret_is_masked_wherever_it_is_shown(shown: str) -> None:
    assert "hunter2" not in shown and "s3cret-of" not in shown and MASK in shown


@pytest.mark.parametrize(
    "leak",
    [lambda: json.dumps(SECRET), lambda: pickle.dumps(SECRET), lambda: copy.deepcopy(SECRET), lambda: vars(SECRET)],
    ids=["json", "pickle", "copy", "vars"],
)
def test_a_secret_cannot_be_written_down_by_accident(leak: Callable[[], Any]) -> None:
    with pytest.raises(TypeError) as error:
        leak()
    assert "hunter2" not in str(error.value)


def test_a_secret_is_shown_to_whoever_asks_by_name() -> None:
    assert SECRET.reveal() == VALUE


def test_secrets_are_compared_by_value_and_with_secrets_only() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a" and len({Secret("a"), Secret("a")}) == 1
    assert Secret("a") and not Secret("")


def test_a_json_object_of_secrets_is_a_secret() -> None:
    found = as_json({"redis://one:6379": Secret('pa"ss')})
    assert json.loads(found.reveal()) == {"redis://one:6379": 'pa"ss'} and "pa" not in str(found)


@pytest.fixture
def env(tmp_path: Path) -> Callable[[str], dict[str, Secret]]:
    def loaded(text: str, mode: int = 0o600) -> dict[str, Secret]:
        path = tmp_path / ".env.test"
        path.write_text(text)
        path.chmod(mode)
        return load(tmp_path, "test", ("TOKEN", "PASSWORD", "EMPTY"))

    return loaded


def test_no_file_is_no_secrets(tmp_path: Path) -> None:
    assert load(tmp_path, "test", ()) == {}


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("TOKEN=abc", "abc"), ("TOKEN=pa$HOME${HOME}", "pa$HOME${HOME}"), ("TOKEN='a b  c'", "a b  c"),
        ("TOKEN=two words", "two words"), ('TOKEN="pa#ss word"', "pa#ss word"), ("TOKEN=pa#ss", "pa#ss"),
        ("TOKEN='$(id) `id` %s'", "$(id) `id` %s"), ("TOKEN=ümlaut€", "ümlaut€"),
    ],
)  # fmt: skip
def test_values_arrive_as_they_were_written(env: Any, line: str, value: str) -> None:
    assert env(f"{line}\n")["TOKEN"].reveal() == value


def test_an_empty_value_is_no_secret(env: Any) -> None:
    assert env("TOKEN=a\nEMPTY=\n") == {"TOKEN": Secret("a")}


@pytest.mark.parametrize(
    ("key", "hint"), [("TOKENN", "did you mean TOKEN?"), ("ZZZ", "there are EMPTY, PASSWORD, TOKEN")]
)
def test_an_unknown_key_is_refused_with_the_nearest(env: Any, key: str, hint: str) -> None:
    with pytest.raises(Refusal) as error:
        env(f"{key}=hunter2\n")
    assert f".env.test: unknown key {key}; {hint}" in str(error.value) and "hunter2" not in str(error.value)


@pytest.mark.parametrize("value", ["changeme", "CHANGE-ME", "<token>", "your-token", "xxxx", "TODO", "placeholder"])
def test_a_placeholder_is_refused_by_its_key(env: Any, value: str) -> None:
    with pytest.raises(Refusal, match=r"^\.env\.test: TOKEN still has its placeholder; put the real value there$"):
        env(f"TOKEN={value}\n")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
def test_a_file_that_others_can_open_is_refused_with_the_remedy(env: Any, mode: int) -> None:
    with pytest.raises(Refusal, match=r"chmod 600 \.env\.test"):
        env("TOKEN=a\n", mode)


def test_every_finding_is_told_at_once(env: Any) -> None:
    with pytest.raises(Refusal) as error:
        env("TOKEN=changeme\nNOPE=1\n", 0o644)
    assert len(str(error.value).splitlines()) == 3
