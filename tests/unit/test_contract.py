"""What holds for the source itself: who may import whom, what is never written, how long things may grow."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = {  # room of lgtm/ → the rooms below it, which alone it imports from
    "model": set(),
    "artifacts": {"model"},
    "load": {"model", "artifacts"},
    "host": {"model", "artifacts", "load"},
    "report": {"model"},
    "checklist": {"model", "artifacts", "load", "host", "report"},
    "runs": {"model", "artifacts", "load", "host", "report", "checklist"},
    "tools": {"model", "artifacts", "load", "host", "report", "checklist", "runs"},
    "shields": {"model", "report"},
    "task": {"model", "load"},  # task.py, which task modules import from
}
TOUCHES_PYINFRA = (
    "lgtm/host/",
    "lgtm/runs/",
    "lgtm/shields/",
    "lgtm/checklist/comparison.py",
    "lgtm/checklist/gate.py",
    "lgtm/checklist/network_preflight.py",
    "lgtm/checklist/people.py",
    "lgtm/checklist/verify.py",
    "lgtm/load/inventory.py",
    "lgtm/tools/bundle.py",
)
OPERATIONS = ("tasks/volumes.py", "tasks/rollback.py")  # of pyinfra, which tasks hold beside their tables
LONG_MODULES: dict[str, str] = {}  # path → why it may be longer than 250 lines
LONG_FUNCTIONS = {
    "lgtm/model/hoststate.py:parse": "one field a line: a table in the form of a call",
}
FOLDERS = ("lgtm", "tasks", "lab", "templates", "inventories", "group_data", "bench", "docs")
SOURCES = sorted(path for folder in ("lgtm", "tasks") for path in (ROOT / folder).rglob("*.py"))
ENGINE, TASKS = [[path for path in SOURCES if path.parts[len(ROOT.parts)] == top] for top in ("lgtm", "tasks")]
source = pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))


def imports(nodes: Iterator[ast.AST] | list[ast.stmt]) -> set[str]:
    """Top-level packages that are imported by these nodes, `import_module` with a literal included."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(str(node.module).split(".")[0])
        elif isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "import_module":
            found |= {str(arg.value).split(".")[0] for arg in node.args if isinstance(arg, ast.Constant)}
    return found


def imported(path: Path) -> set[str]:
    return imports(ast.walk(ast.parse(path.read_text())))


def modules(source: str, package: str = "") -> set[str]:
    """The dotted names that a module imports, with what it takes from a package by name; `package` is its own."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found |= {f"{base}.{alias.name}" for alias in node.names}
    return found


def room(path: Path) -> str:
    """The room of lgtm/ that a file is in; `task` is a file."""
    return path.relative_to(ROOT / "lgtm").parts[0].removesuffix(".py")


def upwards(source: str, where: str) -> set[str]:
    """The rooms that a module of a room imports from, and must not."""
    used = {name.split(".")[1] for name in modules(source, f"lgtm.{where}") if name.startswith("lgtm.")}
    return used - ROOMS[where] - {where}


def all_text() -> list[Path]:
    """Every text of the product: what people wrote, but for the tests."""
    inside = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()]
    top = [path for path in ROOT.glob("*") if path.is_file()]
    return [path for path in inside + top if "__pycache__" not in path.parts and path.suffix not in (".pyc", ".log")]


def test_the_engine_is_there_to_be_looked_at() -> None:
    assert len(ENGINE) > 20 and len(TASKS) > 4 and len(all_text()) > 60
    assert {"pyinfra"} <= imported(ROOT / "lgtm" / "host" / "remote.py")


@pytest.mark.parametrize("path", ENGINE, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_hands_of_the_engine_know_pyinfra(path: Path) -> None:
    if not str(path.relative_to(ROOT)).startswith(TOUCHES_PYINFRA):
        assert not imported(path) & {"pyinfra", "pyinfra_cli", "gevent"}


@pytest.mark.parametrize("path", ENGINE, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_engine_knows_no_task_and_no_lab(path: Path) -> None:
    allowed = {"tasks"} if path.name == "plugins.py" else set()
    assert not (imported(path) & {"tasks", "lab", "tests", "bench"}) - allowed


@pytest.mark.parametrize("path", TASKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_task_knows_the_engine_and_pyinfra_only_inside_prepare(path: Path) -> None:
    tree = ast.parse(path.read_text())
    prepare = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "prepare"]
    rest = [node for node in tree.body if node not in prepare]
    everywhere = {name for node in rest for name in imports(ast.walk(node))}
    if str(path.relative_to(ROOT)) not in OPERATIONS:
        assert not everywhere & {"pyinfra", "pyinfra_cli"}
    assert not imported(path) & {"lab", "tests", "bench"}


@pytest.mark.parametrize("path", TASKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_task_imports_the_engine_from_its_facade_alone(path: Path) -> None:
    absolute = {name for name in modules(path.read_text()) if name.split(".")[0] in ("lgtm", "tasks")}
    if str(path.relative_to(ROOT)) in OPERATIONS:
        absolute = {name for name in absolute if name.split(".")[1] not in ("host", "model", "report")}
    assert {name for name in absolute if not name.startswith("lgtm.task.")} == set()


@pytest.mark.parametrize(
    ("trap", "why", "excused"),
    [
        (r"restarted=.*did_change", "a restart that depends on this run's changes is forgotten by the next run", ()),
        (r"host\.when\(", "pyinfra decides it before anything ran", ()),
        (r"--no-wait", "pyinfra forgets failures with it", ("lgtm/shields", "docs")),
    ],
)
def test_no_trap_of_pyinfra_is_stepped_into(trap: str, why: str, excused: tuple[str, ...]) -> None:
    stepped = [
        name
        for path in all_text()
        if not (name := str(path.relative_to(ROOT))).startswith(excused or ("\0",))
        and re.search(trap, path.read_text(errors="replace"))
    ]
    assert stepped == [], why


def test_no_path_of_a_persons_machine_is_written_anywhere() -> None:
    machine = re.compile(r"(?<![\w.}])/(work/|home/[a-z]|root/[a-z.]|Users/)")
    found = [str(path.relative_to(ROOT)) for path in all_text() if machine.search(path.read_text(errors="replace"))]
    assert found == []


def operations(*kinds: str) -> list[tuple[Path, ast.FunctionDef]]:
    """Every operation (and deploy) of pyinfra's kind that is defined here, with its file."""
    return [
        (path, node)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
        and {getattr(one.func, "id", "") for one in node.decorator_list if isinstance(one, ast.Call)}.intersection(
            kinds
        )
    ]


