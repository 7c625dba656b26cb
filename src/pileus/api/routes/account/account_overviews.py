"""The account of the caller."""

from litestar import get

from pileus.api.authorization import READ
from pileus.api.context import Ctx
from pileus.api.wire.account.account_overviews import AccountOverview
from pileus.store.account import clients, users


@get("/iam/clients/me", opt=READ, tags=["Account"])
async def get_account_overview(ctx: Ctx) -> AccountOverview:
    """Get the account and the user of the API key or the access token."""
    client_id = ctx.caller.client_id
    async with ctx.db.read() as tx:
        name = await clients.get_name(tx, client_id)
        first_user = await users.get(tx, await clients.get_first_user_id(tx, client_id))
    return AccountOverview.of(name, first_user, ctx.caller)


ROUTES = [get_account_overview]
