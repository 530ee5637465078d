"""Typed settings from flat host data: `mimir_retention = "30d"` becomes `MimirSettings.retention`."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)

from lgtm.model.clivalue import CliValue
from lgtm.model.errors import combined
from lgtm.model.secrets import Secret, missing

SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
BYTES = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def _duration(value: str) -> str:
    if not re.fullmatch(r"([0-9]+(ms|[smhdwy]))+", value):
        raise ValueError('must be a duration such as "30s", "12h" or "30d"')
    return value


def _bytes(value: Any) -> Any:
    if isinstance(value, int):
        return value
    match = re.fullmatch(r"([0-9]+)([KMGT]?)i?B?", str(value))
    if not match:
        raise ValueError('must be a size such as "512M" or "2G"')
    return int(match[1]) * BYTES[match[2]]


def seconds(duration: str) -> float:
    """`"1h30m"` → 5400."""
    return sum(int(number) * SECONDS[unit] for number, unit in re.findall(r"([0-9]+)(ms|[smhdwy])", duration))


def gibibytes(many: float) -> str:
    """Bytes for people: `1.5 GiB`."""
    return f"{many / 2**30:.1f} GiB"


T = TypeVar("T")
Duration = Annotated[str, AfterValidator(_duration)]
Bytes = Annotated[int, BeforeValidator(_bytes)]
PortNumber = Annotated[int, Field(ge=1, le=65535)]
Word = Annotated[str, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]*)?$")]  # goes into paths
AbsolutePath = Annotated[str, Field(pattern=r"^/[A-Za-z0-9._/-]*$")]
Many = Annotated[tuple[T, ...], Field(strict=False)]


@dataclass(frozen=True)
class EnvKey:
    """The key of the environment file that a field's value comes from."""

    key: str
    required: bool
    plain: bool  # shown in configuration files: an address, not a secret


def from_env(key: str, required: bool = True, plain: bool = False, default: str | None = None) -> Any:
    """A field whose value comes from `.env.<environment>`, never from group data.

    It is a Secret, or with `plain` an ordinary text. `default` is the value if the key is missing.
    """
    return Field(default=default, json_schema_extra={"env": key, "required": required, "plain": plain})


class Settings(BaseModel):
    """Base of every service's settings: frozen, strictly typed, no unknown names.

    The docstring below a field is its description in docs/configuration.md; it names the unit of a number.
    """

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False,
        use_attribute_docstrings=True,
    )  # fmt: skip


class ServiceSettings(Settings):
    """Settings of every service."""

    version: str
    """Version of the release, as in `artifacts.lock`."""
    http_port: PortNumber
    """TCP port for HTTP: API, metrics and readiness."""
    memory_max: Bytes | None = None
    """Memory limit in bytes (systemd's MemoryMax); None = unlimited."""
    cpu_cores: float | None = None
    """CPU limit in cores (systemd's CPUQuota); None = unlimited."""
    log_level: str = "info"
    """Lowest level that is logged, such as `debug`, `info`, `warn` or `error`."""
    ready_timeout: int = 60
    """Maximum time in seconds from start to ready. A deploy that exceeds it is rolled back."""
    stop_timeout: int = 60
    """Time in seconds until a service that does not stop is killed."""
    exposed: bool = False
    """Listen on `private_address` even if no other host of the inventory uses the service."""


class SiteSettings(Settings):
    """Settings of a host or an environment."""

    arch: Literal["amd64", "arm64"] = "amd64"
    """Architecture of the host's processor."""
    environment: str
    """Name of the environment: names `.env.<environment>`, and is the label `environment` of every sample."""
    private_address: str | None = None
    """Address at which the other hosts reach this one; None = only services on this host use each other."""
    allow_unpinned: bool = False
    """Accept artifacts without a pin in `artifacts.lock` (for a lab only)."""
    artifact_push: bool = False
    """Send artifacts from the controller. Otherwise hosts download them."""
    artifact_mirror: str | None = None
    """URL of a mirror that replaces the upstream address of every artifact."""
    artifact_fallback: str | None = None
    """Folder with an `index.json` of artifacts, used last (for a lab only)."""
    clock_skew_max: int = 30
    """Maximum difference in seconds between the clocks of the host and the controller."""
    mounts: Many[AbsolutePath] = ()
    """Mount points of the data. While one is not mounted, nothing is written there and no service of it starts."""
    disk_free_min: Bytes = 256 * 2**20
    """Minimum free bytes on each file system that a deploy or a service writes to."""
    memory_min: Bytes = 64 * 2**20
    """Minimum memory of the host, in bytes for each service on it. Less is a warning."""
    activation_max: int = Field(default=180, ge=10)
    """Maximum time in seconds for all restarts of a deploy together, until every service is ready."""
    promote_from: Word | None = None
    """Name of the inventory, such as `staging`, in which a release must be verified before it is deployed here."""
    promote_soak: Duration = "1h"
    """How long a release must be healthy there."""
    rollout_batch: int = Field(default=5, ge=1)
    """Number of hosts that a rollout deploys at the same time, after the first one."""
    rollout_undo: bool = False
    """Whether a failed rollout also rolls back the hosts that it has already changed."""
    generations_kept: int = Field(default=5, ge=2)
    """Number of good generations that are kept for a rollback."""


