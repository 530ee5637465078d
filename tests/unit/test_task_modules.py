"""Task modules know each other through `site`, and import each other in no circle."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "tasks").rglob("*.py"))
}
PACKAGES = {name for name, path in SOURCES.items() if path.name == "__init__.py"}


def knots(source: str) -> list[str]:
    """What hides a dependency of a task module: casts, TYPE_CHECKING, late imports, settings of others by name."""
    tree = ast.parse(source)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and _name(node) in ("cast", "TYPE_CHECKING"):
            found.append(f"line {node.lineno}: {_name(node)}")
        if isinstance(node, ast.Subscript) and _name(node.value) == "services":
            found.append(f"line {node.lineno}: services[…]")
        if isinstance(node, ast.FunctionDef) and node.name != "prepare":  # prepare(site) imports pyinfra
            late = [one for one in ast.walk(node) if isinstance(one, ast.Import | ast.ImportFrom)]
            found += [f"line {one.lineno}: import in a function" for one in late]
    return found


def _name(node: ast.expr) -> str:
    return getattr(node, "id", getattr(node, "attr", ""))


def imports(name: str, source: str, packages: Iterable[str]) -> set[str]:
    """The modules of `tasks` that one imports relatively, with the packages that Python runs on the way."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level:
            above = name.split(".")[: len(name.split(".")) - node.level + (name in packages)]
            base = [*above, *(node.module or "").split(".")] if node.module else above
            found |= {".".join(base), *(".".join((*base, alias.name)) for alias in node.names)}
    own = {name, *(".".join(name.split(".")[:end]) for end in range(1, name.count(".") + 1))}
    parents = {".".join(one.split(".")[:end]) for one in found for end in range(1, one.count(".") + 1)}
    return (found | parents) - own


def graph(sources: Mapping[str, str], packages: Iterable[str]) -> dict[str, set[str]]:
    return {name: imports(name, text, packages) & sources.keys() for name, text in sources.items()}


@pytest.mark.parametrize("name", SOURCES)
def test_a_task_module_hides_no_dependency(name: str) -> None:
    assert knots(SOURCES[name].read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "settings = cast('LokiSettings', node)",
        "settings = typing.cast(LokiSettings, node)",
        "if TYPE_CHECKING:\n    from .loki import LokiSettings",
        "def late():\n    from .loki import LokiSettings",
        "settings = site.here.services['loki']",
    ],
)
def test_each_way_to_hide_a_dependency_is_found(source: str) -> None:
    assert len(knots(source)) == 1


def test_task_modules_import_each_other_in_no_circle() -> None:
    found = graph({name: path.read_text() for name, path in SOURCES.items()}, PACKAGES)
    assert {"tasks.prometheus.rules", "tasks.shared.inforce"} <= found["tasks.mimir"]
    assert set(TopologicalSorter(found).static_order()) == SOURCES.keys()


def test_a_circle_through_a_package_is_found() -> None:
    sources = {
        "tasks.one": "from .two.part import name",
        "tasks.two": "from . import part",
        "tasks.two.part": "from ..one import other",
    }
    with pytest.raises(CycleError):
        TopologicalSorter(graph(sources, {"tasks.two"})).prepare()
