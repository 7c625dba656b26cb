"""Which cloud a command speaks to, and what is said where it cannot."""

from pileus.cli.formatting import Mistake

URL = "http://127.0.0.1:8080"
URL_VARIABLE, KEY_VARIABLE, REGION_VARIABLE = "GCORE_BASE_URL", "GCORE_API_KEY", "GCORE_CLOUD_REGION_ID"
KEY_REFUSED = "the key is not accepted: take the one that `pileus serve` printed, or `pileus keys create` one"
NO_PILEUS = "is this a Pileus server?"


def check_key(key: str | None) -> str:
    """A key that can be sent; raises Mistake."""
    if not key or not key.isascii():
        raise Mistake(f"no API key: set {KEY_VARIABLE} as `pileus serve` prints it, or give one with --key")
    return key


def nothing_answers(url: str, why: str = "") -> str:
    """What to do where no server is."""
    return f"nothing answers at {url}{why}: start it with `pileus serve`, or name another by --url"
