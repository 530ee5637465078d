"""Task modules: found by the name of a host group, in `tasks` or in another package's entry point."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

from lgtm.model.barriers import Barrier
from lgtm.model.checks import Check, Plot
from lgtm.model.component import Component, limited
from lgtm.model.diagnosis import Problem
from lgtm.model.errors import Refusal
from lgtm.model.made import Adopted, Made
from lgtm.model.settings import ServiceSettings, keys_of
from lgtm.model.site import Scrape, Site

ENTRY_POINTS = "lgtm.tasks"
# Beside the engine in this repository; inside it in a wheel, where `tasks` is whatever its user calls so.
OWN = "lgtm.tasks" if (Path(__file__).parents[1] / "tasks").is_dir() else "tasks"


@dataclass(frozen=True)
class Task:
    """A task module's parts, and what it says of its place among the others."""

    name: str
    settings: type[ServiceSettings]
    component: Callable[..., Component]
    checks: Callable[..., list[Check]]
    prepare: Callable[[Site], None] | None
    drills: Callable[..., list[Check]]  # checks that somebody is disturbed by, asked on request only
    plots: Callable[..., list[Plot]]
    made: Callable[..., list[Made]]  # what people make with it, looked for after every change of it
    adopted: Callable[..., Adopted]  # what becomes of the files that its component adopts
    uses: tuple[str, ...]
    scrape: Scrape

    @property
    def keys(self) -> set[str]:
        return keys_of(self.settings, f"{self.name}_")


@cache
def tasks() -> dict[str, Task]:
    """Every task module there is, by name. Raises Refusal when two have the same name."""
    return {name: _task(name, module) for name, module in sorted(_modules().items()) if hasattr(module, "component")}


@cache
def _modules() -> dict[str, ModuleType]:
    package = import_module(OWN)
    found = {name: import_module(f"{OWN}.{name}") for _, name, _ in iter_modules(package.__path__)}
    for entry in entry_points(group=ENTRY_POINTS):
        if entry.name in found:
            raise Refusal(f"two task modules are called {entry.name}: {found[entry.name].__file__} and {entry.value}")
        found[entry.name] = entry.load()
    return found


def amendments() -> list[Callable[[Component, Site], Component]]:
    """What has something to say about every service's component: the functions `amend` of modules in `tasks`."""
    return [module.amend for module in _modules().values() if hasattr(module, "amend")]


def barriers() -> tuple[Barrier, ...]:
    """The steps between versions that cannot be taken back: the `BARRIERS` of modules in `tasks`, and of plugins."""
    return tuple(barrier for module in _modules().values() for barrier in getattr(module, "BARRIERS", ()))


def problems() -> tuple[Problem, ...]:
    """The known problems: the `PROBLEMS` of modules in `tasks`, and of plugins."""
    return tuple(problem for module in _modules().values() for problem in getattr(module, "PROBLEMS", ()))


def services_of(host: str, groups: Iterable[str]) -> tuple[str, ...]:
    """The services a host carries: each of its groups that is a task module.

    Raises Refusal for a group that is none, since a misspelt group would silently deploy nothing.
    """
    known = tasks()
    for group in groups:
        if group not in known:
            near = difflib.get_close_matches(group, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise Refusal(f"{host}: group {group} has no task module; {hint}")
    return tuple(groups)


def _task(name: str, module: ModuleType) -> Task:
    models = [value for value in vars(module).values() if _is_settings(value, module)]
    if len(models) != 1:
        raise Refusal(f"{module.__name__}: a task module has one subclass of ServiceSettings, this has {len(models)}")
    return Task(
        name, models[0], lambda settings, site: limited(module.component(settings, site), settings), module.checks,
        getattr(module, "prepare", None),
        getattr(module, "drills", _nothing), getattr(module, "plots", _nothing),
        getattr(module, "made", _nothing), getattr(module, "adopted", lambda settings, site, files: Adopted()),
        tuple(getattr(module, "USES", ())), getattr(module, "SCRAPE", Scrape()),
    )  # fmt: skip


def _nothing(settings: ServiceSettings, site: Site) -> list[Any]:
    return []


def _is_settings(value: object, module: ModuleType) -> bool:
    """Whether it is defined here: in the module, or in a part of it where it is a package."""
    if not (isinstance(value, type) and issubclass(value, ServiceSettings)):
        return False
    return value.__module__ == module.__name__ or value.__module__.startswith(f"{module.__name__}.")


def operation(module: str, name: str) -> Callable[..., Any]:
    """An operation that a module in `tasks` provides, such as `repair` of `tasks/volumes.py`."""
    found: Callable[..., Any] = getattr(_modules()[module], name)
    return found
