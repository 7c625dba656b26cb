"""Resolve names to ids: in a command's argument, in its options, and in objects and lists."""

import re
from typing import Any

from pileus.cli.commands import UsageError
from pileus.cli.nouns import NOUNS, Noun
from pileus.cli.session import Session

ID_PATTERN = re.compile(r"[0-9]+|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
FREE_FORM_FIELDS = frozenset({"tags", "metadata"})
"""Fields whose keys are not parameters."""


def resolve_names(session: Session, noun: Noun, parameter: str, value: Any) -> Any:
    """Return the value of a parameter with ids in the place of names. Raises UsageError."""
    if parameter in FREE_FORM_FIELDS:
        return value
    if isinstance(value, dict):
        return {key: resolve_names(session, noun, key, item) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve_names(session, noun, parameter.removesuffix("s"), item) for item in value]
    referenced = noun_of_parameter(noun, parameter)
    return id_from_name(session, referenced, value) if referenced and isinstance(value, str) else value


def id_from_name(session: Session, noun: Noun, id_or_name: str) -> Any:
    """Return an id as it is, or the id of the only resource of that name. Raises UsageError."""
    if ID_PATTERN.fullmatch(id_or_name):
        return id_or_name
    resources = session.list_all(f"{noun.path}.list")
    matches = [resource for resource in resources if getattr(resource, "name", None) == id_or_name]
    if len(matches) == 1:
        return resource_id(noun, matches[0])
    if matches:
        ids = ", ".join(str(resource_id(noun, resource)) for resource in matches)
        raise UsageError(f"{len(matches)} things are called {id_or_name}: say which by its id: {ids}")
    raise UsageError(f"nothing is called {id_or_name}: `pileus {noun.word} list` shows what there is")


def resource_id(noun: Noun, resource: Any) -> Any:
    """Return the id of a resource, from the field that its noun names."""
    return getattr(resource, noun.id_field)


def noun_of_parameter(noun: Noun, parameter: str) -> Noun | None:
    """Return the noun that a parameter is an id of: the command's own, its parent, or the only candidate."""
    if parameter == noun.id_parameter:
        return noun
    candidates = [other for other in NOUNS.values() if other.id_parameter == parameter and "name" in other.columns]
    parents = [other for other in candidates if noun.path.startswith(f"{other.path}.")]
    return next(iter(parents or (candidates if len(candidates) == 1 else ())), None)