def descriptions(model: type[Settings]) -> dict[str, str]:
    """field → its description on one line; a field whose default alone a subclass changes keeps that of its parent."""
    parents = [one for one in reversed(model.__mro__) if issubclass(one, Settings)]
    texts = [(name, field.description) for one in parents for name, field in one.model_fields.items()]
    return {name: " ".join(text.split()) for name, text in texts if text}


def env_keys(model: type[Settings]) -> dict[str, EnvKey]:
    """field → where its value comes from, for the fields made with `from_env`."""
    extras = {name: field.json_schema_extra for name, field in model.model_fields.items()}
    return {
        name: EnvKey(str(extra["env"]), bool(extra["required"]), bool(extra["plain"]))
        for name, extra in extras.items()
        if isinstance(extra, dict) and "env" in extra
    }


def key(prefix: str, name: str) -> str:
    """The key of a field. A name that pydantic reserves is a field with an underscore at the end."""
    return prefix + name.rstrip("_")


def keys_of(model: type[Settings], prefix: str) -> set[str]:
    """The keys that can be set in group data for this model."""
    return {key(prefix, name) for name in model.model_fields.keys() - env_keys(model).keys()}


def unknown_keys(where: str, keys: Iterable[str], known: set[str]) -> list[str]:
    """One sentence for each unknown key, with the most similar valid key."""
    return [f"{where}: unknown setting {key}{_nearest(key, known)}" for key in sorted(set(keys) - known)]


def _nearest(key: str, known: set[str]) -> str:
    near = difflib.get_close_matches(key, known, 1, 0.5)
    return f"; did you mean {near[0]}?" if near else "; no setting has a name like it"


def build(
    model: type[T], prefix: str, where: str, data: Mapping[str, Any], secrets: Mapping[str, Secret], environment: str
) -> T:
    """Create settings from host data and secrets.

    Raises Refusal with one sentence per wrong value, naming host, key and value; secrets are never shown.
    """
    assert issubclass(model, Settings)
    service = prefix.rstrip("_") or "site"
    given = {name: key(prefix, name) for name in model.model_fields}
    values = {name: _typed(model, name, data[given[name]]) for name in given if given[name] in data}
    keys = env_keys(model)
    for name, env in keys.items():
        if env.key in secrets:
            values[name] = secrets[env.key].reveal() if env.plain else secrets[env.key]
        elif env.required:
            raise missing(where, service, env.key, environment)
    names = {prefix + name: f"{env.key} in .env.{environment}" for name, env in keys.items()}
    try:
        return model(**values)
    except ValidationError as error:
        raise combined([_sentence(where, prefix, one, names) for one in error.errors()]) from None


def _typed(model: type[Settings], name: str, value: Any) -> Any:
    """A value from the command line, which is always text, converted to the type of its field."""
    if not isinstance(value, CliValue):
        return value
    adapter: TypeAdapter[Any] = TypeAdapter(model.model_fields[name].rebuild_annotation())
    try:
        return json.loads(value) if value.startswith(("[", "{")) else adapter.validate_strings(str(value))
    except ValueError:
        return str(value)  # the model reports the error


def _sentence(where: str, prefix: str, error: Any, names: Mapping[str, str]) -> str:
    """The sentence about one wrong value; `names` is key → where the value comes from, if not from group data."""
    key = prefix + ".".join(str(part) for part in error["loc"])
    key = names.get(prefix + str(error["loc"][0]), key)
    message = re.sub(r"^(Value error, |Input should be |\w+ should (?=have|match))", "", error["msg"]).strip()
    if error["type"] == "missing":
        return f"{where}: {key} is not set; add it to group_data"
    verb = "must" if message.startswith(("have ", "match ")) else "must be"
    rule = message if message.startswith("must") else f"{verb} {message}"
    return f"{where}: {key} = {error['input']!r} {rule}"
