"""The comparison: a host's state and its generation → the plan of changes. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from lgtm.model.component import Component, Volume, unit_name
from lgtm.model.generation import Generation, sha256
from lgtm.model.hoststate import HostState, digest
from lgtm.model.plan import Change, Kind, Plan

UNITS = "/etc/systemd/system"


def make(host: str, generation: Generation, state: HostState, nonce: str, support: Mapping[str, str],
         oneway: Iterable[str] = ()) -> Plan:  # fmt: skip
    """Compare a host's state with its generation, and give the plan that brings it there.

    `nonce` is the key of the digests of secrets in `state`; `support` is path → text of the support files.
    """
    restarts = tuple(_restarts(generation, state, nonce))
    sums = {path: sha256(text) for path, text in support.items()}
    return Plan(
        host=host,
        generation=generation,
        fingerprint=state.fingerprint,
        current=state.current,
        changes=(
            *_users(generation, state),
            *_directories(state),
            *_volumes(generation.components, state),
            *_artifacts(generation, state),
            *_secrets(generation, state, nonce),
            *_differences("support", state.support, sums),
            *_files(generation, state),
            *_switch(generation, state),
            *_links(generation, state),
            *_stops(generation, state),
            *restarts,
            *_reloads(generation, state, {change.subject for change in restarts}),
        ),
        oneway=tuple(sorted(oneway)),
        rehearsed=tuple(service for service in generation.services if _changes(service, generation, state)),
    )


def _users(generation: Generation, state: HostState) -> Iterable[Change]:
    for user in sorted({component.user for component in generation.components} - state.users):
        yield Change("user", user, "create", "add")


def _stops(generation: Generation, state: HostState) -> Iterable[Change]:
    for service in sorted(foreign(generation, state)):
        yield Change("stop", unit_name(service), "its data stays", "remove")


def _switch(generation: Generation, state: HostState) -> Iterable[Change]:
    if state.current != generation.id:
        yield Change("switch", f"{state.current or 'nothing'} → {generation.id}")


def _directories(state: HostState) -> Iterable[Change]:
    """Directories above volumes and artifacts that services cannot pass; they get `x` for others, and nothing else."""
    for path, mode in sorted(state.impassable.items()):
        yield Change("directory", path, f"mode {mode} → {int(mode, 8) | 1:o}: no service reaches what lies below")


def _volumes(components: Iterable[Component], state: HostState) -> Iterable[Change]:
    for component in components:
        for volume in component.volumes:
            if volume.path not in state.volumes:
                yield Change("volume", volume.path, "create", "add")
            elif why := _wrong(component.user, volume, state):
                yield Change("volume", volume.path, why)


def _wrong(user: str, volume: Volume, state: HostState) -> str:
    """Why an existing volume must be repaired; empty if it need not be."""
    owner, mode, kind = state.volumes[volume.path]
    below = state.misowned.get(volume.path)
    if kind != "directory":
        return f"is a {kind}, not a directory"
    if owner != f"{user}:{user}":
        return f"owner {owner} → {user}:{user}"
    if mode.zfill(4) != volume.mode:
        return f"mode {mode} → {volume.mode}"
    if below:
        more = f" and {below.many - 1} more" if below.many > 1 else ""
        return f"repair {below.path} ({below.owner}, {below.mode}){more}"
    return ""


def _artifacts(generation: Generation, state: HostState) -> Iterable[Change]:
    needed = {artifact.directory: artifact for artifact in generation.artifacts.values()}
    for directory, artifact in sorted(needed.items()):
        if directory not in state.artifacts:
            yield Change("artifact", directory, f"install ({artifact.label})", "add")


def _secrets(generation: Generation, state: HostState, nonce: str) -> Iterable[Change]:
    for name, value in generation.secrets.items():
        present = state.secrets.get(name)
        if present is None:
            yield Change("secret", name, "create", "add")
        elif present.digest != digest(nonce, value):
            yield Change("secret", name, "changed")
        elif present.mode != "600:root":
            yield Change("secret", name, f"mode {present.mode} → 600:root")
    for name in sorted(state.secrets.keys() - generation.secrets.keys() - state.referenced_secrets):
        yield Change("secret", name, "remove", "remove")


def _differences(kind: Kind, have: Mapping[str, str], want: Mapping[str, str]) -> Iterable[Change]:
    for path, content in sorted(want.items()):
        if path not in have:
            yield Change(kind, path, "create", "add")
        elif have[path] != content:
            yield Change(kind, path, "changed")


def _files(generation: Generation, state: HostState) -> Iterable[Change]:
    """Compare with the staged generation if there is one (drift), else with the generation in force (change)."""
    staged = generation.id in state.sums
    have = state.sums.get(generation.id if staged else state.current or "", {})
    want = {path: sha256(text) for path, text in generation.files.items()}
    irregular = state.irregular.get(generation.id, frozenset()) if staged else frozenset()
    differing = {one.subject: one for one in _differences("file", have, want)}
    for path in sorted(differing.keys() | irregular | (have.keys() - want.keys())):
        if path not in want:
            yield Change("file", path, "remove", "remove")
        elif path not in differing:
            yield Change("file", path, "owner or mode")
        elif staged:
            yield replace(differing[path], why=f"{differing[path].why} by hand")
        else:
            yield differing[path]


def _changes(service: str, generation: Generation, state: HostState) -> bool:
    """Whether a service's files or artifact differ from those in force; its card names its artifact."""
    have, places = state.sums.get(state.current or "", {}), (f"services/{service}", f"units/{unit_name(service)}")
    want = {path: sha256(text) for path, text in generation.files.items()}
    paths = {path for path in (*have, *want) if path in places or path.startswith(f"etc/{service}/")}
    lacks = generation.artifacts[service].directory not in state.artifacts
    return lacks or any(have.get(path) != want.get(path) for path in paths)


