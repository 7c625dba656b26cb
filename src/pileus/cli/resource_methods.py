"""The operations behind the commands of resources: generated from the official client, which is not needed to run them.

`scripts/resource-methods` writes `resource_methods.json`.
"""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Literal
from urllib.parse import quote

import msgspec
from msgspec import Struct

FILE = "resource_methods.json"
Location = Literal["path", "query", "body"]
ParameterType = Literal["text", "integer", "number", "boolean", "object", "tags"]
WHOLE_BODY = "body"
"""The argument of methods whose body is a list."""


class MethodParameter(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A parameter of an operation. `sent_name` is its name in the request if that is not `name`.

    An object is known by its `keys`; the values of `text_keys` stay text, even if one looks like a number.
    """

    name: str
    location: Location
    type: ParameterType = "text"
    sent_name: str = ""
    choices: tuple[str, ...] = ()
    is_required: bool = False
    is_multiple: bool = False
    keys: tuple[str, ...] = ()
    text_keys: tuple[str, ...] = ()
    help: str = ""

    @property
    def flag(self) -> str:
        """The option's name."""
        return f"--{self.name.replace('_', '-')}"


class Variant(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One form of an operation: it applies where the parameters of `literals` have one of these values."""

    literals: dict[str, tuple[str, ...]]
    required: tuple[str, ...]
    allowed: tuple[str, ...]


class ResourceMethod(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An operation: its request, and what it answers. `fixed` are the fields of the body that the verb implies."""

    method: str
    path: str
    result: Literal["list", "record", "tasks", "nothing"]
    help: str
    is_deprecated: bool = False
    fixed: dict[str, str | int] = {}
    parameters: tuple[MethodParameter, ...] = ()
    variants: tuple[Variant, ...] = ()


class KindMethods(Struct, frozen=True, kw_only=True):
    """The verbs of a kind of resource, and the fields that it has."""

    fields: tuple[str, ...]
    deprecated_fields: tuple[str, ...]
    verbs: dict[str, ResourceMethod]


class MethodTable(Struct, frozen=True, kw_only=True):
    """All kinds by their words, and the types of tasks, which are completed."""

    task_types: tuple[str, ...]
    kinds: dict[str, KindMethods]


@cache
def load_method_table() -> MethodTable:
    """Return the table that the package contains."""
    return msgspec.json.decode((resources.files("pileus.cli") / FILE).read_bytes(), type=MethodTable)


def methods_of(word: str) -> Mapping[str, ResourceMethod]:
    """Return the operations of a kind of resource by their verbs."""
    return load_method_table().kinds[word].verbs


def fill_path(template: str, values: Mapping[str, Any]) -> str:
    """Return a path with the values of its parameters, each quoted as one segment. Others stay to be filled."""
    for name, value in values.items():
        template = template.replace(f"{{{name}}}", quote(str(value), safe=""))
    return template
