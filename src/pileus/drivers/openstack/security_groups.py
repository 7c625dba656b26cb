"""Security groups, known in OpenStack by their names, with exactly the rules of Pileus."""

import asyncio
from collections.abc import Mapping
from weakref import WeakValueDictionary

from pileus.domain.network.security_rules import NewRule
from pileus.drivers.openstack.cloud import Json, OpenstackCloud
from pileus.drivers.openstack.named_resources import NamedKind, NamedResources
from pileus.drivers.protocols.network import SecurityGroupSpec

FIELDS = (
    "direction",
    "ethertype",
    "protocol",
    "port_range_min",
    "port_range_max",
    "remote_ip_prefix",
    "remote_group_id",
)
ENGINE_PROTOCOLS = {"any": None, "ipencap": "4"}
"""Protocols with another name in OpenStack."""
PILEUS_PROTOCOLS = {"4": "ipencap"}
"""The same in the other direction."""
ANYWHERE = frozenset({"0.0.0.0/0", "::/0"})
PROTOCOL_NUMBERS = {
    "icmp": 1, "igmp": 2, "ipip": 4, "tcp": 6, "egp": 8, "udp": 17, "dccp": 33, "ipv6-encap": 41, "ipv6-route": 43,
    "ipv6-frag": 44, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51, "ipv6-icmp": 58, "icmpv6": 58, "ipv6-nonxt": 59,
    "ipv6-opts": 60, "ospf": 89, "vrrp": 112, "pgm": 113, "sctp": 132, "udplite": 136,
}  # fmt: skip
ICMP = ("1", "58")
ALL_PORTS = ("1", "65535")

Rule = tuple[str | None, ...]


class NeutronSecurityGroups:
    """Creates security groups and sets their rules."""

    def __init__(self, cloud: OpenstackCloud) -> None:
        self._cloud = cloud
        self._groups = NamedResources(cloud, NamedKind("network", "/security-groups", "security_group"))
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def ensure_security_group(self, group: SecurityGroupSpec) -> None:
        """Create a group, or change its rules. New rules are added before old ones are removed."""
        engine_id = await self.ensure_group_id(group.id)
        remote_ids = {
            id_: await self.ensure_group_id(id_) for rule in group.rules if (id_ := rule.remote_group_id) is not None
        }
        async with self._locks.setdefault(group.id, asyncio.Lock()):
            await self._change_group(engine_id, group, remote_ids)

    async def ensure_no_security_group(self, group_id: str) -> None:
        """Delete a group."""
        await self._groups.delete_all(group_id)

    async def ensure_group_id(self, group_id: str) -> str:
        """Return the id of a group in OpenStack; one that does not exist yet is created without rules.

        Machines that are created at once can have the same new group: one of them creates it.
        """
        async with self._locks.setdefault(group_id, asyncio.Lock()):
            return await self._ensure_group_id(group_id)

    async def _change_group(self, engine_id: str, group: SecurityGroupSpec, remote_ids: Mapping[str, str]) -> None:
        existing = (await self._cloud.get("network", f"/security-groups/{engine_id}"))["security_group"]
        intended = {_rule_key(order): order for order in [_rule_order(rule, remote_ids) for rule in group.rules]}
        present = {_rule_key(rule): rule["id"] for rule in existing["security_group_rules"]}
        new = [order | {"security_group_id": engine_id} for key, order in intended.items() if key not in present]
        if new:
            await self._cloud.post("network", "/security-group-rules", {"security_group_rules": new})
        for key, rule_id in present.items():
            if key not in intended:
                await self._cloud.delete("network", f"/security-group-rules/{rule_id}")
        if existing["description"] != group.name:
            change = {"security_group": {"description": group.name}}
            await self._cloud.put("network", f"/security-groups/{engine_id}", change)

    async def _ensure_group_id(self, group_id: str) -> str:
        group = await self._groups.find(group_id)
        if group is not None:
            return str(group["id"])
        created = await self._groups.create(group_id, {})
        if created.is_own:
            # OpenStack gives each new group rules of its own. Those of another process's group may be intended.
            for rule in created.item["security_group_rules"]:
                await self._cloud.delete("network", f"/security-group-rules/{rule['id']}")
        return str(created.item["id"])


def _rule_key(rule: Json) -> Rule:
    """Return what makes two rules equal for OpenStack, which refuses a second one."""
    key = {name: None if rule[name] is None else str(rule[name]) for name in FIELDS}
    key["protocol"] = protocol = _protocol_number(key["protocol"], key["ethertype"])
    if key["remote_ip_prefix"] in ANYWHERE:
        key["remote_ip_prefix"] = None
    if protocol not in ICMP and (key["port_range_min"], key["port_range_max"]) == ALL_PORTS:
        key["port_range_min"] = key["port_range_max"] = None
    return tuple(key.values())


def _protocol_number(protocol: str | None, ethertype: str | None) -> str | None:
    number = None if protocol is None else str(PROTOCOL_NUMBERS.get(protocol, protocol))
    return "58" if number == "1" and ethertype == "IPv6" else number


def is_as_intended(existing: Json, group: SecurityGroupSpec, engine_ids: Mapping[str, str]) -> bool:
    """Return whether a group has exactly the intended name and rules; `engine_ids` are those of all groups."""
    intended = {_rule_key(_rule_order(rule, engine_ids)) for rule in group.rules}
    present = {_rule_key(rule) for rule in existing["security_group_rules"]}
    return existing["description"] == group.name and present == intended


def _rule_order(rule: NewRule, engine_ids: Mapping[str, str]) -> Json:
    return {
        "direction": rule.direction,
        "ethertype": rule.ethertype or "IPv4",
        "protocol": ENGINE_PROTOCOLS.get(rule.protocol or "any", rule.protocol),
        "port_range_min": rule.port_range_min,
        "port_range_max": rule.port_range_max,
        "remote_ip_prefix": None if rule.remote_ip_prefix in ANYWHERE else rule.remote_ip_prefix,
        # A group that is missing differs from each that is there.
        "remote_group_id": engine_ids.get(id_, id_) if (id_ := rule.remote_group_id) is not None else None,
    }
