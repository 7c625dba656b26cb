"""The settings as command-line options."""

import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from pileus.cli.commands import SectionedCommand, SectionOption, SwitchOption, UsageError
from pileus.setting_fields import Setting, SettingError
from pileus.settings import (
    SETTINGS,
    GivenSettingValue,
    Settings,
    gather_given_values,
    list_foreign_settings,
    validate,
)

METAVARS = {str: "TEXT", int: "NUMBER", float: "NUMBER", Path: "DIR"}
SOURCES = "Sources of settings"


class SettingsCommand(SectionedCommand):
    """A command with options for the named settings, or for all.

    Its function gets the given settings and their sources as `given`.
    """

    def __init__(self, *arguments: Any, setting_names: Sequence[str] = (), **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._setting_names = setting_names
        self._rows = [row for row in SETTINGS if not setting_names or row.name in setting_names]
        self.params = [*_options(self._rows), _config_option(), *self.params]

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the options, those of other packages' drivers too, which are looked up only now."""
        return [*self._foreign_options, *super().get_params(ctx)]

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command with the given settings."""
        rows = [*self._rows, *(() if self._setting_names else list_foreign_settings())]
        flags = {row.name: ctx.params.pop(row.name) for row in rows}
        try:
            ctx.params["given"] = gather_given_values(flags, os.environ, ctx.params.pop("config"))
        except SettingError as mistake:
            raise UsageError(str(mistake)) from None
        return super().invoke(ctx)

    @cached_property
    def _foreign_options(self) -> list[click.Option]:
        if self._setting_names:
            return []
        try:
            return _options(list_foreign_settings())
        except SettingError as mistake:
            raise UsageError(str(mistake)) from None


def load_settings(given: dict[str, GivenSettingValue]) -> Settings:
    """Return the settings; a wrong one ends the program with a line that names it."""
    try:
        return validate(given)
    except SettingError as mistake:
        raise UsageError(str(mistake)) from None


def _config_option() -> click.Option:
    return SectionOption(
        ["--config"],
        section=SOURCES,
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="A TOML file of settings: the options' names with _ for -, such as body_limit = 65536.  [PILEUS_CONFIG]",
    )


def _options(rows: Iterable[Setting]) -> list[click.Option]:
    return [_option(row) for row in rows]


def _option(row: Setting) -> click.Option:
    is_switch = row.plain_type is bool
    option_class = SwitchOption if is_switch else SectionOption
    return option_class(
        [
            f"{row.command_line_option}/--no-{row.command_line_option[2:]}" if is_switch else row.command_line_option,
            row.name,
        ],
        section=row.section,
        default=None,
        metavar=None if is_switch else _metavar(row),
        help=_setting_help_text(row),
    )


def _setting_help_text(setting: Setting) -> str:
    """Return a setting's help, its variable and its default."""
    default = f"; default: {setting.default_text}" if setting.default_text else ""
    return f"{setting.help}  [{setting.environment_variable}{default}]"


def _metavar(row: Setting) -> str:
    return f"[{'|'.join(row.choices)}]" if row.choices else METAVARS[row.plain_type]
