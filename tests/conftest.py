"""Around workers that have a lab each (worker.sh): the one setting of the kernel that no namespace keeps apart."""

import os
import tempfile
from pathlib import Path

import pytest

from lab import limits

NOTE = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """Raise it before they begin, so that none of them does and puts it back under the others' hosts."""
    if os.geteuid() == 0 and config.getoption("tx", None) and not hasattr(config, "workerinput"):
        config.stash[NOTE] = Path(tempfile.mkdtemp(prefix="lgtm-limits-"))
        limits.raise_inotify(config.stash[NOTE])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Put it back."""
    if NOTE in config.stash:
        limits.restore_inotify(config.stash[NOTE])
        config.stash[NOTE].rmdir()
