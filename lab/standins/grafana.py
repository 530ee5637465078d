"""A STAND-IN for Grafana 12: no Grafana and no pages, but its login, its provisioning, and its way to the data sources.

It reads Grafana's own configuration and provisioning, lists data sources and dashboards, keeps a dashboard that is
saved, and hands queries on to the data sources. Its database is a JSON file under the real one's name. It holds the
administrator's password, which only the command line changes once it is made. What it cannot do it refuses with 501.
"""

import argparse
import base64
import configparser
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from . import common
from .common import ConfigError, Reply, Request, as_json

VERSION = "12.4.2+standin"
LABEL = f"Grafana stand-in, version {VERSION}"
PROXY, SOURCE, DASHBOARD = "/api/datasources/proxy/uid/", "/api/datasources/uid/", "/api/dashboards/uid/"
PUBLIC = ("/", "/login", "/api/health", "/metrics")  # without a login
HEALTH = {"prometheus": "/api/v1/query?query=1%2B1", "loki": "/loki/api/v1/labels"}  # type → what it is asked
WORDS = ((["server"], False), (["cli", "admin", "reset-admin-password"], True))


class Ini:
    """Grafana's configuration file."""

    def __init__(self, path: Path) -> None:
        self.parser = configparser.RawConfigParser(strict=False)
        try:
            self.parser.read_string(path.read_text())
        except configparser.Error as error:
            raise ConfigError(f"{path} is no INI file: {error}") from error

    def get(self, section: str, key: str) -> str:
        """Return a value, with `$__file{path}` replaced by what the file holds. ConfigError if it is missing."""
        written = self.parser.get(section, key, fallback="")
        value = re.sub(r"\$__file\{([^}]+)\}", lambda found: Path(found[1]).read_text().strip(), written)
        if not value:
            raise ConfigError(f"[{section}] {key} must be given")
        return value


class Database:
    """The administrator's password, as a hash, and the dashboards that people saved."""

    def __init__(self, ini: Ini) -> None:
        self.path, self.user = Path(ini.get("paths", "data")) / "grafana.db", ini.get("security", "admin_user")
        made = {"password": hashed(ini.get("security", "admin_password")), "dashboards": {}}
        try:
            self.content: dict[str, Any] = json.loads(self.path.read_bytes()) if self.path.exists() else made
        except ValueError as error:
            raise ConfigError(f"{self.path} was not made by a stand-in, which can read no other database") from error
        self.write()

    def write(self, **content: Any) -> None:
        """Change something, and write the file."""
        self.content |= content
        unfinished = Path(f"{self.path}.new")
        unfinished.write_text(json.dumps(self.content))
        unfinished.chmod(0o640)
        unfinished.rename(self.path)

    def admits(self, header: str) -> bool:
        """Return whether an Authorization header is the administrator's."""
        try:
            user, _, password = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
        except ValueError:
            return False
        known = str(self.content["password"])
        return user == self.user and hashed(password, known.partition(":")[0]) == known


def hashed(text: str, salt: str = "") -> str:
    """Return `salt:hash` of a text."""
    salt = salt or os.urandom(8).hex()
    return f"{salt}:{hashlib.blake2b(text.encode(), salt=bytes.fromhex(salt)).hexdigest()}"


def provisioned(folder: Path, kind: str) -> list[dict[str, Any]]:
    """Read the entries of the files in a folder; a text's `$NAME` comes from the environment, `$$` is a dollar."""
    key = {"datasources": "datasources", "dashboards": "providers"}[kind]
    trees = (yaml.safe_load(path.read_text()) or {} for path in sorted((folder / kind).glob("*.y*ml")))
    return [expanded(one) for tree in trees for one in tree.get(key) or ()]


