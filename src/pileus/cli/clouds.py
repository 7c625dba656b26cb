"""The cloud that a command uses: variables, defaults and error texts."""

from pileus.cli.commands import UsageError

URL = "http://127.0.0.1:8080"
URL_VARIABLE, KEY_VARIABLE, REGION_VARIABLE = "GCORE_BASE_URL", "GCORE_API_KEY", "GCORE_CLOUD_REGION_ID"
KEY_REFUSED = "the key is not accepted: take the one that `pileus serve` printed, or `pileus keys create` one"
NOT_PILEUS_HINT = "is this a Pileus server?"


def require_api_key(key: str | None) -> str:
    """Return the key if it can be sent in a header. Raises UsageError."""
    if not key or not key.isascii():
        raise UsageError(f"no API key: set {KEY_VARIABLE} as `pileus serve` prints it, or give one with --key")
    return key


def connection_error_text(url: str, reason: str = "") -> str:
    """Return the error text for a server that cannot be reached."""
    return f"nothing answers at {url}{reason}: start it with `pileus serve`, or name another by --url"
