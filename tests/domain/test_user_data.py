"""Test the rules for user data and passwords: what is accepted is what the guest gets."""

from base64 import b64encode, encodebytes

import pytest

from pileus.domain.compute.instance_plan import check_password
from pileus.domain.compute.user_data import decode_user_data, require_valid_user_data
from pileus.domain.errors import Invalid
from pileus.domain.limits import PASSWORD

CONTENT = bytes(range(256))
ONE_LINE = b64encode(CONTENT).decode()


@pytest.mark.parametrize("text", [ONE_LINE, encodebytes(CONTENT).decode(), "\r\n".join(ONE_LINE), f" {ONE_LINE}\t"])
def test_user_data_are_stored_without_white_space(text: str) -> None:
    stored = require_valid_user_data(text)

    assert stored == ONE_LINE
    assert decode_user_data(stored) == decode_user_data(text) == CONTENT


@pytest.mark.parametrize("text", [None, "", " \n"])
def test_empty_user_data_are_absent(text: str | None) -> None:
    assert require_valid_user_data(text) is None


@pytest.mark.parametrize("text", ["not base64!", "ключ", "YQ", "YQ==YQ==", "====", "YQ==\nYQ==", "_-_-"])
def test_text_that_is_not_base64_is_rejected(text: str) -> None:
    with pytest.raises(Invalid) as rejected:
        require_valid_user_data(text)

    assert rejected.value.fields == {"user_data": ["Input should be text in base64"]}


@pytest.mark.parametrize(
    ("password", "text"),
    [
        ("x" * PASSWORD.value, None),
        ("x" * (PASSWORD.value + 1), "at most 511 bytes"),
        ("ж" * (PASSWORD.value // 2 + 1), "at most 511 bytes"),
        ("a\0b", "NUL"),
    ],
)
def test_a_password_that_a_guest_cannot_check_is_rejected(password: str, text: str | None) -> None:
    if text is None:
        check_password(password)
        return
    with pytest.raises(Invalid) as rejected:
        check_password(password)

    assert text in rejected.value.fields["password"][0]
