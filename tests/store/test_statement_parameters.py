"""Parameters of statements become positions."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import pileus
from pileus.store.statement_parameters import PARAMETER, number_parameters

SOURCES = Path(pileus.__file__).parent
LITERAL = re.compile(r"'[^']*'")


@pytest.mark.parametrize(
    ("sql", "numbered", "ordered"),
    [
        ("SELECT 1", "SELECT 1", ()),
        ("SELECT :id", "SELECT ?", ("i",)),
        ("SELECT :id, :name, :id", "SELECT ?, ?, ?", ("i", "n", "i")),
        ("SELECT :value_1::text, :value_10", "SELECT ?::text, ?", ("one", "ten")),
    ],
)
def test_each_use_of_a_parameter_gets_a_position(sql: str, numbered: str, ordered: tuple[str, ...]) -> None:
    statement, order = number_parameters(sql)

    assert statement == numbered
    assert order({"unused": 0, "id": "i", "name": "n", "value_1": "one", "value_10": "ten"}) == ordered


def test_a_missing_value_is_an_error() -> None:
    _, order = number_parameters("SELECT :id, :name")

    with pytest.raises(KeyError, match="name"):
        order({"id": 1})


def texts_of(module: Path) -> Iterator[str]:
    """Return the texts in a module; `{}` replaces the values of a formatted one."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def find_parameters_in_literals(texts: Iterable[str]) -> list[str]:
    """Return the literals of statements that contain what is taken for a parameter."""
    return [literal for text in texts for literal in LITERAL.findall(text) if PARAMETER.search(literal)]


def test_no_literal_of_a_statement_contains_what_is_taken_for_a_parameter() -> None:
    texts = (text for module in SOURCES.rglob("*.py") for text in texts_of(module))

    assert find_parameters_in_literals(["SELECT ':one', :two, 'three', '%\":four%'"]) == ["':one'", "'%\":four%'"]
    assert find_parameters_in_literals(texts) == []
