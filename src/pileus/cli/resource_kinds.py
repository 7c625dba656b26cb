"""The kinds of resource that are commands, such as `pileus instances`, and their paths in the official client."""

from typing import Any

from msgspec import Struct


class ResourceKind(Struct, frozen=True, kw_only=True):
    """A kind of resource; `path` is its place in the client, `columns` are those of a table.

    `id_parameter` is the name of its id in the client's methods, `id_field` that in the resource. Tasks name what they
    created by `created_kind`. A kind that cannot be read alone is in the `parent_field` of its parent. `extra_methods`
    maps verbs to methods below the path; `defaults` are values of parameters that the client requires there, and
    `columns_of_verbs` the columns of tables with other rows.
    """

    word: str
    path: str
    help: str
    columns: tuple[str, ...]
    id_parameter: str = ""
    id_field: str = "id"
    created_kind: str = ""
    parent_field: str = ""
    extra_methods: dict[str, str] = {}
    defaults: dict[str, Any] = {}
    columns_of_verbs: dict[str, tuple[str, ...]] = {}
    examples: tuple[tuple[str, str], ...] = ()


CREATE = (
    "pileus instances create --name web --flavor g1-standard-1-2 --interfaces type=external "
    "--volumes source=image,image_id=debian-12-generic-x64,size=10,boot_index=0"
)
NIGHTLY = (
    "pileus snapshot-schedules create --name nightly --action volume_snapshot "
    "--schedules type=cron,hour=3,max_quantity=7 --volume-ids data"
)
UPLOAD = (
    "pileus secrets upload-tls-certificate --name www "
    """--payload '{"certificate": "…", "private_key": "…", "certificate_chain": ""}'"""
)
SHARE = (
    "pileus file-shares create --name data --size 10 --protocol NFS --network network_id=inside "
    "--access ip_address=10.0.0.0/24,access_mode=rw"
)
_ALL = (
    ResourceKind(
        word="instances",
        path="instances",
        help="Virtual machines.",
        columns=("id", "name", "status", "addresses", "flavor", "tags"),
        id_parameter="instance_id",
        created_kind="instances",
        extra_methods={"metrics": "metrics.list"},
        defaults={"time_interval": 1, "time_unit": "hour"},
        columns_of_verbs={
            "metrics": ("time", "cpu_util", "memory_util", "network_Bps_ingress", "network_Bps_egress"),
        },
        examples=(
            ("List all instances", "pileus instances list"),
            ("List those with a tag as JSON", 'pileus instances list --tag-key-value \'{"env": "prod"}\' -o json'),
            ("Create one with a public address", CREATE),
            (
                "Rename one, set a tag and remove another",
                "pileus instances update web --name www --tags env=prod --tags old-",
            ),
            ("Stop one by its name", "pileus instances stop web"),
        ),
    ),
    ResourceKind(
        word="images",
        path="instances.images",
        help="Images to boot from.",
        columns=("id", "name", "os_distro", "os_version", "size", "visibility", "status"),
        id_parameter="image_id",
        created_kind="images",
        examples=(
            (
                "Download one from a URL",
                "pileus images upload --name mine --url https://example.org/mine.qcow2",
            ),
        ),
    ),
    ResourceKind(
        word="flavors",
        path="instances.flavors",
        help="Sizes of instances.",
        columns=("flavor_id", "vcpus", "ram", "disabled"),
        id_field="flavor_id",
    ),
    ResourceKind(
        word="interfaces",
        path="instances.interfaces",
        help="Network interfaces of instances.",
        columns=("port_id", "mac_address", "network_id", "ip_assignments"),
        id_field="port_id",
        created_kind="ports",
    ),
    ResourceKind(
        word="volumes",
        path="volumes",
        help="Block storage volumes.",
        columns=("id", "name", "status", "size", "volume_type", "attachments", "tags"),
        id_parameter="volume_id",
        created_kind="volumes",
        examples=(
            (
                "Create an empty volume of 10 GiB",
                "pileus volumes create --name data --size 10 --source new-volume",
            ),
            ("Attach it to an instance", "pileus volumes attach-to-instance data --instance-id web"),
        ),
    ),
    ResourceKind(
        word="snapshots",
        path="volume_snapshots",
        help="Snapshots of volumes.",
        columns=("id", "name", "status", "size", "volume_id", "created_at"),
        id_parameter="snapshot_id",
        created_kind="snapshots",
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
        created_kind="networks",
    ),
    ResourceKind(
        word="subnets",
        path="networks.subnets",
        help="Ranges of addresses.",
        columns=("id", "name", "cidr", "gateway_ip", "network_id"),
        id_parameter="subnet_id",
        created_kind="subnets",
    ),
    ResourceKind(
        word="routers",
        path="networks.routers",
        help="Routers between networks.",
        columns=("id", "name", "status", "interfaces"),
        id_parameter="router_id",
        created_kind="routers",
    ),
    ResourceKind(
        word="floating-ips",
        path="floating_ips",
        help="Public addresses that can be reassigned.",
        columns=("id", "floating_ip_address", "fixed_ip_address", "status", "port_id"),
        id_parameter="floating_ip_id",
        created_kind="floatingips",
    ),
    ResourceKind(
        word="reserved-fixed-ips",
        path="reserved_fixed_ips",
        help="Reserved addresses.",
        columns=("port_id", "name", "fixed_ip_address", "is_external", "is_vip", "status"),
        id_parameter="port_id",
        id_field="port_id",
        created_kind="ports",
    ),
    ResourceKind(
        word="load-balancers",
        path="load_balancers",
        help="Load balancers.",
        columns=("id", "name", "vip_address", "provisioning_status", "operating_status", "tags_v2"),
        id_parameter="load_balancer_id",
        created_kind="loadbalancers",
        extra_methods={"metrics": "metrics.list"},
        defaults={"time_interval": 1, "time_unit": "hour"},
        columns_of_verbs={
            "metrics": ("time", "cpu_util", "memory_util", "network_Bps_ingress", "network_Bps_egress"),
        },
        examples=(
            (
                "Create one with a listener",
                "pileus load-balancers create --name web --listeners name=http,protocol=HTTP,protocol_port=80",
            ),
        ),
    ),
    ResourceKind(
        word="load-balancer-statuses",
        path="load_balancers.statuses",
        help="Statuses of load balancers and of all their parts.",
        columns=("id", "name", "provisioning_status", "operating_status"),
        id_parameter="load_balancer_id",
    ),
    ResourceKind(
        word="load-balancer-flavors",
        path="load_balancers.flavors",
        help="Sizes of load balancers.",
        columns=("flavor_id", "flavor_name", "vcpus", "ram"),
        id_field="flavor_id",
    ),
    ResourceKind(
        word="listeners",
        path="load_balancers.listeners",
        help="Ports and protocols of load balancers.",
        columns=("id", "name", "protocol", "protocol_port", "provisioning_status", "operating_status"),
        id_parameter="listener_id",
        created_kind="listeners",
    ),
    ResourceKind(
        word="pools",
        path="load_balancers.pools",
        help="Members that share the traffic of listeners.",
        columns=("id", "name", "protocol", "lb_algorithm", "provisioning_status", "operating_status"),
        id_parameter="pool_id",
        created_kind="pools",
        examples=(
            (
                "Create the pool of a listener",
                "pileus pools create --name web --protocol HTTP --lb-algorithm ROUND_ROBIN --listener-id 3d5e…",
            ),
        ),
    ),
    ResourceKind(
        word="pool-members",
        path="load_balancers.pools.members",
        help="Addresses and ports of pools.",
        columns=("id", "address", "protocol_port", "weight", "backup", "operating_status"),
        id_parameter="member_id",
        created_kind="members",
    ),
    ResourceKind(
        word="health-monitors",
        path="load_balancers.pools.health_monitors",
        help="Checks of the members of pools.",
        columns=("id", "type", "delay", "timeout", "max_retries", "operating_status"),
    ),
    ResourceKind(
        word="l7-policies",
        path="load_balancers.l7_policies",
        help="What listeners do with requests that match rules.",
        columns=("id", "listener_id", "position", "action", "operating_status"),
        id_parameter="l7policy_id",
        created_kind="l7polices",
    ),
    ResourceKind(
        word="l7-rules",
        path="load_balancers.l7_policies.rules",
        help="Conditions of L7 policies.",
        columns=("id", "type", "compare_type", "value", "invert"),
        id_parameter="l7rule_id",
        created_kind="l7rules",
    ),
    ResourceKind(
        word="security-groups",
        path="security_groups",
        help="Firewall rules of instances, in groups.",
        columns=("id", "name", "description"),
        id_parameter="group_id",
        created_kind="security_groups",
    ),
    ResourceKind(
        word="security-group-rules",
        path="security_groups.rules",
        help="Single rules of security groups.",
        columns=("id", "direction", "ethertype", "protocol", "port_range_min", "port_range_max", "remote_ip_prefix"),
        id_parameter="rule_id",
        created_kind="security_group_rules",
        parent_field="security_group_rules",
    ),
    ResourceKind(
        word="secrets",
        path="secrets",
        help="Certificates with their private keys, and other secrets; and the keys that encrypt them.",
        columns=("id", "name", "secret_type", "status", "expiration"),
        id_parameter="secret_id",
        created_kind="secrets",
        examples=(("Upload the certificate of a listener", UPLOAD),),
    ),
    ResourceKind(
        word="file-shares",
        path="file_shares",
        help="File systems that instances mount over NFS.",
        columns=("id", "name", "status", "size", "type_name", "connection_point"),
        id_parameter="file_share_id",
        created_kind="file_shares",
        examples=(("Create one in a network, for all addresses of a range", SHARE),),
    ),
    ResourceKind(
        word="file-share-access-rules",
        path="file_shares.access_rules",
        help="Who may mount a file share.",
        columns=("id", "access_to", "access_level", "state"),
        id_parameter="access_rule_id",
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
        created_kind="servergroups",
    ),
    ResourceKind(
        word="baremetal",
        path="baremetal.servers",
        help="Bare metal servers.",
        columns=("id", "name", "status", "addresses", "flavor", "tags"),
        id_parameter="server_id",
        created_kind="instances",
    ),
    ResourceKind(
        word="baremetal-flavors",
        path="baremetal.flavors",
        help="Sizes of bare metal servers.",
        columns=("flavor_id", "ram", "disabled"),
        id_field="flavor_id",
    ),
    ResourceKind(
        word="baremetal-images",
        path="baremetal.images",
        help="Images of bare metal servers.",
        columns=("id", "name", "os_distro", "os_version", "size", "visibility", "status"),
        id_parameter="image_id",
    ),
    ResourceKind(
        word="projects",
        path="projects",
        help="Projects of a tenant.",
        columns=("id", "name", "state", "is_default"),
        id_parameter="project_id",
        created_kind="projects",
    ),
    ResourceKind(
        word="regions",
        path="regions",
        help="Regions of the cloud.",
        columns=("id", "display_name", "state", "country"),
        id_parameter="region_id",
    ),
    ResourceKind(word="quotas", path="quotas", help="Quotas and usage.", columns=()),
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
