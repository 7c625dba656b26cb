"""DDoS protection: profiles of addresses, the templates they are made from, and where protection is to be had."""

from calendar import monthrange
from datetime import UTC, datetime
from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated, Any, Literal

import msgspec
from litestar import delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec.structs import replace

from pileus.api.auth import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.paging import Limit, Offset
from pileus.api.wire.network.ddos_profiles import TemplateView
from pileus.api.wire.network.ddos_protection import (
    Accessibility,
    ProtectAddress,
    ProtectedAddress,
    ProtectionPrice,
    ProtectionPricing,
    RegionCoverage,
    SwitchProtection,
)
from pileus.api.wire.paging import Page
from pileus.api.wire.tasks import TaskIds
from pileus.domain.errors import invalid, not_found
from pileus.domain.network.ddos_profile_locks import check_answers, locked
from pileus.domain.network.ddos_profiles import DdosProfile
from pileus.services.network import ddos_profiles as ddos_profile_service
from pileus.services.network.ddos_profiles import check_unprotected, template_of
from pileus.store.account import projects
from pileus.store.database import Tx
from pileus.store.network import ddos_profiles

ALL = "/cloud/v1/ddos/profiles/{project_id:int}/{region_id:int}"
ONE = f"{ALL}/{{profile_id:int}}"
GROUP = "ddos_profile"
TAGS = ["DDoS Protection"]
HOURS_A_DAY, DAYS = 24, 30
Order = Literal["id.asc", "id.desc", "ip_address.asc", "ip_address.desc", "managed_by.asc", "managed_by.desc",
                "site.asc", "site.desc", "status.asc", "status.desc"]  # fmt: skip


@get("/cloud/v1/ddos/profile-templates/{region_id:int}", opt=READ, tags=TAGS)
async def list_ddos_templates(ctx: Ctx) -> Page[TemplateView]:
    """List the kinds of protection, with what each asks."""
    ctx.region()
    templates = ctx.catalogue.ddos_templates
    return Page(count=len(templates), results=[TemplateView.of(template) for template in templates])


@get("/cloud/v1/ddos/region_coverage/{region_id:int}", opt=READ, tags=TAGS)
async def get_ddos_region_coverage(ctx: Ctx) -> RegionCoverage:
    """Say whether a region has protection."""
    return RegionCoverage(is_covered=ctx.region().has_ddos)


@get("/cloud/v1/ddos/accessibility/{region_id:int}", opt=READ, tags=TAGS)
async def get_ddos_accessibility(ctx: Ctx) -> Accessibility:
    """Say whether protection can be used now, in HTTP's words."""
    if ctx.region().has_ddos and ctx.catalogue.ddos_templates:
        return Accessibility(is_accessible=True, http_code=200, message="OK")
    return Accessibility(is_accessible=False, http_code=403, message="Forbidden")


