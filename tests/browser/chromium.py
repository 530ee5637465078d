"""Headless Chromium, driven by Selenium: Debian has the driver that belongs to its Chromium, so nothing is downloaded.

(Playwright brings its own Node and wants its own Chromium: four times as much to install.)
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from .findings import Finding, Panel, of_console, of_requests

FLAGS = (
    "--headless=new", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--window-size=1600,1000",
)  # fmt: skip
# What is drawn so far. A panel is a section whose test id has its title, on a dashboard as well as in Explore.
PANELS = """
const prefix = 'data-testid Panel header ';
return [...document.querySelectorAll(`section[data-testid^="${prefix}"]`)].map(section => {
  const mark = section.querySelector('[data-testid="data-testid Panel status error"]');
  const alert = section.querySelector('[data-testid="data-testid Alert error"]');
  const body = section.querySelector('[data-testid="data-testid panel content"]') || section;
  return {
    title: section.dataset.testid.slice(prefix.length),
    text: body.innerText,
    marked: !!mark,
    alert: alert && alert.checkVisibility({opacityProperty: true}) ? alert.innerText : '',
    loading: !!section.querySelector('[aria-label="Panel loading bar"]'),
  };
});
"""
BUSY = """
return !!document.querySelector('[aria-label="Panel loading bar"], [data-testid="Spinner"], .preloader')
  || document.body.innerText.includes('Loading plugin panel')
"""
# Outside of panels. Explore keeps an alert that nobody sees, for an error to come.
ALERTS = """
return [...document.querySelectorAll('[data-testid="data-testid Alert error"]')]
  .filter(alert => !alert.closest('section') && alert.checkVisibility({opacityProperty: true}))
  .map(alert => alert.innerText)
"""
# By most of a window, in whatever scrolls; true at the end.
SCROLL = """
const page = document.scrollingElement;
const scrolls = one => one.scrollHeight > one.clientHeight + 8 && /auto|scroll/.test(getComputedStyle(one).overflowY);
const inner = [...document.querySelectorAll('main *, main')].find(one => one.clientHeight > 300 && scrolls(one));
const scrolled = page.scrollHeight > page.clientHeight + 8 || !inner ? page : inner;
scrolled.scrollBy(0, scrolled.clientHeight * 0.7);
return scrolled.scrollTop + scrolled.clientHeight >= scrolled.scrollHeight - 8;
"""
# The innermost element with a text.
INNERMOST = """
const [scope, text] = arguments, has = one => one.textContent.includes(text);
return [...document.querySelectorAll(`${scope} *`)].find(one => has(one) && ![...one.children].some(has));
"""
FETCH = """
const [path, done] = arguments;
fetch(path, {headers: {accept: 'application/json'}})
  .then(answer => answer.ok ? answer.json() : Promise.reject(`HTTP ${answer.status}`))
  .then(found => done({found}), error => done({error: String(error)}));
