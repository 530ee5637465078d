"""Service checks: judged by the state of a host, which is read once, with no further question to it. Pure."""

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

SETTLED = 60  # seconds after its last restart from which a service no longer counts as restarting
FULL = 0.9  # share of its memory limit above which the kernel may soon kill a service


def not_deployed(view: View, inventory: str) -> str:
    """Say why a host has no generation in force, and which command deploys one; empty if it has one."""
    current = view.state.current
    command = f"pyinfra {inventory} deploy.py"
    if current is None:
        return f"nothing is deployed here; `{command} --dry` shows the plan, `{command}` deploys"
    if current not in view.state.sums:
        return (
            f"no generation is in force here: /opt/lgtm/current points to {current}, which is missing; "
            f"`{command}` repairs it"
        )
    return ""


def all_stopped(view: View) -> str:
    """Say that all services of a host are stopped, and what starts them; empty if one of them is not stopped."""
    states = [process.state for process in view.state.processes.values()]
    if set(states) - {"inactive", "failed"}:
        return ""
    return (
        f"every service is stopped here ({len(states)}), so only the checks of the host are shown; "
        "`systemctl start lgtm.target` on the host starts them, and so does deploy.py"
    )


def results(view: View, plan: Plan) -> list[Result]:
    """Judge every service check of one host; `plan` is the difference between the host and its declaration."""
    return [check.result(view) for check in checks(view.generation.components, plan)]


def checks(components: Iterable[Component], plan: Plan) -> Iterable[HostCheck]:
    """Give the service checks of a host that runs these components."""
    yield from _host(plan)
    yield from (check for check in preflight.CHECKS if check.in_verify)
    for component in components:
        yield from _service(component, plan)


def _host(plan: Plan) -> Iterable[HostCheck]:
    yield HostCheck(
        "host.in_force", "The host is as declared", lambda view: _different(plan),
        "`deploy.py --dry --diff` shows the difference, `deploy.py` removes it", detail=lambda view: view.generation.id,
    )  # fmt: skip
    yield HostCheck(
        "host.secrets", "Secrets are readable by root alone", _secrets,
        "run `deploy.py` to repair it, and change the secret: others could read it",
        detail=lambda view: counted(len(view.state.secrets), "file"),
    )  # fmt: skip


def _different(plan: Plan) -> Iterable[str]:
    lines = plan.lines()
    if lines:
        more = f", and {len(lines) - 3} more" if len(lines) > 3 else ""
        yield f"{'; '.join(' '.join(line.split()) for line in lines[:3])}{more}"


def _secrets(view: View) -> Iterable[str]:
    for name, state in sorted(view.state.secrets.items()):
        if state.mode != "600:root":
            yield f"/etc/lgtm/secrets/{name} is {state.mode}, and should be 600:root"


def _service(component: Component, plan: Plan) -> Iterable[HostCheck]:
    name, journal = component.service, f"journalctl -u lgtm-{component.service} -n 50"

    def check(what: str, title: str, problems: Callable[..., Iterable[str]], remedy: str, gate: Gate = "own",
              detail: Callable[..., str] = lambda component, view: "") -> HostCheck:  # fmt: skip
        return HostCheck(
            f"{name}.{what}", title, partial(problems, component), remedy, gate, partial(detail, component)
        )

    yield check("active", f"{name} runs, and keeps running", _active, journal, detail=_since)
    yield check("sockets", f"{name} listens on its own ports only", _sockets, journal, detail=_ports)
    if component.volumes:
        remedy = "run `repair.py`: it repairs owners and modes, and changes no content"
        yield check("owners", f"{name} owns its data", partial(_owners, plan), remedy, detail=_paths)
    if component.unit.memory_max:
        remedy = f"raise {name}_memory_max, or give it less to do"
        yield check("memory", f"{name} is below its memory limit", _memory, remedy, "world", _taken)


def _active(component: Component, view: View) -> Iterable[str]:
    process = view.state.processes.get(component.service)
    use = view.state.usage.get(component.service)
    if process is None or not process.active:
        yield f"lgtm-{component.service} is {process.state if process else 'not there'}"
    elif use and use.restarts and view.state.uptime - use.active_since < SETTLED:
        ago = view.state.uptime - use.active_since
        if use.restarts == 1:
            yield f"it ended, and systemd restarted it {lasting(ago)} ago"
        else:
            yield f"it keeps restarting: {use.restarts} restarts, the last one {lasting(ago)} ago"


def _since(component: Component, view: View) -> str:
    use = view.state.usage.get(component.service)
    return f"for {lasting(view.state.uptime - use.active_since)}" if use else ""


def _sockets(component: Component, view: View) -> Iterable[str]:
    pid = view.state.pids.get(component.service, 0)
    ours = {_address(address) for address, process in view.state.listeners if f"pid={pid}," in process}
    wanted = {f"{port.address}:{port.number}" for port in component.ports if port.protocol == "tcp"}
    if missing := sorted(wanted - ours):
        yield f"it does not listen on {', '.join(missing)}"
    if open_to_others := sorted(one for one in ours - wanted if not one.startswith(("127.", "[::1]"))):
        yield f"it also listens on {', '.join(open_to_others)}, which other hosts can reach"


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
    use = view.state.usage.get(component.service)
    if use and use.memory and use.memory_max and use.memory > FULL * use.memory_max:
        yield f"it uses {gibibytes(use.memory)} of at most {gibibytes(use.memory_max)}; the kernel kills it above that"


def _taken(component: Component, view: View) -> str:
    use = view.state.usage.get(component.service)
    return f"{gibibytes(use.memory)} of {gibibytes(use.memory_max)}" if use and use.memory and use.memory_max else ""
