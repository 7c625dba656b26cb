"""Listeners as the API shows them, and their request bodies."""

from typing import Annotated, Any, Literal, cast

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from pileus.api.wire.common import make_view
from pileus.api.wire.constraints import END, Name, Uuid
from pileus.api.wire.legacy import LegacyField, LegacyInput
from pileus.api.wire.load_balancers.pool_requests import CreateListenerPool
from pileus.api.wire.load_balancers.stats import StatsView
from pileus.api.wire.patches import sent_fields
from pileus.domain import limits
from pileus.domain.errors import invalid
from pileus.domain.load_balancers.listener_orders import ListenerPatch, NewListener
from pileus.domain.load_balancers.listeners import Listener, ListenerUser

ListenerProtocolName = Literal["HTTP", "HTTPS", "PROMETHEUS", "TCP", "TERMINATED_HTTPS", "UDP"]
ListenerPort = Annotated[int, Meta(ge=1, le=65535)]
ConnectionLimit = Annotated[int, Meta(ge=-1, le=1_000_000)]
Timeout = Annotated[int, Meta(ge=0, le=86_400_000)]
Username = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9][a-zA-Z 0-9._\-]{1,30}[a-zA-Z0-9._]" + END, max_length=32)]
PasswordHash = Annotated[str, Meta(pattern=r"^\$(2[abxy]|5|6)\$[A-Za-z0-9./$=,]{1,120}" + END, max_length=128)]
Range = Annotated[str, Meta(max_length=50)]
AllowedCidrs = Annotated[list[Range], Meta(max_length=limits.ALLOWED_CIDRS.value)]
SniSecretIds = Annotated[list[Uuid], Meta(max_length=limits.SNI_SECRETS.value)]
OptionalSecretId = Annotated[str, Meta(pattern=r"^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})?" + END)]
"""The id of a secret; an empty one means none."""
X_FORWARDED = ("X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto")


class ListenerUserItem(Struct, kw_only=True):
    """A user, and the hash of the password: SHA-256 or SHA-512 of crypt, or bcrypt."""

    username: Username
    encrypted_password: PasswordHash

    def to_user(self) -> ListenerUser:
        """Return the user."""
        return ListenerUser(self.username, self.encrypted_password)


ListenerUsers = Annotated[list[ListenerUserItem], Meta(max_length=limits.LISTENER_USERS.value)]


class ListenerUserView(Struct, kw_only=True):
    """A user, and the hash of the password."""

    username: str
    encrypted_password: str


class ListenerView(Struct, kw_only=True):
    """A listener. `pool_count` counts its default pool, and the pools that its L7 policies redirect to."""

    id: str
    name: str
    protocol: str
    protocol_port: int
    load_balancer_id: str
    connection_limit: int
    timeout_client_data: int
    timeout_member_connect: int
    timeout_member_data: int
    insert_headers: dict[str, str]
    secret_id: str | None
    sni_secret_id: list[str]
    allowed_cidrs: list[str] | None
    user_list: list[ListenerUserView]
    pool_count: int
    stats: StatsView | None
    admin_state_up: bool
    operating_status: str
    provisioning_status: str
    task_id: str | None
    creator_task_id: str | None
    loadbalancer_id: LegacyField[str]

    @classmethod
    def of(
        cls, listener: Listener, operating_status: str, pool_count: int, stats: StatsView | None = None
    ) -> "ListenerView":
        """Return the view of a listener."""
        return make_view(
            cls,
            listener,
            insert_headers=dict.fromkeys(X_FORWARDED, "true") if listener.insert_x_forwarded else {},
            sni_secret_id=listener.sni_secret_ids,
            user_list=[
                ListenerUserView(username=user.username, encrypted_password=user.encrypted_password)
                for user in listener.user_list
            ],
            pool_count=pool_count,
            stats=stats,
            operating_status=operating_status,
            loadbalancer_id=listener.load_balancer_id,
        )


