"""Routes of DDoS protection: profiles of addresses, templates, prices and availability."""

from calendar import monthrange
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Literal

from litestar import delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import to_builtins

from pileus.api.authorization import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.paging import Limit, Offset
from pileus.api.wire.network.ddos_profile_requests import CreateDdosProfile, SwitchDdosProfile
from pileus.api.wire.network.ddos_profiles import (
    DdosAccessibility,
    DdosPriceWithMonthDays,
    DdosProfileDetails,
    DdosProtectionPrice,
    DdosRegionCoverage,
    DdosTemplateView,
)
from pileus.api.wire.paging import Page
from pileus.api.wire.tasks import TaskIds
from pileus.domain.errors import invalid
from pileus.domain.ip_addresses import Cidr, ip_address, ip_network
from pileus.domain.network.ddos_profiles import DdosProfile
from pileus.services.network import ddos_profiles as ddos_profile_service
from pileus.store.account import projects
from pileus.store.network import ddos_profiles

ALL = "/cloud/v1/ddos/profiles/{project_id:int}/{region_id:int}"
ONE = f"{ALL}/{{profile_id:int}}"
TAGS = ["DDoS Protection"]
HOURS_A_DAY, DAYS = 24, 30
Order = Literal["id.asc", "id.desc", "ip_address.asc", "ip_address.desc", "managed_by.asc", "managed_by.desc",
                "site.asc", "site.desc", "status.asc", "status.desc"]  # fmt: skip


@get("/cloud/v1/ddos/profile-templates/{region_id:int}", opt=READ, tags=TAGS)
async def list_ddos_templates(ctx: Ctx) -> Page[DdosTemplateView]:
    """List the templates of DDoS profiles with their fields."""
    ctx.require_region()
    templates = ctx.catalogue.ddos_templates
    return Page(count=len(templates), results=[DdosTemplateView.of(template) for template in templates])


@get("/cloud/v1/ddos/region_coverage/{region_id:int}", opt=READ, tags=TAGS)
async def get_ddos_region_coverage(ctx: Ctx) -> DdosRegionCoverage:
    """Get whether a region has DDoS protection."""
    return DdosRegionCoverage(is_covered=ctx.require_region().has_ddos)


@get("/cloud/v1/ddos/accessibility/{region_id:int}", opt=READ, tags=TAGS)
async def get_ddos_accessibility(ctx: Ctx) -> DdosAccessibility:
    """Get whether DDoS protection can be used now, with an HTTP status code and its text."""
    if ctx.require_region().has_ddos and ctx.catalogue.ddos_templates:
        return DdosAccessibility(is_accessible=True, http_code=200, message="OK")
    return DdosAccessibility(is_accessible=False, http_code=403, message="Forbidden")


@get("/cloud/v1/pricing/{region_id:int}/ddos", opt=READ, tags=TAGS)
async def get_ddos_price(ctx: Ctx) -> DdosPriceWithMonthDays:
    """Get the price of protecting one address, and the number of days in this month and the next."""
    ctx.require_region()
    per_hour = ctx.catalogue.prices.ddos_profile_per_hour
    today = datetime.fromtimestamp(ctx.now() / 1_000_000, UTC)
    days = monthrange(today.year, today.month)[1]
    price = DdosProtectionPrice(
        feature_name="ddos_protection",
        period="hour",
        unit_name="address",
        unit_size=1,
        price_currency=ctx.catalogue.currency,
        price_per_hour=_rounded(per_hour),
        price_per_day=_rounded(per_hour * HOURS_A_DAY),
        price_per_30d=_rounded(per_hour * HOURS_A_DAY * DAYS),
    )
    return DdosPriceWithMonthDays(
        price=price,
        current_month_days=days,
        current_month_days_last=days - today.day + 1,
        next_month_days=monthrange(today.year + today.month // 12, today.month % 12 + 1)[1],
    )


@get(ALL, opt=READ, tags=TAGS)
async def list_ddos_profiles(
    ctx: Ctx,
    ip: Annotated[str | None, QueryParameter(name="ip_address", description="An address, or a network.")] = None,
    managed_by: FromQuery[list[Literal["system", "user"]] | None] = None,
    order_by: FromQuery[Order] = "id.asc",
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[DdosProfileDetails]:
    """List the DDoS profiles of a project."""
    ctx.require_region()
    network = None if ip is None else _parse_network(ip)
    async with ctx.db.scan() as tx:
        await projects.require_existing(tx, ctx.place)
        profiles = await ddos_profiles.list_all(tx, ctx.place)
    if "user" not in (managed_by or ["user"]):
        profiles = []
    matching = [profile for profile in profiles if network is None or ip_address(profile.ip_address) in network]
    column, _, direction = order_by.partition(".")
    if column != "managed_by":
        matching.sort(key=lambda profile: (getattr(profile, column) or "", profile.id), reverse=direction == "desc")
    return Page(count=len(matching), results=[_show(ctx, profile) for profile in matching[offset : offset + limit]])


@post(ALL, opt=WRITE, tags=TAGS, status_code=200)
async def create_ddos_profile(ctx: Ctx, data: JSONBody[CreateDdosProfile]) -> TaskIds:
    """Create a DDoS profile for an address of an instance, or for a floating IP. An address can have one profile."""
    return await ctx.submit_task(
        lambda tx, task_id: ddos_profile_service.create_ddos_profile(
            tx, ctx, data.ip_address, data.to_new_profile(), task_id, audit_data=to_builtins(data)
        )
    )


@patch(ONE, opt=WRITE, tags=TAGS)
async def update_ddos_profile(ctx: Ctx, profile_id: FromPath[int], data: JSONBody[CreateDdosProfile]) -> TaskIds:
    """Replace the template, the fields and the address of a DDoS profile."""
    return await ctx.submit_task(
        lambda tx, task_id: ddos_profile_service.update_ddos_profile(
            tx, ctx, profile_id, data.ip_address, data.to_new_profile(), task_id, audit_data=to_builtins(data)
        )
    )


@delete(ONE, opt=WRITE, tags=TAGS, status_code=200)
async def delete_ddos_profile(ctx: Ctx, profile_id: FromPath[int]) -> TaskIds:
    """Delete a DDoS profile. Its address is no longer protected."""
    return await ctx.submit_task(
        lambda tx, task_id: ddos_profile_service.delete_ddos_profile(tx, ctx, profile_id, task_id)
    )


@post(f"{ONE}/action", opt=WRITE, tags=TAGS, status_code=200)
async def switch_ddos_profile(ctx: Ctx, profile_id: FromPath[int], data: JSONBody[SwitchDdosProfile]) -> TaskIds:
    """Activate or deactivate a DDoS profile."""
    return await ctx.submit_task(
        lambda tx, task_id: ddos_profile_service.switch_ddos_profile(
            tx, ctx, profile_id, task_id, active=data.active, bgp=data.bgp
        )
    )


def _parse_network(text: str) -> Cidr:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise invalid(ip_address="value is not a valid IPv4 or IPv6 address or network") from None


def _show(ctx: RequestContext, profile: DdosProfile) -> DdosProfileDetails:
    return DdosProfileDetails.of(profile, ctx.catalogue.ddos_template(profile.template_id))


def _rounded(amount: Decimal) -> float:
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
