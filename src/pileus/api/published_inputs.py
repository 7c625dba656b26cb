"""The fields that operations of the public API have, and that have no effect in this server.

`tests/contract/test_published.py` compares the table with the published contract. A position in a list is `*`.
"""

UNREAD_PUBLISHED_FIELDS: dict[str, frozenset[str]] = {
    "check_server_limits": frozenset(
        {"interfaces.*.interface_name", "interfaces.*.ip_address", "interfaces.*.security_groups"}
    ),
    "create_file_share": frozenset({"share_settings.gid", "share_settings.uid"}),
    "report_reservation_costs": frozenset({"tags", "year_month"}),
    "set_notification_threshold": frozenset({"last_message", "last_sending"}),
    "update_file_share": frozenset({"share_settings.gid", "share_settings.uid"}),
}


def is_unread_published_field(operation_id: str, path: tuple[str, ...]) -> bool:
    """Return whether the public API has a field of an operation that has no effect here."""
    name = ".".join("*" if part.isdecimal() else part for part in path)
    return name in UNREAD_PUBLISHED_FIELDS.get(operation_id, ())
