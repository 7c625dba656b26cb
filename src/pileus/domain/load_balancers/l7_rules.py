"""L7 rules: conditions on requests; those of one policy must all hold."""

from enum import StrEnum
from typing import ClassVar

from msgspec import field

from pileus.domain.load_balancers.parts import LoadBalancerPart


class L7RuleType(StrEnum):
    """What a rule compares."""

    COOKIE = "COOKIE"
    FILE_TYPE = "FILE_TYPE"
    HEADER = "HEADER"
    HOST_NAME = "HOST_NAME"
    PATH = "PATH"
    SSL_CONN_HAS_CERT = "SSL_CONN_HAS_CERT"
    SSL_DN_FIELD = "SSL_DN_FIELD"
    SSL_VERIFY_RESULT = "SSL_VERIFY_RESULT"


class L7CompareType(StrEnum):
    """How a rule compares."""

    CONTAINS = "CONTAINS"
    ENDS_WITH = "ENDS_WITH"
    EQUAL_TO = "EQUAL_TO"
    REGEX = "REGEX"
    STARTS_WITH = "STARTS_WITH"


class L7Rule(LoadBalancerPart, frozen=True, kw_only=True):
    """A rule of an L7 policy."""

    NOUN: ClassVar[str] = "L7 rule"

    l7_policy_id: str
    type: str
    compare_type: str
    key: str | None = None
    value: str
    invert: bool = False
    tags: list[str] = field(default_factory=list)
