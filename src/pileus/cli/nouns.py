"""The nouns of the API that are commands, such as `pileus instances`: where the official client has each."""

from msgspec import Struct


class Noun(Struct, frozen=True, kw_only=True):
    """One kind of thing: where the client has it, and what of it a table shows.

    `identity` is what the client's methods call its id, `key` what the thing itself does.
    """

    word: str
    path: str
    help: str
    columns: tuple[str, ...]
    identity: str = ""
    key: str = "id"
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
    Noun(
        word="instances",
        path="instances",
        help="Virtual machines.",
        columns=("id", "name", "status", "flavor", "addresses", "tags"),
        identity="instance_id",
        examples=(
            ("All that there are", "pileus instances list"),
            ("Those with a tag, for a program", 'pileus instances list --tag-key-value \'{"env": "prod"}\' -o json'),
            ("One with an address in the public network, and wait for it", CREATE),
            (
                "Rename one, set a tag and take another away",
                "pileus instances update web --name www --tags env=prod --tags old-",
            ),
            ("Stop one, by its name", "pileus instances stop web --wait"),
        ),
    ),
    Noun(
        word="images",
        path="instances.images",
        help="What boots.",
        columns=("id", "name", "os_distro", "os_version", "size", "visibility", "status"),
        identity="image_id",
        examples=(
            (
                "Fetch one from the web",
                "pileus images upload --name mine --url https://example.org/mine.qcow2 --wait",
            ),
        ),
    ),
    Noun(
        word="flavors",
        path="instances.flavors",
        help="Sizes of machines.",
        columns=("flavor_id", "vcpus", "ram", "disabled"),
    ),
    Noun(
        word="interfaces",
        path="instances.interfaces",
        help="Where instances are connected.",
        columns=("port_id", "mac_address", "network_id", "ip_assignments"),
    ),
    Noun(
        word="volumes",
        path="volumes",
        help="Disks.",
        columns=("id", "name", "status", "size", "volume_type", "attachments", "tags"),
        identity="volume_id",
        examples=(
            ("A blank one of 10 GiB", "pileus volumes create --name data --size 10 --source new-volume --wait"),
            ("On an instance", "pileus volumes attach-to-instance data --instance-id web --wait"),
        ),
    ),
    Noun(
        word="snapshots",
        path="volume_snapshots",
        help="Volumes as they were.",
        columns=("id", "name", "status", "size", "volume_id", "created_at"),
        identity="snapshot_id",
    ),
    Noun(
        word="snapshot-schedules",
        path="snapshot_schedules",
        help="When snapshots are taken, and how long they are kept.",
        columns=("id", "name", "status", "schedules", "volumes"),
        identity="policy_id",
        examples=(("Each night, a week's worth", NIGHTLY),),
    ),
    Noun(
        word="networks",
        path="networks",
        help="Private networks.",
        columns=("id", "name", "type", "external", "subnets"),
        identity="network_id",
    ),
    Noun(
        word="subnets",
        path="networks.subnets",
        help="Ranges of addresses.",
        columns=("id", "name", "cidr", "gateway_ip", "network_id"),
        identity="subnet_id",
    ),
    Noun(
        word="routers",
        path="networks.routers",
        help="Ways between networks.",
        columns=("id", "name", "status", "interfaces"),
        identity="router_id",
    ),
    Noun(
        word="floating-ips",
        path="floating_ips",
        help="Public addresses that can be moved.",
        columns=("id", "floating_ip_address", "fixed_ip_address", "status", "port_id"),
        identity="floating_ip_id",
    ),
    Noun(
        word="reserved-fixed-ips",
        path="reserved_fixed_ips",
        help="Addresses that are kept.",
        columns=("port_id", "name", "fixed_ip_address", "is_external", "is_vip", "status"),
        identity="port_id",
        key="port_id",
    ),
    Noun(
        word="security-groups",
        path="security_groups",
        help="What may come and go.",
        columns=("id", "name", "description"),
        identity="group_id",
    ),
    Noun(
        word="security-group-rules",
        path="security_groups.rules",
        help="One thing that may come or go.",
        columns=COMMON,
    ),
    Noun(
        word="ssh-keys",
        path="ssh_keys",
        help="Keys that open instances.",
        columns=("id", "name", "fingerprint", "state"),
        identity="ssh_key_id",
    ),
    Noun(
        word="placement-groups",
        path="placement_groups",
        help="Instances that stand together, or apart.",
        columns=("servergroup_id", "name", "policy", "instances"),
        identity="group_id",
        key="servergroup_id",
    ),
    Noun(
        word="baremetal",
        path="baremetal.servers",
        help="Bare metal servers.",
        columns=("id", "name", "status", "flavor_id", "addresses", "tags"),
        identity="server_id",
    ),
    Noun(
        word="projects",
        path="projects",
        help="What keeps things apart.",
        columns=("id", "name", "state", "is_default"),
        identity="project_id",
    ),
    Noun(
        word="regions",
        path="regions",
        help="Where things can be.",
        columns=("id", "display_name", "state", "country"),
        identity="region_id",
    ),
    Noun(word="quotas", path="quotas", help="How much there may be.", columns=COMMON),
    Noun(
        word="tasks",
        path="tasks",
        help="What is being done, and how it ended.",
        columns=("id", "task_type", "state", "created_on", "error"),
        identity="task_id",
    ),
    Noun(
        word="audit-log",
        path="audit_logs",
        help="Who did what.",
        columns=("timestamp", "email", "api_group", "action_type", "resources"),
    ),
    Noun(word="costs", path="cost_reports", help="What has been spent.", columns=("type_name", "cost", "currency")),
)
NOUNS = {noun.word: noun for noun in _ALL}
