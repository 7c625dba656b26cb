"""Resolve names to ids: in a command's argument, in its options, and in objects and lists."""

import re
from typing import Any

from pileus.cli.commands import UsageError
from pileus.cli.resource_kinds import RESOURCE_KINDS, ResourceKind
from pileus.cli.session import SdkSession

ID_PATTERN = re.compile(r"[0-9]+|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
FREE_FORM_FIELDS = frozenset({"tags", "metadata"})
"""Fields whose keys are not parameters."""


def resolve_names(session: SdkSession, kind: ResourceKind, parameter: str, value: Any) -> Any:
    """Return the value of a parameter with ids in the place of names. Raises UsageError."""
    if parameter in FREE_FORM_FIELDS:
        return value
    if isinstance(value, dict):
        return {key: resolve_names(session, kind, key, item) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve_names(session, kind, parameter.removesuffix("s"), item) for item in value]
    referenced = kind_of_parameter(kind, parameter)
    return id_from_name(session, referenced, value) if referenced and isinstance(value, str) else value


def id_from_name(session: SdkSession, kind: ResourceKind, id_or_name: str) -> Any:
    """Return an id as it is, or the id of the only resource of that name. Raises UsageError."""
    if ID_PATTERN.fullmatch(id_or_name):
        return id_or_name
    resources = session.list_all(f"{kind.path}.list")
    matches = [resource for resource in resources if getattr(resource, "name", None) == id_or_name]
    if len(matches) == 1:
        return resource_id(kind, matches[0])
    if matches:
        ids = ", ".join(str(resource_id(kind, resource)) for resource in matches)
        raise UsageError(f"{len(matches)} things are called {id_or_name}: say which by its id: {ids}")
    raise UsageError(f"nothing is called {id_or_name}: `pileus {kind.word} list` shows what there is")


def resource_id(kind: ResourceKind, resource: Any) -> Any:
    """Return the id of a resource, from the field that its kind names."""
    return getattr(resource, kind.id_field)


def kind_of_parameter(kind: ResourceKind, parameter: str) -> ResourceKind | None:
    """Return the kind of resource that a parameter identifies: the command's own, its parent, or the only candidate."""
    if parameter == kind.id_parameter:
        return kind
    candidates = [
        other for other in RESOURCE_KINDS.values() if other.id_parameter == parameter and "name" in other.columns
    ]
    parents = [other for other in candidates if kind.path.startswith(f"{other.path}.")]
    return next(iter(parents or (candidates if len(candidates) == 1 else ())), None)
