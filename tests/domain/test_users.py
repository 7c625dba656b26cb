"""Users: e-mail addresses and the length of passwords."""

import pytest

from pileus.domain.account.users import check_password_length, require_valid_email
from pileus.domain.errors import Invalid


def test_an_address_is_stored_in_lower_case() -> None:
    assert require_valid_email(" Ann@Example.COM ") == "ann@example.com"


@pytest.mark.parametrize(
    "email", ["", "ann", "@example.com", "ann@", "a b@example.com", f"{'a' * 250}@b.org", "a\0@b.c"]
)
def test_other_texts_are_no_addresses(email: str) -> None:
    with pytest.raises(Invalid):
        require_valid_email(email)


@pytest.mark.parametrize(("length", "is_valid"), [(7, False), (8, True), (1000, True), (1001, False)])
def test_a_password_has_8_to_1000_characters(length: int, is_valid: bool) -> None:  # noqa: FBT001  # a case
    if is_valid:
        check_password_length("x" * length)
    else:
        with pytest.raises(Invalid):
            check_password_length("x" * length)
