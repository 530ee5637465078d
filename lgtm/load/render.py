"""Renders Jinja2 templates strictly: undefined names and placeholders left in the result are refused."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

from lgtm.model.errors import Refusal

LEFTOVER = re.compile(r"\$\{|\{%|\bTODO\b|PLACEHOLDER|CHANGEME")


def quote(value: Any) -> str:
    """Quote a value for YAML as JSON, which is a subset of it: text never becomes a number, a key or a list."""
    return json.dumps(value, ensure_ascii=False)


def render(module: str, template: str, **values: Any) -> str:
    """Render `templates/<service>/<template>` for the task module whose `__file__` is given.

    `templates` is beside the module or in its package (a plugin), or beside the folder of the module (this repository);
    a module in a package uses the templates of the package. Raises Refusal for an undefined name, and for a
    placeholder left in the result.

        render(__file__, "loki.yml", settings=settings, site=site)
    """
    where = f"templates/{_folder(module).name}/{template}"
    try:
        text = _environment(module).get_template(template).render(**values)
    except TemplateError as error:
        raise Refusal(f"{where}: {error}") from None
    leftover = LEFTOVER.search(text)
    if leftover:
        line = text.count("\n", 0, leftover.start()) + 1
        raise Refusal(f"{where}: {leftover[0]!r} is left over in line {line} of the result")
    return text


def read(module: str, name: str) -> str:
    """Read a file of the service's template folder unchanged, for formats with a template language of their own."""
    return (_folder(module) / name).read_text()


@lru_cache
def _environment(module: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_folder(module)), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters["yaml"] = quote
    return environment


def _folder(module: str) -> Path:
    path = Path(module).resolve()
    own = [above / "templates" / path.stem for above in path.parents[:2]]
    packages = [above / "templates" / path.parent.name for above in path.parents[:3]]
    return next((one for one in (*own, *packages) if one.is_dir()), own[-1])
