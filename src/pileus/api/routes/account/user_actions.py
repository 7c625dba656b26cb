"""The audit log."""

from typing import Literal

from litestar import get
from litestar.di import NamedDependency, Provide
from litestar.params import FromQuery

from pileus.api.authorization import READ
from pileus.api.context import Ctx
from pileus.api.paging import Id, Limit, Offset
from pileus.api.tag_filters import LegacyQuery
from pileus.api.wire.account.user_actions import UserActionView
from pileus.api.wire.paging import Page
from pileus.api.wire.times import parse_range_end, parse_range_start
from pileus.store.account import user_actions
from pileus.store.account.user_actions import UserActionFilter
from pileus.store.loop_turns import build_in_turns

ALL = "/cloud/v1/user_actions"
DEFAULT_LIMIT = 1000
Direction = Literal["asc", "desc"]


def parse_user_action_filter(
    action_type: FromQuery[list[str] | None] = None,
    api_group: FromQuery[list[str] | None] = None,
    project_id: FromQuery[list[Id] | None] = None,
    region_id: FromQuery[list[Id] | None] = None,
    resource_id: FromQuery[list[str] | None] = None,
    search_field: FromQuery[str | None] = None,
    source_user_ips: FromQuery[list[str] | None] = None,
    user_agents: FromQuery[list[str] | None] = None,
    from_timestamp: FromQuery[str | None] = None,
    to_timestamp: FromQuery[str | None] = None,
) -> UserActionFilter:
    """Collect the query parameters into a filter."""
    return UserActionFilter(
        action_types=action_type,
        api_groups=api_group,
        project_ids=project_id,
        region_ids=region_id,
        resource_ids=resource_id,
        search_field=search_field,
        source_user_ips=source_user_ips,
        user_agents=user_agents,
        since=parse_range_start("from_timestamp", from_timestamp),
        until=parse_range_end("to_timestamp", to_timestamp),
    )


FILTER = {"action_filter": Provide(parse_user_action_filter, sync_to_thread=False)}


@get(ALL, opt=READ, dependencies=FILTER, tags=["User Actions"])
async def list_user_actions(
    ctx: Ctx,
    action_filter: NamedDependency[UserActionFilter],
    order_by: FromQuery[Direction | None] = None,
    sorting: LegacyQuery[Direction | None] = None,
    limit: Limit = DEFAULT_LIMIT,
    offset: Offset = 0,
) -> Page[UserActionView]:
    """List the changes that your users have made, the latest first. Each change has exactly one entry.

    `search_field` matches the name of a resource at that time. Times are inclusive. `sorting` is an older name of
    `order_by`.
    """
    client_id, direction = ctx.caller.client_id, order_by or sorting or "desc"
    async with ctx.db.scan() as tx:
        count, page = await user_actions.page(
            tx, client_id, action_filter, limit=limit, offset=offset, direction=direction
        )
    return Page(count=count, results=await build_in_turns(UserActionView.of(action) for action in page))


ROUTES = [list_user_actions]
