"""The walk: what a person does on the first day, station by station. Test ids and words are those of Grafana 12."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.action_chains import ActionChains

from .chromium import Browser, Missing
from .findings import Finding, Panel, of_panels

FOLDER = "pyinfra-lgtm"
SPAN = '[data-testid="data-testid SpanBar--wrapper"]'
EXEMPLAR = '[data-testid="data-testid Exemplar marker"]'
LOGS = 'section[data-testid="data-testid Panel header Logs"]'
QUERIES: Mapping[str, Mapping[str, Any]] = {  # type of a data source: what Explore asks it
    "prometheus": {"expr": "up", "range": True, "instant": True},
    "loki": {"expr": '{job=~".+"}', "queryType": "range"},
    "tempo": {"query": "{}", "queryType": "traceql", "limit": 20, "tableType": "traces"},
}


@dataclass
class Walk:
    """A browser that is on its way, and what it has found wrong."""

    browser: Browser
    may_be_empty: Collection[tuple[str, str]] = ()  # (uid of a dashboard, title of a panel)
    findings: list[Finding] = field(default_factory=list)

    def all(self, user: str, password: str) -> None:
        """Every station. One that cannot be done is a finding, and the next one comes."""
        if not self.station("login", lambda: self.login(user, password)):
            return
        self.station("home", self.home)
        for uid, title in self.dashboards().items():
            self.station(f"dashboard {uid}", lambda uid=uid, title=title: self.dashboard(uid, title))  # type: ignore[misc]
        for source in self.browser.fetch("/api/datasources"):
            if source["type"] in QUERIES:
                self.station(f"explore {source['uid']}", lambda source=source: self.explore(source))  # type: ignore[misc]
        self.station("trace to log to trace", self.trace_log_trace)
        self.station("exemplar to trace", self.exemplar)
        self.station("service map", self.service_map)

    def station(self, where: str, visit: Callable[[], None]) -> bool:
        """Visit, take a picture, listen; whether it could be done."""
        print(f"- {where}", flush=True)
        done, self.where = True, where
        try:
            visit()
        except (Missing, WebDriverException) as error:
            done = False
            self.wrong(str(error).splitlines()[0])
        self.browser.picture(where)
        self.findings += self.browser.heard(where)
        return done

    def wrong(self, what: str) -> None:
        self.findings.append(Finding(self.where, what))

    def login(self, user: str, password: str) -> None:
        self.browser.open("/login")
        self.browser.first("input[name=user]").send_keys(user)
        self.browser.first("input[name=password]").send_keys(password)
        self.browser.picture("login")
        self.browser.click("button[type=submit]")
        self.browser.wait(lambda: "/login" not in self.browser.driver.current_url, "a page behind the login")

    def home(self) -> None:
        """The page that everybody sees first shows panels, none with an error. Empty ones are found later."""
        self.browser.open("/")
        self.browser.wait(self.browser.panels, "a panel on the home page")
        self.browser.settle()
        panels = self.browser.panels()
        self.findings += of_panels(self.where, panels, may_be_empty={panel.title for panel in panels})

    def dashboards(self) -> dict[str, str]:
        """uid → title of the dashboards delivered."""
        found = self.browser.fetch("/api/search?type=dash-db&limit=500")
        ours = {one["uid"]: one["title"] for one in found if one.get("folderTitle") == FOLDER}
        if not ours:
            self.findings.append(Finding("search", f"no dashboard in the folder {FOLDER}"))
        return ours

    def dashboard(self, uid: str, title: str) -> None:
        self.browser.open(f"/d/{uid}")
        self.browser.wait(self.browser.panels, f"a panel of {title}")
        model = self.browser.fetch(f"/api/dashboards/uid/{uid}")["dashboard"]
        panels = [one for one in model["panels"] if one["type"] != "row" and one.get("title")]
        allowed = {panel for of, panel in self.may_be_empty if of == uid}
        # What always shows days is empty on the first one.
        allowed |= {one["title"] for one in panels if str(one.get("timeFrom", "")).endswith("d")}
        self.look({one["title"] for one in panels}, allowed)

    def look(self, expected: Collection[str] = (), allowed: Collection[str] = ()) -> None:
        """Scroll through the page; each panel as it stands once everything in view has been loaded."""
        seen: dict[str, Panel] = {}
        for _ in range(30):
            self.browser.settle()
            seen |= {panel.title: panel for panel in self.browser.panels()}
            self.browser.picture(self.where)
            if self.browser.scroll():
                break
        self.browser.settle()
        seen |= {panel.title: panel for panel in self.browser.panels()}
        self.findings += of_panels(self.where, seen.values(), expected, allowed)
        self.findings += [Finding(self.where, alert) for alert in self.browser.alerts()]

    def explore(self, source: Mapping[str, Any]) -> None:
        """Ask a data source a simple question; the answer is drawn."""
        self.ask(source["uid"], source["type"], QUERIES[source["type"]])
        self.browser.wait(self.browser.panels, "an answer")
        self.look()

    def ask(self, uid: str, kind: str, query: Mapping[str, Any]) -> None:
        datasource = {"type": kind, "uid": uid}
        pane = {
            "datasource": uid,
            "queries": [{"refId": "A", "datasource": datasource, **query}],
            "range": {"from": "now-1h", "to": "now"},
        }
        self.browser.open(f"/explore?schemaVersion=1&orgId=1&panes={quote(json.dumps({'a': pane}))}")

    def trace_log_trace(self) -> None:
        """From a trace to the lines of one of its spans, and from such a line back to the trace."""
        trace = self.linked_trace()
        tempo = self.source("tempo")
        self.ask(tempo["uid"], "tempo", {"query": trace, "queryType": "traceql"})
        self.browser.click(SPAN)
        self.follow("Logs for this span|Related logs", menu='button[aria-label="Links"]')
        self.browser.click_text(LOGS, trace)
        self.browser.settle()
        before = len(self.browser.find(SPAN))
        self.follow("^Trace$", within=LOGS)
        self.browser.wait(lambda: len(self.browser.find(SPAN)) > before, "the trace of the line")

    def follow(self, words: str, menu: str = "", within: str = "body") -> None:
        """Click a link by its words; more than three of them stand in a menu."""
        links = ", ".join(f"{within} {tag}" for tag in ("a", "button", "[role=menuitem]"))
        if menu:
            self.browser.wait(lambda: self.browser.find(links, words) or self.browser.find(menu), words)
            if not self.browser.find(links, words):
                self.browser.click(menu)
        self.browser.first(links, words)
        self.browser.picture(f"{self.where} {words}")
        self.browser.click(links, words)

    def source(self, kind: str) -> Any:
        """The first data source of a type that is ours (or anybody's). Raises Missing."""
        found = [one for one in self.browser.fetch("/api/datasources") if one["type"] == kind]
        if not found:
            raise Missing(f"no data source of the type {kind}")
        return next((one for one in found if one["uid"] == f"grafana_{kind}"), found[0])

    def linked_trace(self) -> str:
        """The id of a trace that a log line of the last half hour names. Raises Missing."""
        tempo, loki = self.source("tempo"), self.source("loki")
        [tag] = tempo["jsonData"]["tracesToLogsV2"]["tags"]
        start = int(time.time() - 1800)
        query = f'{{{tag["value"]}=~".+"}} |~ "trace_?[iI][dD]"'
        path = f"/loki/api/v1/query_range?start={start}&limit=200&query={quote(query)}"
        found = self.browser.fetch(f"/api/datasources/proxy/uid/{loki['uid']}{path}")
        pattern = loki["jsonData"]["derivedFields"][0]["matcherRegex"]
        lines = [line for stream in found["data"]["result"] for _, line, *_ in stream["values"]]
        for match in (re.search(pattern, line) for line in lines):
            if match and self.exists(tempo["uid"], match[1]):
                return str(match[1])
        raise Missing(f"none of {len(lines)} lines of the last half hour names a trace that Tempo has")

    def exists(self, uid: str, trace: str) -> bool:
        try:
            return bool(self.browser.fetch(f"/api/datasources/proxy/uid/{uid}/api/traces/{trace}"))
        except Missing:
            return False

    def exemplar(self) -> None:
        """From a point of a panel with exemplars to its trace."""
        uid, panel = self.with_exemplars()
        self.browser.open(f"/d/{uid}?viewPanel=panel-{panel}&from=now-1h&to=now")
        self.browser.first(EXEMPLAR, seconds=60)
        self.browser.settle()
        points = self.browser.find(EXEMPLAR)
        ActionChains(self.browser.driver).move_to_element(points[len(points) // 2]).click().perform()
        windows = len(self.browser.driver.window_handles)
        self.follow("Tempo")
        self.browser.wait(
            lambda: len(self.browser.driver.window_handles) > windows or "/explore" in self.browser.driver.current_url,
            "Explore, behind the exemplar's link",
        )
        self.browser.driver.switch_to.window(self.browser.driver.window_handles[-1])
        self.browser.first(SPAN)

    def with_exemplars(self) -> tuple[str, int]:
        """(uid, panel) of the first panel delivered that asks for exemplars. Raises Missing."""
        for uid in self.dashboards():
            for panel in self.browser.fetch(f"/api/dashboards/uid/{uid}")["dashboard"]["panels"]:
                if any(target.get("exemplar") for target in panel.get("targets", ())):
                    return uid, int(panel["id"])
        raise Missing("no panel asks for exemplars")

    def service_map(self) -> None:
        tempo = self.source("tempo")
        self.ask(tempo["uid"], "tempo", {"queryType": "serviceMap"})
        self.browser.wait(lambda: self.browser.find('[data-testid^="node-circle-"]'), "a service in the map", 60)
        self.look()
