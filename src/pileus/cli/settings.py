"""`pileus settings`: shows the settings in force, and where each value came from."""

import click

from pileus.cli.options import SettingsCommand, load_settings
from pileus.cli.output import add_output_option, show_table
from pileus.setting_fields import Setting
from pileus.settings import SETTINGS, GivenSettingValue

EXAMPLES = (
    ("The settings that `pileus serve` would use here", "pileus settings"),
    ("… with this file", "pileus settings --config pileus.toml"),
)
INTRODUCTION = """\
# Settings

Each setting can be given as an option of `pileus serve`, as a variable, or as a key of a TOML file that `--config` or
`PILEUS_CONFIG` names. An option wins over a variable, a variable over the file, and the file over the default. An
empty variable counts as not given. A wrong value ends the program with exit code 2 and a line that names the setting
and its source. `pileus settings` shows all values in force with their sources.

```toml
# pileus.toml
port = 9000
data = "/var/lib/pileus"
log_format = "json"

[qemu]
cpu_ratio = 4
```

A driver's settings may stand in a table with the driver's name, or at the top with that name in front
(`qemu_cpu_ratio = 4`). Drivers of other packages add settings of their own; `pileus serve --help` lists them.

A switch is turned off by `--no-…`, for example `--no-legacy-fields`.
"""


@click.command(cls=SettingsCommand, examples=EXAMPLES)
@add_output_option
@click.option("--reference", is_flag=True, help="Print the reference of all settings instead (docs/settings.md).")
def settings(given: dict[str, GivenSettingValue], output: str, *, reference: bool) -> None:
    """Show the settings in force and their sources."""
    if reference:
        click.echo(make_reference(), nl=False)
        return
    rows = [
        {"setting": name, "value": value, "from": given[name].origin if name in given else "default"}
        for name, value in load_settings(given).without_secrets().items()
    ]
    show_table(rows, ("setting", "value", "from"), output)


def make_reference() -> str:
    """Return the reference of the server's and the built-in drivers' settings, as Markdown."""
    sections = dict.fromkeys(row.section for row in SETTINGS)
    return INTRODUCTION + "".join(_section(section) for section in sections)


def _section(section: str) -> str:
    lines = "".join(_line(row) for row in SETTINGS if row.section == section)
    return f"\n## {section}\n\n| setting | default | option, variable | meaning |\n|---|---|---|---|\n{lines}"


def _line(row: Setting) -> str:
    default = f"`{row.default_text}`" if row.default_text else "none"
    accepted = row.wants[0].upper() + row.wants[1:]
    names = f"`{row.command_line_option}`, `{row.environment_variable}`"
    return f"| `{row.name}` | {default} | {names} | {row.help} {accepted}. |\n"
