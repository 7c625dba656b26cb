"""App templates: applications that an instance can be created with."""

from msgspec import UNSET, Struct, UnsetType

from pileus.domain.compute.app_templates import AppConfig, AppTemplate


class AppTemplateSetting(Struct, kw_only=True):
    """A setting of the application."""

    name: str
    label: str
    description: str
    type: str
    required: bool
    default: str | UnsetType = UNSET

    @classmethod
    def of(cls, config: AppConfig) -> "AppTemplateSetting":
        """Show a setting; a setting without a default has no field `default`."""
        return cls(
            name=config.name,
            label=config.label,
            description=config.description,
            type=config.type,
            required=config.required,
            default=UNSET if config.default is None else config.default,
        )


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
        return cls(
            id=template.id,
            display_name=template.display_name,
            version=template.version,
            category=template.category,
            developer=template.developer,
            description=template.description,
            short_description=template.short_description,
            usage=template.usage,
            website=template.website,
            image_name=template.image_name,
            os_name=template.os_name,
            os_version=template.os_version,
            min_disk=template.min_disk,
            min_ram=template.min_ram,
            min_vcpus=template.min_vcpus,
            region_id=template.region_id,
            app_config=[AppTemplateSetting.of(config) for config in template.app_config],
        )