"""


class Missing(Exception):
    """What was waited for did not appear."""


class Browser:
    """One window, and what it has seen so far. Only `address` can be reached from it."""

    def __init__(self, driver: Chrome, address: str, pictures: Path) -> None:
        self.driver, self.address, self.pictures = driver, address.rstrip("/"), pictures
        self.taken = 0

    def open(self, path: str) -> None:
        self.driver.get(self.address + path)

    def fetch(self, path: str) -> Any:
        """The JSON of Grafana's API, asked by the page and so with its login. Raises Missing when it is refused."""
        answer = self.driver.execute_async_script(FETCH, urlsplit(self.address).path + path)
        if "error" in answer:
            raise Missing(f"{path}: {answer['error']}")
        return answer["found"]

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def wait(self, ask: Callable[[], Any], what: str, seconds: float = 30) -> Any:
        """The first true answer. Raises Missing when there is none in time."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if answer := ask():
                return answer
            time.sleep(0.25)
        raise Missing(f"{what}: not within {seconds:.0f} s")

    def find(self, css: str, text: str = "") -> list[WebElement]:
        """The visible elements of a selector whose text has these words (a regular expression)."""
        shown = [one for one in self.driver.find_elements(By.CSS_SELECTOR, css) if one.is_displayed()]
        return [one for one in shown if re.search(text, one.text, re.IGNORECASE)]

    def first(self, css: str, text: str = "", seconds: float = 30) -> WebElement:
        """The first such element. Raises Missing."""
        found: list[WebElement] = self.wait(lambda: self.find(css, text), f"{css} {text!r}".strip(), seconds)
        return found[0]

    def click(self, css: str, text: str = "", seconds: float = 30) -> None:
        """Click the first such element, in the middle of the window, where nothing hides it."""
        self._click(self.first(css, text, seconds))

    def click_text(self, scope: str, text: str) -> None:
        """Click the innermost element with this text. Raises Missing."""
        self._click(self.wait(lambda: self.run(INNERMOST, scope, text), f"{scope}: {text}"))

    def _click(self, element: WebElement) -> None:
        self.run("arguments[0].scrollIntoView({block: 'center'})", element)
        time.sleep(0.3)  # smooth scrolling
        element.click()

    def settle(self, seconds: float = 30) -> None:
        """Wait until nothing has been loading for a second, but no longer than this."""
        calm, until = time.monotonic(), time.monotonic() + seconds
        while time.monotonic() < min(until, calm + 1):
            time.sleep(0.2)
            if self.run(BUSY):
                calm = time.monotonic()

    def panels(self) -> list[Panel]:
        """The panels that are drawn, with what the red mark or the alert in one says."""
        found = []
        for one in self.run(PANELS):
            error = self._error(one["title"]) if one["marked"] else " ".join(one["alert"].split())
            found.append(Panel(one["title"], one["text"], error, one["loading"]))
        return found

    def _error(self, title: str) -> str:
        """The words behind a panel's red mark: its tooltip."""
        mark = f'section[data-testid="data-testid Panel header {title}"] [data-testid="data-testid Panel status error"]'
        self.run("arguments[0].focus()", self.driver.find_element(By.CSS_SELECTOR, mark))
        try:
            return self.first("[role=tooltip], [data-popper-placement]", seconds=3).text or "an error without words"
        except Missing:
            return "an error without words"

    def alerts(self) -> list[str]:
        return [" ".join(text.split()) for text in self.run(ALERTS)]

    def scroll(self) -> bool:
        """Go on by most of a window; True at the end of the page."""
        return bool(self.run(SCROLL))

    def picture(self, name: str) -> None:
        self.taken += 1
        self.driver.save_screenshot(
            str(self.pictures / f"{self.taken:02}-{re.sub(r'[^a-z0-9]+', '-', name.lower())}.png")
        )

    def heard(self, where: str) -> list[Finding]:
        """What the console has said, and whom the page has asked, since the last time."""
        events = [json.loads(line["message"])["message"] for line in self.driver.get_log("performance")]
        urls = [one["params"]["request"]["url"] for one in events if one["method"] == "Network.requestWillBeSent"]
        urls += [one["params"]["url"] for one in events if one["method"] == "Network.webSocketCreated"]
        return of_console(where, self.driver.get_log("browser")) + of_requests(where, urls, self.address)


@contextmanager
def browsing(address: str, pictures: Path) -> Iterator[Browser]:
    """A browser that reaches this address and no other. Raises Missing where Debian's chromium-driver is missing."""
    programs = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if None in programs:
        raise Missing("chromium or chromedriver is not installed: apt-get install chromium chromium-driver")
    pictures.mkdir(parents=True, exist_ok=True)
    options = ChromeOptions()
    options.binary_location = str(programs[0])
    host = urlsplit(address).hostname
    rules = f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {host}, EXCLUDE 127.0.0.1, EXCLUDE localhost"
    for flag in (*FLAGS, rules, *(["--no-sandbox"] if os.geteuid() == 0 else [])):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options=options, service=Service(programs[1]))
    driver.set_script_timeout(30)
    try:
        yield Browser(driver, address, pictures)
    finally:
        driver.quit()
