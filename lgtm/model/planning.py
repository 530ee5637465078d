"""What a host has, against what it should have → a plan: the one comparison that everything rests on. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from lgtm.model.component import Component, Volume, unit_name
from lgtm.model.generation import Generation, sha256
from lgtm.model.hoststate import HostState, digest
from lgtm.model.plan import Change, Kind, Plan

UNITS = "/etc/systemd/system"


def make(
    host: str, wanted: Generation, found: HostState, nonce: str, support: Mapping[str, str], oneway: Iterable[str] = ()
) -> Plan:
    """Compare. `support` is path → text of the plain files that every host has; `oneway` as in Plan."""
    restarts = tuple(_restarts(wanted, found, nonce))
    users = {component.user for component in wanted.components} - found.users
    sums = {path: sha256(text) for path, text in support.items()}
    return Plan(
        host=host,
        generation=wanted,
        fingerprint=found.fingerprint,
        current=found.current,
        changes=(
            *(Change("user", user, "create", "add") for user in sorted(users)),
            *_directories(found),
            *_volumes(wanted.components, found),
            *_artifacts(wanted, found),
            *_secrets(wanted, found, nonce),
            *_differences("support", found.support, sums),
            *_files(wanted, found),
            *_switch(wanted, found),
            *_links(wanted, found),
            *(Change("stop", unit_name(one), "its data stays", "remove") for one in sorted(foreign(wanted, found))),
            *restarts,
            *_reloads(wanted, found, {change.subject for change in restarts}),
        ),
        oneway=tuple(sorted(oneway)),
        rehearsed=tuple(service for service in wanted.services if _changes(service, wanted, found)),
    )


def _switch(wanted: Generation, found: HostState) -> Iterable[Change]:
    if found.current != wanted.id:
        yield Change("switch", f"{found.current or 'nothing'} → {wanted.id}")


def _directories(found: HostState) -> Iterable[Change]:
    """Directories that get the right to pass through for everybody, and no other: reading them stays as it is."""
    for path, mode in sorted(found.closed.items()):
        yield Change("directory", path, f"mode {mode} → {int(mode, 8) | 1:o}: no service reaches what lies below")


def _volumes(components: Iterable[Component], found: HostState) -> Iterable[Change]:
    for component in components:
        for volume in component.volumes:
            if volume.path not in found.volumes:
                yield Change("volume", volume.path, "create", "add")
            elif why := _wrong(component.user, volume, found):
                yield Change("volume", volume.path, why)


def _wrong(user: str, volume: Volume, found: HostState) -> str:
    """What is wrong with a volume that is there, or nothing."""
    owner, mode, kind = found.volumes[volume.path]
    below = found.wrong.get(volume.path)
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


def _artifacts(wanted: Generation, found: HostState) -> Iterable[Change]:
    needed = {artifact.directory: artifact for artifact in wanted.artifacts.values()}
    for directory, artifact in sorted(needed.items()):
        if directory not in found.artifacts:
            yield Change("artifact", directory, f"install ({artifact.label})", "add")


def _secrets(wanted: Generation, found: HostState, nonce: str) -> Iterable[Change]:
    for name, value in wanted.secrets.items():
        state = found.secrets.get(name)
        if state is None:
            yield Change("secret", name, "create", "add")
        elif state.digest != digest(nonce, value):
            yield Change("secret", name, "changed")
        elif state.mode != "600:root":
            yield Change("secret", name, f"mode {state.mode} → 600:root")
    for name in sorted(found.secrets.keys() - wanted.secrets.keys() - found.named):
        yield Change("secret", name, "remove", "remove")


def _differences(kind: Kind, have: Mapping[str, str], want: Mapping[str, str]) -> Iterable[Change]:
    for path, content in sorted(want.items()):
        if path not in have:
            yield Change(kind, path, "create", "add")
        elif have[path] != content:
            yield Change(kind, path, "changed")


def _files(wanted: Generation, found: HostState) -> Iterable[Change]:
    """Against the staged generation when it is there (drift), otherwise against the one in force (change)."""
    staged = wanted.id in found.sums
    have = found.sums.get(wanted.id if staged else found.current or "", {})
    want = {path: sha256(text) for path, text in wanted.files.items()}
    odd = found.odd.get(wanted.id, frozenset()) if staged else frozenset()
    differing = {one.subject: one for one in _differences("file", have, want)}
    for path in sorted(differing.keys() | odd | (have.keys() - want.keys())):
        if path not in want:
            yield Change("file", path, "remove", "remove")
        elif path not in differing:
            yield Change("file", path, "owner or mode")
        elif staged:
            yield replace(differing[path], why=f"{differing[path].why} by hand")
        else:
            yield differing[path]


def _changes(service: str, wanted: Generation, found: HostState) -> bool:
    """Whether what a service is made of differs from the generation in force: its card names its artifact."""
    have, places = found.sums.get(found.current or "", {}), (f"services/{service}", f"units/{unit_name(service)}")
    want = {path: sha256(text) for path, text in wanted.files.items()}
    mine = {path for path in (*have, *want) if path in places or path.startswith(f"etc/{service}/")}
    lacks = wanted.artifacts[service].directory not in found.artifacts
    return lacks or any(have.get(path) != want.get(path) for path in mine)


def _links(wanted: Generation, found: HostState) -> Iterable[Change]:
    want = {f"{UNITS}/multi-user.target.wants/lgtm.target": f"{UNITS}/lgtm.target",
            f"{UNITS}/lgtm.target.wants/lgtm-recover.service": f"{UNITS}/lgtm-recover.service"}  # fmt: skip
    for service in wanted.services:
        want[f"{UNITS}/{unit_name(service)}"] = f"/opt/lgtm/current/units/{unit_name(service)}"
        want[f"{UNITS}/lgtm.target.wants/{unit_name(service)}"] = f"../{unit_name(service)}"
    yield from _differences("link", {path: target for path, target in found.links.items() if target}, want)


def foreign(wanted: Generation, found: HostState) -> set[str]:
    """The services whose units are linked on the host, but which this generation does not have."""
    linked = {path.rsplit("/", 1)[1] for path, target in found.links.items() if target}
    services = {unit.removeprefix("lgtm-").removesuffix(".service") for unit in linked if unit.startswith("lgtm-")}
    return services - set(wanted.services) - {"recover"}


def _restarts(wanted: Generation, found: HostState, nonce: str) -> Iterable[Change]:
    """The services whose process is not the declared one."""
    for component in wanted.components:
        if why := _outdated(component, wanted, found, nonce):
            process = found.processes.get(component.service)
            yield Change("restart", component.service, why, "change" if process else "add")


def _outdated(component: Component, wanted: Generation, found: HostState, nonce: str) -> str:
    """Why a service must be restarted, or nothing."""
    service = component.service
    process = found.processes.get(service)
    if process is None or not process.active:
        return "start" if process is None else f"is {process.state}"
    changed = _changed(wanted.restart_files(service), found.started.get(service, {}))
    if changed:
        return f"runs from another {changed}"
    if not process.exe.startswith(f"{wanted.artifact_path(service)}/") or process.exe.endswith(" (deleted)"):
        return f"runs {process.exe}"
    if wanted.artifacts[service].directory not in found.artifacts:
        return "its artifact was changed by hand"
    for secret in component.secrets:
        state = found.secrets.get(f"{service}/{secret.name}")
        if state is None or state.digest != digest(nonce, secret.value) or not state.fresh:
            return f"secret {secret.name} changed"
    return ""


def _reloads(wanted: Generation, found: HostState, restarted: Collection[str]) -> Iterable[Change]:
    for service in wanted.services:
        changed = _changed(wanted.reload_files(service), found.loaded.get(service, {}))
        if changed and service not in restarted:
            yield Change("reload", service, f"{changed} changed")


def _changed(want: Mapping[str, str], have: Mapping[str, str]) -> str:
    """The first path that differs, or nothing."""
    return next((path for path in sorted(want.keys() | have.keys()) if want.get(path) != have.get(path)), "")
