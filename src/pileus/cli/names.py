"""Resolve names to ids: in a command's argument, in its options, and in objects and lists."""

import re
from collections.abc import Mapping
from typing import Any

from pileus.cli.api_client import ApiClient
from pileus.cli.commands import UsageError
from pileus.cli.resource_kinds import RESOURCE_KINDS, ResourceKind
from pileus.cli.resource_methods import fill_path, methods_of
from pileus.cli.suggestions import suggest_text

ID_PATTERN = re.compile(r"[0-9]+|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
FREE_FORM_FIELDS = frozenset({"tags", "metadata"})
"""Fields whose keys are not parameters."""
OTHER_PARAMETERS = {
    "image_id": "images",
    "instance_id_to_attach_to": "instances",
    "remote_group_id": "security-groups",
    "security_group": "security-groups",
    "servergroup_id": "placement-groups",
}
"""Parameters that identify a kind under another name than its own, or that several kinds have."""


def resolve_names(api: ApiClient, kind: ResourceKind, parameter: str, value: Any) -> Any:
    """Return the value of a parameter with ids in the place of names. Raises UsageError."""
    if parameter in FREE_FORM_FIELDS:
        return value
    if isinstance(value, dict) and value.keys() == {"id"}:
        return {"id": resolve_names(api, kind, parameter, value["id"])}
    if isinstance(value, dict):
        return {key: resolve_names(api, kind, key, item) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve_names(api, kind, parameter.removesuffix("s"), item) for item in value]
    referenced = kind_of_parameter(kind, parameter)
    return id_from_name(api, referenced, value) if referenced and isinstance(value, str) else value


def id_from_name(api: ApiClient, kind: ResourceKind, id_or_name: str, query: Mapping[str, Any] | None = None) -> Any:
    """Return an id as it is, or the id of the only resource of that name in the list. Raises UsageError."""
    if ID_PATTERN.fullmatch(id_or_name) or "list" not in methods_of(kind.word):
        return id_or_name
    resources = list_resources(api, kind, query)
    matches = [resource for resource in resources if resource.get("name") == id_or_name]
    if len(matches) == 1:
        return resource_id(kind, matches[0])
    if matches:
        ids = ", ".join(str(resource_id(kind, resource)) for resource in matches)
        raise UsageError(f"{len(matches)} things are called {id_or_name}: say which by its id: {ids}")
    names = {str(resource["name"]) for resource in resources if resource.get("name")}
    hint = suggest_text(id_or_name, names)
    raise UsageError(f"nothing is called {id_or_name}: `pileus {kind.word} list` shows what there is.{hint}")


def list_resources(api: ApiClient, kind: ResourceKind, query: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Return all resources of a kind, or those that a query selects."""
    return api.list_all(methods_of(kind.word)["list"].path, query)


def show_resource(api: ApiClient, kind: ResourceKind, id_text: str) -> dict[str, Any]:
    """Return one resource of a kind."""
    path = fill_path(methods_of(kind.word)["show"].path, {kind.id_parameter: id_text})
    resource: dict[str, Any] = api.call("GET", path)
    return resource


def resource_id(kind: ResourceKind, resource: dict[str, Any]) -> Any:
    """Return the id of a resource, from the field that its kind names."""
    return resource[kind.id_field]


def kind_of_parameter(kind: ResourceKind, parameter: str) -> ResourceKind | None:
    """Return the kind of resource that a parameter identifies: the command's own, a related one, or the only one."""
    if parameter == kind.id_parameter:
        return kind
    candidates = [other for other in RESOURCE_KINDS.values() if other.id_parameter == parameter and _has_names(other)]
    related = [other for other in candidates if other.path.partition(".")[0] == kind.path.partition(".")[0]]
    if related or len(candidates) == 1:
        return (related or candidates)[0]
    word = OTHER_PARAMETERS.get(parameter)
    return RESOURCE_KINDS[word] if word else None


def _has_names(kind: ResourceKind) -> bool:
    return "name" in kind.columns
