"""Parameters of statements become positions."""

import pytest

from pileus.store.statement_parameters import number_parameters


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
