"""Fixtures: the real binaries that validate rendered configuration."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from sites import ROOT


@pytest.fixture(scope="session")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of an unpacked artifact of the lab; skips where the lab has not fetched it yet."""

    def unpacked(name: str) -> Path:
        found = sorted((ROOT / ".lab" / "artifacts").glob(f"{name}-[0-9]*.tar.gz"))
        if not found:
            pytest.skip(f"no {name} in .lab/artifacts: `make lab-up` fetches it")
        folder = tmp_path_factory.mktemp(name)
        with tarfile.open(found[-1]) as archive:
            archive.extractall(folder, filter="tar")
        return next(folder.iterdir())

    return unpacked


@pytest.fixture
def real_mimir() -> Path:
    """The folder with the real Mimir; skips where nobody has given one."""
    folder = Path(os.environ.get("LGTM_BINARIES", "/nonexistent"))
    if not (folder / "mimir").exists():
        pytest.skip("no real Mimir: set LGTM_BINARIES to a folder with the executable `mimir`")
    return folder
