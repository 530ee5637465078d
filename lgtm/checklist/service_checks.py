"""What a host that has been read says of its services: active, listening, as declared, within their limits. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from lgtm.checklist import preflight
from lgtm.checklist.preflight import HostCheck
from lgtm.model.checks import Gate, Result
from lgtm.model.component import Component
from lgtm.model.plan import Plan
from lgtm.model.settings import gibibytes
from lgtm.model.view import View
from lgtm.model.words import counted, lasting

SETTLED = 60  # seconds after which a start is no news
FULL = 0.9  # share of its memory limit at which a service is about to be killed


def absent(view: View, inventory: str) -> str:
    """Why there is nothing to ask on a host, and what to type; empty where something of ours is in force."""
    current = view.found.current
    command = f"pyinfra {inventory} deploy.py"
    if current is None:
        return f"nothing is deployed here; `{command} --dry` shows what would be, `{command}` does it"
    if current not in view.found.sums:
        return f"nothing is in force here: /opt/lgtm/current leads to {current}, which is gone; `{command}` mends it"
    return ""


def stopped(view: View) -> str:
    """That every service of a host is stopped, and what to type; empty where one is not."""
    states = [process.state for process in view.found.processes.values()]
    if set(states) - {"inactive", "failed"}:
        return ""
    return (
        f"all {len(states)} services are stopped here, so only the host itself is shown; "
        "`systemctl start lgtm.target` there starts them, and so does deploy.py"
    )


def results(view: View, plan: Plan) -> list[Result]:
    """The outcome of every item for one host; `plan` is what is left to do there."""
    return [check.result(view) for check in checks(view.wanted.components, plan)]


def checks(components: Iterable[Component], plan: Plan) -> Iterable[HostCheck]:
    """Every item there is for a host that carries these."""
    yield from _host(plan)
    yield from (check for check in preflight.CHECKS if check.again)
    for component in components:
        yield from _service(component, plan)


def _host(plan: Plan) -> Iterable[HostCheck]:
    yield HostCheck(
        "host.in_force", "The host is as declared", lambda view: _different(plan),
        "`deploy.py --dry --diff` shows what differs, `deploy.py` mends it", well=lambda view: view.wanted.id,
    )  # fmt: skip
    yield HostCheck(
        "host.secrets", "Secrets are readable by root alone", _secrets,
        "`deploy.py` mends it; whoever could read it may know the secret: change it",
        well=lambda view: counted(len(view.found.secrets), "file"),
    )  # fmt: skip


def _different(plan: Plan) -> Iterable[str]:
    lines = plan.lines()
    if lines:
        more = f", and {len(lines) - 3} more" if len(lines) > 3 else ""
        yield f"{'; '.join(' '.join(line.split()) for line in lines[:3])}{more}"


def _secrets(view: View) -> Iterable[str]:
    for name, state in sorted(view.found.secrets.items()):
        if state.mode != "600:root":
            yield f"/etc/lgtm/secrets/{name} is {state.mode}, and should be 600:root"


def _service(component: Component, plan: Plan) -> Iterable[HostCheck]:
    name, journal = component.service, f"journalctl -u lgtm-{component.service} -n 50"

    def check(what: str, title: str, problems: Callable[..., Iterable[str]], remedy: str, gate: Gate = "own",
              well: Callable[..., str] = lambda component, view: "") -> HostCheck:  # fmt: skip
        return HostCheck(f"{name}.{what}", title, partial(problems, component), remedy, gate, partial(well, component))

    yield check("active", f"{name} runs, and keeps running", _active, journal, well=_since)
    yield check("sockets", f"{name} listens where it should, and nowhere else", _sockets, journal, well=_ports)
    if component.volumes:
        remedy = "`repair.py` mends owners and modes, and touches no content"
        yield check("owners", f"{name}'s data is its own", partial(_owners, plan), remedy, well=_paths)
    if component.unit.memory_max:
        remedy = f"raise {name}_memory_max, or give it less to do"
        yield check("memory", f"{name} has memory to spare", _memory, remedy, "world", _taken)


def _active(component: Component, view: View) -> Iterable[str]:
    process = view.found.processes.get(component.service)
    use = view.found.uses.get(component.service)
    if process is None or not process.active:
        yield f"lgtm-{component.service} is {process.state if process else 'not there'}"
    elif use and use.restarts and view.found.uptime - use.active_since < SETTLED:
        ago = view.found.uptime - use.active_since
        yield f"it keeps ending: started again {counted(use.restarts, 'time')}, the last time {lasting(ago)} ago"


def _since(component: Component, view: View) -> str:
    use = view.found.uses.get(component.service)
    return f"for {lasting(view.found.uptime - use.active_since)}" if use else ""


def _sockets(component: Component, view: View) -> Iterable[str]:
    pid = view.found.pids.get(component.service, 0)
    ours = {_address(address) for address, process in view.found.listeners if f"pid={pid}," in process}
    wanted = {f"{port.address}:{port.number}" for port in component.ports if port.protocol == "tcp"}
    if missing := sorted(wanted - ours):
        yield f"nobody of it listens on {', '.join(missing)}"
    if open_to_others := sorted(one for one in ours - wanted if not one.startswith(("127.", "[::1]"))):
        yield f"it also listens on {', '.join(open_to_others)}, where others reach it"


def _address(listener: str) -> str:
    """`[::ffff:127.0.0.1]:9090` → `127.0.0.1:9090`: the same socket in the words of IPv6."""
    return listener.removeprefix("[::ffff:").replace("]:", ":") if listener.startswith("[::ffff:") else listener


def _ports(component: Component, view: View) -> str:
    return ", ".join(f"{port.address}:{port.number}" for port in component.ports)


def _owners(plan: Plan, component: Component, view: View) -> Iterable[str]:
    paths = {volume.path for volume in component.volumes}
    for change in plan.of("volume"):
        if change.subject in paths:
            yield f"{change.subject}: {change.why}"


def _paths(component: Component, view: View) -> str:
    return ", ".join(volume.path for volume in component.volumes)


def _memory(component: Component, view: View) -> Iterable[str]:
    use = view.found.uses.get(component.service)
    if use and use.memory and use.memory_max and use.memory > FULL * use.memory_max:
        yield f"{gibibytes(use.memory)} of at most {gibibytes(use.memory_max)}: it is killed when it needs more"


def _taken(component: Component, view: View) -> str:
    use = view.found.uses.get(component.service)
    return f"{gibibytes(use.memory)} of {gibibytes(use.memory_max)}" if use and use.memory and use.memory_max else ""
