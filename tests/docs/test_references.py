"""Files and Python names that the documents mention in backticks exist."""

import ast
import builtins
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.test_rooms import nodes_of

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "pileus"
TEXTS_ABOUT_CODE = [ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md"]
GUIDES = sorted((ROOT / "docs").glob("*.md"))
# The paths in parity.md are relative to tests/: test_parity.py checks them.
DOCUMENTS = [*TEXTS_ABOUT_CODE, ROOT / "SECURITY.md", *(guide for guide in GUIDES if guide.name != "parity.md")]
FOLDERS = {entry.name for entry in PACKAGE.iterdir()} | {".ci", "bench", "docs", "scripts", "src", "tests", "website"}
"""The first parts of paths. Others, such as `data`, are folders of the user."""

CODE_BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`]+)`")
PATH = re.compile(r"[\w.*<>-]+(/[\w.*<>-]+)*/?")
SUFFIX = re.compile(r"\.(py|md|toml|txt|sql|lock)$")
PLACEHOLDER = re.compile(r"<\w+>|NNNN")
NAME = re.compile(r"[A-Za-z]\w*(\.\w+)*")
NOTABLE = re.compile(r"[._]|^[A-Z]")
ARGUMENTS = re.compile(r"\(.*\)$")
# Names of SQL, HTTP and make.
FOREIGN_NAMES = {"ARGS", "BIGINT", "GET", "INTEGER", "PATCH", "POST", "TEXT"}


def spans(document: Path) -> set[str]:
    """Return the texts in backticks, outside of code blocks."""
    return set(SPAN.findall(CODE_BLOCK.sub("", document.read_text("utf-8"))))


def paths_in(span: str) -> Iterator[str]:
    """Yield the paths of files and folders in a text, which may go on after a path."""
    for word in span.replace(":", " ").split():
        if PATH.fullmatch(word) and (SUFFIX.search(word) or ("/" in word and word.partition("/")[0] in FOLDERS)):
            yield word


def does_path_exist(path: str, document: Path) -> bool:
    """Return whether a file matches; a placeholder stands for any text, and a bare name for a file anywhere."""
    pattern = PLACEHOLDER.sub("*", path).rstrip("/")
    bases = [ROOT, PACKAGE, document.parent]
    if "/" not in pattern and any(next((ROOT / top).rglob(pattern), None) for top in ("src", "tests")):
        return True
    return any(next(base.glob(pattern), None) for base in bases)


def names_in(span: str) -> Iterator[str]:
    """Yield a Python name, without its arguments, if a text is one: dotted, in capitals, or of several words."""
    name = ARGUMENTS.sub("", span)
    if NAME.fullmatch(name) and not (SUFFIX.search(name) or PLACEHOLDER.search(name)) and NOTABLE.search(name):
        yield name


@cache
def definitions() -> set[tuple[str, str]]:
    """Return pairs of a module or class and a name that is defined or imported in it, and of a package and a module."""
    pairs = set()
    for path in [*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py")]:
        nodes = nodes_of(path)
        module, package = path.with_suffix("").parts[-1], path.parent.name
        pairs |= {(package, module), (path.parent.parent.name, package)}
        pairs |= {(package if module == "__init__" else module, name) for name in defined_in(nodes)}
        classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
        pairs |= {(node.name, name) for node in classes for name in defined_in(ast.walk(node))}
    return pairs


def defined_in(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Yield the names of classes, functions, parameters, variables and imports."""
    for node in nodes:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                yield name
            case ast.alias(name=name, asname=alias):
                yield alias or name.rpartition(".")[2]


def does_name_exist(name: str) -> bool:
    """Return whether a name is defined; what stands before its last dot must be its class, module or package."""
    path, _, last = name.rpartition(".")
    owner = path.rpartition(".")[2]
    return hasattr(builtins, name) or any(last == other and owner in ("", where) for where, other in definitions())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_file_that_a_document_names_exists(document: Path) -> None:
    named = {path for span in spans(document) for path in paths_in(span)}

    assert {path for path in named if not does_path_exist(path, document)} == set()


@pytest.mark.parametrize("document", TEXTS_ABOUT_CODE, ids=lambda document: document.name)
def test_every_python_name_that_a_document_mentions_exists(document: Path) -> None:
    named = {name for span in spans(document) for name in names_in(span)} - FOREIGN_NAMES

    assert {name for name in named if not does_name_exist(name)} == set()


@pytest.mark.parametrize(
    ("span", "paths"),
    [
        ("store/nothing.py", ["store/nothing.py"]),
        ("services/compute/nothing.py: update", ["services/compute/nothing.py"]),
        ("store/<family>/nothing_<noun>.py", ["store/<family>/nothing_<noun>.py"]),
        ("store/migrations/NNNN_nothing_<name>.sql", ["store/migrations/NNNN_nothing_<name>.sql"]),
        ("docs/nothing/", ["docs/nothing/"]),
        ("nothing.py", ["nothing.py"]),
        ("PATCH /cloud/v1/instances/1/1/{id}", []),
        ("data/images/NAME.qcow2", []),
    ],
)
def test_a_path_is_recognized_and_found_missing(span: str, paths: list[str]) -> None:
    assert list(paths_in(span)) == paths
    assert not any(does_path_exist(path, ROOT / "ARCHITECTURE.md") for path in paths)


@pytest.mark.parametrize("path", ["api/routes/", "store/<family>/<noun>.py", "store/migrations/NNNN_<name>.sql"])
def test_a_path_that_exists_is_found(path: str) -> None:
    assert does_path_exist(path, ROOT / "ARCHITECTURE.md")


@pytest.mark.parametrize("span", ["NoSuchRecord", "NO_SUCH_LIST", "Table.no_such_method", "metering.missing(tx, …)"])
def test_a_name_is_recognized_and_found_missing(span: str) -> None:
    (name,) = names_in(span)

    assert not does_name_exist(name)


@pytest.mark.parametrize("name", ["UNSET", "Table", "Table.save", "Instance.description", "domain.errors.Problem"])
def test_a_name_that_exists_is_found(name: str) -> None:
    assert does_name_exist(name)
