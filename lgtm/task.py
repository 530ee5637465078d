"""The façade: everything that a task module imports, to declare, check and render a service."""

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
    body_of,
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
from lgtm.model.words import counted

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
    "body_of",
    "combined",
    "counted",
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
