"""Roles and their permissions."""

import pytest

from pileus.domain.account.access import ALLOWED, Access, Role, is_allowed

PERMISSIONS = {
    "Operators": {"open", "read", "write", "administer", "operate", "control"},
    "Administrators": {"open", "read", "write", "administer"},
    "Engineers": {"open", "read", "write"},
    "Users": {"open", "read"},
}


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("access", list(Access))
def test_role_has_exactly_its_permissions(role: Role, access: Access) -> None:
    assert is_allowed(role.value, access) == (access.value in PERMISSIONS[role.value])


def test_every_role_has_permissions() -> None:
    assert set(ALLOWED) == set(Role)
