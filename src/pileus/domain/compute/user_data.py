"""User data: base64 text in requests and records, bytes for the guest."""

from base64 import b64decode

from pileus.domain.errors import invalid
from pileus.domain.limits import USER_DATA


def require_valid_user_data(user_data: str | None) -> str | None:
    """Return user data without white space, or None if they are empty. Raises Invalid: not base64, or too long.

    Tools break the lines of base64.
    """
    try:
        content = decode_user_data(user_data or "")
    except ValueError:
        raise invalid(user_data="Input should be text in base64") from None
    if len(content) > USER_DATA.value:
        raise invalid(user_data=f"Data should have at most {USER_DATA.value} bytes after decoding, not {len(content)}")
    return _without_white_space(user_data or "") or None


def decode_user_data(user_data: str) -> bytes:
    """Decode user data. Raises ValueError if they are not base64."""
    return b64decode(_without_white_space(user_data), validate=True)


def _without_white_space(text: str) -> str:
    return "".join(text.split())
