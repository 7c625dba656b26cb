"""Authentication and what a role may do: run before every route, ahead of reading its parameters or body."""

from typing import Any, cast

from litestar import Request

from pileus.api.context import CONTEXT, AppState, RequestContext
from pileus.domain.account.access import Access, allowed
from pileus.domain.errors import Forbidden, not_found
from pileus.domain.places import Place

READ = {"access": Access.READ}
WRITE = {"access": Access.WRITE}
ADMINISTER = {"access": Access.ADMINISTER}
OPEN = {"access": Access.OPEN}
LONGEST_AGENT = 500
LARGEST_NUMBER = 2**63 - 1


async def authorize(request: Request[Any, Any, Any]) -> None:
    """Find out who asks and whether the route is open to them; raises Unauthenticated or Forbidden."""
    access = request.route_handler.opt.get("access", Access.ADMINISTER)
    if access is Access.OPEN or request.method == "OPTIONS":
        return
    scope = cast("dict[str, Any]", request.scope)
    cloud: AppState = request.app.state.cloud
    headers = dict(scope["headers"])
    caller = await cloud.authenticator.caller(headers.get(b"authorization", b""), cloud.now())
    if not allowed(caller.role, access):
        raise Forbidden(f"The role {caller.role} does not allow this operation")
    place, client = check_path_params(scope["path_params"]), scope.get("client")
    CONTEXT.set(
        RequestContext(
            app=cloud,
            catalogue=cloud.catalogue,
            now=cloud.now,
            new_id=cloud.new_id,
            caller=caller,
            place=Place(caller.client_id, place.get("project_id", 0), place.get("region_id", 0)),
            request_id=scope["request_id"],
            source_ip=client[0] if client else None,
            user_agent=headers.get(b"user-agent", b"")[:LONGEST_AGENT].decode("latin-1") or None,
        )
    )


def check_path_params(params: dict[str, Any]) -> dict[str, Any]:
    """What a path names, if a database can look for it; raises NotFound for what nothing can be called."""
    for name, value in params.items():
        if value > LARGEST_NUMBER if isinstance(value, int) else "\0" in value:
            raise not_found(name.removesuffix("_id").replace("_", " ").capitalize(), value)
    return params
