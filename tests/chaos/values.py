"""Values for the fields of a document's schemas: valid ones, and copies with one thing wrong in them."""

import re
from collections import defaultdict
from random import Random
from typing import Any

from pileus.api.canonical_ids import is_id_name
from tests.chaos.hostile_inputs import HOSTILE_TEXTS, make_hostile_value

ALIASES = {
    "security_group_id": "group_id",
    "remote_group_id": "group_id",
    "existing_floating_id": "floating_ip_id",
    "keypair_name": "ssh_key_name",
    "instance_id_to_attach_to": "instance_id",
    "router_id_to_connect": "router_id",
    "lifecycle_policy_id": "policy_id",
    "placement_group_id": "servergroup_id",
}
"""Fields that hold ids of the path parameters of other names."""
DEEPEST = 7
MOST_KNOWN = 40
"""Known ids of a kind that are kept."""


class Values:
    """Makes values from the schemas of a document; `known` holds ids of existing resources by parameter name."""

    def __init__(self, document: dict[str, Any], random: Random) -> None:
        self.schemas = document["components"]["schemas"]
        self.random = random
        self.known: dict[str, list[Any]] = defaultdict(list)

    def learn(self, name: str, value: Any) -> None:
        """Remember an id."""
        ids = self.known[ALIASES.get(name, name)]
        if isinstance(value, str | int) and value not in ids:
            ids.append(value)
            del ids[:-MOST_KNOWN]

    def learn_all(self, view: Any, id_name: str) -> None:
        """Remember all ids in an answer; a field `id` is of the kind `id_name`."""
        for item in view if isinstance(view, list) else ():
            self.learn_all(item, id_name)
        for name, value in view.items() if isinstance(view, dict) else ():
            if name == "id" and id_name:
                self.learn(id_name, value)
            elif name != "id" and is_id_name(name):
                self.learn(name, value)
            self.learn_all(value, id_name)

    def find_id(self, name: str) -> Any:
        """Return a known id for a parameter or field, or None."""
        for candidate in (name, name.removesuffix("s")):
            ids = self.known.get(ALIASES.get(candidate, candidate))
            if ids:
                return self.random.choice(ids)
        return None

    def make_valid(self, schema: dict[str, Any], name: str = "", depth: int = 0) -> Any:
        """Return a value that matches a schema, except for rules that the schema cannot express."""
        while "$ref" in schema:
            schema = self.schemas[schema["$ref"].rpartition("/")[2]]
        if "anyOf" in schema:
            return self.make_valid(self.random.choice(schema["anyOf"]), name, depth)
        if "const" in schema or "enum" in schema:
            return self.random.choice(schema.get("enum") or [schema["const"]])
        kind = schema.get("type", "string")
        if isinstance(kind, list):
            kind = self.random.choice(kind)
        if depth > DEEPEST or kind == "null":
            return None
        if kind == "object":
            return self._make_object(schema, name, depth)
        if kind == "array":
            count = self.random.choice((1, 1, 2, 3)) if depth < DEEPEST else 0
            return [self.make_valid(schema.get("items", {}), name, depth + 1) for _ in range(count)]
        return self._make_scalar(kind, schema, name)

    def _make_object(self, schema: dict[str, Any], name: str, depth: int) -> dict[str, Any]:
        required, properties = schema.get("required", ()), schema.get("properties", {})
        chosen = [key for key in properties if key in required or self.random.random() < 0.5]
        value = {key: self.make_valid(properties[key], self._field_name(key, name), depth + 1) for key in chosen}
        if not properties:
            value |= {f"key-{number}": "value" for number in range(self.random.randrange(3))}
        return value

    @staticmethod
    def _field_name(key: str, parent: str) -> str:
        """Return the name by which ids are known: `id` in `security_groups` is a `security_group_id`."""
        return f"{parent.removesuffix('s')}_id" if key == "id" else key

    def _make_scalar(self, kind: str, schema: dict[str, Any], name: str) -> Any:
        known = self.find_id(name)
        if known is not None and self.random.random() < 0.9:
            return known
        if kind == "boolean":
            return self.random.random() < 0.5
        if kind in {"integer", "number"}:
            return self.random.choice((schema.get("minimum", 1), schema.get("maximum", 10), 1, 2, 10, 80))
        return self._make_text(schema, name)

    def _make_text(self, schema: dict[str, Any], name: str) -> str:
        number = self.random.randrange(200)
        texts = {
            # Nothing listens there, and nothing leaves this host.
            "url": "http://127.0.0.1:9/x",
            "connection": "amqp://127.0.0.1:9/",
            "cidr": f"10.{number}.0.0/24",
            "ip": f"10.1.0.{number}",
            "time": "2026-01-01T00:00:00Z",
            "flavor": "g1-standard-1-2",
            "mac": "fa:16:3e:00:00:01",
        }
        words = [text for word, text in texts.items() if word in name.split("_")]
        choices = words or [f"name-{number}", "web", "external", "default", "{name}"]
        pattern = schema.get("pattern", "")
        fitting = [text for text in choices if re.search(pattern, text)]
        return self.random.choice(fitting or choices)

    def spoiled(self, value: Any) -> Any:
        """Return a copy of a value with one thing wrong in it."""
        if isinstance(value, dict) and value and self.random.random() < 0.9:
            key = self.random.choice(list(value))
            changes = (
                {key: self.spoiled(value[key])},
                {key: make_hostile_value(self.random)},
                {self.random.choice(HOSTILE_TEXTS): make_hostile_value(self.random)},
            )
            changed = value | self.random.choice(changes)
            if self.random.random() < 0.1:
                del changed[key]
            return changed
        if isinstance(value, list) and value and self.random.random() < 0.8:
            first, *rest = value
            return self.random.choice(([self.spoiled(first), *rest], value * 2, value * 500))
        return make_hostile_value(self.random)