@get("/cloud/v1/pricing/{region_id:int}/ddos", opt=READ, tags=TAGS)
async def get_ddos_price(ctx: Ctx) -> ProtectionPricing:
    """Tell what protecting one address costs, and the days of this month and the next."""
    ctx.region()
    catalogue = ctx.catalogue
    hour = catalogue.prices.ddos_profile_per_hour
    today = datetime.fromtimestamp(ctx.now() / 1_000_000, UTC)
    days = monthrange(today.year, today.month)[1]
    following = monthrange(today.year + today.month // 12, today.month % 12 + 1)[1]
    price = ProtectionPrice(
        feature_name="ddos_protection",
        period="hour",
        unit_name="address",
        unit_size=1,
        price_currency=catalogue.currency,
        price_per_hour=_shown(hour),
        price_per_day=_shown(hour * HOURS_A_DAY),
        price_per_30d=_shown(hour * HOURS_A_DAY * DAYS),
    )
    return ProtectionPricing(
        price=price,
        current_month_days=days,
        current_month_days_last=days - today.day + 1,
        next_month_days=following,
    )


@get(ALL, opt=READ, tags=TAGS)
async def list_ddos_profiles(  # each is a parameter of the operation
    ctx: Ctx,
    ip: Annotated[str | None, QueryParameter(name="ip_address", description="An address, or a network.")] = None,
    managed_by: FromQuery[list[Literal["system", "user"]] | None] = None,
    order_by: FromQuery[Order] = "id.asc",
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[ProtectedAddress]:
    """List the protected addresses of a project."""
    ctx.region()
    network = None if ip is None else _network(ip)
    async with ctx.db.scan() as tx:
        await projects.require(tx, ctx.place)
        profiles = await ddos_profiles.of_place(tx, ctx.place)
    found = profiles if "user" in (managed_by or ["user"]) else []
    wanted = [each for each in found if network is None or ip_address(each.ip_address) in network]
    column, _, direction = order_by.partition(".")
    if column != "managed_by":
        wanted.sort(key=lambda each: (getattr(each, column) or "", each.id), reverse=direction == "desc")
    shown = [_view(ctx, profile) for profile in wanted[offset : offset + limit]]
    return Page(count=len(wanted), results=shown)


@post(ALL, opt=WRITE, tags=TAGS, status_code=200)
async def create_ddos_profile(ctx: Ctx, data: JSONBody[ProtectAddress]) -> TaskIds:
    """Protect an address of an instance or a floating IP by a template; an address has one protection at the most."""
    ctx.region()
    template, task_id = template_of(ctx, data.profile_template), ctx.new_id()
    fields, address = check_answers(template, data.answers()), _address(data.ip_address)

    async def write(tx: Tx) -> None:
        await projects.require_open(tx, ctx.place)
        await _owned(tx, ctx, address)
        profile = await ddos_profile_service.create_ddos_profile(
            tx, ctx, address, template=template, fields=fields, task_id=task_id
        )
        await _begin(tx, ctx, "create_ddos_profile", task_id, profile.id, None)
        await ctx.audit(tx, GROUP, "create", profile.id, data=msgspec.to_builtins(data), task_id=task_id)

    return await _done(ctx, task_id, write)


@patch(ONE, opt=WRITE, tags=TAGS)
async def update_ddos_profile(ctx: Ctx, profile_id: FromPath[int], data: JSONBody[ProtectAddress]) -> TaskIds:
    """Change the template, its answers or the address of a protection."""
    template, task_id = template_of(ctx, data.profile_template), ctx.new_id()
    fields, address = check_answers(template, data.answers()), _address(data.ip_address)

    async def write(tx: Tx) -> None:
        before = await ddos_profiles.get(tx, ctx.place, profile_id)
        if address != before.ip_address:
            await _owned(tx, ctx, address)
            await check_unprotected(tx, ctx, address)
        after = replace(locked(before, task_id), template_id=template.id, fields=fields, ip_address=address)
        await ddos_profiles.save(tx, before, after)
        await _begin(tx, ctx, "update_ddos_profile", task_id, profile_id, before)
        await ctx.audit(tx, GROUP, "update", profile_id, data=msgspec.to_builtins(data), task_id=task_id)

    return await _done(ctx, task_id, write)


@delete(ONE, opt=WRITE, tags=TAGS, status_code=200)
async def delete_ddos_profile(ctx: Ctx, profile_id: FromPath[int]) -> TaskIds:
    """Protect an address no more."""
    task_id = ctx.new_id()

    async def write(tx: Tx) -> None:
        before = await ddos_profiles.get(tx, ctx.place, profile_id)
        await ddos_profiles.save(tx, before, locked(before, task_id))
        await _begin(tx, ctx, "delete_ddos_profile", task_id, profile_id, before)
        await ctx.audit(tx, GROUP, "delete", profile_id, task_id=task_id)

    return await _done(ctx, task_id, write)


@post(f"{ONE}/action", opt=WRITE, tags=TAGS, status_code=200)
async def switch_ddos_profile(ctx: Ctx, profile_id: FromPath[int], data: JSONBody[SwitchProtection]) -> TaskIds:
    """Turn a protection on or off."""
    task_id, verb = ctx.new_id(), "activate" if data.active else "deactivate"

    async def write(tx: Tx) -> None:
        before = await ddos_profiles.get(tx, ctx.place, profile_id)
        await ddos_profiles.save(tx, before, replace(locked(before, task_id), active=data.active, bgp=data.bgp))
        await _begin(tx, ctx, f"{verb}_ddos_profile", task_id, profile_id, before)
        await ctx.audit(tx, GROUP, verb, profile_id, data=msgspec.to_builtins(data), task_id=task_id)

    return await _done(ctx, task_id, write)


async def _begin(  # each is a fact of its own
    tx: Tx, ctx: RequestContext, task_type: str, task_id: str, profile_id: int, before: DdosProfile | None
) -> None:
    args = {"profile_id": profile_id, "before": None if before is None else msgspec.to_builtins(before)}
    await ctx.start_task(tx, task_type, task_id, args, data={"profile_id": profile_id})


async def _done(ctx: RequestContext, task_id: str, write: Any) -> TaskIds:
    await ctx.db.write(write)
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


async def _owned(tx: Tx, ctx: RequestContext, address: str) -> None:
    """Make sure that an address is the tenant's."""
    if not await ddos_profiles.belongs_to_place(tx, ctx.place, address):
        raise not_found("Address", address)


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise invalid(ip_address="value is not a valid IPv4 or IPv6 address") from None


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise invalid(ip_address="value is not a valid IPv4 or IPv6 address or network") from None


def _view(ctx: RequestContext, profile: DdosProfile) -> ProtectedAddress:
    return ProtectedAddress.of(profile, ctx.catalogue.ddos_template(profile.template_id))


def _shown(amount: Decimal) -> float:
    return float(round(amount, 6))


ROUTES = [
    list_ddos_templates,
    get_ddos_region_coverage,
    get_ddos_accessibility,
    get_ddos_price,
    list_ddos_profiles,
    create_ddos_profile,
    update_ddos_profile,
    delete_ddos_profile,
    switch_ddos_profile,
]
