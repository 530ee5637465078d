"""Around workers that have a lab each (worker.sh): the one setting of the kernel that no namespace keeps apart."""

import os

import pytest

from lab import limits
from lab.layout import Layout

LAYOUT = Layout()
RAISED = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    """Raise it before they begin, so that none of them does and puts it back under the others' hosts.

    After a run that was killed, `make lab-down` puts it back.
    """
    if os.geteuid() == 0 and config.getoption("tx", None) and not hasattr(config, "workerinput"):
        LAYOUT.prepare()
        config.stash[RAISED] = limits.raise_inotify(LAYOUT.state)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Put it back, if it was this that raised it."""
    if config.stash.get(RAISED, False):
        limits.restore_inotify(LAYOUT.state)
