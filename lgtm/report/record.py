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
    """Write a record that ends with an exit code to these paths; an empty one writes nothing."""
    found = record.as_dict(code)
    if as_json:
        Path(as_json).write_text(json.dumps(found, indent=1) + "\n")
    if as_html:
        Path(as_html).write_text(html.page(found))


@cache
def leave(as_json: str, as_html: str) -> None:
    """Write the record at these paths when the run ends, however it ends; once. Raises Usage where that cannot be."""
    for name, path in (("json", as_json), ("html", as_html)):
        if path and not (os.access(Path(path).parent, os.W_OK) and not Path(path).is_dir()):
            raise Usage(f"{name}={path} cannot be written: is there such a folder?")
    atexit.register(lambda: write(RUN.record, int(RUN.exit_code), as_json, as_html))
