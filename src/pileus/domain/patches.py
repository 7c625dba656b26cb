"""Merge patches that several kinds of resource share."""

from collections.abc import Mapping
from typing import TypedDict


class ResourcePatch(TypedDict, total=False):
    """A merge patch of a name and tags. An absent key leaves the field unchanged."""

    name: str
    tags: Mapping[str, str | None] | None
