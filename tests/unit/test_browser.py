"""The browser walk fails for what is broken: its judgement, and its Chromium on a page of our own (no Grafana)."""

from __future__ import annotations

import json
import shutil
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.browser import __main__ as command
from tests.browser.chromium import Browser, Missing, browsing
from tests.browser.findings import Panel, of_console, of_panels, of_requests
from tests.browser.walk import Walk

GOOD = Panel("Requests", "12 req/s")
PANEL = """
<section data-testid="data-testid Panel header {title}">{mark}
<div data-testid="data-testid panel content" style="height: 900px">{text}</div></section>
"""
MARK = """
<button data-testid="data-testid Panel status error" onfocus="document.body.insertAdjacentHTML('beforeend',
'<div role=tooltip>parse error at char 3</div>')">!</button>
"""
# The last panel is drawn once it comes into view.
PAGE = """
<html><body><main>{panels}<div id=later style="height: 100px"></div></main><script>
const draw = seen => seen[0].isIntersecting && !later.innerHTML && (later.innerHTML = `{later}`);
new IntersectionObserver(draw).observe(later);
{script}
</script></body></html>
"""
ALERT = '<div data-testid="data-testid Alert error">it fell over</div>'
BROKEN = "console.error('a component fell over'); fetch('/nowhere'); fetch('http://stats.example.com/x').catch(() => 0)"


def test_a_page_on_which_all_is_well_has_no_finding() -> None:
    assert of_panels("d", [GOOD], ["Requests"]) == []
    assert of_console("d", [{"level": "INFO", "message": "hello"}, {"level": "WARNING", "message": "slow"}]) == []
    own = ["http://grafana:3000/api", "data:image/png;base64,AA", "ws://grafana:3000/live", "blob:http://x/1"]
    assert of_requests("d", own, "http://grafana:3000") == []


@pytest.mark.parametrize(
    ("panel", "said"),
    [
        (Panel("Requests", error="HTTP 500"), "d: panel 'Requests': HTTP 500"),
        (Panel("Requests", "No data"), "d: panel 'Requests' has no data"),
        (Panel("Requests", loading=True), "d: panel 'Requests' is still loading"),
        (Panel("Other", "1"), "d: panel 'Requests' is not drawn"),
    ],
)
def test_a_panel_that_is_broken_empty_slow_or_missing_is_a_finding(panel: Panel, said: str) -> None:
    assert [str(one) for one in of_panels("d", [panel], ["Requests"])] == [said]


def test_only_a_named_panel_may_be_empty_and_none_may_be_broken() -> None:
    allowed = {"Requests"}
    assert of_panels("d", [Panel("Requests", "No data")], may_be_empty=allowed) == []
    assert of_panels("d", [Panel("Requests", "No data", error="HTTP 500")], may_be_empty=allowed)


def test_an_error_in_the_console_and_a_request_to_somebody_else_are_findings() -> None:
    [found] = of_console("d", [{"level": "SEVERE", "message": "TypeError"}] * 2)
    assert str(found) == "d: console: TypeError"
    [found] = of_requests("d", ["https://grafana.com/api/plugins", "http://g:3000/x"], "http://g:3000")
    assert str(found) == "d: the page asks https://grafana.com"


def test_without_a_password_nothing_is_opened(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GRAFANA_ADMIN_PASSWORD", raising=False)
    assert command.main([]) == 64
    assert "GRAFANA_ADMIN_PASSWORD" in capsys.readouterr().err


# --- Chromium itself


class Pages(BaseHTTPRequestHandler):
    """A Grafana in miniature: a login, a home page, and the dashboards `good` and `broken`."""

    def do_GET(self) -> None:
        good, later = PANEL.format(title="First", text="1", mark=""), PANEL.format(title="Second", text="2", mark="")
        broken = PANEL.format(title="First", text="", mark=MARK) + PANEL.format(title="Third", text="No data", mark="")
        broken += PANEL.format(title="Fourth", text=ALERT, mark="") + ALERT
        model = {"panels": [{"title": title, "type": "stat"} for title in ("First", "Second")]}
        pages = {
            "/login": "<form action=/home><input name=user><input name=password><button type=submit>in</button></form>",
            "/home": PAGE.format(panels=good, later="", script=""),
            "/": PAGE.format(panels=good, later="", script=""),
            "/d/good": PAGE.format(panels=good, later=later, script=""),
            "/d/broken": PAGE.format(panels=broken, later="", script=BROKEN),
            "/api/dashboards/uid/good": json.dumps({"dashboard": model}),
            "/api/dashboards/uid/broken": json.dumps({"dashboard": model}),
            "/api/datasources": "[]",
            "/api/search": json.dumps([{"uid": "good", "title": "Good", "folderTitle": "pyinfra-lgtm"}]),
            "/favicon.ico": "",
        }
        page = pages.get(self.path.partition("?")[0])
        self.send_response(404 if page is None else 200)
        self.send_header("Content-Type", "application/json" if self.path.startswith("/api") else "text/html")
        self.end_headers()
        self.wfile.write((page or "").encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def browser(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if not shutil.which("chromium") or not shutil.which("chromedriver"):
        pytest.skip("no chromium with its driver here (`python -m lab prerequisites --tests`)")
    with browsing(address, tmp_path_factory.mktemp("pictures")) as found:
        yield found


def test_a_walk_in_which_all_is_well_scrolls_to_panels_that_are_drawn_late(browser: Browser) -> None:
    walk = Walk(browser)
    assert walk.station("login", lambda: walk.login("admin", "a password"))
    assert walk.station("home", walk.home)
    assert walk.station("good", lambda: walk.dashboard("good", "Good"))
    assert walk.findings == []
    assert len(list(browser.pictures.glob("*.png"))) == browser.taken >= 4


def test_a_broken_dashboard_is_found_with_what_its_panel_and_the_console_say(browser: Browser) -> None:
    walk = Walk(browser)
    walk.station("broken", lambda: walk.dashboard("broken", "Broken"))
    said = "\n".join(map(str, walk.findings))
    for words in (
        "panel 'First': parse error at char 3", "panel 'Second' is not drawn", "panel 'Third' has no data",
        "panel 'Fourth': it fell over", "broken: it fell over",
        "a component fell over", "404", "the page asks http://stats.example.com",
    ):  # fmt: skip
        assert words in said, said


def test_a_link_that_leads_nowhere_is_a_finding_and_the_walk_goes_on(address: str, browser: Browser) -> None:
    walk = Walk(browser)
    walk.all("admin", "a password")
    said = "\n".join(map(str, walk.findings))
    for words in (
        "trace to log to trace: no data source",
        "exemplar to trace: no panel",
        "service map: no data source",
    ):
        assert words in said, said
    assert "dashboard good" not in said


def test_a_grafana_that_does_not_answer_is_a_finding(browser: Browser, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    walk = Walk(Browser(browser.driver, f"http://127.0.0.1:{closed}", tmp_path))
    walk.all("admin", "a password")
    assert walk.findings[0].where == "login" and "ERR_CONNECTION_REFUSED" in walk.findings[0].what


def test_a_machine_without_the_driver_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(Missing, match="apt-get install chromium chromium-driver"),
        browsing("http://127.0.0.1", tmp_path),
    ):
        pass
