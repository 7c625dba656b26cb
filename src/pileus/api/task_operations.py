"""Task types and the operations that start them: similar things with different names, which users take for each other.

A task type that is not here has the name of its operation.
"""

from collections.abc import Collection, Mapping

from pileus.domain.suggestions import describe_known_names

STARTED_BY: Mapping[str, tuple[str, ...]] = {
    "create_vm": ("create_instance",),
    "delete_vm": ("delete_instance",),
    "resize_vm": ("change_flavor",),
    "start_vm": ("start_instance", "act_on_instance"),
    "stop_vm": ("stop_instance", "act_on_instance"),
    "soft_reboot_vm": ("reboot_instance", "act_on_instance"),
    "hard_reboot_vm": ("powercycle_instance", "act_on_instance"),
    "suspend_vm": ("suspend_instance", "act_on_instance"),
    "resume_vm": ("resume_instance", "act_on_instance"),
    "create_bm": ("create_server",),
    "delete_bm": ("delete_server",),
    "rebuild_bm": ("rebuild_server",),
    "start_bm": ("act_on_server", "act_on_bminstance"),
    "stop_bm": ("act_on_server", "act_on_bminstance"),
    "soft_reboot_bm": ("act_on_server", "act_on_bminstance"),
    "hard_reboot_bm": ("act_on_server", "act_on_bminstance"),
    "put_into_server_group": ("put_into_placement_group",),
    "remove_from_server_group": ("remove_from_placement_group",),
    "delete_servergroup": ("delete_placement_group",),
    "create_image": ("create_image", "create_baremetal_image"),
    "attach_volume": ("attach_volume", "attach_volume_and_wait"),
    "detach_volume": ("detach_volume", "detach_volume_and_wait"),
    "create_sfs": ("create_file_share",),
    "update_sfs": ("update_file_share", "update_file_share_and_wait"),
    "extend_sfs": ("extend_file_share",),
    "delete_sfs": ("delete_file_share",),
    "update_network": ("update_network", "update_network_and_wait"),
    "update_router": ("update_router", "update_router_and_wait", "attach_subnet", "detach_subnet"),
    "attach_vm_interface": ("attach_interface",),
    "attach_vm_to_reserved_fixed_ip": ("attach_interface",),
    "detach_vm_interface": ("detach_interface",),
    "update_port": ("enable_port_security", "disable_port_security"),
    "update_port_allowed_address_pairs": ("allow_address_pairs",),
    "create_fip": ("create_floating_ip",),
    "update_floating_ip": ("update_floating_ip", "assign_floating_ip", "unassign_floating_ip"),
    "delete_fip": ("delete_floating_ip",),
    "create_secret": ("create_secret", "upload_certificate"),
    "activate_ddos_profile": ("switch_ddos_profile",),
    "deactivate_ddos_profile": ("switch_ddos_profile",),
    "create_loadbalancer": ("create_load_balancer",),
    "update_loadbalancer": ("update_load_balancer",),
    "delete_loadbalancer": ("delete_load_balancer",),
    "failover_loadbalancer": ("fail_over_load_balancer",),
    "resize_loadbalancer": ("resize_load_balancer",),
    "update_lbmetadata": ("update_load_balancer_tags",),
    "replace_lbmetadata": ("replace_load_balancer_tags",),
    "delete_lbmetadata": ("delete_load_balancer_tag",),
    "create_lblistener": ("create_listener",),
    "patch_lblistener": ("update_listener",),
    "delete_lblistener": ("delete_listener",),
    "create_lbpool": ("create_pool",),
    "patch_lbpool": ("update_pool", "update_pool_v1"),
    "delete_lbpool": ("delete_pool",),
    "create_lbmember": ("create_member", "create_member_of_lbpool"),
    "update_lbmember": ("update_member",),
    "delete_lbmember": ("delete_member", "delete_member_of_lbpool"),
    "create_lbpool_health_monitor": ("create_health_monitor",),
    "update_lbpool_health_monitor": ("update_health_monitor",),
    "delete_lbpool_health_monitor": ("delete_health_monitor",),
    "create_l7policy": ("create_l7_policy",),
    "update_l7policy": ("update_l7_policy", "replace_l7_policy"),
    "delete_l7policy": ("delete_l7_policy",),
    "create_l7rule": ("create_l7_rule",),
    "put_l7rule": ("replace_l7_rule",),
    "delete_l7rule": ("delete_l7_rule",),
}


def describe_missing_operation(name: str, known_names: Collection[str], place: str) -> str:
    """Return a sentence about an operation that does not exist: a task type has that name, or similar names."""
    started_by = " or ".join(STARTED_BY.get(name, ()))
    hint = (
        f": it is a task type; its operation is {started_by}"
        if started_by
        else describe_known_names(name, known_names, place)
    )
    return f"There is no operation {name}{hint}"


def describe_missing_task_type(
    name: str, known_names: Collection[str], operation_ids: Collection[str], place: str
) -> str:
    """Return a sentence about a task type that does not exist: an operation has that name, or similar names."""
    task_types = " or ".join(task_type for task_type, started_by in STARTED_BY.items() if name in started_by)
    if task_types:
        hint = f": it is an operation; its task is {task_types}"
    elif name in operation_ids:
        hint = f": it is an operation; {place} lists the task types"
    else:
        hint = describe_known_names(name, known_names, place)
    return f"There is no task type {name}{hint}"
