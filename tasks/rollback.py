"""What cannot be rolled back: the steps between versions after which older ones cannot read the data."""

from __future__ import annotations

from lgtm.task import Barrier

BARRIERS = (
    Barrier("prometheus", "3.0", "what 3.x writes can be read by 2.55 and later only", below="2.55"),
    Barrier("alertmanager", "0.33.0", "0.33.0 writes silences that older versions cannot read", "0.32.3", "0.33.1"),
    Barrier("tempo", "2.0", "versions before 2.0 cannot read its blocks"),
    Barrier("tempo", "3.0", "versions before 3.0 cannot read its blocks"),
    Barrier("mimir", "3.2", "queriers of 3.2 need blocks and peers that 3.1 has been at", through="3.1"),
    Barrier(
        "grafana", "0", "its database is the one that this older version left; what people made since is set aside",
        saved=True,
        aside="what people made since lies in /data/grafana/backup/{0}.db: docs/rollback.md says how to get at it",
    ),
)  # fmt: skip
