"""Show instances, from memory as long as their stamps do not change."""

from collections.abc import Sequence
from functools import partial
from typing import Generic, TypeVar, cast

from msgspec import Raw, Struct
from msgspec.structs import replace

from pileus.api.context import AppState, RequestContext
from pileus.api.immediate_answers import FindKept
from pileus.api.operations import KEPT
from pileus.api.responses import encode_json
from pileus.api.wire.compute.baremetal import ServerView
from pileus.api.wire.compute.instances import ALL_FIELDS, InstanceView, InstanceViewOptions
from pileus.domain.compute.instance_details import InstanceDetails
from pileus.domain.compute.instances import Instance
from pileus.domain.errors import Unavailable
from pileus.domain.patches import ResourcePatch
from pileus.domain.places import Place
from pileus.services.compute import instances as instance_service
from pileus.store.compute import instances
from pileus.store.compute.instance_cache import InstanceState
from pileus.store.database import Tx
from pileus.store.loop_turns import call_in_turns

V = TypeVar("V", bound=Struct)


class InstanceForm(Struct, Generic[V], frozen=True, kw_only=True, cache_hash=True):
    """The form of an answer: all that it depends on besides the instance, the catalogue and the settings."""

    view_type: type[V]
    options: InstanceViewOptions = ALL_FIELDS


INSTANCE = InstanceForm(view_type=InstanceView)
SERVER = InstanceForm(view_type=ServerView)
"""A bare metal server."""


def instance_view(
    app: AppState, instance: Instance, details: InstanceDetails, options: InstanceViewOptions = ALL_FIELDS
) -> InstanceView:
    """Show an instance. Raises Unavailable if the catalogue lacks its flavor or its region."""
    flavor, region = app.catalogue.flavor(instance.flavor_id), app.catalogue.region(instance.region_id)
    if flavor is None or region is None:
        raise Unavailable(f"Flavor {instance.flavor_id} or region {instance.region_id} is missing from the catalogue")
    if profile := details.ddos_profile:
        details = replace(details, ddos_template=app.catalogue.ddos_template(profile.template_id))
    return InstanceView.of(instance, details, region.display_name, flavor, options)


def keeping_answers(form: InstanceForm[V]) -> dict[str, FindKept]:
    """Return the part of the `opt` of a handler that answers `show_instance` with the same form."""
    return {KEPT: partial(find_kept_answer, form)}


async def find_kept_answer(form: InstanceForm[V], app: AppState, place: Place, instance_id: str) -> bytes | None:
    """Return the encoded view of an instance if it is in memory. Raises NotFound."""
    cache = app.instance_cache
    if not cache.has_answer(instance_id, form):
        return None
    async with app.db.read() as tx:
        stamp = await instances.get_stamp(tx, place, instance_id)
        answer = cache.find_answer(instance_id, stamp, form)
        return answer if answer is None or not cache.checked else await _read_answer(tx, form, app, place, instance_id)


async def show_instance(ctx: RequestContext, instance_id: str, form: InstanceForm[V]) -> V:
    """Return the encoded view of an instance. Raises NotFound."""
    answer = await find_kept_answer(form, ctx.app, ctx.place, instance_id)
    if answer is None:
        async with ctx.db.read() as tx:
            answer = await _read_answer(tx, form, ctx.app, ctx.place, instance_id)
    return cast("V", Raw(answer))


async def _read_answer(tx: Tx, form: InstanceForm[V], app: AppState, place: Place, instance_id: str) -> bytes:
    """Read, encode and keep the view of an instance. Raises NotFound."""
    state = InstanceState(*await instances.get_with_details(tx, place, instance_id))
    return _keep_state_and_answer(app, state, form)


async def show_instances(
    tx: Tx, ctx: RequestContext, stamps: Sequence[tuple[str, int]], form: InstanceForm[V]
) -> list[V]:
    """Return the encoded views of instances, given their ids and stamps."""
    cache = ctx.app.instance_cache

    def keep(state: tuple[Instance, InstanceDetails]) -> None:
        answers[state[0].id] = _keep_answer(ctx.app, *state, form)

    answers = {instance_id: cache.find_answer(instance_id, stamp, form) for instance_id, stamp in stamps}
    missing = [instance_id for instance_id, answer in answers.items() if answer is None or cache.checked]
    await call_in_turns(keep, await instances.iterate_with_details(tx, missing))
    return [cast("V", Raw(answer)) for answer in answers.values() if answer is not None]


async def update_and_show_instance(
    ctx: RequestContext, instance_id: str, patch: ResourcePatch, form: InstanceForm[V]
) -> V:
    """Apply a merge patch to an instance and return its encoded view. Raises NotFound, Invalid or Conflict."""

    async def get(tx: Tx, place: Place, instance_id: str) -> InstanceState:
        state = await ctx.app.instance_cache.get_for_change(tx, place, instance_id)
        _check_kind(state.instance, form)
        return state

    state = await ctx.write(lambda tx: instance_service.update_instance(tx, ctx, instance_id, patch, get))
    return cast("V", Raw(_keep_state_and_answer(ctx.app, state, form)))


def _keep_state_and_answer(app: AppState, state: InstanceState, form: InstanceForm[V]) -> bytes:
    """Keep a committed state, and encode and keep its answer."""
    answer = _keep_answer(app, state.instance, state.details, form)
    app.instance_cache.keep_state(state)
    return answer


def _keep_answer(app: AppState, instance: Instance, details: InstanceDetails, form: InstanceForm[V]) -> bytes:
    """Encode and keep the answer of an instance as it is committed. Raises NotFound if the form is for another kind."""
    _check_kind(instance, form)
    view = instance_view(app, instance, details, form.options)
    content = ServerView.of(view) if form.view_type is ServerView else view
    answer = encode_json(content, legacy_fields=app.legacy_fields)
    app.instance_cache.keep_answer(instance, form, answer)
    return answer


def _check_kind(instance: Instance, form: InstanceForm[V]) -> None:
    if form.view_type is ServerView:
        instances.require_baremetal(instance)
