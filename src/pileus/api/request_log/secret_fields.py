"""Hide secrets in what the request log shows: by the names of fields, and wherever else their values appear."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec

from pileus.domain.secret_names import REDACTED, SECRET_NAMES, is_secret_name

LOGGED_SECRET_NAMES = SECRET_NAMES | {"access"}
"""An answer to a login calls its token `access`."""
PARTS_OF_NAMES = ("passw", "passphrase", "secret", "token", "credential", "api_?key", "private_key")
NAME_IN_TEXT = re.compile("|".join((*sorted(LOGGED_SECRET_NAMES), *PARTS_OF_NAMES)), re.IGNORECASE)
"""Finds names of secrets in a text that is no JSON: if there are any, the text is not shown."""
ERRORS = "invalid_fields"
"""The field of an error whose fields are named like those of the body, and contain texts about them."""
MIN_SECRET_LENGTH = 6
"""Shorter values are too common to be replaced wherever they appear."""


def is_logged_secret(name: str) -> bool:
    """Return whether a field or a parameter of this name in a request or an answer holds a secret."""
    return name in LOGGED_SECRET_NAMES or is_secret_name(name)


class Redactor:
    """Hides the secrets of one exchange. What the request kept secret is hidden in the answer too."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()

    def redact(self, raw: Any) -> Any:
        """Return decoded JSON without its secrets."""
        if isinstance(raw, dict):
            return {name: self._redact_field(name, value) for name, value in raw.items()}
        if isinstance(raw, list):
            return [self.redact(item) for item in raw]
        return self._replace_secrets(raw) if isinstance(raw, str) else raw

    def redact_query(self, query: bytes) -> str:
        """Return a query string without its secrets."""
        text = query.decode("latin-1")
        pairs = parse_qsl(text, keep_blank_values=True)
        if not any(is_logged_secret(name) for name, _ in pairs):
            return text
        return urlencode([(name, self._redact_field(name, value)) for name, value in pairs], safe="()")

    def redact_text(self, text: str) -> str | None:
        """Return a text that is no JSON, or None if it may hold secrets."""
        return None if NAME_IN_TEXT.search(text) else self._replace_secrets(text)

    def _redact_field(self, name: str, value: Any) -> Any:
        if name == ERRORS and isinstance(value, dict):
            return _redact_errors(value, self)
        if not is_logged_secret(name) or value is None or isinstance(value, bool):
            return self.redact(value)
        self._secrets.update(text for text in _texts_in(value) if len(text) >= MIN_SECRET_LENGTH)
        return REDACTED

    def _replace_secrets(self, text: str) -> str:
        # The longest first: one secret may contain another.
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, REDACTED)
        return text


def _redact_errors(errors: dict[str, Any], redactor: Redactor) -> dict[str, Any]:
    return {
        name: _redact_errors(value, redactor) if isinstance(value, dict) else redactor.redact(value)
        for name, value in errors.items()
    }


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts_in(item)
    elif isinstance(value, int | float):
        yield msgspec.json.encode(value).decode()
