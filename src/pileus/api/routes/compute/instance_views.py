"""An instance's record and what hangs on it, made into what the API shows."""

from msgspec.structs import replace

from pileus.api.context import AppState
from pileus.api.wire.compute.instances import InstanceView, LegacyInstanceView
from pileus.domain.compute.instance_details import InstanceDetails
from pileus.domain.compute.instances import Instance
from pileus.domain.errors import Unavailable


def show(  # what may be left out of a view
    cloud: AppState,
    instance: Instance,
    attached: InstanceDetails,
    *,
    detail: bool = True,
    with_interface_names: bool = True,
    with_ddos: bool = True,
) -> InstanceView:
    """Show an instance, under its older names too if the server is set so."""
    flavor, region = cloud.catalogue.flavor(instance.flavor_id), cloud.catalogue.region(instance.region_id)
    if flavor is None or region is None:
        raise Unavailable(f"Flavor {instance.flavor_id} or region {instance.region_id} is missing from the catalogue")
    if profile := attached.ddos_profile:
        attached = replace(attached, ddos_template=cloud.catalogue.ddos_template(profile.template_id))
    view = LegacyInstanceView if cloud.legacy_fields else InstanceView
    return view.of(
        instance,
        attached,
        region.display_name,
        flavor,
        detail=detail,
        with_interface_names=with_interface_names,
        with_ddos=with_ddos,
    )
