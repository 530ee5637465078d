"""Grafana's paths: behind the door, what is provisioned and the way to the data sources."""

import base64
import json
from typing import Any
from urllib.parse import urlsplit

from ..common.http import HttpPort, Quiet
from . import LABEL, VERSION, upstream
from .config import Config
from .database import Database
from .provisioning import Dashboard, Dashboards

PAGE = f"<!doctype html><title>{LABEL}</title><p>This is a {LABEL}: it has an API, but no pages."
PROXY = "/api/datasources/proxy/uid/"
SOURCE = "/api/datasources/uid/"
DASHBOARD = "/api/dashboards/uid/"
SAVE = "/api/dashboards/db"
OPEN = ("/", "/login", "/api/health", "/metrics")  # without a login


class Front(HttpPort):
    """The HTTP port."""

    def __init__(
        self, config: Config, database: Database, sources: dict[str, dict[str, Any]], dashboards: Dashboards
    ) -> None:
        super().__init__(config.http, Handler)
        self.database, self.sources, self.dashboards = database, sources, dashboards


class Handler(Quiet):
    """Answers under Grafana's paths."""

    server: Front
    server_version = f"Grafana-stand-in/{VERSION}"

    def do_GET(self) -> None:
        self.route()

    def do_POST(self) -> None:
        self.route()

    def route(self) -> None:
        """Find who answers; all but a few pages want a login first."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = urlsplit(self.path).path
        pages = {"/": self.page, "/login": self.page, "/api/health": self.health, "/metrics": self.metrics}
        pages |= {"/api/org": self.org, "/api/search": self.search, "/api/datasources": self.list_sources}
        pages |= {"/api/users": self.users, "/api/v1/provisioning/alert-rules": self.rules}
        if path not in OPEN and not self.admitted():
            self.answer(401, {"message": "Invalid username or password", "messageId": "password-auth.failed"})
        elif path.startswith(PROXY):
            self.proxy(body)
        elif self.command == "GET" and path in pages:
            pages[path]()
        elif self.command == "POST" and path == SAVE:
            self.save(body)
        elif self.command == "GET" and path.startswith(SOURCE):
            self.source(*path.removeprefix(SOURCE).split("/"))
        elif self.command == "GET" and path.startswith(DASHBOARD):
            self.dashboard(path.removeprefix(DASHBOARD))
        else:
            self.answer(501, {"message": f"the stand-in cannot answer {self.command} {path}"})

    def admitted(self) -> bool:
        """Tell whether the request comes with the administrator's login."""
        kind, _, encoded = self.headers.get("Authorization", "").partition(" ")
        try:
            user, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except ValueError:
            return False
        return kind.lower() == "basic" and bool(colon) and self.server.database.admits(user, password)

    def page(self) -> None:
        self.respond(200, PAGE.encode(), {"Content-Type": "text/html; charset=utf-8"})

    def health(self) -> None:
        self.answer(200, {"database": "ok", "version": VERSION, "commit": "stand-in"})

    def metrics(self) -> None:
        text = f'grafana_build_info{{version="{VERSION}",edition="stand-in"}} 1\n'
        self.respond(200, text.encode(), {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    def org(self) -> None:
        self.answer(200, {"id": 1, "name": "Main Org."})

    def users(self) -> None:
        self.answer(200, [{"login": self.server.database.user}])

    def rules(self) -> None:
        self.answer(200, [])

    def search(self) -> None:
        """List the dashboards, provisioned and people's own; the real one can look for more than that."""
        kind = urlsplit(self.path).query.removesuffix("&limit=5000")
        if kind not in ("", "type=dash-db", "type=dash-folder"):
            self.answer(501, {"message": "the stand-in looks for nothing but type=dash-db and type=dash-folder"})
            return
        found = [{"type": "dash-db", **told(one)} for one in self.server.dashboards.current().values()]
        own = [{"type": "dash-db", "uid": uid, "title": model.get("title", "")}
               for uid, model in self.server.database.dashboards.items()]  # fmt: skip
        self.answer(200, [] if kind == "type=dash-folder" else found + own)

    def dashboard(self, uid: str) -> None:
        found, own = self.server.dashboards.current().get(uid), self.server.database.dashboards.get(uid)
        if found is None and own is not None:
            self.answer(200, {"meta": {"provisioned": False, "canSave": True}, "dashboard": own})
        elif found is None:
            self.answer(404, {"message": "Dashboard not found"})
        else:
            self.answer(200, {"meta": {"provisioned": True, "canSave": False, **told(found)}, "dashboard": found.model})

    def save(self, body: bytes) -> None:
        """Keep a dashboard that a person has made; provisioned ones are not for saving."""
        try:
            model = dict(json.loads(body)["dashboard"])
            uid = str(model["uid"])
        except (ValueError, KeyError, TypeError):
            self.answer(400, {"message": "bad request data"})
            return
        if uid in self.server.dashboards.current():
            self.answer(400, {"message": "Cannot save provisioned dashboard"})
            return
        self.server.database.keep(uid, model)
        self.answer(200, {"status": "success", "uid": uid, "url": f"/d/{uid}"})

    def list_sources(self) -> None:
        self.answer(200, list(self.server.sources.values()))

    def source(self, uid: str, *rest: str) -> None:
        """A data source, or how it is."""
        found = self.server.sources.get(uid)
        if found is None:
            self.answer(404, {"message": "Data source not found"})
        elif rest == ("health",):
            self.answer(*upstream.health(found))
        elif rest:
            self.answer(501, {"message": f"the stand-in knows only the health of a data source, not {'/'.join(rest)}"})
        else:
            self.answer(200, found)

    def proxy(self, body: bytes) -> None:
        """Hand the request to a data source and its answer back; the login stays here."""
        uid, _, path = self.path.removeprefix(PROXY).partition("/")
        source = self.server.sources.get(uid)
        if source is None:
            self.answer(404, {"message": "Data source not found"})
            return
        asked = path.partition("?")[0]
        if self.command == "POST" and source["type"] == "prometheus" and asked not in upstream.POSTED:
            self.answer(403, {"message": f"{asked} is not for posting through Grafana"})
            return
        headers = {name: value for name in upstream.FORWARDED if (value := self.headers.get(name))}
        try:
            reply = upstream.ask(source, self.command, path, body, headers)
        except OSError as error:
            self.answer(502, {"message": f"{source['url']}: {error}"})
            return
        self.respond(reply.status, reply.content, reply.headers)

    def answer(self, status: int, content: Any) -> None:
        """Send JSON."""
        self.respond(status, json.dumps(content).encode(), {"Content-Type": "application/json; charset=UTF-8"})


def told(one: Dashboard) -> dict[str, Any]:
    """What is said of a dashboard in a list."""
    uid, title = one.model["uid"], one.model.get("title", "")
    return {"uid": uid, "title": title, "url": f"/d/{uid}", "folderTitle": one.folder, "folderUid": one.folder_uid}
