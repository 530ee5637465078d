"""The scenarios of the lab's services, by name."""

from dataclasses import dataclass, replace
from enum import Enum

from .contract import BACKEND_PORTS


class Answers(Enum):
    """How the backend answers a request for its metrics."""

    NORMALLY = "normally"
    NOT_AT_ALL = "closes the connection, as a dead process would"
    UNAUTHORIZED = "401 even for the right token"


@dataclass(frozen=True)
class Scenario:
    """A change of the backend's normal traffic; the defaults are the normal traffic."""

    means: str
    volume: float = 1.0  # share of the normal number of requests
    slowness: float = 1.0  # factor on every duration
    failing: float = 0.0  # share of what would have succeeded that fails instead
    failing_provider: str = ""  # every inference at this provider fails
    silent_provider: str = ""  # no requests to this provider any more
    restarts: bool = False  # the process restarts: its counters begin at zero
    answers: Answers = Answers.NORMALLY
    environments: tuple[str, ...] = tuple(BACKEND_PORTS)


HEALTHY = Scenario("40 requests/s, 1 % client errors, 0.2 % server errors")

BACKEND = {
    "healthy": HEALTHY,
    "zero_traffic": Scenario("no request any more, the series are still exported", volume=0),
    "trickle": Scenario("0.4 requests/s", volume=0.01),
    "all_errors": Scenario("every request fails, after successes", failing=1),
    "all_errors_after_restart": Scenario("every request fails since a restart", failing=1, restarts=True),
    "slow": Scenario("everything takes ten times as long: p95 above 3 s", slowness=10),
    "provider_failing": Scenario("one provider of five fails, a tenth of the inferences", failing_provider="cerebras"),
    "provider_silent": Scenario("one provider of five is not asked any more", silent_provider="cerebras"),
    "counter_reset": replace(HEALTHY, means="a restart: healthy, from zero", restarts=True),
    "down": Scenario("the process is gone: connections are closed without a word", answers=Answers.NOT_AT_ALL),
    "staging_401": Scenario(
        "staging does not accept its bearer token", answers=Answers.UNAUTHORIZED, environments=("staging",)
    ),
}

SMTP = {
    "smtp_accepting": "the SMTP sink takes the credentials of `.env.lab`",
    "smtp_refusing": "the SMTP sink refuses every login",
}


def describe() -> str:
    """Return all scenarios with their meaning, one a line."""
    meanings = {name: scenario.means for name, scenario in BACKEND.items()} | SMTP
    return "\n".join(f"  {name:<25} {means}" for name, means in meanings.items())
