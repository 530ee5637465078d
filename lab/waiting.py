"""Waits for a condition."""

import time
from collections.abc import Callable


def until(condition: Callable[[], bool], seconds: float, every: float = 0.02) -> bool:
    """Wait until a condition holds, at most this many seconds. Return whether it does."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True
