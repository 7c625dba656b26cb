"""The names of fields that hold secrets, and data without them: for the audit log and the log of requests."""

import re
from functools import lru_cache
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from pileus.domain.tasks import SECRET_ARGS

REDACTED = "(hidden)"
SECRET_NAMES = SECRET_ARGS | {
    "app_config", "auth_header_value", "connection_string", "payload", "refresh", "ticket", "user_data",
}  # fmt: skip
"""Names of fields that hold secrets, and do not say so; `tests/api/test_request_log_secrets.py` decides on each."""
SECRET_WORD = re.compile(
    r"(?:.*[_-])?(?:password|passwd|passphrase|secret|token|credentials?|api_?key|private_key)", re.IGNORECASE
)
CLIENTS_OWN = frozenset({"tags", "metadata"})
"""Fields whose content clients name. Lists of resources show it, and it is no place for secrets."""

PLAIN, LISTS = (str, int, float), (list, tuple)


@lru_cache(maxsize=1024)
def is_secret_name(name: str) -> bool:
    """Return whether a field or a parameter of this name holds a secret."""
    return name in SECRET_NAMES or SECRET_WORD.fullmatch(name) is not None


def without_secrets(data: dict[str, Any]) -> dict[str, Any]:
    """Return data with the values of secret fields hidden, at any depth: the same object if there are none."""
    return {name: _redact_field(name, value) for name, value in data.items()} if _has_secrets(data) else data


def _has_secrets(value: Any) -> bool:
    if isinstance(value, dict):
        # A loop, because each update of an instance passes here; its tags are not looked into.
        for name, item in value.items():
            if name in CLIENTS_OWN:
                continue
            if _is_secret(name, item) or (not isinstance(item, PLAIN) and _has_secrets(item)):
                return True
        return False
    if isinstance(value, LISTS):
        return any(_has_secrets(item) for item in value)
    return isinstance(value, Struct) and _has_secrets(asdict(value))


def _is_secret(name: Any, value: Any) -> bool:
    return value is not None and not isinstance(value, bool) and isinstance(name, str) and is_secret_name(name)


def _redact(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _redact_field(name, item) for name, item in value.items()}
    if isinstance(value, LISTS):
        return [_redact(item) for item in value]
    return _redact(asdict(value)) if isinstance(value, Struct) else value


def _redact_field(name: Any, value: Any) -> Any:
    if _is_secret(name, value):
        return REDACTED
    return value if name in CLIENTS_OWN else _redact(value)
