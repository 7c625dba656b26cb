"""The account of a tenant, in the shape of the public API of accounts."""

from msgspec import Struct, field

from pileus.domain.account.users import User
from pileus.domain.places import Caller

SERVICES = ("CDN", "CLOUD", "DDOS", "DNS", "STORAGE", "STREAMING")
OFFERED = "CLOUD"
NEW = "new"


class ServiceStatus(Struct, kw_only=True):
    """Whether the account can use a service."""

    enabled: bool
    status: str


class ServiceFeature(Struct, kw_only=True):
    """A feature of a service that an account has, beyond those of all accounts."""

    feature_id: int
    name: str
    service: str


class AccountOverview(Struct, kw_only=True):
    """An account. It uses the service `CLOUD`; the other services are not offered."""

    id: int
    email: str
    name: str | None
    status: str
    company_name: str = field(name="companyName")
    current_user: int = field(name="currentUser")
    capabilities: list[str]
    service_statuses: dict[str, ServiceStatus] = field(name="serviceStatuses")
    paid_features: dict[str, list[ServiceFeature]] = field(name="paidFeatures")
    free_features: dict[str, list[ServiceFeature]] = field(name="freeFeatures")
    entry_base_domain: str | None = field(name="entryBaseDomain")
    deleted: bool
    bill_type: str
    is_test: bool
    has_active_admin: bool

    @classmethod
    def of(cls, client_name: str, first_user: User, caller: Caller) -> "AccountOverview":
        """Show the account of a caller. Its address is that of its first user."""
        return cls(
            id=caller.client_id,
            email=first_user.email,
            name=None,
            status="active",
            company_name=client_name,
            current_user=caller.user_id,
            capabilities=[OFFERED],
            service_statuses={
                service: ServiceStatus(enabled=service == OFFERED, status="active" if service == OFFERED else NEW)
                for service in SERVICES
            },
            paid_features={service: [] for service in SERVICES},
            free_features={service: [] for service in SERVICES},
            entry_base_domain=None,
            deleted=False,
            bill_type="none",
            is_test=False,
            has_active_admin=True,
        )
