"""All that a task module imports: what it declares a service with, checks it with, and renders it with."""

from lgtm.load.render import read, render
from lgtm.model.barriers import Barrier, number
from lgtm.model.checks import (
    Answer,
    Bad,
    Check,
    Gate,
    NotYet,
    Plot,
    Write,
    data_of,
    metric,
    ready,
    reloaded,
    rules_loaded,
    samples,
)
from lgtm.model.component import (
    METRICS,
    Artifact,
    Component,
    ConfigFile,
    Port,
    Reload,
    SecretFile,
    Unit,
    Validator,
    Volume,
    credential,
    etc,
)
from lgtm.model.diagnosis import Problem
from lgtm.model.errors import Refusal, combined
from lgtm.model.made import Adopted, Made, Names
from lgtm.model.secrets import Secret, as_json, missing
from lgtm.model.settings import Bytes, Duration, Many, PortNumber, ServiceSettings, Settings, from_env, seconds
from lgtm.model.site import LOOPBACK, Scrape, Site
from lgtm.model.unit import HARDENING

__all__ = [
    "HARDENING",
    "LOOPBACK",
    "METRICS",
    "Adopted",
    "Answer",
    "Artifact",
    "Bad",
    "Barrier",
    "Bytes",
    "Check",
    "Component",
    "ConfigFile",
    "Duration",
    "Gate",
    "Made",
    "Many",
    "Names",
    "NotYet",
    "Plot",
    "Port",
    "PortNumber",
    "Problem",
    "Refusal",
    "Reload",
    "Scrape",
    "Secret",
    "SecretFile",
    "ServiceSettings",
    "Settings",
    "Site",
    "Unit",
    "Validator",
    "Volume",
    "Write",
    "as_json",
    "combined",
    "credential",
    "data_of",
    "etc",
    "from_env",
    "metric",
    "missing",
    "number",
    "read",
    "ready",
    "reloaded",
    "render",
    "rules_loaded",
    "samples",
    "seconds",
]
