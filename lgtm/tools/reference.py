"""docs/configuration.md, made of the settings themselves: `python -m lgtm.tools.reference` writes it anew.

What a setting means is the comment at its line, or the comment above it, which holds until the next empty line.
"""

from __future__ import annotations

import ast
import inspect
import sys
from pathlib import Path
from typing import Any

from pydantic_core import PydanticUndefined

from lgtm.load.inventory import RunSettings
from lgtm.load.plugins import tasks
from lgtm.model.settings import EnvKey, Settings, SiteSettings, env_keys, gibibytes, key

PAGE = Path("docs") / "configuration.md"
HEAD = """\
# Settings

Made by `python -m lgtm.tools.reference` from the settings' own definitions; a test fails when it is stale.

They stand in `group_data/<environment>.py` or beside a host in the inventory, flat and typed; for one run,
`--data key=value` overrides them. A key that nothing would read is refused, with the nearest valid one. Durations are
`"30s"`, `"12h"`, `"30d"`; sizes `"512M"`, `"2G"` or bytes. Secrets and addresses that differ by environment stand in
`.env.<environment>`, never in group data.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD, _section("The site", "", SiteSettings, "What belongs to a host or an environment.")]
    parts += [_section(name, f"{name}_", task.settings, "") for name, task in tasks().items()]
    parts.append(
        _section("One run", "", RunSettings, "With `--data` on the command line; they change no host's declaration.")
    )
    return "\n".join(parts)


def _section(title: str, prefix: str, model: type[Settings], words: str) -> str:
    secrets, comments = env_keys(model), _comments(model)
    rows = [
        f"| `{key(prefix, name)}` | {_default(field.default)} | {comments.get(name, '')} |"
        for name, field in model.model_fields.items()
        if name not in secrets
    ]
    lines = [f"## {title}", "", *([words, ""] if words else []), "| key | default | |", "|---|---|---|", *rows, ""]
    if secrets:
        lines += ["| in `.env.<environment>` | | |", "|---|---|---|"]
        lines += [_env(env, comments.get(name, "")) for name, env in secrets.items()] + [""]
    return "\n".join(lines)


def _env(env: EnvKey, comment: str) -> str:
    words = "; ".join(filter(None, ["" if env.plain else "secret", comment]))
    return f"| `{env.key}` | {'needed' if env.required else 'optional'} | {words} |"


def _default(value: Any) -> str:
    if value is PydanticUndefined:
        return "needed"
    if isinstance(value, int) and not isinstance(value, bool) and value >= 2**20 and value % 2**20 == 0:
        return f'`"{value // 2**20}M"`' if value < 2**30 else f"`{gibibytes(value)}`"
    return f"`{value!r}`"


def _comments(model: type[Settings]) -> dict[str, str]:
    """field → what its comment says, of the class and of those that it inherits from."""
    found: dict[str, str] = {}
    for one in reversed(model.__mro__):
        if issubclass(one, Settings) and one is not Settings:
            found |= _of_class(inspect.getsource(one))
    return found


def _of_class(source: str) -> dict[str, str]:
    lines = source.splitlines()
    tree = ast.parse(source).body[0]
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            last = lines[(node.end_lineno or node.lineno) - 1][node.end_col_offset or 0 :]
            beside = last.partition("#")[2].strip()
            found[node.target.id] = _escaped(beside or _above(lines, node.lineno - 1))
    return found


def _above(lines: list[str], at: int) -> str:
    """The comment lines directly above; a heading of a group, which stands behind an empty line and alone, is none."""
    words: list[str] = []
    while at and lines[at - 1].strip().startswith("#"):
        at -= 1
        words.insert(0, lines[at].strip().lstrip("# "))
    return " ".join(words) if len(words) != 1 or "." in words[0] else ""


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    if sys.argv[1:] != ["--check"]:
        PAGE.write_text(page())
    elif PAGE.read_text() != page():
        sys.exit(f"{PAGE} is stale: run `make docs`")