def test_every_operation_is_called_with_a_name() -> None:
    """pyinfra shows all arguments of one without a name."""
    keywords = {node.name: {one.arg for one in node.args.args} for _, node in operations("operation")}
    called = [
        (f"{path.name}:{node.lineno}", {str(word.arg) for word in node.keywords})
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and keywords.get(_called(node), set()).intersection(word.arg for word in node.keywords)
    ]
    assert len(keywords) > 10 and len(called) > 15
    assert [where for where, words in called if "name" not in words] == []


def _called(call: ast.Call) -> str:
    """The name of the function; of `plugins.operation("volumes", "repair")(…)` it is `repair`."""
    if isinstance(call.func, ast.Call) and call.func.args and isinstance(call.func.args[-1], ast.Constant):
        return str(call.func.args[-1].value)
    return str(getattr(call.func, "attr", getattr(call.func, "id", "")))


@pytest.mark.parametrize("one", operations("operation", "deploy"), ids=lambda one: f"{one[0].stem}.{one[1].name}")
def test_an_operation_is_documented_as_pyinfras_own_are(one: tuple[Path, ast.FunctionDef]) -> None:
    """Its parameters one by one, and an example: what people know from pyinfra's own pages."""
    _, node = one
    words = ast.get_docstring(node) or ""
    listed = re.findall(r"^\+ (\w+): ", words, flags=re.MULTILINE)
    assert listed == [argument.arg for argument in node.args.args]
    assert "**Example:**" in words and f"{node.name}(" in words


@source
def test_a_module_has_at_most_250_lines(path: Path) -> None:
    if str(path.relative_to(ROOT)) not in LONG_MODULES:
        assert len(path.read_text().splitlines()) <= 250


@source
def test_a_function_has_at_most_30_lines(path: Path) -> None:
    assert [name for name in long_functions(path) if name not in LONG_FUNCTIONS] == []


def test_nothing_is_excused_that_needs_no_excuse() -> None:
    long = {name for path in SOURCES for name in long_functions(path)}
    assert LONG_FUNCTIONS.keys() <= long


def long_functions(path: Path) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{node.name}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno + 1 > 30
    ]


@source
def test_a_module_says_first_what_it_is(path: Path) -> None:
    assert not path.read_text().strip() or ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("path", ENGINE, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_downwards_only(path: Path) -> None:
    if path != ROOT / "lgtm" / "__init__.py":
        assert upwards(path.read_text(), room(path)) == set()


@pytest.mark.parametrize(
    ("where", "source", "refused"),
    [
        ("model", "from lgtm.host import remote", "host"),
        ("model", "def late():\n    from lgtm.load.plugins import tasks", "load"),
        ("report", "from lgtm import checklist", "checklist"),
        ("artifacts", "import lgtm.load.render", "load"),
        ("host", "from ..checklist.preflight import View", "checklist"),
        ("shields", "from lgtm.runs import deploy", "runs"),
        ("task", "from lgtm.host.remote import run", "host"),
    ],
)
def test_an_import_that_runs_back_up_is_refused(where: str, source: str, refused: str) -> None:
    assert upwards(source, where) == {refused}


def test_the_rooms_are_those_of_the_house_and_none_is_above_itself() -> None:
    inside = {path.name for path in (ROOT / "lgtm").iterdir() if path.is_dir() and path.name != "__pycache__"}
    files = {path.stem for path in (ROOT / "lgtm").glob("*.py")} - {"__init__"}
    assert inside | files == ROOMS.keys() and files == {"task"}
    assert set(TopologicalSorter(ROOMS).static_order()) == ROOMS.keys()  # raises CycleError for a circle
    page = (ROOT / "docs" / "architecture.md").read_text()
    assert set(re.findall(r"^\| `lgtm/(\w+)", page, flags=re.MULTILINE)) == ROOMS.keys()


def test_a_task_module_that_is_imported_brings_no_pyinfra() -> None:
    look = "import sys, lgtm.task; assert not {'pyinfra', 'gevent'} & sys.modules.keys()"
    ran = subprocess.run([sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")
