"""Values, texts, headers and pieces of paths that hardly any server expects."""

import json
import re
from random import Random
from typing import Any

HOSTILE_TEXTS = (
    "", " ", "\0", "a\0b", "😀" * 50, "\u202eabc", "é" * 300, "'; DROP TABLE instances;--", "%s%n{}", "../etc/passwd",
    "${jndi:ldap://x}", "<script>", "null", "1e5", "-1", "0x10", "ﬁ", "١٢٣", "a" * 256, "\ufffe", "\u2028", "{{7*7}}",
    "\n", "NaN", "::", "::ffff:1.2.3.4", "10.0.0.0/33", "10.0.0.1/24", "fe80::1%eth0", "0.0.0.0/0", "999.1.1.1",
    "01.02.03.04", "2026-13-45T99:99:99Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z",
    "2026-01-01T00:00:00+25:00", "ssh-rsa AAAA", "http://[::1", "http://", "http://127.0.0.1:99999/", "http://\0/",
    "a.asc,b.desc", "x" * 70_000, "00000000-0000-4000-8000-000000000000", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
)  # fmt: skip
HOSTILE_NUMBERS = (
    0, -1, 2**31, 2**53, 2**63 - 1, 2**63, -(2**63) - 1, 10**30, 10**400, 0.5, -0.0, 1e308, 65535, 65536,
)  # fmt: skip
HOSTILE_VALUES: tuple[Any, ...] = (
    None, True, False, [], {}, [[[]]], [1] * 1000, {str(number): 1 for number in range(300)},
)  # fmt: skip
HOSTILE_JSON = (
    "1e400", "-1e400", "NaN", "Infinity", "01", "1.", "+1", r'"\ud800"', r'"\udfff\ud800"', r'"\x41"', '"a', "[", "{",
    '{"a":}', "nul", "'a'", "[" * 3000 + "]" * 3000, '{"a":' * 3000 + "1" + "}" * 3000, "1" * 5000,
    '"' + "a" * 60_000 + '"', "\ufeff{}", "/*c*/1", "{,}", '"\t"', "",
)  # fmt: skip
"""Texts in the place of a JSON value."""
HOSTILE_SEGMENTS = (
    "..", "..%2f..%2fetc%2fpasswd", "%2e%2e", "%00", "a%00b", "%", "%zz", "%ff%fe", "%c0%ae", "%F0%9F%98%80", "a" * 900,
    "-1", "0", "1.5", "9" * 30, "9223372036854775808", "00000000-0000-4000-8000-000000000000", "null", "*", "'", "%22",
    "1;2", "1%3Fx", "1%23x", "%2F", "a%20b", "%0d%0aX-Evil:%20y", "١", "%D9%A1", "+1", "1_000", "0x1", "1%20", "true",
    "%7Binstance_id%7D", "A0000000-0000-4000-8000-00000000000A", "00000000000040008000000000000000",
)  # fmt: skip
HOSTILE_QUERIES = (
    "&&&", "=", "a=b=c", "%", "limit=" + "9" * 400, "offset=-1", "limit=0", "order_by=name.desc,id.asc",
    "x=" + "y" * 9000, "tag_key_value=%7B%22a%22:%5B1%5D%7D", "limit=1&limit=2", "%00=%00", "tag_key=%ED%A0%80",
)  # fmt: skip
CONTENT_TYPES = (
    "application/json; charset=utf-16", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data",
    "multipart/form-data; boundary=x", "application/xml", "application/msgpack", "", "a", "application/json;" * 20,
)  # fmt: skip
HEADERS = (
    "X-Forwarded-For", "Cookie", "Accept", "If-Match", "If-None-Match", "Range", "Accept-Encoding", "Content-Encoding",
    "X-HTTP-Method-Override", "Authorization",
)  # fmt: skip
HEADER_VALUES = (
    "gzip", "bytes=0-1", "*/*;q=zz", "ÿþ", "a" * 3000, "", "DELETE", 'W/"x"', "APIKey", "APIKey 1_", "Bearer x.y.z",
    "APIKey " + "9" * 50 + "_a", "Basic Og==",
)  # fmt: skip
METHODS = ("PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "FOO", "get", "POST", "GET")
DEEPEST = 5


def make_hostile_value(random: Random, depth: int = 0) -> Any:
    """Return a value that hardly any field expects."""
    kind = random.random()
    if depth < DEEPEST and kind < 0.2:
        return [make_hostile_value(random, depth + 1) for _ in range(random.randrange(4))]
    if depth < DEEPEST and kind < 0.3:
        return {random.choice(HOSTILE_TEXTS): make_hostile_value(random, depth + 1) for _ in range(3)}
    return random.choice(random.choice((HOSTILE_TEXTS, HOSTILE_NUMBERS, HOSTILE_VALUES)))


def encode_badly(value: Any, random: Random) -> bytes:
    """Encode a value as JSON, sometimes as no library would: doubled keys, broken numbers and texts, cut off."""
    text = json.dumps(value, ensure_ascii=random.random() < 0.5)
    fault = random.random()
    if fault < 0.08 and isinstance(value, dict) and value:
        text = f"{text[:-1]}, {json.dumps(random.choice(list(value)))}: {random.choice(HOSTILE_JSON)}}}"
    elif fault < 0.12:
        text = text[: random.randrange(len(text) + 1)]
    elif fault < 0.18:
        text = random.choice(HOSTILE_JSON)
    elif fault < 0.22:
        text = re.sub(r": [^,{}\[\]]+", lambda _: f": {random.choice(HOSTILE_JSON)}", text, count=1)
    data = bytearray(text.encode("utf-8", "surrogatepass"))
    if data and random.random() < 0.03:
        data[random.randrange(len(data))] = random.randrange(256)
    return bytes(data)
