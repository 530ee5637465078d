"""Grafana's configuration file, as far as the stand-in can keep its promises."""

import configparser
import re
from dataclasses import dataclass, field
from pathlib import Path

from ..common.config import ConfigError

# What is promised in these is not kept here, so that nothing else may stand in them.
FIXED = {
    ("auth.anonymous", "enabled"): "false",
    ("auth.basic", "enabled"): "true",
    ("server", "protocol"): "http",
    ("database", "type"): "sqlite3",
}


@dataclass(frozen=True)
class Config:
    """What the stand-in needs from the file."""

    http: tuple[str, int]
    data: Path
    provisioning: Path
    user: str
    password: str = field(repr=False)
    secret_key: str = field(repr=False)


def load(path: Path) -> Config:
    """Read and check the file; ConfigError with the reason if the stand-in must refuse it."""
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(path.read_text())
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except configparser.Error as error:
        raise ConfigError(f"{path} is no INI file: {' '.join(str(error).split())}") from error
    for (section, key), only in FIXED.items():
        if parser.get(section, key, fallback=only) != only:
            raise ConfigError(f"[{section}] {key} can only be {only} in a stand-in")
    port = required(parser, "server", "http_port")
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigError(f"[server] http_port: {port} is not a port")
    return Config(
        http=(required(parser, "server", "http_addr"), int(port)),
        data=Path(required(parser, "paths", "data")),
        provisioning=Path(required(parser, "paths", "provisioning")),
        user=required(parser, "security", "admin_user"),
        password=required(parser, "security", "admin_password"),
        secret_key=required(parser, "security", "secret_key"),
    )


def required(parser: configparser.RawConfigParser, section: str, key: str) -> str:
    """A value that must be there, with `$__file{path}` replaced by what the file holds."""
    written = parser.get(section, key, fallback="")
    try:
        value = re.sub(r"\$__file\{([^}]+)\}", lambda found: Path(found[1]).read_text().strip(), written)
    except OSError as error:
        raise ConfigError(f"[{section}] {key}: cannot read {error.filename}: {error.strerror}") from error
    if not value:
        raise ConfigError(f"[{section}] {key} must be given")
    return value
