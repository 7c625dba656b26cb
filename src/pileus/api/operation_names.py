"""The names of operations, as the API reference shows them."""

from litestar.handlers import HTTPRouteHandler


def operation_name(handler: HTTPRouteHandler) -> str | None:
    """Return the name of an operation, or None if the API reference does not have it."""
    if not handler.resolve_include_in_schema():
        return None
    return handler.operation_id if isinstance(handler.operation_id, str) else handler.handler_name