class _NewListener(Struct, kw_only=True):
    name: Name
    protocol: ListenerProtocolName
    protocol_port: ListenerPort
    connection_limit: ConnectionLimit = 100_000
    timeout_client_data: Timeout | None = None
    timeout_member_connect: LegacyInput[Timeout] = None
    timeout_member_data: LegacyInput[Timeout] = None
    insert_x_forwarded: bool = False
    secret_id: OptionalSecretId | None = None
    sni_secret_id: SniSecretIds | None = None
    allowed_cidrs: AllowedCidrs | None = None
    user_list: ListenerUsers | None = None

    def to_new_listener(self) -> NewListener:
        """Return the listener to create."""
        return NewListener(
            name=self.name,
            protocol=self.protocol,
            protocol_port=self.protocol_port,
            connection_limit=_to_limit(self.connection_limit),
            timeout_client_data=self.timeout_client_data,
            timeout_member_connect=self.timeout_member_connect,
            timeout_member_data=self.timeout_member_data,
            insert_x_forwarded=self.insert_x_forwarded,
            secret_id=self.secret_id or None,
            sni_secret_ids=self.sni_secret_id or [],
            allowed_cidrs=self.allowed_cidrs,
            user_list=[user.to_user() for user in self.user_list or ()],
        )


class CreateInlineListener(_NewListener, kw_only=True):
    """A listener to create with its load balancer, and with its default pool if there is one in `pools`."""

    pools: Annotated[list[CreateListenerPool], Meta(max_length=1)] | None = None

    def to_new_listener(self) -> NewListener:
        """Return the listener to create."""
        pools = [pool.to_new_pool() for pool in self.pools or ()]
        return replace(super().to_new_listener(), pool=pools[0] if pools else None)


class CreateListener(_NewListener, kw_only=True):
    """A listener to create. `loadbalancer_id` is the older name of `load_balancer_id`."""

    load_balancer_id: Uuid | None = None
    loadbalancer_id: LegacyInput[Uuid] = None
    default_pool_id: Uuid | None = None

    def effective_load_balancer_id(self) -> str:
        """Return the load balancer under either name. Raises Invalid."""
        load_balancer_id = self.load_balancer_id or self.loadbalancer_id
        if load_balancer_id is None:
            raise invalid(load_balancer_id="Field required")
        return load_balancer_id


class UpdateListener(Struct, kw_only=True):
    """Changes to a listener. Absent fields stay; null stands for the default, and removes lists and certificates."""

    name: Name | UnsetType = UNSET
    admin_state_up: bool | UnsetType = UNSET
    connection_limit: ConnectionLimit | UnsetType = UNSET
    timeout_client_data: Timeout | UnsetType | None = UNSET
    timeout_member_connect: Timeout | UnsetType | None = UNSET
    timeout_member_data: Timeout | UnsetType | None = UNSET
    secret_id: OptionalSecretId | UnsetType | None = UNSET
    sni_secret_id: SniSecretIds | UnsetType | None = UNSET
    allowed_cidrs: AllowedCidrs | UnsetType | None = UNSET
    user_list: ListenerUsers | UnsetType | None = UNSET

    def to_patch(self) -> ListenerPatch:
        """Return the fields that were sent. Raises Invalid."""
        patch: dict[str, Any] = sent_fields(self)
        if "sni_secret_id" in patch:
            patch["sni_secret_ids"] = patch.pop("sni_secret_id")
        if "secret_id" in patch:
            patch["secret_id"] = patch["secret_id"] or None
        if "connection_limit" in patch:
            patch["connection_limit"] = _to_limit(patch["connection_limit"])
        if isinstance(self.user_list, list):
            patch["user_list"] = [user.to_user() for user in self.user_list]
        return cast("ListenerPatch", patch)


class RenameListener(Struct, kw_only=True):
    """The new name of a listener."""

    name: Name


def _to_limit(connection_limit: int) -> int:
    if connection_limit == 0:
        raise invalid(connection_limit="Input should be -1, or at least 1")
    return connection_limit
