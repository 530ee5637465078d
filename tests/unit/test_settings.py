"""Settings: which values are accepted, and how the others are refused."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from lgtm.load.plugins import tasks
from lgtm.model.clivalue import CliValue
from lgtm.model.errors import Refusal
from lgtm.model.secrets import Secret
from lgtm.model.settings import (
    Bytes,
    Duration,
    EnvKey,
    Many,
    PortNumber,
    ServiceSettings,
    Settings,
    SiteSettings,
    build,
    env_keys,
    from_env,
    keys_of,
    seconds,
    unknown_keys,
)


class Sample(ServiceSettings):
    version: str = "3.10"
    http_port: PortNumber = 9000
    retention: Duration = "30d"
    size: Bytes | None = None
    series: int = 100
    share: float = 0.5
    on: bool = False
    names: Many[str] = ()
    token: Secret | None = from_env("TOKEN", required=False)


class Needy(ServiceSettings):
    version: str = "1"
    http_port: PortNumber = 9000
    url: str
    key: Secret | None = from_env("KEY")


def made(**data: Any) -> Sample:
    return build(Sample, "demo_", "web1", {f"demo_{key}": value for key, value in data.items()}, {}, "test")


def typed(**data: str) -> Sample:
    """Settings as if each had been typed with `--data`."""
    return made(**{key: CliValue(value) for key, value in data.items()})


def refused(**data: Any) -> str:
    with pytest.raises(Refusal) as error:
        made(**data)
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "length"),
    [("30s", 30), ("12h", 43200), ("30d", 2592000), ("1h30m", 5400), ("250ms", 0.25), ("1w", 604800)],
)
def test_durations_are_written_as_prometheus_writes_them(text: str, length: float) -> None:
    assert made(retention=text).retention == text and seconds(text) == length


@pytest.mark.parametrize("text", ["30", "30 d", "d", "", "-1d", "1.5h", "30d\n", "1month"])
def test_anything_else_is_no_duration(text: str) -> None:
    said = f'web1: demo_retention = {text!r} must be a duration such as "30s", "12h" or "30d"'
    assert refused(retention=text) == said


@pytest.mark.parametrize(
    ("value", "size"),
    [("512M", 2**29), ("2G", 2**31), ("2GiB", 2**31), ("1K", 1024), ("1T", 2**40), ("100", 100), (100, 100)],
)
def test_sizes_are_bytes_with_binary_units(value: Any, size: int) -> None:
    assert made(size=value).size == size


@pytest.mark.parametrize("value", ["1.5G", "2g", "-1", "G", "", 1.5, True])
def test_anything_else_is_no_size(value: Any) -> None:
    assert "demo_size = " in refused(size=value)


@pytest.mark.parametrize("port", [1, 9000, 65535])
def test_a_port_is_between_1_and_65535(port: int) -> None:
    assert made(http_port=port).http_port == port


@pytest.mark.parametrize("port", [0, 65536, -1])
def test_no_other_number_is_a_port(port: int) -> None:
    assert refused(http_port=port).startswith(f"web1: demo_http_port = {port} must be ")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("series", "500000"), ("series", True), ("series", 1.5), ("version", 3.10), ("on", 1), ("on", "true"),
        ("share", "0.5"), ("retention", 30), ("http_port", "9000"), ("names", "abc"), ("names", [1]), ("series", None),
        ("share", float("inf")), ("share", float("nan")),
    ],
)  # fmt: skip
def test_group_data_is_never_converted(key: str, value: Any) -> None:
    said = refused(**{key: value})
    assert said.startswith(f"web1: demo_{key}") and " must be " in said


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("version", "3.10", "3.10"), ("version", "123e4567", "123e4567"), ("version", "true", "true"),
        ("series", "500000", 500000), ("share", "0.25", 0.25), ("share", "1", 1.0),
        ("on", "true", True), ("on", "false", False),
        ("names", '["a", "b"]', ("a", "b")), ("size", "2G", 2**31), ("http_port", "9999", 9999),
        ("retention", "7d", "7d"), ("cpu_cores", "1.5", 1.5),
    ],
)  # fmt: skip
def test_what_is_typed_gets_the_type_its_field_asks_for(key: str, text: str, value: Any) -> None:
    found = getattr(typed(**{key: text}), key)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("series", "123e4567"), ("series", "many"), ("on", "perhaps"), ("http_port", "70000"), ("names", "[broken"),
        ("share", "123e4567"), ("cpu_cores", "inf"), ("retention", "7"),
    ],
)  # fmt: skip
def test_what_is_typed_wrong_is_named_with_key_and_value(key: str, text: str) -> None:
    with pytest.raises(Refusal, match=f"^web1: demo_{key} = .* must be "):
        typed(**{key: text})


@given(st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: not text.startswith(("[", "{"))))
def test_typed_text_for_a_text_field_stays_as_it_was_typed(text: str) -> None:
    assert typed(version=text).version == text


def test_every_wrong_value_is_told_at_once() -> None:
    lines = refused(series="x", on=1).splitlines()
    assert [line.split(" = ")[0] for line in lines] == ["web1: demo_series", "web1: demo_on"]


def test_a_value_that_must_be_given_is_asked_for() -> None:
    with pytest.raises(Refusal, match=r"^web1: demo_url is not set; add it to group_data$"):
        build(Needy, "demo_", "web1", {}, {"KEY": Secret("k")}, "test")


def test_a_secret_that_must_be_given_is_asked_for_with_its_file() -> None:
    with pytest.raises(Refusal, match=r"^web1: demo needs KEY; add KEY=… to \.env\.test"):
        build(Needy, "demo_", "web1", {"demo_url": "u"}, {}, "test")


def test_secrets_come_from_the_environment_file_and_never_from_group_data() -> None:
    data, secrets = {"demo_token": "from group data"}, {"TOKEN": Secret("right")}
    assert build(Sample, "demo_", "web1", data, secrets, "test").token == Secret("right")
    assert "demo_token" not in keys_of(Sample, "demo_")
    assert env_keys(Needy) == {"key": EnvKey("KEY", required=True, plain=False)}


def test_a_wrong_value_beside_a_secret_does_not_show_the_secret() -> None:
    with pytest.raises(Refusal) as error:
        build(Sample, "demo_", "web1", {"demo_series": "x"}, {"TOKEN": Secret("hunter2")}, "test")
    assert "hunter2" not in str(error.value) and error.value.__cause__ is None


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("mimir_retentoin", "mimir_retention"), ("mimirr_retention", "mimir_retention"),
        ("alert_manager_http_port", "alertmanager_http_port"), ("private_adress", "private_address"),
        ("prometheus_staging_bearer", None), ("zzz", None),
    ],
)  # fmt: skip
def test_an_unknown_key_is_named_with_the_nearest_valid_one(key: str, nearest: str | None) -> None:
    known = keys_of(SiteSettings, "") | {key for task in tasks().values() for key in task.keys}
    (sentence,) = unknown_keys("web1", [key, "mimir_retention"], known)
    assert sentence.startswith(f"web1: unknown setting {key}; ")
    if nearest:
        assert sentence.endswith(f"did you mean {nearest}?")


def test_settings_never_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        made().series = 7


def test_a_plain_value_of_the_environment_file_is_a_text_and_is_named_by_its_key() -> None:
    class Mailer(Settings):
        host: Annotated[str, Field(pattern=r"^\w+:\d+$")] = from_env("MAIL_HOST", plain=True, default="mail:25")

    assert build(Mailer, "x_", "one", {}, {"MAIL_HOST": Secret("post:587")}, "test").host == "post:587"
    with pytest.raises(Refusal, match=r"^one: MAIL_HOST in \.env\.test = 'post' must match pattern"):
        build(Mailer, "x_", "one", {}, {"MAIL_HOST": Secret("post")}, "test")
