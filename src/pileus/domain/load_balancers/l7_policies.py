"""L7 policies: what a listener does with requests that match all rules of a policy."""

from enum import StrEnum
from typing import ClassVar

from msgspec import field

from pileus.domain.load_balancers.parts import LoadBalancerPart


class L7Action(StrEnum):
    """What happens with a request."""

    REDIRECT_PREFIX = "REDIRECT_PREFIX"
    REDIRECT_TO_POOL = "REDIRECT_TO_POOL"
    REDIRECT_TO_URL = "REDIRECT_TO_URL"
    REJECT = "REJECT"


class L7Policy(LoadBalancerPart, frozen=True, kw_only=True):
    """An L7 policy. The positions of a listener's policies count from 1, without gaps."""

    NOUN: ClassVar[str] = "L7 policy"

    listener_id: str
    name: str
    action: str
    position: int
    redirect_pool_id: str | None = None
    redirect_url: str | None = None
    redirect_prefix: str | None = None
    redirect_http_code: int | None = None
    tags: list[str] = field(default_factory=list)
