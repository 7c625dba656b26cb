"""The conditions of L7 rules: which comparisons each type has, and which keys and values."""

import re
import warnings
from collections.abc import Mapping
from math import prod

from msgspec import Struct

from pileus.domain.errors import invalid
from pileus.domain.load_balancers.l7_rules import L7CompareType, L7RuleType

ALL_COMPARISONS = frozenset(L7CompareType)
EQUALITY = frozenset({L7CompareType.EQUAL_TO})
COMPARISONS: Mapping[str, frozenset[L7CompareType]] = {
    L7RuleType.HOST_NAME: ALL_COMPARISONS,
    L7RuleType.PATH: ALL_COMPARISONS,
    L7RuleType.HEADER: ALL_COMPARISONS,
    L7RuleType.COOKIE: ALL_COMPARISONS,
    L7RuleType.SSL_DN_FIELD: ALL_COMPARISONS,
    L7RuleType.FILE_TYPE: EQUALITY | {L7CompareType.REGEX},
    L7RuleType.SSL_CONN_HAS_CERT: EQUALITY,
    L7RuleType.SSL_VERIFY_RESULT: EQUALITY,
}
KEY_TYPES = frozenset({L7RuleType.HEADER, L7RuleType.COOKIE, L7RuleType.SSL_DN_FIELD})
TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""The name of a header or a cookie, by RFC 9110."""
DN_FIELD = re.compile(r"[A-Za-z0-9-]+")
VALUES: Mapping[str, tuple[re.Pattern[str], str]] = {
    L7RuleType.HOST_NAME: (re.compile(r"[A-Za-z0-9._:\[\]-]+"), "A host name has letters, digits, dots and hyphens"),
    L7RuleType.PATH: (re.compile(r"[!-~]+"), "A path has no blanks; other characters than ASCII are percent-encoded"),
    L7RuleType.FILE_TYPE: (re.compile(r"\.?[A-Za-z0-9_+-]+"), "A file type is the end of a name, such as jpg"),
    L7RuleType.COOKIE: (re.compile(r"[!-~]+"), "The value of a cookie has no blanks, and ASCII characters only"),
    L7RuleType.HEADER: (
        re.compile(r"[\t -~]+"),
        "The value of a header has ASCII characters, without line breaks",
    ),
    L7RuleType.SSL_DN_FIELD: (re.compile(r"[^\x00-\x1f\x7f]+"), "The value has no control characters"),
    L7RuleType.SSL_CONN_HAS_CERT: (re.compile("true", re.IGNORECASE), "The only value is true"),
    L7RuleType.SSL_VERIFY_RESULT: (re.compile("[0-9]{1,5}"), "The value is the number of a result: 0 is success"),
}
"""What a value must match unless it is a regular expression, and the error text."""
PRINTABLE = re.compile(r"[^\x00-\x1f\x7f]+")
REPETITION = re.compile(r"\{(\d*)(?:,(\d*))?\}")
MAX_REPETITIONS = 1000


class L7Condition(Struct, frozen=True, kw_only=True):
    """What an L7 rule compares with what. `key` names the header, the cookie or the field of the certificate."""

    type: str
    compare_type: str
    value: str
    key: str | None = None
    invert: bool = False


def check_l7_condition(condition: L7Condition) -> None:
    """Raise Invalid if a rule of this type cannot compare so, or with this key or value."""
    comparisons = COMPARISONS[condition.type]
    if condition.compare_type not in comparisons:
        choices = ", ".join(sorted(comparisons))
        raise invalid(compare_type=f"Rules of type {condition.type} compare by {choices}")
    _check_key(condition)
    if condition.compare_type == L7CompareType.REGEX:
        check_regex(condition.value)
        return
    pattern, text = VALUES[condition.type]
    if not pattern.fullmatch(condition.value):
        raise invalid(value=text)


def check_regex(text: str) -> None:
    """Raise Invalid if a regular expression does not compile, or repeats too much."""
    if not PRINTABLE.fullmatch(text):
        raise invalid(value="A regular expression has no control characters")
    counts = [max(int(number or 0) for number in match.groups()) for match in REPETITION.finditer(text)]
    if prod(count for count in counts if count) > MAX_REPETITIONS:
        raise invalid(value=f"The counts of repetitions multiply to at most {MAX_REPETITIONS}")
    try:
        with warnings.catch_warnings():
            # Characters that a later version of Python may read in another way.
            warnings.simplefilter("ignore")
            re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise invalid(value=f"The regular expression is not valid: {error}") from None


def _check_key(condition: L7Condition) -> None:
    if condition.type not in KEY_TYPES:
        if condition.key:
            raise invalid(key=f"Rules of type {condition.type} have no key")
        return
    if not condition.key:
        raise invalid(key=f"Rules of type {condition.type} need a key")
    pattern = DN_FIELD if condition.type == L7RuleType.SSL_DN_FIELD else TOKEN
    if not pattern.fullmatch(condition.key):
        raise invalid(key="The key has characters that no such name can have")
