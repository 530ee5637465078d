"""A run's record as files: JSON for programs, a page for people."""

from __future__ import annotations

import atexit
import json
import os
from functools import cache
from pathlib import Path

from lgtm.model.errors import Usage
from lgtm.model.record import Record
from lgtm.model.run import RUN
from lgtm.report import html


def write(record: Record, code: int, as_json: str, as_html: str) -> None:
    """Write a record and its exit code to these paths; an empty path writes nothing."""
    values = record.as_dict(code)
    if as_json:
        Path(as_json).write_text(json.dumps(values, indent=1) + "\n")
    if as_html:
        Path(as_html).write_text(html.page(values))


@cache
def leave(as_json: str, as_html: str) -> None:
    """Write the record to these paths when the run ends, however it ends; once. Raises Usage for an unwritable path."""
    for name, path in (("json", as_json), ("html", as_html)):
        if path and not (os.access(Path(path).parent, os.W_OK) and not Path(path).is_dir()):
            raise Usage(f"{name}={path} cannot be written; its folder must exist and be writable")
    atexit.register(lambda: write(RUN.record, int(RUN.exit_code), as_json, as_html))
