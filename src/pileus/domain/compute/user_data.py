"""User data: base64 text in requests and records, bytes for the guest."""

from base64 import b64decode

from pileus.domain.errors import invalid


def require_valid_user_data(user_data: str | None) -> str | None:
    """Return user data without white space, or None if they are empty. Raises Invalid if they are not base64.

    Tools break the lines of base64.
    """
    try:
        decode_user_data(user_data or "")
    except ValueError:
        raise invalid(user_data="Input should be text in base64") from None
    return _without_white_space(user_data or "") or None


def decode_user_data(user_data: str) -> bytes:
    """Decode user data. Raises ValueError if they are not base64."""
    return b64decode(_without_white_space(user_data), validate=True)


def _without_white_space(text: str) -> str:
    return "".join(text.split())
