"""Jinja2 with nothing left to chance: undefined names, leftovers and unquoted values are refused."""

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
    """A value as YAML: JSON is a subset of it, so text can never turn into a number, a key or a list."""
    return json.dumps(value, ensure_ascii=False)


def render(module: str, template: str, **values: Any) -> str:
    """Render `templates/<service>/<template>` for the task module whose `__file__` is given.

    The folder `templates` lies beside the module or in its package (a plugin's), or beside the folder that this
    is in (this repository); a part of a package has the templates of its package. Raises Refusal for an undefined
    name, or for a placeholder left in the result.
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
    """A file of the service's template folder as it is, for formats with a templating of their own."""
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
