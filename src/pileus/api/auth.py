"""Authentication and what a role may do: run before every route, ahead of reading its parameters or body."""

import uuid
from typing import Any, cast

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from pileus.api.call import Call, Cloud
from pileus.domain.access import Access, allowed
from pileus.domain.errors import Forbidden, Unauthenticated
from pileus.domain.keys import key_id
from pileus.domain.places import Caller, Place
from pileus.store import keys
from pileus.store.database import Database

READ = {"access": Access.READ}
WRITE = {"access": Access.WRITE}
ADMINISTER = {"access": Access.ADMINISTER}
OPEN = {"access": Access.OPEN}
LONGEST_AGENT = 500


async def admit(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Find out who asks and whether the route is open to them; raises Unauthenticated or Forbidden."""
    access = handler.opt["access"]
    if access is Access.OPEN:
        return
    cloud: Cloud = connection.app.state.cloud
    caller = await _authenticated(cloud.db, connection.headers.get("authorization"), cloud.now())
    if not allowed(caller.role, access):
        raise Forbidden(f"The role {caller.role} does not allow this operation")
    place = connection.path_params
    scope = cast("dict[str, Any]", connection.scope)
    scope["call"] = Call(
        cloud=cloud,
        caller=caller,
        place=Place(caller.client_id, place.get("project_id", 0), place.get("region_id", 0)),
        request_id=scope.get("request_id") or uuid.uuid4().hex,
        source_ip=connection.client.host if connection.client else None,
        user_agent=connection.headers.get("user-agent", "")[:LONGEST_AGENT] or None,
    )


async def _authenticated(db: Database, header: str | None, now: int) -> Caller:
    """The caller that an Authorization header names; raises Unauthenticated in the public API's words."""
    if not header:
        raise Unauthenticated("Authentication credentials were not provided.")
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "apikey":
        raise Unauthenticated("Given token not valid for any token type", "token_not_valid")
    number = key_id(token.strip())
    if number is None:
        raise Unauthenticated(f"Bad token: {token.strip().partition('_')[0].partition('$')[0][:20]}", "token_not_valid")
    async with db.read() as tx:
        held = await keys.holder(tx, number)
    if held is None or not held[0].opens(token.strip(), now):
        raise Unauthenticated("Token is invalid or expired", "token_not_valid")
    return held[1]
