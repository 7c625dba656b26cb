"""API keys: the format of tokens and their validity."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.domain.account.api_keys import ApiKey, hash_api_token, parse_key_id
from tests.domain.builders import NOW

TOKEN = "29841_c767c5d4e1f0"


def a_key(**changes: Any) -> ApiKey:
    fields = {"id": 29841, "client_id": 10, "user_id": 5, "name": "ci", "role": "Engineers", "created_at": NOW}
    return ApiKey(**{**fields, "digest": hash_api_token(TOKEN), **changes})


@pytest.mark.parametrize(
    ("token", "id_number"),
    [
        ("29841_c767c5d4e1f0", 29841),
        ("29841$c767c5d4e1f0", 29841),
        ("1_12345678", 1),
        ("7$!~#*&%()_$", 7),
        ("123456789012345_" + "f" * 500, 123456789012345),
    ],
)
def test_token_begins_with_its_key_id(token: str, id_number: int) -> None:
    assert parse_key_id(token) == id_number


@pytest.mark.parametrize(
    "token",
    [
        "", "29841", "29841_", "29841_short", "_c767c5d4e1f0", "x_c767c5d4e1f0", "29841-c767c5d4e1f0",
        " 29841_c767c5d4e1f0", "29841_c767c5d4e1f0\n", "29841_c767 c5d4e1f0", "1234567890123456_c767c5d4e1f0",
        "29841_" + "f" * 501, "29841_ключключ", "٢٩_c767c5d4e1f0",
    ],
)  # fmt: skip
def test_text_that_is_no_token_has_no_key_id(token: str) -> None:
    assert parse_key_id(token) is None


@pytest.mark.parametrize(
    ("changes", "is_valid"),
    [
        ({}, True),
        ({"expires_at": NOW + 1}, True),
        ({"expires_at": NOW}, False),
        ({"expires_at": NOW - 1}, False),
        ({"revoked_at": NOW - 1}, False),
        ({"revoked_at": NOW - 1, "expires_at": NOW + 1}, False),
    ],
)
def test_token_is_valid_until_the_key_expires_or_is_revoked(changes: dict[str, int], is_valid: bool) -> None:  # noqa: FBT001
    assert a_key(**changes).is_valid_token(TOKEN, NOW) is is_valid


@given(st.text(max_size=40))
def test_no_other_token_is_valid(token: str) -> None:
    assert a_key().is_valid_token(token, NOW) == (token == TOKEN)


def test_secret_is_not_stored() -> None:
    assert "c767c5d4e1f0" not in repr(a_key())
