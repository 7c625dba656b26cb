"""Routes only read the store: services change records, which also check and write the audit log."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.test_rooms import HOME, location_of, tree_of

WRITES = re.compile(r"(add|bump|change|remove|rename|save|set)(_|$)")
COPIES = {"cell_connections.py"}
"""Modules that copy records between databases."""


def store_modules(path: Path) -> set[str]:
    """Return the names by which a file uses modules of the store."""
    return {
        alias.asname or alias.name
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pileus.store")
        for alias in node.names
    }


def find_writes(path: Path) -> Iterator[ast.AST]:
    """Yield what names a function of the store that writes, called or passed on."""
    modules = store_modules(path)
    for node in ast.walk(tree_of(path)):
        if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
            continue
        if node.value.id in modules and WRITES.match(node.attr):
            yield node


def test_no_route_writes_by_the_store() -> None:
    modules = [path for path in sorted((HOME / "api").rglob("*.py")) if path.name not in COPIES]

    assert [location_of(path, node) for path in modules for node in find_writes(path)] == []


def test_writes_are_recognized() -> None:
    assert list(find_writes(HOME / "services" / "storage" / "share_access_rules.py"))