def _links(generation: Generation, state: HostState) -> Iterable[Change]:
    want = {f"{UNITS}/multi-user.target.wants/lgtm.target": f"{UNITS}/lgtm.target",
            f"{UNITS}/lgtm.target.wants/lgtm-recover.service": f"{UNITS}/lgtm-recover.service"}  # fmt: skip
    for service in generation.services:
        want[f"{UNITS}/{unit_name(service)}"] = f"/opt/lgtm/current/units/{unit_name(service)}"
        want[f"{UNITS}/lgtm.target.wants/{unit_name(service)}"] = f"../{unit_name(service)}"
    yield from _differences("link", {path: target for path, target in state.links.items() if target}, want)


def foreign(generation: Generation, state: HostState) -> set[str]:
    """Give the services whose units are linked on the host, but which are not in the generation."""
    linked = {path.rsplit("/", 1)[1] for path, target in state.links.items() if target}
    services = {unit.removeprefix("lgtm-").removesuffix(".service") for unit in linked if unit.startswith("lgtm-")}
    return services - set(generation.services) - {"recover"}


def _restarts(generation: Generation, state: HostState, nonce: str) -> Iterable[Change]:
    """The services whose process was not started from the declared files, artifact and secrets."""
    for component in generation.components:
        if why := _outdated(component, generation, state, nonce):
            process = state.processes.get(component.service)
            yield Change("restart", component.service, why, "change" if process else "add")


def _outdated(component: Component, generation: Generation, state: HostState, nonce: str) -> str:
    """Why a service must be restarted; empty if it need not be."""
    service = component.service
    process = state.processes.get(service)
    if process is None or not process.active:
        return "start" if process is None else f"is {process.state}"
    changed = _changed(generation.restart_files(service), state.started.get(service, {}))
    if changed:
        return f"runs from another {changed}"
    if not process.exe.startswith(f"{generation.artifact_path(service)}/") or process.exe.endswith(" (deleted)"):
        return f"runs {process.exe}"
    if generation.artifacts[service].directory not in state.artifacts:
        return "its artifact was changed by hand"
    for secret in component.secrets:
        present = state.secrets.get(f"{service}/{secret.name}")
        if present is None or present.digest != digest(nonce, secret.value) or not present.fresh:
            return f"secret {secret.name} changed"
    return ""


def _reloads(generation: Generation, state: HostState, restarted: Collection[str]) -> Iterable[Change]:
    for service in generation.services:
        changed = _changed(generation.reload_files(service), state.loaded.get(service, {}))
        if changed and service not in restarted:
            yield Change("reload", service, f"{changed} changed")


def _changed(want: Mapping[str, str], have: Mapping[str, str]) -> str:
    """The first path that differs; empty if none does."""
    return next((path for path in sorted(want.keys() | have.keys()) if want.get(path) != have.get(path)), "")
