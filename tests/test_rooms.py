"""Rules on the syntax tree: imports between packages, sizes, docstrings, and SQL only in the store."""

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from sys import stdlib_module_names

import pytest

from tests.room_imports import COMPOSITION, EXCEPTIONS, OUTSIDE, ROOMS

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
HOME = SOURCE / "pileus"
MODULES = sorted(HOME.rglob("*.py"))
CODE = [*MODULES, *(path for name in ("tests", "bench", "website") for path in sorted((ROOT / name).rglob("*.py")))]

LONGEST_FILE, LONGEST_FUNCTION, LONGEST_HANDLER, DEEPEST = 400, 40, 25, 3
MOST_COMMENTS = 0.04
UNFINISHED = ("TODO", "FIXME", "NotImplementedError")
# Commands and drivers are imported when they are used, so that `pileus --help` is fast.
LAZY = {"cli.commands", "drivers.registry"}
CATCHES_ALL = {
    "outbound.notifier",
    "store.serial_executor",
    "tasks.engine",
    "tasks.account.deliveries",
    "tasks.storage.scheduler",
    "tasks.periodic",
    "store.sqlite",
    "store.write_batches",
    "testing.server_threads",
    "api.cell_requests",
    "api.dispatcher",
    "api.forwarded_requests",
    "api.immediate_answers",
    "api.routes.health",
    "cli.main",
    "drivers.qemu.fabric.frame_errors",
}

# The domain is pure: no input or output, no clock, no randomness.
IMPURE = {"asyncio", "os", "random", "secrets", "socket", "sqlite3", "subprocess", "time", "urllib"}

