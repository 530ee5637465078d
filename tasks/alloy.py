"""Grafana Alloy: sends the journal of its host, with the logs of the stack, to Loki."""

from __future__ import annotations

from typing import Literal

from lgtm.task import (
    Answer,
    Artifact,
    Bad,
    Check,
    Component,
    ConfigFile,
    Duration,
    PortNumber,
    Refusal,
    Reload,
    ServiceSettings,
    Site,
    Unit,
    Validator,
    Volume,
    etc,
    metric,
    number,
    ready,
    render,
    samples,
    seconds,
)

USES = ("loki",)
DATA = "/data/alloy"  # the position in the journal
STABILITY = "--stability.level=generally-available"
COMPONENTS = "alloy_component_controller_running_components"
SENT, DROPPED = "loki_write_sent_entries_total", "loki_write_dropped_entries_total"


class AlloySettings(ServiceSettings):
    version: str = "1.20.1"
    http_port: PortNumber = 12345
    log_level: Literal["debug", "info", "warn", "error"] = "info"
    stop_timeout: int = 90  # Alloy takes up to a minute to send what it holds
    max_age: Duration = "12h"
    """How far back the journal of a new host is read."""
    stack_only: bool = False
    """Ship only the log lines of the `lgtm-*` units instead of the whole journal."""


def component(settings: AlloySettings, site: Site) -> Component:
    return Component(
        service="alloy",
        artifact=Artifact("alloy", settings.version),
        unit=Unit(
            command=_command(site),
            groups=("systemd-journal",),  # read access to the journal, and nothing more
            relax={"MemoryDenyWriteExecute": None} if _compiles(settings) else {},
            reason="Alloy 1.16 and later compile WebAssembly (of regular expressions) as they start"
            if _compiles(settings)
            else "",
        ),
        ready=site.url("alloy", "/-/ready"),
        ports=(site.port("alloy"),),
        files=(ConfigFile("config.alloy", _main(settings, site), "reload"),),
        volumes=(Volume(DATA),),
        validators=(Validator(("{artifact}/alloy", "validate", STABILITY, "{etc}/config.alloy")),),
        # The metric shows only that the file is valid. The check `alloy.components` shows that its components run.
        reload=Reload.named(site.url("alloy", "/metrics"), "alloy_config_last_load"),
        after=("loki",) if "loki" in site.here.services else (),
    )


def _command(site: Site) -> tuple[str, ...]:
    return (
        "{artifact}/alloy",
        "run",
        f"--server.http.listen-addr={site.target('alloy')}",
        f"--storage.path={DATA}",
        "--disable-reporting",
        STABILITY,
        etc("alloy", "config.alloy"),
    )


def _compiles(settings: AlloySettings) -> bool:
    """Whether the release is built with the tag gore2regex (grafana/alloy 6289)."""
    return number(settings.version) >= (1, 16, 0)


def _main(settings: AlloySettings, site: Site) -> str:
    here, loki = site.here.name, site.the("loki")
    if loki is None:
        raise Refusal(f"{here}: alloy ships the journal to Loki, but no host carries loki; add one, or remove alloy")
    return render(
        __file__, "config.alloy",
        settings=settings, host=here, environment=site.environment,
        max_age=f"{seconds(settings.max_age):.0f}s",  # Alloy has no unit for days
        push=site.url("loki", "/loki/api/v1/push", loki),
    )  # fmt: skip


def checks(settings: AlloySettings, site: Site) -> list[Check]:
    metrics, journal = site.url("alloy", "/metrics"), "journalctl -u lgtm-alloy -n 50"
    return [
        ready("alloy", site.url("alloy", "/-/ready"), settings.ready_timeout),
        Check(
            id="alloy.components", title="All components of Alloy are healthy", url=metrics, judge=_components,
            remedy=f"{journal} names the failing component; to read the journal, Alloy needs libsystemd on the host",
        ),
        Check(
            id="alloy.sends", title="Log lines reach Loki, and none is lost", url=metrics, judge=_sends,
            remedy=f"{journal}; Loki refuses lines that are too long, too old or too many", patience=60, slow=True,
        ),
    ]  # fmt: skip


def _components(answer: Answer) -> str:
    total = metric(answer, COMPONENTS)
    failing = total - sum(samples(answer, COMPONENTS, 'health_type="healthy"'))
    if failing:
        raise Bad(f"{failing:.0f} of {total:.0f} components are not healthy")
    return f"{total:.0f} components"


def _sends(answer: Answer) -> str:
    sent, dropped = (sum(samples(answer, name)) for name in (SENT, DROPPED))
    if not sent:
        raise Bad(f"HTTP {answer.status}, no line has been sent yet")
    if dropped:
        raise Bad(f"{dropped:.0f} lines lost since Alloy started, {sent:.0f} sent")
    return f"{sent:.0f} lines sent, none lost"
