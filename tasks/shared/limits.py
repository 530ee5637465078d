"""Limits of one service that another one needs to know. Each is a base class of the settings that have it."""

from __future__ import annotations

from lgtm.task import Settings


class SeriesLimit(Settings):
    """Mimir's limit of active series: Mimir applies it, Prometheus alerts before it is reached."""

    max_series: int = 500_000
    """Maximum active series. Mimir refuses samples of further series."""
