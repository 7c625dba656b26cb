"""The kinds of resource that are commands, such as `pileus instances`, and their paths in the official client."""

from msgspec import Struct


class ResourceKind(Struct, frozen=True, kw_only=True):
    """A kind of resource; `path` is its place in the client, `columns` are those of a table.

    `id_parameter` is the name of its id in the client's methods, `id_field` that in the resource.
    """

    word: str
    path: str
    help: str
    columns: tuple[str, ...]
    id_parameter: str = ""
    id_field: str = "id"
    examples: tuple[tuple[str, str], ...] = ()


COMMON = ("id", "name", "status")
CREATE = (
    "pileus instances create --name web --flavor g1-standard-1-2 --interfaces type=external "
    "--volumes source=image,image_id=debian-12-generic-x64,size=10,boot_index=0 --wait"
)
NIGHTLY = (
    "pileus snapshot-schedules create --name nightly --action volume_snapshot "
    "--schedules type=cron,hour=3,max_quantity=7 --volume-ids data"
)
_ALL = (
    ResourceKind(
        word="instances",
        path="instances",
        help="Virtual machines.",
        columns=("id", "name", "status", "flavor", "addresses", "tags"),
        id_parameter="instance_id",
        examples=(
            ("List all instances", "pileus instances list"),
            ("List those with a tag as JSON", 'pileus instances list --tag-key-value \'{"env": "prod"}\' -o json'),
            ("Create one with a public address, and wait for it", CREATE),
            (
                "Rename one, set a tag and remove another",
                "pileus instances update web --name www --tags env=prod --tags old-",
            ),
            ("Stop one by its name, and wait for it", "pileus instances stop web --wait"),
        ),
    ),
    ResourceKind(
        word="images",
        path="instances.images",
        help="Images to boot from.",
        columns=("id", "name", "os_distro", "os_version", "size", "visibility", "status"),
        id_parameter="image_id",
        examples=(
            (
                "Download one from a URL",
                "pileus images upload --name mine --url https://example.org/mine.qcow2 --wait",
            ),
        ),
    ),
    ResourceKind(
        word="flavors",
        path="instances.flavors",
        help="Sizes of instances.",
        columns=("flavor_id", "vcpus", "ram", "disabled"),
    ),
    ResourceKind(
        word="interfaces",
        path="instances.interfaces",
        help="Network interfaces of instances.",
        columns=("port_id", "mac_address", "network_id", "ip_assignments"),
    ),
    ResourceKind(
        word="volumes",
        path="volumes",
        help="Block storage volumes.",
        columns=("id", "name", "status", "size", "volume_type", "attachments", "tags"),
        id_parameter="volume_id",
        examples=(
            (
                "Create an empty volume of 10 GiB",
                "pileus volumes create --name data --size 10 --source new-volume --wait",
            ),
            ("Attach it to an instance", "pileus volumes attach-to-instance data --instance-id web --wait"),
        ),
    ),
    ResourceKind(
        word="snapshots",
        path="volume_snapshots",
        help="Snapshots of volumes.",
        columns=("id", "name", "status", "size", "volume_id", "created_at"),
        id_parameter="snapshot_id",
    ),
    ResourceKind(
        word="snapshot-schedules",
        path="snapshot_schedules",
        help="Schedules that take snapshots and delete old ones.",
        columns=("id", "name", "status", "schedules", "volumes"),
        id_parameter="policy_id",
        examples=(("Take a snapshot each night and keep seven", NIGHTLY),),
    ),
    ResourceKind(
        word="networks",
        path="networks",
        help="Private networks.",
        columns=("id", "name", "type", "external", "subnets"),
        id_parameter="network_id",
    ),
    ResourceKind(
        word="subnets",
        path="networks.subnets",
        help="Ranges of addresses.",
        columns=("id", "name", "cidr", "gateway_ip", "network_id"),
        id_parameter="subnet_id",
    ),
    ResourceKind(
        word="routers",
        path="networks.routers",
        help="Routers between networks.",
        columns=("id", "name", "status", "interfaces"),
        id_parameter="router_id",
    ),
    ResourceKind(
        word="floating-ips",
        path="floating_ips",
        help="Public addresses that can be reassigned.",
        columns=("id", "floating_ip_address", "fixed_ip_address", "status", "port_id"),
        id_parameter="floating_ip_id",
    ),
    ResourceKind(
        word="reserved-fixed-ips",
        path="reserved_fixed_ips",
        help="Reserved addresses.",
        columns=("port_id", "name", "fixed_ip_address", "is_external", "is_vip", "status"),
        id_parameter="port_id",
        id_field="port_id",
    ),
    ResourceKind(
        word="security-groups",
        path="security_groups",
        help="Firewall rules of instances, in groups.",
        columns=("id", "name", "description"),
        id_parameter="group_id",
    ),
    ResourceKind(
        word="security-group-rules",
        path="security_groups.rules",
        help="Single rules of security groups.",
        columns=COMMON,
    ),
    ResourceKind(
        word="ssh-keys",
        path="ssh_keys",
        help="SSH keys of instances.",
        columns=("id", "name", "fingerprint", "state"),
        id_parameter="ssh_key_id",
    ),
    ResourceKind(
        word="placement-groups",
        path="placement_groups",
        help="Groups of instances on the same host, or on different ones.",
        columns=("servergroup_id", "name", "policy", "instances"),
        id_parameter="group_id",
        id_field="servergroup_id",
    ),
    ResourceKind(
        word="baremetal",
        path="baremetal.servers",
        help="Bare metal servers.",
        columns=("id", "name", "status", "flavor_id", "addresses", "tags"),
        id_parameter="server_id",
    ),
    ResourceKind(
        word="projects",
        path="projects",
        help="Projects of a tenant.",
        columns=("id", "name", "state", "is_default"),
        id_parameter="project_id",
    ),
    ResourceKind(
        word="regions",
        path="regions",
        help="Regions of the cloud.",
        columns=("id", "display_name", "state", "country"),
        id_parameter="region_id",
    ),
    ResourceKind(word="quotas", path="quotas", help="Quotas and usage.", columns=COMMON),
    ResourceKind(
        word="tasks",
        path="tasks",
        help="Long operations and their results.",
        columns=("id", "task_type", "state", "created_on", "error"),
        id_parameter="task_id",
    ),
    ResourceKind(
        word="audit-log",
        path="audit_logs",
        help="User actions.",
        columns=("timestamp", "email", "api_group", "action_type", "resources"),
    ),
    ResourceKind(
        word="costs", path="cost_reports", help="Costs of resources.", columns=("type_name", "cost", "currency")
    ),
)
RESOURCE_KINDS = {kind.word: kind for kind in _ALL}
