"""Refuse requests for what the driver of the region does not balance, before a task starts."""

from collections.abc import Iterable

from pileus.api.context import RequestContext
from pileus.api.driver_errors import translate_driver_errors
from pileus.domain.errors import NotOffered, Unavailable, invalid, nest_field_errors
from pileus.domain.load_balancers.listener_orders import NewListener
from pileus.domain.load_balancers.pool_orders import NewPool
from pileus.drivers.protocols.load_balancers import (
    DetectsLoadBalancers,
    LimitsLoadBalancers,
    SupportsLoadBalancers,
)


async def check_balancing_is_possible(ctx: RequestContext) -> None:
    """Raise NotOffered, Unavailable or Conflict if no load balancer can be created here; the text says what to do."""
    if not isinstance(ctx.driver, SupportsLoadBalancers):
        raise NotOffered(
            "The driver of this region has no load balancers: run HAProxy on an instance instead, or use a driver with"
            " load balancers, such as the simulated one or QEMU"
        )
    if isinstance(ctx.driver, DetectsLoadBalancers):
        await _check_are_there(ctx.driver)
    if isinstance(ctx.driver, LimitsLoadBalancers) and (obstacle := await ctx.driver.find_load_balancer_obstacle()):
        raise Unavailable(obstacle)


async def _check_are_there(driver: DetectsLoadBalancers) -> None:
    with translate_driver_errors():
        missing = await driver.find_missing_load_balancers()
    if missing:
        raise NotOffered(missing)


def check_listeners_are_offered(ctx: RequestContext, orders: Iterable[NewListener]) -> None:
    """Raise Invalid if the driver does not have a listener or its pool, for its place in a list."""
    for position, order in enumerate(orders):
        with nest_field_errors("listeners", position):
            check_listener_is_offered(ctx, order)


def check_listener_is_offered(ctx: RequestContext, order: NewListener) -> None:
    """Raise Invalid if the driver does not have the protocol of a listener, or its pool."""
    if not isinstance(ctx.driver, LimitsLoadBalancers):
        return
    _check_choice("protocol", order.protocol, ctx.driver.load_balancer_choices().listener_protocols)
    if order.pool:
        with nest_field_errors("pools", 0):
            check_pool_is_offered(ctx, order.pool)


def check_pool_is_offered(ctx: RequestContext, order: NewPool) -> None:
    """Raise Invalid if the driver does not have the protocol of a pool, or its health monitor."""
    if not isinstance(ctx.driver, LimitsLoadBalancers):
        return
    _check_choice("protocol", order.protocol, ctx.driver.load_balancer_choices().pool_protocols)
    if order.health_monitor:
        with nest_field_errors("healthmonitor"):
            check_monitor_is_offered(ctx, order.health_monitor.type)


def check_monitor_is_offered(ctx: RequestContext, monitor_type: str) -> None:
    """Raise Invalid if the driver does not have a type of health monitors."""
    if isinstance(ctx.driver, LimitsLoadBalancers):
        _check_choice("type", monitor_type, ctx.driver.load_balancer_choices().monitor_types)


def _check_choice(field: str, value: str, choices: Iterable[str]) -> None:
    if value not in choices:
        raise invalid(
            **{field: f"The load balancers of this region do not have {value}: use {', '.join(sorted(choices))}"}
        )