ADDRESS_ROOMS = ("api", "domain", "seeds", "services", "store")
"""Rooms that parse addresses of requests."""
SQL_ROOMS = ("store", "drivers")  # Drivers have their own databases.
SQL = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|REPLACE|WITH|CREATE|DROP|ALTER|PRAGMA)\s+[A-Za-z_(*:0-9']")
STATEMENTS, QUERIES = ("run", "one", "all"), ("find", "find_one")

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DEFINES = (ast.ClassDef, *FUNCTIONS)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """Return all nodes of a file. To walk through those of all files takes seconds."""
    return tuple(ast.walk(tree_of(path)))


def name_of(path: Path) -> str:
    """Return a module's name in the package: `store.rows`, or `__init__` for the package itself."""
    parts = path.relative_to(HOME).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def imported(path: Path) -> Iterator[str]:
    """Yield every module that a file imports by an absolute name."""
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield from _modules_in(node.module, node)


def _modules_in(module: str, node: ast.ImportFrom) -> Iterator[str]:
    """`from package import module` means the module: else `from pileus import store` would slip through."""
    for alias in node.names:
        inner = SOURCE.joinpath(*module.split("."), alias.name)
        yield f"{module}.{alias.name}" if inner.with_suffix(".py").exists() or inner.is_dir() else module


def inside(module: str) -> str:
    return module.removeprefix("pileus").lstrip(".") or "__init__"


def permitted(importer: str, module: str) -> bool:
    room = importer.partition(".")[0]
    granted = ROOMS.get(room, set()) | EXCEPTIONS.get(room, set()) | EXCEPTIONS.get(importer, set()) | {room}
    if room in COMPOSITION - set(EXCEPTIONS):
        return module.partition(".")[0] != "testing"
    return any(module == name or module.startswith(f"{name}.") for name in granted)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def location_of(path: Path, node: ast.AST) -> str:
    return f"{named(path)}:{getattr(node, 'lineno', 0)}"


def test_a_module_imports_only_what_its_room_may() -> None:
    wrong = [
        (name_of(path), module)
        for path in MODULES
        for module in imported(path)
        if module.split(".")[0] == "pileus" and not permitted(name_of(path), inside(module))
    ]

    assert wrong == []


def test_every_module_stands_in_a_room_or_puts_them_together() -> None:
    assert {name_of(path).partition(".")[0] for path in MODULES} <= set(ROOMS) | COMPOSITION


@pytest.mark.parametrize(
    "pair",
    [
        "domain.tags store.rows",
        "domain.tags settings",
        "store.rows tasks.engine",
        "tasks.engine drivers.simulated",
        "tasks.engine api.context",
        "api.context drivers.simulated",
        "drivers.simulated store.rows",
        "drivers.simulated testing.conformance.harnesses",
        "app testing",
        "api.context testing.conformance",
        "testing.conformance drivers.simulated",
        "testing.conformance app",
        "settings drivers.simulated.settings",
        "setting_fields domain",
        "cli.sim app",
        "cli.sim domain.tags",
    ],
)
def test_the_table_forbids_what_it_should(pair: str) -> None:
    assert not permitted(*pair.split())


def test_no_import_is_relative_or_made_at_run_time() -> None:
    relative, at_run_time = [], set()
    for path, node in _nodes(MODULES):
        if isinstance(node, ast.ImportFrom) and node.level:
            relative.append(location_of(path, node))
        called = node.func if isinstance(node, ast.Call) else None
        if getattr(called, "id", getattr(called, "attr", "")) in ("__import__", "import_module"):
            at_run_time.add(name_of(path))

    assert relative == []
    assert at_run_time <= LAZY


@pytest.mark.parametrize("room", OUTSIDE)
def test_a_room_uses_no_library_but_its_own(room: str) -> None:
    used = {
        (named(path), module.split(".")[0])
        for path in (HOME / room).rglob("*.py")
        for module in imported(path)
        if module.split(".")[0] not in {"pileus", *stdlib_module_names}
    }

    assert {(path, library) for path, library in used if library not in OUTSIDE[room]} == set()


def test_only_tools_for_tests_import_pytest() -> None:
    importers = {
        name_of(path).partition(".")[0]
        for path in MODULES
        if any(module.split(".")[0] in {"pytest", "pytest_asyncio"} for module in imported(path))
    }

    assert importers == {"testing"}


def test_records_and_rules_touch_neither_clock_nor_chance_nor_the_world() -> None:
    used = {
        (named(path), module.split(".")[0])
        for path in (HOME / "domain").rglob("*.py")
        for module in imported(path)
        if module.split(".")[0] in IMPURE and module != "urllib.parse"
    }

    assert used == set()


def test_addresses_in_requests_are_parsed_without_zones() -> None:
    """The functions of the library take any text as a zone, which must not get into a program's configuration."""
    importers = {
        name_of(path)
        for path in MODULES
        if name_of(path).partition(".")[0] in ADDRESS_ROOMS and _imports_address_parsers(nodes_of(path))
    }

    assert importers == {"domain.ip_addresses", "api.login_limits"}


def _imports_address_parsers(nodes: Iterable[ast.AST]) -> bool:
    imports = [node for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {(getattr(node, "module", None) or "", alias.name) for node in imports for alias in node.names}
    return bool(names & {("", "ipaddress"), ("ipaddress", "ip_address"), ("ipaddress", "ip_network")})


def test_only_the_store_contains_sql() -> None:
    paths = [path for path in MODULES if name_of(path).partition(".")[0] not in SQL_ROOMS]

    assert [location_of(path, node) for path in paths for node in _sql(nodes_of(path))] == []


@pytest.mark.parametrize(
    "code",
    [
        "text = 'SELECT 1 FROM clients'",
        "text = f'DELETE FROM {table}'",
        "await tx.one(statement)",
        "await work.tx.run(statement, id=1)",
        "await networks.TABLE.find(tx, condition)",
        "await ports.ADDRESSES.find_one(tx, 'id = :id')",
    ],
)
def test_sql_is_recognized(code: str) -> None:
    assert list(_sql(ast.walk(ast.parse(code))))


@pytest.mark.parametrize(
    "code",
    [
        "text = 'Select a flavor'",
        "text = 'DELETE'",
        "await ports.find(tx, port_id)",
        "await work.run(task)",
        "all(rows)",
    ],
)
def test_other_code_is_not_taken_for_sql(code: str) -> None:
    assert not list(_sql(ast.walk(ast.parse(code))))


def test_a_file_is_short_and_has_a_docstring() -> None:
    too_long = [named(path) for path in CODE if len(path.read_text("utf-8").splitlines()) > LONGEST_FILE]
    undocumented = [named(path) for path in CODE if tree_of(path).body and not ast.get_docstring(tree_of(path))]

    assert (too_long, undocumented) == ([], [])


def test_every_public_class_and_function_has_a_docstring() -> None:
    undocumented = [
        f"{location_of(path, node)} {node.name}"
        for path in MODULES
        for node in _public(tree_of(path))
        if not node.name.startswith("test_") and not ast.get_docstring(node)
    ]

    assert undocumented == []


def test_functions_are_short_and_shallow() -> None:
    functions = [(path, node) for path, node in _nodes(CODE) if isinstance(node, FUNCTIONS)]
    too_long = [f"{location_of(*item)} {item[1].name}" for item in functions if _length(item[1]) > LONGEST_FUNCTION]
    too_deep = [f"{location_of(*item)} {item[1].name}" for item in functions if _depth(item[1].body) > DEEPEST]

    assert (too_long, too_deep) == ([], [])


def test_a_handler_is_shorter_still() -> None:
    """The docstring does not count, because it is written for customers."""
    too_long = [
        f"{location_of(path, node)} {node.name}"
        for path in sorted((HOME / "api" / "routes").rglob("*.py"))
        for node in tree_of(path).body
        if isinstance(node, ast.AsyncFunctionDef) and node.decorator_list and _length_of_code(node) > LONGEST_HANDLER
    ]

    assert too_long == []


def test_nothing_is_left_unfinished() -> None:
    texts = {named(path): path.read_text("utf-8") for path in CODE if path != Path(__file__)}

    assert [(name, word) for name, text in texts.items() for word in UNFINISHED if word in text] == []


def test_a_text_stands_behind_what_it_describes() -> None:
    stray = [
        location_of(path, text)
        for path, node in _nodes(CODE)
        if isinstance(node, ast.Module | ast.ClassDef)
        for before, text in pairwise(node.body)
        if _is_text(text) and not isinstance(before, ast.Assign | ast.AnnAssign | ast.AugAssign)
    ]
    assert stray == []


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def test_comments_are_few() -> None:
    lines = comments = 0
    for path in MODULES:
        text = path.read_text("utf-8")
        lines += len(text.splitlines())
        comments += sum(1 for comment in _comments(text) if not _is_for_tools(comment))

    assert comments / lines < MOST_COMMENTS


def test_only_the_outermost_catch_everything() -> None:
    """Unexpected errors are seen only where they must not end or hold up other work."""
    broad = [
        location_of(path, node)
        for path, node in _nodes(MODULES)
        if isinstance(node, ast.ExceptHandler) and _is_broad(node.type) and name_of(path) not in CATCHES_ALL
    ]
    assert broad == []


def _is_broad(caught: ast.expr | None) -> bool:
    return caught is None or (isinstance(caught, ast.Name) and caught.id in ("Exception", "BaseException"))


def _nodes(paths: Iterable[Path]) -> Iterator[tuple[Path, ast.AST]]:
    return ((path, node) for path in paths for node in nodes_of(path))


def _sql(nodes: Iterable[ast.AST]) -> Iterator[ast.Constant | ast.Call]:
    """Find literals that start like a statement, and calls that take SQL text."""
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value):
            yield node
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = getattr(node.func.value, "attr", getattr(node.func.value, "id", ""))
            if (owner == "tx" and node.func.attr in STATEMENTS) or (owner.isupper() and node.func.attr in QUERIES):
                yield node


def _public(tree: ast.Module) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in tree.body:
        if isinstance(node, DEFINES) and not node.name.startswith("_") and not _is_overload(node):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from (child for child in node.body if isinstance(child, DEFINES) and child.name[0] != "_")


def _is_overload(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(isinstance(mark, ast.Name) and mark.id == "overload" for mark in node.decorator_list)


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _length_of_code(node: ast.AsyncFunctionDef) -> int:
    return _length(node) - len((ast.get_docstring(node) or "").splitlines())


def _depth(body: list[ast.stmt]) -> int:
    return max((_depth_of(statement) for statement in body), default=0)


def _depth_of(statement: ast.stmt) -> int:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return 0
    blocks = [getattr(statement, name, []) for name in ("body", "orelse", "finalbody")]
    blocks += [handler.body for handler in getattr(statement, "handlers", [])]
    # The syntax tree nests `elif` in its `if`.
    if isinstance(statement, ast.If) and len(statement.orelse) == 1 and isinstance(statement.orelse[0], ast.If):
        return max(1 + _depth(statement.body), _depth(statement.orelse))
    return 1 + max(map(_depth, blocks)) if any(blocks) else 0


def _comments(text: str) -> Iterator[str]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def _is_for_tools(comment: str) -> bool:
    return any(word in comment for word in ("noqa", "type: ignore", "fmt:"))
