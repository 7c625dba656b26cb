"""Roles: what each may do."""

import pytest

from pileus.domain.account.access import ALLOWED, Access, Role, is_allowed

MAY = {
    "Administrators": {"open", "read", "write", "administer"},
    "Engineers": {"open", "read", "write"},
    "Users": {"open", "read"},
}


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("access", list(Access))
def test_a_role_may_do_what_it_is_for_and_no_more(role: Role, access: Access) -> None:
    assert is_allowed(role.value, access) == (access.value in MAY[role.value])


def test_every_role_is_told_what_it_may_do() -> None:
    assert set(ALLOWED) == set(Role)
