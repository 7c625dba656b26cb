"""App templates: applications that an instance can be created with."""

from msgspec import UNSET, Struct, UnsetType

from pileus.api.wire.common import make_view
from pileus.domain.compute.app_templates import AppConfigParameter, AppTemplate


class AppTemplateSetting(Struct, kw_only=True):
    """A setting of the application."""

    name: str
    label: str
    description: str
    type: str
    required: bool
    default: str | UnsetType = UNSET

    @classmethod
    def of(cls, config: AppConfigParameter) -> "AppTemplateSetting":
        """Show a setting; a setting without a default has no field `default`."""
        return make_view(cls, config, default=UNSET if config.default is None else config.default)


class AppTemplateView(Struct, kw_only=True):
    """An app template."""

    id: str
    display_name: str
    version: str
    category: str
    developer: str
    description: str
    short_description: str
    usage: str
    website: str
    image_name: str
    os_name: str
    os_version: float | None
    min_disk: int
    min_ram: int
    min_vcpus: int | None
    region_id: int | None
    app_config: list[AppTemplateSetting] | None

    @classmethod
    def of(cls, template: AppTemplate) -> "AppTemplateView":
        """Show an app template."""
        settings = [AppTemplateSetting.of(config) for config in template.app_config]
        return make_view(cls, template, app_config=settings)
