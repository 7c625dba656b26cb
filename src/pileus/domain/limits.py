"""The most that one thing can hold: one table, used wherever a request is checked and shown in `docs/limits.md`.

Quotas bound how many resources a tenant has; these limits bound what a single resource or request contains. Records
that exceed a limit, because an earlier version had none, stay and can be changed, but cannot grow.
"""

from collections.abc import Collection

from msgspec import Struct

from pileus.domain.errors import Invalid, invalid

PUBLISHED = "the published API"
OPENSTACK = "OpenStack's default"
GUESTS = "what guests can use"
OWN = "our choice"


class Limit(Struct, frozen=True, kw_only=True):
    """The largest number of items, characters or bytes of something, and where the number comes from."""

    name: str
    value: int
    bounds: str
    source: str = OWN


TAGS = Limit(name="tags", value=512, bounds="Tags of one resource, without system tags (setting `tag_limit`)")
TAG_CHANGES = Limit(name="tag_changes", value=1024, bounds="Tags in one body")
USER_DATA = Limit(
    name="user_data", value=64 << 10, bounds="User data, in bytes after decoding the base64", source=OPENSTACK
)
USER_DATA_TEXT = 2 * USER_DATA.value
"""The most characters of user data in base64, with line breaks."""
PASSWORD = Limit(name="password", value=511, bounds="The password of an instance, in bytes", source=GUESTS)
USERNAME = Limit(name="username", value=255, bounds="The username of an instance, in characters")
DESCRIPTION = Limit(name="description", value=255, bounds="A description, in characters", source=PUBLISHED)
APP_CONFIGURATION = Limit(name="app_configuration", value=100, bounds="Entries of an app template's configuration")
SSH_PUBLIC_KEY = Limit(name="ssh_public_key", value=16384, bounds="A public SSH key, in characters")
INSTANCE_VOLUMES = Limit(
    name="instance_volumes", value=26, bounds="Volumes of one instance", source="device names from vda to vdz"
)
INSTANCE_INTERFACES = Limit(name="instance_interfaces", value=26, bounds="Interfaces of one instance")
BAREMETAL_INTERFACES = Limit(name="baremetal_interfaces", value=6, bounds="Interfaces of a new bare metal server")
PORT_SECURITY_GROUPS = Limit(
    name="port_security_groups", value=50, bounds="Security groups of one interface, or of an order of an instance"
)
PLACEMENT_GROUP_MEMBERS = Limit(name="placement_group_members", value=100, bounds="Instances in one placement group")
SECURITY_GROUP_RULES = Limit(
    name="security_group_rules", value=250, bounds="Rules of one security group", source=PUBLISHED
)
SECURITY_GROUP_RULE_CHANGES = Limit(
    name="security_group_rule_changes", value=500, bounds="Rule changes in one body", source=PUBLISHED
)
HOST_ROUTES = Limit(name="host_routes", value=20, bounds="Host routes of one subnet", source=OPENSTACK)
DNS_NAMESERVERS = Limit(name="dns_nameservers", value=5, bounds="DNS servers of one subnet", source=OPENSTACK)
ROUTER_ROUTES = Limit(name="router_routes", value=30, bounds="Static routes of one router", source=OPENSTACK)
ROUTER_INTERFACES = Limit(name="router_interfaces", value=50, bounds="Subnets attached to one router")
SECURITY_GROUP_INSTANCES = Limit(
    name="security_group_instances", value=100, bounds="Instances that a new security group is added to"
)
VIRTUAL_IP_PORTS = Limit(name="virtual_ip_ports", value=100, bounds="Ports connected to a virtual IP in one request")
ALLOWED_ADDRESS_PAIRS = Limit(
    name="allowed_address_pairs", value=10, bounds="Allowed address pairs of one port", source=PUBLISHED
)
SHARE_ACCESS_RULES = Limit(name="share_access_rules", value=100, bounds="Access rules of one file share")
SECRET_PAYLOAD = Limit(
    name="secret_payload", value=20_000, bounds="The payload of a secret, in bytes after decoding", source=OPENSTACK
)
SECRET_TEXT = Limit(
    name="secret_text", value=255, bounds="Name, algorithm and mode of a secret, in characters", source=OPENSTACK
)
DDOS_FIELDS = Limit(name="ddos_fields", value=100, bounds="Fields of a DDoS profile")
LIFECYCLE_POLICIES = Limit(name="lifecycle_policies", value=100, bounds="Lifecycle policies of a project in one region")
POLICY_SCHEDULES = Limit(
    name="policy_schedules", value=10, bounds="Schedules of one lifecycle policy", source=PUBLISHED
)
PRICED_VOLUMES = Limit(
    name="priced_volumes", value=100, bounds="Volumes in a preview of a policy's price", source=PUBLISHED
)
VOLUME_POLICIES = Limit(name="volume_policies", value=100, bounds="Lifecycle policies of a new volume")
SUBSCRIPTIONS = Limit(name="subscriptions", value=10, bounds="Subscriptions of a tenant of one kind")
WAITING_LIMIT_REQUESTS = Limit(
    name="waiting_limit_requests", value=20, bounds="Limit requests of a tenant that are in progress"
)
REQUESTED_LIMITS = Limit(
    name="requested_limits", value=200, bounds="Quotas of one scope, and regions, in one body of limits"
)
LOAD_BALANCER_LISTENERS = Limit(
    name="load_balancer_listeners",
    value=51,
    bounds="Listeners of one load balancer, one of them of protocol PROMETHEUS",
    source=PUBLISHED,
)
ALLOWED_CIDRS = Limit(
    name="allowed_cidrs", value=100, bounds="Address ranges that may use one listener", source=PUBLISHED
)
LISTENER_USERS = Limit(name="listener_users", value=3, bounds="Users of one listener", source=PUBLISHED)
SNI_SECRETS = Limit(name="sni_secrets", value=50, bounds="Further certificates of one listener")
NAMES = Limit(name="names", value=100, bounds="Names, name templates, interfaces or volumes in a preview")
POOL_MEMBERS = Limit(name="pool_members", value=250, bounds="Members of one pool of a load balancer")
LOAD_BALANCER_POOLS = Limit(name="load_balancer_pools", value=100, bounds="Pools of one load balancer")
LISTENER_L7_POLICIES = Limit(name="listener_l7_policies", value=100, bounds="L7 policies of one listener")
L7_POLICY_RULES = Limit(name="l7_policy_rules", value=50, bounds="Rules of one L7 policy", source=OPENSTACK)
L7_TAGS = Limit(name="l7_tags", value=50, bounds="Tags of one L7 policy or L7 rule")
URL = Limit(name="url", value=255, bounds="An address or a path of L7 policies and health monitors, in characters")
EXPECTED_CODES = Limit(name="expected_codes", value=64, bounds="Codes that a health monitor expects, in characters")
TAG_CONDITIONS = Limit(name="tag_conditions", value=10, bounds="Conditions on tags in a usage report", source=PUBLISHED)
REPORT_VALUES = Limit(name="report_values", value=1000, bounds="Values in one list of a report's filter")
IDS = Limit(name="ids", value=1000, bounds="Ids in one list of a body")
BODY_CONTAINERS = Limit(
    name="body_containers", value=20_000, bounds="Objects and lists in one body, counted by brackets"
)
QUERY_VALUES = Limit(name="query_values", value=100, bounds="Values of one query parameter")

