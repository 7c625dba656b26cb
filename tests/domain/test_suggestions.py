"""Hints at names in the place of one that does not exist are short."""

import pytest

from pileus.domain.suggestions import describe_known_names

MANY = [f"number_{number:03}" for number in range(100)]


@pytest.mark.parametrize(
    ("name", "names", "hint"),
    [
        ("spwan", ["spawn", "connect"], ": did you mean spawn?"),
        ("x", ["spawn", "connect"], ": use one of connect, spawn"),
        ("x", MANY, ": /list lists them"),
    ],
)
def test_a_hint_has_similar_names_or_a_short_list_or_the_place_of_the_list(
    name: str, names: list[str], hint: str
) -> None:
    assert describe_known_names(name, names, "/list") == hint


def test_a_hint_never_grows_with_the_number_of_names() -> None:
    assert len(describe_known_names("number_0", MANY, "/list")) < 80
