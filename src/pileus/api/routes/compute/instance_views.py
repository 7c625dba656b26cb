"""Show instances."""

from collections.abc import Sequence

from msgspec.structs import replace

from pileus.api.context import AppState, RequestContext
from pileus.api.wire.compute.instances import ALL_FIELDS, InstanceView, InstanceViewOptions
from pileus.domain.compute.instance_details import InstanceDetails
from pileus.domain.compute.instances import Instance
from pileus.domain.errors import Unavailable
from pileus.store.compute import instances
from pileus.store.database import Tx


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


async def build_instance_views(
    tx: Tx, ctx: RequestContext, records: Sequence[Instance], options: InstanceViewOptions
) -> list[InstanceView]:
    """Read the details of instances and show them."""
    details = await instances.list_details_by_instance(tx, [instance.id for instance in records])
    return [instance_view(ctx.app, instance, details[instance.id], options) for instance in records]
