"""Switches the running services from one scenario to another."""

import urllib.error
import urllib.request

from . import services
from .contract import BACKEND_PORTS
from .errors import LabError
from .layout import Layout
from .network import Network
from .scenarios import BACKEND, SMTP


def switch(layout: Layout, network: Network, name: str, environment: str | None = None) -> None:
    """Switch to a scenario, in one or all of its environments. LabError for an unknown name."""
    if name in SMTP:
        services.refuse_mail(layout, refuse=name == "smtp_refusing")
    elif name in BACKEND:
        for chosen in [environment] if environment else BACKEND[name].environments:
            _post(f"http://{network.gateway}:{BACKEND_PORTS[chosen]}/scenario?name={name}")
    else:
        raise LabError(f"There is no scenario {name!r}; there are {', '.join([*BACKEND, *SMTP])}.")


def _post(url: str) -> None:
    # No proxy stands between this machine and its own bridge, whatever the environment says.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(urllib.request.Request(url, method="POST"), timeout=5).close()
    except urllib.error.URLError as error:
        raise LabError(f"{url} does not answer ({error.reason}): is the lab up?") from error