def expanded(value: Any) -> Any:
    """Replace variables in every text of a tree."""
    if isinstance(value, dict):
        return {key: expanded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [expanded(one) for one in value]
    if not isinstance(value, str):
        return value
    return re.sub(
        r"\$(\$|\w+|\{\w*\})", lambda one: "$" if one[1] == "$" else os.environ.get(one[1].strip("{}"), ""), value
    )


class Grafana:
    """What it answers."""

    def __init__(self, ini: Ini) -> None:
        folder = Path(ini.get("paths", "provisioning"))
        self.database, self.providers = Database(ini), provisioned(folder, "dashboards")
        self.sources = {
            str(one["uid"]): one | {"readOnly": not one.get("editable"), "isDefault": one.get("isDefault", False)}
            for one in provisioned(folder, "datasources")
        }

    def answer(self, request: Request) -> Reply:
        """Check the login, and route the request."""
        path = request.path
        if path not in PUBLIC and not self.database.admits(request.headers.get("Authorization", "")):
            return as_json({"message": "Invalid username or password", "messageId": "password-auth.failed"}, 401)
        if path.startswith(PROXY):
            uid, _, rest = request.target.removeprefix(PROXY).partition("/")
            return self.ask(uid, f"/{rest}", request)
        if path.startswith(SOURCE):
            return self.source(*path.removeprefix(SOURCE).split("/"))
        if path.startswith(DASHBOARD):
            return self.dashboard(path.removeprefix(DASHBOARD))
        if path == "/api/dashboards/db" and request.method == "POST":
            model = json.loads(request.body)["dashboard"]
            self.database.write(dashboards=self.database.content["dashboards"] | {model["uid"]: model})
            return as_json({"status": "success", "uid": model["uid"]})
        if path == "/metrics":
            return common.metrics({f'grafana_build_info{{version="{VERSION}",edition="stand-in"}}': 1})
        known = self.page(path, request.query.get("type", ""))
        return as_json({"message": f"the stand-in cannot answer {path}"}, 501) if known is None else as_json(known)

    def page(self, path: str, kind: str) -> Any:
        """Return what is shown at a path."""
        saved = [
            {"uid": uid, "title": model.get("title", "")} for uid, model in self.database.content["dashboards"].items()
        ]
        found = [one["meta"] for one in self.delivered()] + saved
        return {
            "/": LABEL,
            "/login": LABEL,
            "/api/health": {"database": "ok", "version": VERSION},
            "/api/org": {"id": 1, "name": "Main Org."},
            "/api/users": [{"login": self.database.user}],
            "/api/v1/provisioning/alert-rules": [],
            "/api/datasources": list(self.sources.values()),
            "/api/search": [] if kind == "dash-folder" else found,
        }.get(path)

    def delivered(self) -> Iterator[dict[str, Any]]:
        """Read the dashboards of the providers."""
        for provider in self.providers:
            for path in sorted(Path(provider["options"]["path"]).rglob("*.json")):
                model = {"uid": path.stem} | json.loads(path.read_text())
                meta = {
                    "uid": model["uid"],
                    "title": model.get("title", ""),
                    "folderUid": provider.get("folderUid", ""),
                }
                yield {"meta": meta, "dashboard": model}

    def dashboard(self, uid: str) -> Reply:
        """Show a dashboard, delivered or saved."""
        saved = {"meta": {}, "dashboard": self.database.content["dashboards"].get(uid)}
        found = next((one for one in self.delivered() if one["meta"]["uid"] == uid), saved)
        return as_json(found) if found["dashboard"] else as_json({"message": "Dashboard not found"}, 404)

    def source(self, uid: str, *rest: str) -> Reply:
        """Show a data source, or whether it answers."""
        if rest != ("health",) or uid not in self.sources:
            known = self.sources.get(uid)
            return as_json(known) if known and not rest else as_json({"message": "Data source not found"}, 404)
        url, reply = self.sources[uid]["url"], self.ask(uid, HEALTH.get(self.sources[uid]["type"], "/"))
        if reply.status != 200:
            said = reply.content[:200].decode(errors="replace").strip()
            return as_json({"status": "ERROR", "message": f"{url}: HTTP {reply.status}: {said}"}, 400)
        return as_json({"status": "OK", "message": f"{url} answers (asked by a stand-in)"})

    def ask(self, uid: str, path: str, request: Request | None = None) -> Reply:
        """Hand a request to a data source; the login stays here."""
        if uid not in self.sources:
            return as_json({"message": "Data source not found"}, 404)
        url = f"{self.sources[uid]['url'].rstrip('/')}{path}"
        kind = {"Content-Type": request.headers["Content-Type"] or common.FORM} if request else {}
        answer = common.fetch(url, request.body or None, kind, request.method) if request else common.fetch(url)
        return answer if answer.status else as_json({"message": f"{url}: {answer.content.decode()}"}, 502)


def main() -> int:
    """Run a command: `server …`, `cli … admin reset-admin-password --password-from-stdin`, `--version`."""
    parser = argparse.ArgumentParser(description=LABEL)
    parser.add_argument("--version", action="version", version=LABEL)
    parser.add_argument("--homepath", required=True)
    parser.add_argument("--config", required=True, type=Path)
    parser.add_argument("--password-from-stdin", action="store_true")
    parser.add_argument("words", nargs="+")
    given = parser.parse_intermixed_args()
    if (given.words, given.password_from_stdin) not in WORDS:
        parser.error("the stand-in knows `server` and `cli admin reset-admin-password --password-from-stdin` alone")
    try:
        ini = Ini(given.config)
        if given.words == ["server"]:
            return serve(ini)
        Database(ini).write(password=hashed(sys.stdin.readline().rstrip("\r\n")))
    except (ConfigError, OSError, yaml.YAMLError) as error:
        return common.complain(f"{LABEL}: {error}", 1)
    return 0


def serve(ini: Ini) -> int:
    """Serve until told to stop."""
    stopping = common.stopped()
    address = ini.get("server", "http_addr"), int(ini.get("server", "http_port"))
    common.serve(common.Server(address, Grafana(ini).answer))
    stopping.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
