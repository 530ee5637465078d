"""Alerts, from what happens to GatewayZ to the mail in somebody's hands."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.message import EmailMessage

import pytest
from harness import Site
from stack import eventually, mails, text_of

from lab.machines import Lab


@pytest.fixture(scope="module")
def services() -> tuple[str, ...]:
    return ("prometheus", "alertmanager")


@pytest.fixture(scope="module")
def alerting(site: Site) -> Site:
    """A site that has no patience."""
    hasty = {f"prometheus_{name}_for": "0s" for name in ("api_errors", "target_down")}
    hasty |= {"alertmanager_critical_group_wait": "0s", "alertmanager_critical_group_interval": "5s"}
    site.data |= hasty
    site.deployed()
    return site


@pytest.fixture
def scenario(lab: Lab, alerting: Site, request: pytest.FixtureRequest) -> Iterator[float]:
    """The scenario that the test is parametrized with, in production; gives the time at which it began."""
    began = time.time()
    lab.scenario(request.param, "production")
    yield began
    lab.scenario("healthy", "production")


def mail(since: float, subject: str, seconds: float, about: str = "") -> EmailMessage:
    """The newest mail since a time with words in its subject, and others in its text."""

    def found() -> list[EmailMessage]:
        return [one for one in mails(since, subject) if about in text_of(one)]

    return eventually(found, seconds, f"a mail with {subject!r} in its subject and {about!r} in its text")[-1]


@pytest.mark.parametrize("scenario", ["down"], indirect=True)
def test_a_dead_backend_is_mailed_and_so_is_its_return(lab: Lab, scenario: float) -> None:
    # Each of the backend's two jobs finds out at its next scrape; the first mail may be about the other one alone.
    fired = mail(scenario, "[FIRING", 90, about="gatewayz_production on 198.18.0.1:8000 is down")
    assert "TargetDown" in str(fired["Subject"]) and "production" in str(fired["Subject"])
    assert fired["To"] == "oncall@mail.lab"
    assert "docs/alerts.md#targetdown" in text_of(fired)
    back = time.time()
    lab.scenario("healthy", "production")
    resolved = mail(back, "[RESOLVED", 90)
    assert "TargetDown" in str(resolved["Subject"])


@pytest.mark.parametrize("scenario", ["all_errors"], indirect=True)
def test_failing_requests_are_mailed_with_their_share(scenario: float) -> None:
    fired = mail(scenario, "HighAPIErrorRate", 240)
    assert str(fired["Subject"]).startswith("[FIRING:1] HighAPIErrorRate (production)")
    text = text_of(fired)
    assert "Requests fail in production" in text
    assert "% of all requests over 5 minutes got a 4xx or 5xx answer" in text
    assert "docs/alerts.md#highapierrorrate" in text
