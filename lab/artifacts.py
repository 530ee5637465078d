"""Artifacts for hosts without a way to the release pages: Debian's binaries, and stand-ins for what Debian lacks.

Their archives are laid out as the upstream releases are, so that the lab deploys them in the same way.
`index.json` names the version, file, sha256 and source of each.
"""

import json
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import apt, repacks, tarball
from .layout import Layout
from .standins import packing

INDEX = "index.json"
Entry = dict[str, object]


Recipe = repacks.Repack | packing.StandIn
RECIPES: tuple[Recipe, ...] = (*repacks.RECIPES, *packing.RECIPES)


def ensure(layout: Layout) -> Mapping[str, Entry]:
    """Make the artifacts that are missing or whose recipe changed, and return the index."""
    layout.artifacts.mkdir(exist_ok=True)
    for interrupted in layout.base.glob(".packing-*"):
        shutil.rmtree(interrupted)
    path, arch = layout.artifacts / INDEX, apt.architecture()
    known: dict[str, Entry] = json.loads(path.read_text()) if path.exists() else {}
    due = [recipe for recipe in RECIPES if not _is_current(recipe, known.get(recipe.name), layout, arch)]
    debs = _fetch(due, layout)
    made = {recipe.name: _make(recipe, debs, layout, arch) for recipe in due}
    index = {recipe.name: made.get(recipe.name) or known[recipe.name] for recipe in RECIPES}
    if index != known:
        _write(path, index)
        _prune(layout.artifacts, index)
    return index


def _is_current(recipe: Recipe, entry: Entry | None, layout: Layout, arch: str) -> bool:
    if entry is None or not (layout.artifacts / str(entry["file"])).exists():
        return False
    return (entry["recipe"], entry["arch"]) == (recipe.digest(), arch)


def _fetch(recipes: Sequence[Recipe], layout: Layout) -> dict[str, Path]:
    """Download the packages of all recipes, one call per suite."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for recipe in recipes:
        for suite, names in recipe.packages.items():
            wanted[suite].update(names)
    debs: dict[str, Path] = {}
    for suite, packages in wanted.items():
        debs |= apt.Archive(suite, layout.base / "debian" / suite).fetch(sorted(packages))
    return debs


def _make(recipe: Recipe, debs: Mapping[str, Path], layout: Layout, arch: str) -> Entry:
    mine = {name: debs[name] for names in recipe.packages.values() for name in names}
    version = recipe.version(mine)
    top = recipe.top(version, arch)
    print(f"packing {top}", flush=True)
    scratch = Path(tempfile.mkdtemp(prefix=".packing-", dir=layout.base))
    try:
        (scratch / "out" / top).mkdir(parents=True)
        recipe.assemble(mine, scratch, scratch / "out" / top)
        target = layout.artifacts / f"{top}.tar.gz"
        tarball.pack(scratch / "out" / top, target)
    finally:
        shutil.rmtree(scratch)
    return {
        "version": version,
        "file": target.name,
        "sha256": tarball.sha256(target),
        "arch": arch,
        "source": recipe.source,
        "recipe": recipe.digest(),
    }


def _write(path: Path, index: Mapping[str, Entry]) -> None:
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_text(json.dumps(index, indent=2) + "\n")
    unfinished.rename(path)


def _prune(folder: Path, index: Mapping[str, Entry]) -> None:
    """Delete the files that no entry names: old versions, and the rest of an interrupted run."""
    named = {INDEX, *(str(entry["file"]) for entry in index.values())}
    for path in folder.iterdir():
        if path.name not in named:
            path.unlink()
