"""Authentication and what a role may do: run before every route, ahead of reading its parameters or body."""

import uuid
from typing import Any, cast

from litestar import Request

from pileus.api.call import Call, Cloud
from pileus.api.keyring import Keyring
from pileus.domain.access import Access, allowed
from pileus.domain.errors import Forbidden, Unauthenticated, not_found
from pileus.domain.keys import key_id
from pileus.domain.places import Caller, Place

READ = {"access": Access.READ}
WRITE = {"access": Access.WRITE}
ADMINISTER = {"access": Access.ADMINISTER}
OPEN = {"access": Access.OPEN}
LONGEST_AGENT = 500
LARGEST_NUMBER = 2**63 - 1


async def admit(request: Request[Any, Any, Any]) -> None:
    """Find out who asks and whether the route is open to them; raises Unauthenticated or Forbidden."""
    access = request.route_handler.opt.get("access", Access.ADMINISTER)
    if access is Access.OPEN or request.method == "OPTIONS":
        return
    scope = cast("dict[str, Any]", request.scope)
    cloud: Cloud = request.app.state.cloud
    headers = dict(scope["headers"])
    caller = await _authenticated(cloud.keyring, headers.get(b"authorization", b"").decode("latin-1"), cloud.now())
    if not allowed(caller.role, access):
        raise Forbidden(f"The role {caller.role} does not allow this operation")
    place, client = findable(scope["path_params"]), scope.get("client")
    scope["call"] = Call(
        cloud=cloud,
        caller=caller,
        place=Place(caller.client_id, place.get("project_id", 0), place.get("region_id", 0)),
        request_id=scope.get("request_id") or uuid.uuid4().hex,
        source_ip=client[0] if client else None,
        user_agent=headers.get(b"user-agent", b"")[:LONGEST_AGENT].decode("latin-1") or None,
    )


def findable(params: dict[str, Any]) -> dict[str, Any]:
    """What a path names, if a database can look for it; raises NotFound for what nothing can be called."""
    for name, value in params.items():
        if value > LARGEST_NUMBER if isinstance(value, int) else "\0" in value:
            raise not_found(name.removesuffix("_id").replace("_", " ").capitalize(), value)
    return params


async def _authenticated(keyring: Keyring, header: str, now: int) -> Caller:
    """The caller that an Authorization header names; raises Unauthenticated in the public API's words."""
    if not header:
        raise Unauthenticated("Authentication credentials were not provided.")
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "apikey":
        raise Unauthenticated("Given token not valid for any token type", "token_not_valid")
    token = token.strip()
    number = key_id(token)
    if number is None:
        raise Unauthenticated(f"Bad token: {token.partition('_')[0].partition('$')[0][:20]}", "token_not_valid")
    held = await keyring.holder(number)
    if held is None or not held[0].opens(token, now):
        raise Unauthenticated("Token is invalid or expired", "token_not_valid")
    return held[1]
