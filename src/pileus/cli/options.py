"""The settings as command-line options."""

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from pileus.cli.formatting import Mistake, SectionOption, SwitchOption
from pileus.settings import SETTINGS, Setting, SettingError, SettingSource, gather, settle

METAVARS = {str: "TEXT", int: "NUMBER", float: "SECONDS", Path: "DIR"}
WHERE = "Where settings come from"
Function = Callable[..., Any]


def help_for(setting: Setting) -> str:
    """A setting's sentence, its variable and its default."""
    default = f"; default: {setting.default_shown}" if setting.default_shown else ""
    return f"{setting.help}  [{setting.variable}{default}]"


def settings_options(*names: str) -> Callable[[Function], Function]:
    """Give a command the options of these settings (none named: of all), and `given` to read them by."""
    chosen = [setting for setting in SETTINGS if not names or setting.name in names]

    def decorate(function: Function) -> Function:
        @wraps(function)
        def collect(config: Path | None, **more: Any) -> Any:
            flags = {setting.name: more.pop(setting.name) for setting in chosen}
            return function(given=_given(flags, config), **more)

        command: Function = _config(collect)
        for setting in reversed(chosen):
            command = _option(setting)(command)
        return command

    return decorate


def load_settings(given: dict[str, SettingSource]) -> Any:
    """Settings from what was given; a mistake in them ends the program with a line that names it."""
    try:
        return settle(given)
    except SettingError as mistake:
        raise Mistake(str(mistake)) from None


def _given(flags: dict[str, Any], config: Path | None) -> dict[str, SettingSource]:
    try:
        return gather(flags, os.environ, config)
    except SettingError as mistake:
        raise Mistake(str(mistake)) from None


def _config(function: Function) -> Function:
    return click.option(
        "--config",
        cls=SectionOption,
        section=WHERE,
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="A TOML file of settings: the options' names with _ for -, such as body_limit = 65536.  [PILEUS_CONFIG]",
    )(function)


def _option(setting: Setting) -> Callable[[Function], Function]:
    switch = setting.plain is bool
    return click.option(
        f"{setting.flag}/--no-{setting.flag[2:]}" if switch else setting.flag,
        setting.name,
        cls=SwitchOption if switch else SectionOption,
        section=setting.section,
        default=None,
        metavar=None if switch else _metavar(setting),
        help=help_for(setting),
    )


def _metavar(setting: Setting) -> str:
    return f"[{'|'.join(setting.choices)}]" if setting.choices else METAVARS[setting.plain]
