"""Sessions of users: which tokens are valid when."""

import pytest

from pileus.domain.account.login_sessions import (
    ACCESS_LIFETIME,
    GRACE,
    REFRESH_LIFETIME,
    LoginSession,
    TokenKind,
    TokenPair,
    make_token,
    new_login_session,
    parse_session_id,
)

SESSION = "00000000-0000-4000-8000-000000000001"
START = 1_000


def a_pair(digit: str) -> TokenPair:
    return TokenPair(
        access=make_token(TokenKind.ACCESS, SESSION, digit * 64),
        refresh=make_token(TokenKind.REFRESH, SESSION, digit * 64),
    )


FIRST, SECOND, THIRD = a_pair("1"), a_pair("2"), a_pair("3")


def a_session() -> LoginSession:
    return new_login_session(SESSION, 7, FIRST, START)


def test_an_access_token_is_valid_until_it_expires() -> None:
    session, end = a_session(), START + ACCESS_LIFETIME

    assert session.find_access_expiry(FIRST.access, end - 1) == end
    assert session.find_access_expiry(FIRST.access, end) is None
    assert session.find_access_expiry(SECOND.access, START) is None
    assert session.find_access_expiry(FIRST.refresh, START) is None


def test_a_refresh_keeps_the_access_token_before_it_until_that_expires() -> None:
    refreshed = a_session().refreshed(SECOND, START + 10)

    assert refreshed.find_access_expiry(FIRST.access, START + 11) == START + ACCESS_LIFETIME
    assert refreshed.find_access_expiry(FIRST.access, START + ACCESS_LIFETIME) is None
    assert refreshed.find_access_expiry(SECOND.access, START + ACCESS_LIFETIME) == START + 10 + ACCESS_LIFETIME
    assert refreshed.refreshed(THIRD, START + 12).find_access_expiry(FIRST.access, START + 13) is None


def test_a_refresh_token_is_valid_until_it_expires() -> None:
    session = a_session()

    assert session.may_refresh(FIRST.refresh, START + REFRESH_LIFETIME - 1)
    assert not session.may_refresh(FIRST.refresh, START + REFRESH_LIFETIME)
    assert not session.may_refresh(SECOND.refresh, START)
    assert not session.may_refresh(FIRST.access, START)


def test_a_used_refresh_token_is_valid_for_a_minute_only() -> None:
    refreshed = a_session().refreshed(SECOND, START)

    assert refreshed.may_refresh(FIRST.refresh, START + GRACE - 1)
    assert not refreshed.may_refresh(FIRST.refresh, START + GRACE)
    assert refreshed.may_refresh(SECOND.refresh, START + GRACE)


def test_no_token_is_stored() -> None:
    stored = repr(a_session().refreshed(SECOND, START))

    assert not any(token in stored for pair in (FIRST, SECOND) for token in (pair.access, pair.refresh))
    assert "1" * 64 not in stored


@pytest.mark.parametrize(
    "text",
    ["", "access_x", FIRST.refresh, FIRST.access + "0", FIRST.access.upper(), "1_a-permanent-api-key-0123456789"],
)
def test_other_texts_are_not_access_tokens(text: str) -> None:
    assert parse_session_id(TokenKind.ACCESS, text) is None
    assert parse_session_id(TokenKind.ACCESS, FIRST.access) == SESSION
