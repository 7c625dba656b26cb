"""Logins: the bodies and the tokens."""

from typing import Annotated

from msgspec import Meta, Struct

from pileus.domain.account.login_sessions import TokenPair
from pileus.domain.account.users import LONGEST_EMAIL, LONGEST_PASSWORD
from pileus.domain.errors import invalid

TokenText = Annotated[str, Meta(min_length=1, max_length=500)]


class LogIn(Struct, kw_only=True):
    """The e-mail address and the password of a user."""

    username: Annotated[str, Meta(min_length=1, max_length=LONGEST_EMAIL)]
    password: Annotated[str, Meta(min_length=1, max_length=LONGEST_PASSWORD)]


class RefreshLogin(Struct, kw_only=True):
    """The refresh token of a login. Older clients send it as `token`."""

    refresh: TokenText | None = None
    token: TokenText | None = None

    def require_token(self) -> str:
        """Return the refresh token. Raises Invalid."""
        token = self.refresh or self.token
        if token is None:
            raise invalid(refresh="Field required")
        return token


class LoginTokens(Struct, kw_only=True):
    """The tokens of a login: `access` is valid for an hour, `refresh` for 24 hours and once."""

    access: str
    refresh: str

    @classmethod
    def of(cls, tokens: TokenPair) -> "LoginTokens":
        """Show the tokens of a login."""
        return cls(access=tokens.access, refresh=tokens.refresh)
