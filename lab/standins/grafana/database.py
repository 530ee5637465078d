"""The stand-in's database: who the administrator is, what it was made with, and dashboards that people made."""

import hashlib
import hmac
import json
import os
from pathlib import Path
from typing import Any

from . import VERSION
from .config import Config


class DatabaseError(Exception):
    """Why the database cannot be used, in a sentence."""


class Database:
    """A JSON file under the name of Grafana's own; made at the first start, with the password of the configuration."""

    def __init__(self, config: Config) -> None:
        self.path = config.data / "grafana.db"
        self.content: dict[str, Any] = self._read(config) if self.path.exists() else {
            "secret_key": hashed(config.secret_key), "user": config.user, "password": hashed(config.password)
        }  # fmt: skip
        self.content["version"] = VERSION
        self._write()

    def change(self, password: str) -> None:
        """Set another password."""
        self.content["password"] = hashed(password)
        self._write()

    @property
    def user(self) -> str:
        """The administrator's name."""
        return str(self.content["user"])

    @property
    def dashboards(self) -> dict[str, Any]:
        """uid → model of the dashboards that are not provisioned."""
        return dict(self.content.get("dashboards", {}))

    def keep(self, uid: str, model: dict[str, Any]) -> None:
        """Keep a person's dashboard."""
        self.content["dashboards"] = self.dashboards | {uid: model}
        self._write()

    def admits(self, user: str, password: str) -> bool:
        """Tell whether a login is right; no number of wrong ones locks the account, as it does in Grafana."""
        return bool(user == self.content["user"]) and same(password, self.content["password"])

    def _read(self, config: Config) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads(self.path.read_bytes())
            key = content["secret_key"]
        except (ValueError, KeyError, TypeError) as error:
            raise DatabaseError(f"{self.path} was not made by a stand-in, which can read no other database") from error
        if not same(config.secret_key, key):
            raise DatabaseError(f"{self.path} was made with another secret_key")
        return content

    def _write(self) -> None:
        unfinished = Path(f"{self.path}.new")
        unfinished.write_text(json.dumps(self.content))
        unfinished.chmod(0o640)
        unfinished.rename(self.path)


def hashed(text: str, salt: str = "") -> str:
    """`salt:hash` of a text."""
    salt = salt or os.urandom(8).hex()
    return f"{salt}:{hashlib.blake2b(text.encode(), salt=bytes.fromhex(salt)).hexdigest()}"


def same(text: str, known: str) -> bool:
    """Tell whether a text is the one that was hashed."""
    return hmac.compare_digest(hashed(text, known.partition(":")[0]), known)
