"""The generation: the components of one host become one immutable tree of files, whose id is made of its content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter

from lgtm.model import unit
from lgtm.model.artifact import Resolved
from lgtm.model.component import ARTIFACTS, Component, Port, unit_name
from lgtm.model.errors import Refusal
from lgtm.model.secrets import Secret


@dataclass(frozen=True)
class Generation:
    """What a host is declared to have: files (path in the generation → text), and the components they are made of."""

    id: str
    components: tuple[Component, ...]  # in the order in which they start
    artifacts: Mapping[str, Resolved]  # service → what it runs
    files: Mapping[str, str] = field(repr=False)

    @property
    def services(self) -> tuple[str, ...]:
        return tuple(component.service for component in self.components)

    @property
    def versions(self) -> dict[str, str]:
        """service → version of what it will run."""
        return {service: artifact.version for service, artifact in self.artifacts.items()}

    @property
    def secrets(self) -> dict[str, Secret]:
        """service/name → value, of every secret file."""
        return {f"{one.service}/{secret.name}": secret.value for one in self.components for secret in one.secrets}

    def component(self, service: str) -> Component:
        return next(component for component in self.components if component.service == service)

    def restart_files(self, service: str) -> dict[str, str]:
        """path → sha256 of what a running process must have been started from."""
        return self._sums(_restart_paths(self.component(service)))

    def reload_files(self, service: str) -> dict[str, str]:
        """path → sha256 of what a running process must have loaded."""
        return self._sums(_reload_paths(self.component(service)))

    def artifact_path(self, service: str) -> str:
        return artifact_path(self.artifacts[service])

    def _sums(self, paths: Iterable[str]) -> dict[str, str]:
        return {path: sha256(self.files[path]) for path in paths}


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def artifact_path(artifact: Resolved) -> str:
    """Give an artifact's directory on a host; its name has the digest, so its content never changes."""
    return f"{ARTIFACTS}/{artifact.directory}"


def build(host: str, components: Iterable[Component], artifacts: Mapping[str, Resolved]) -> Generation:
    """Make a host's generation. Raises Refusal when two services have the same port."""
    ordered = _in_order(tuple(components))
    _refuse_shared_ports(host, ordered)
    files: dict[str, str] = {}
    for component in ordered:
        artifact = artifact_path(artifacts[component.service])
        files |= {f"etc/{component.service}/{file.path}": file.content for file in component.files}
        files[f"units/{unit_name(component.service)}"] = unit.render(component, artifact)
        files[f"services/{component.service}"] = _card(component, artifact)
    files["order"] = "".join(f"{component.service}\n" for component in ordered)
    files["manifest.json"] = _manifest(ordered, artifacts)
    return Generation(_identity(files), ordered, artifacts, files)


def _in_order(components: tuple[Component, ...]) -> tuple[Component, ...]:
    named = {component.service: component for component in components}
    graph = {name: [other for other in sorted(named[name].after) if other in named] for name in sorted(named)}
    return tuple(named[name] for name in TopologicalSorter(graph).static_order())


def _refuse_shared_ports(host: str, components: tuple[Component, ...]) -> None:
    taken: dict[tuple[int, str], tuple[str, Port]] = {}
    for component in components:
        for port in component.ports:
            other = taken.setdefault((port.number, port.protocol), (component.service, port))
            if other != (component.service, port):
                raise Refusal(
                    f"{host}: {other[0]}_{other[1].name}_port and {component.service}_{port.name}_port are both "
                    f"{port.number}; give one of them another port"
                )


def _restart_paths(component: Component) -> list[str]:
    own = [f"etc/{component.service}/{file.path}" for file in component.files if file.on_change == "restart"]
    return [f"units/{unit_name(component.service)}", *own]


def _reload_paths(component: Component) -> list[str]:
    return [f"etc/{component.service}/{file.path}" for file in component.files if file.on_change == "reload"]


def _card(component: Component, artifact: str) -> str:
    """The facts of a service that `activate.sh` needs, one per line, so that a host can revert without a controller."""
    reload = component.reload
    lines = [
        f"version {component.artifact.version}",
        f"artifact {artifact}",
        f"ready {component.ready_timeout} {component.ready}",
    ]
    if component.drain:
        lines.append(f"drain {component.drain}")
    if reload:
        lines.append(f"reload {reload.signal or '-'} {reload.timeout} {reload.success} {reload.stamp} {reload.url}")
    lines += [f"restart-file {path}" for path in _restart_paths(component)]
    lines += [f"reload-file {path}" for path in _reload_paths(component)]
    lines += [f"backup {path}" for path in component.backup]
    lines += [f"secret {secret.name}" for secret in component.secrets]
    return "\n".join(lines) + "\n"


def _manifest(components: tuple[Component, ...], artifacts: Mapping[str, Resolved]) -> str:
    """The versions and sources of a generation, for people and later runs. No times: equal content has one id."""
    services = {
        component.service: {
            "version": artifacts[component.service].version,
            "artifact": artifacts[component.service].directory,
            "source": _source(artifacts[component.service]),
        }
        for component in components
    }
    return json.dumps({"services": services}, indent=1, sort_keys=True) + "\n"


def _source(artifact: Resolved) -> str:
    """An artifact's label in the manifest's own words: other words would give every host a new generation."""
    return {"pinned": "locked"}.get(artifact.label, artifact.label.replace("unpinned", "unlocked"))


def _identity(files: Mapping[str, str]) -> str:
    lines = "".join(f"{sha256(content)}  {path}\n" for path, content in sorted(files.items()))
    return f"g{sha256(lines)[:12]}"
