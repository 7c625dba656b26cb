"""Users: the callers of a tenant, who can log in if they have a password."""

from msgspec import Struct

from pileus.domain.account.access import Role
from pileus.domain.errors import invalid

LONGEST_EMAIL = 254
SHORTEST_PASSWORD, LONGEST_PASSWORD = 8, 1000


class User(Struct, frozen=True, kw_only=True):
    """A user of a tenant. Only the digest of the password is stored; `role` holds for logins."""

    id: int
    client_id: int
    email: str
    created_at: int
    role: str = Role.ADMINISTRATORS.value
    password_digest: str | None = None


def normalize_email(email: str) -> str:
    """Return an e-mail address as it is stored and compared."""
    return email.strip().lower()


def require_valid_email(email: str) -> str:
    """Return an e-mail address as it is stored. Raises Invalid."""
    text = normalize_email(email)
    name, at, host = text.rpartition("@")
    if not (name and at and host) or len(text) > LONGEST_EMAIL or not text.isprintable() or " " in text:
        raise invalid(email="Input should be an e-mail address")
    return text


def check_password_length(password: str) -> None:
    """Raise Invalid if a new password is too short or too long."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise invalid(password=f"A password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")