INTRODUCTION = """\
# Limits

Quotas bound how many resources a tenant has. The limits below bound what one resource or one request contains. A
request beyond a limit is refused with 400. A resource that exceeds a limit, because an earlier version had none, still
works and can be changed, but cannot grow. The setting `tag_limit` changes the limit of tags; the others are fixed. The
size of a whole request is bounded by the setting `body_limit`.

| limit | most | what it bounds | source of the number |
|---|---|---|---|
"""

LIMITS: tuple[Limit, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Limit))
"""Every limit, in the order of this file."""


def check_total(field: str, items: Collection[object], limit: Limit, *, existing_count: int = 0) -> None:
    """Raise Invalid if there are more items than the limit and more than before."""
    check_count(field, len(items), limit.value, existing_count=existing_count)


def check_count(field: str, count: int, limit: int, *, existing_count: int = 0) -> None:
    """Raise Invalid if `count` exceeds the limit and the count of the existing record."""
    if count > limit and count > existing_count:
        raise invalid(**{field: f"List should have at most {limit} items after validation, not {count}"})


def check_waiting_count(noun: str, count: int, limit: Limit) -> None:
    """Raise Invalid if a tenant with `count` of something cannot have another one."""
    if count >= limit.value:
        raise Invalid(f"There are {limit.value} {noun} already")


def make_limits_reference() -> str:
    """Return the table of all limits, as Markdown for `docs/limits.md`."""
    return INTRODUCTION + "".join(
        f"| `{limit.name}` | {limit.value} | {limit.bounds} | {limit.source} |\n" for limit in LIMITS
    )
