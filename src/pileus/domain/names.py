"""Names of resources: the rule, and name templates."""

import re
from collections.abc import Sequence

# `$` alone would accept a line break at the end.
NAME_PATTERN = r"^[a-zA-Z0-9][a-zA-Z 0-9._\-]{1,61}[a-zA-Z0-9._]$(?!\n)"
TEMPLATE_PATTERN = r"^[a-zA-Z0-9{][a-zA-Z 0-9._\-}{]{1,61}[a-zA-Z0-9._}]$(?!\n)"
OCTET_COUNTS = {"{ip_octets}": 3, "{two_ip_octets}": 2, "{one_ip_octet}": 1}
NAME_REGEX = re.compile(NAME_PATTERN)


def fill_name_template(template: str, addresses: Sequence[str]) -> str:
    """Fill a name template from the first IPv4 address: `{ip_octets}` is its last three octets, joined by dashes."""
    octets = next((address for address in addresses if "." in address), "0.0.0.0").split(".")  # noqa: S104  # no socket
    for placeholder, count in OCTET_COUNTS.items():
        template = template.replace(placeholder, "-".join(octets[-count:]))
    return template
