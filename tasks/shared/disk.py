"""How much disk space samples take."""

from __future__ import annotations

from lgtm.task import seconds

SCRAPED = 15  # seconds between two samples of a series
SAMPLE = 1.7  # bytes of a sample on disk, with its share of the index and of the write-ahead log


def stored(series: int, retention: str) -> int:
    """Bytes on disk of this many active series after the retention, a duration such as `"30d"`."""
    return int(series / SCRAPED * seconds(retention) * SAMPLE)
