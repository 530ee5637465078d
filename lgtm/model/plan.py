"""Difference between a generation and a host → what to do. A value: printable, testable, the same for every run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lgtm.model.artifact import Resolved
from lgtm.model.component import Component, Volume, unit_name
from lgtm.model.generation import Generation, sha256
from lgtm.model.hoststate import HostState, digest

UNITS = "/etc/systemd/system"
MARGIN = 30  # seconds that a switch may take beyond activation and verification, before the host goes back by itself


@dataclass(frozen=True)
class Plan:
    """All that takes one host from what it has to what it should have; empty when that is nothing."""

    host: str
    generation: Generation
    fingerprint: str
    users: tuple[str, ...] = ()
    closed: tuple[tuple[str, str], ...] = ()  # (directory above volumes or binaries, why)
    volumes: tuple[tuple[str, Volume, str], ...] = ()  # (user, volume, why)
    artifacts: tuple[Resolved, ...] = ()
    secrets: tuple[tuple[str, str], ...] = ()  # (service/name, why)
    stale_secrets: tuple[str, ...] = ()  # service/name that nobody names any more
    support: tuple[tuple[str, str], ...] = ()  # (path, why)
    files: tuple[tuple[str, str], ...] = ()  # (path in the generation, why)
    links: tuple[tuple[str, str], ...] = ()
    switch: tuple[str | None, str] | None = None  # generations, from and to
    stops: tuple[str, ...] = ()  # units that no longer belong here
    restarts: tuple[tuple[str, str], ...] = ()  # (service, why), in the order of starting
    reloads: tuple[tuple[str, str], ...] = ()
    oneway: tuple[str, ...] = ()  # services that take a step which cannot be taken back
    rehearsed: tuple[str, ...] = ()  # services of which something differs from the generation in force

    @property
    def activates(self) -> bool:
        """Whether `current`, a link or a service is touched, rather than files beside them alone."""
        return bool(self.switch or self.links or self.restarts or self.reloads or self.stops)

    @property
    def stages(self) -> bool:
        """Whether the generation must be written: `current` never moves to one that is not wholly there."""
        return bool(self.files or self.switch)

    @property
    def empty(self) -> bool:
        return not (self.lines())

    def activation(self, at_most: int) -> int:
        """Seconds that restarting, reloading and awaiting the services may take."""
        waits = [self.generation.component(service).ready_timeout for service, _ in self.restarts]
        return min(at_most, 10 + sum(waits) + 20 * len(self.reloads))

    @property
    def keep(self) -> str:
        """The services (with commas, or `-`) that a revert must leave as they are: their data cannot go back."""
        return ",".join(self.oneway) or "-"

    def steps(self) -> set[str]:
        """What is done, without the reasons. What is restarted is no step: the switch finds that out itself."""
        lines = (line.partition(": ")[0] for line in self.lines())
        return {line for line in lines if not line.startswith(("restart ", "reload "))}

    def changes(self, anew: Plan) -> list[str]:
        """How a plan that was made anew differs in what is done, as sentences; none: this one can be carried out."""
        gone, came = self.steps() - anew.steps(), anew.steps() - self.steps()
        found = [f"no longer to do: {step}" for step in sorted(gone)] + [
            f"to do as well: {step}" for step in sorted(came)
        ]
        if not found and anew.activates and not self.activates:
            found = [f"to do as well: {line}" for line in anew.lines() if line.startswith(("restart ", "reload "))]
        return [" ".join(sentence.split()) for sentence in found]

    def lines(self) -> list[str]:
        """The plan as people read it, a line a step, in the order of the steps."""
        switch = [f"switch    {self.switch[0] or 'nothing'} → {self.switch[1]}"] if self.switch else []
        return [
            *(f"user      {user}: create" for user in self.users),
            *(f"directory {path}: {why}" for path, why in self.closed),
            *(f"volume    {volume.path}: {why}" for _, volume, why in self.volumes),
            *(f"artifact  {artifact.directory}: install ({artifact.label})" for artifact in self.artifacts),
            *(f"secret    {name}: {why}" for name, why in self.secrets),
            *(f"secret    {name}: remove" for name in self.stale_secrets),
            *(f"support   {path}: {why}" for path, why in self.support),
            *(f"file      {path}: {why}" for path, why in self.files),
            *switch,
            *(f"link      {path}: {why}" for path, why in self.links),
            *(f"stop      {unit}: its data stays" for unit in self.stops),
            *(f"restart   {service}: {why}" for service, why in self.restarts),
            *(f"reload    {service}: {why}" for service, why in self.reloads),
        ]


def make(
    host: str, wanted: Generation, found: HostState, nonce: str, support: Mapping[str, str], oneway: Iterable[str] = ()
) -> Plan:
    """Compare. `support` is path → text of the plain files that every host has; `oneway` as in Plan."""
    restarts = _restarts(wanted, found, nonce)
    return Plan(
        host=host,
        generation=wanted,
        fingerprint=found.fingerprint,
        users=tuple(sorted({component.user for component in wanted.components} - found.users)),
        closed=tuple(_closed(found)),
        volumes=tuple(_volumes(wanted.components, found)),
        artifacts=_artifacts(wanted, found),
        secrets=tuple(_secrets(wanted, found, nonce)),
        stale_secrets=tuple(sorted(found.secrets.keys() - wanted.secrets.keys() - found.named)),
        support=tuple(_differences(found.support, {path: sha256(text) for path, text in support.items()})),
        files=tuple(_files(wanted, found)),
        links=tuple(_links(wanted, found)),
        switch=None if found.current == wanted.id else (found.current, wanted.id),
        stops=tuple(sorted(unit_name(service) for service in foreign(wanted, found))),
        restarts=tuple(restarts.items()),
        reloads=tuple(_reloads(wanted, found, restarts)),
        oneway=tuple(sorted(oneway)),
        rehearsed=tuple(service for service in wanted.services if _changes(service, wanted, found)),
    )


def _closed(found: HostState) -> Iterable[tuple[str, str]]:
    """Directories that get the right to pass through for everybody, and no other: reading them stays as it is."""
    for path, mode in sorted(found.closed.items()):
        yield path, f"mode {mode} → {int(mode, 8) | 1:o}: no service reaches what lies below"


def _volumes(components: Iterable[Component], found: HostState) -> Iterable[tuple[str, Volume, str]]:
    for component in components:
        for volume in component.volumes:
            state = found.volumes.get(volume.path)
            wrong = found.wrong.get(volume.path)
            if state is None:
                yield component.user, volume, "create"
            elif state[2] != "directory":
                yield component.user, volume, f"is a {state[2]}, not a directory"
            elif state[0] != f"{component.user}:{component.user}":
                yield component.user, volume, f"owner {state[0]} → {component.user}:{component.user}"
            elif state[1].zfill(4) != volume.mode:
                yield component.user, volume, f"mode {state[1]} → {volume.mode}"
            elif wrong:
                many = f" and {wrong.many - 1} more" if wrong.many > 1 else ""
                yield component.user, volume, f"repair {wrong.path} ({wrong.owner}, {wrong.mode}){many}"


def _artifacts(wanted: Generation, found: HostState) -> tuple[Resolved, ...]:
    needed = {artifact.directory: artifact for artifact in wanted.artifacts.values()}
    return tuple(artifact for name, artifact in sorted(needed.items()) if name not in found.artifacts)


def _secrets(wanted: Generation, found: HostState, nonce: str) -> Iterable[tuple[str, str]]:
    for name, value in wanted.secrets.items():
        state = found.secrets.get(name)
        if state is None:
            yield name, "create"
        elif state.digest != digest(nonce, value):
            yield name, "changed"
        elif state.mode != "600:root":
            yield name, f"mode {state.mode} → 600:root"


def _differences(have: Mapping[str, str], want: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    for path, sum_ in sorted(want.items()):
        if have.get(path) != sum_:
            yield path, "changed" if path in have else "create"


def _files(wanted: Generation, found: HostState) -> Iterable[tuple[str, str]]:
    """Against the staged generation when it is there (drift), otherwise against the one in force (change)."""
    staged = wanted.id in found.sums
    have = found.sums.get(wanted.id if staged else found.current or "", {})
    want = {path: sha256(text) for path, text in wanted.files.items()}
    odd = found.odd.get(wanted.id, frozenset()) if staged else frozenset()
    differing = dict(_differences(have, want))
    for path in sorted(differing.keys() | odd | (have.keys() - want.keys())):
        if path not in want:
            yield path, "remove"
        elif path in odd and path not in differing:
            yield path, "owner or mode"
        else:
            yield path, f"{differing[path]} by hand" if staged else differing[path]


def _changes(service: str, wanted: Generation, found: HostState) -> bool:
    """Whether what a service is made of differs from the generation in force: its card names its artifact."""
    have, places = found.sums.get(found.current or "", {}), (f"services/{service}", f"units/{unit_name(service)}")
    want = {path: sha256(text) for path, text in wanted.files.items()}
    mine = {path for path in (*have, *want) if path in places or path.startswith(f"etc/{service}/")}
    lacks = wanted.artifacts[service].directory not in found.artifacts
    return lacks or any(have.get(path) != want.get(path) for path in mine)


def _links(wanted: Generation, found: HostState) -> Iterable[tuple[str, str]]:
    want = {f"{UNITS}/multi-user.target.wants/lgtm.target": f"{UNITS}/lgtm.target",
            f"{UNITS}/lgtm.target.wants/lgtm-recover.service": f"{UNITS}/lgtm-recover.service"}  # fmt: skip
    for service in wanted.services:
        want[f"{UNITS}/{unit_name(service)}"] = f"/opt/lgtm/current/units/{unit_name(service)}"
        want[f"{UNITS}/lgtm.target.wants/{unit_name(service)}"] = f"../{unit_name(service)}"
    yield from _differences({path: target for path, target in found.links.items() if target}, want)


def foreign(wanted: Generation, found: HostState) -> set[str]:
    """The services whose units are linked on the host, but which this generation does not have."""
    linked = {path.rsplit("/", 1)[1] for path, target in found.links.items() if target}
    services = {unit.removeprefix("lgtm-").removesuffix(".service") for unit in linked if unit.startswith("lgtm-")}
    return services - set(wanted.services) - {"recover"}


def _restarts(wanted: Generation, found: HostState, nonce: str) -> dict[str, str]:
    """service → why its process is not the deployed one."""
    reasons = {component.service: _owes(component, wanted, found, nonce) for component in wanted.components}
    return {service: why for service, why in reasons.items() if why}


def _owes(component: Component, wanted: Generation, found: HostState, nonce: str) -> str:
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


def _reloads(wanted: Generation, found: HostState, restarts: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    for service in wanted.services:
        changed = _changed(wanted.reload_files(service), found.loaded.get(service, {}))
        if changed and service not in restarts:
            yield service, f"{changed} changed"


def _changed(want: Mapping[str, str], have: Mapping[str, str]) -> str:
    """The first path that differs, or nothing."""
    return next((path for path in sorted(want.keys() | have.keys()) if want.get(path) != have.get(path)), "")
