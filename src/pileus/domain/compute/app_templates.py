"""App templates: images with an application, and its configuration at the first start."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from pileus.domain.errors import invalid


class AppConfigParameter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A parameter of an application."""

    name: str
    label: str
    description: str
    type: str = "string"
    required: bool = False
    default: str | None = None


class AppTemplate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An application; `min_disk` in GiB, `min_ram` in MiB. Without a region it is offered in all regions."""

    id: str
    display_name: str
    image_name: str
    version: str
    category: str
    developer: str
    website: str
    short_description: str
    description: str
    usage: str
    os_name: str
    os_version: float | None = None
    min_disk: int = 0
    min_ram: int = 0
    min_vcpus: int | None = None
    region_id: int | None = None
    app_config: list[AppConfigParameter] = field(default_factory=list)

    def answers_with_defaults(self, answers: Mapping[str, Any] | None) -> dict[str, Any]:
        """Add the defaults to `answers`. Raises Invalid if a required answer is missing."""
        defaults = {question.name: question.default for question in self.app_config if question.default is not None}
        complete = {**defaults, **(answers or {})}
        missing = [question.name for question in self.app_config if question.required and question.name not in complete]
        if missing:
            raise invalid(**dict.fromkeys(missing, "Field required"))
        return complete
