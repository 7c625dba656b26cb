"""`pileus settings`: what is set, and where each value came from."""

import click

from pileus.cli.formatting import Command
from pileus.cli.options import load_settings, settings_options
from pileus.cli.output import output_option, show
from pileus.settings import SETTINGS, Setting, SettingSource

EXAMPLES = (
    ("What `pileus serve` would run with here", "pileus settings"),
    ("… with this file", "pileus settings --config pileus.toml"),
)
INTRODUCTION = """\
# Settings

Each setting can be given as an option of `pileus serve`, as a variable, or as a key of a TOML file that `--config` or
`PILEUS_CONFIG` names. An option wins over a variable, a variable over the file, and the file over the default. An
empty variable counts as not given. A mistake ends the program with exit code 2 and a line that names the setting and
where it came from. `pileus settings` shows what is in force, and whence.

```toml
# pileus.toml
port = 9000
data = "/var/lib/pileus"
log_format = "json"
```

A switch is turned off by `--no-…`, for example `--no-legacy-fields`.
"""


@click.command(cls=Command, examples=EXAMPLES)
@settings_options()
@output_option
@click.option("--reference", is_flag=True, help="Print the page about all settings instead (docs/settings.md).")
def settings(given: dict[str, SettingSource], output: str, *, reference: bool) -> None:
    """Show the settings in force, and where each came from."""
    if reference:
        click.echo(page(), nl=False)
        return
    values = load_settings(given).shown()
    rows = [
        {"setting": name, "value": value, "from": given[name].origin if name in given else "default"}
        for name, value in values.items()
    ]
    show(rows, ("setting", "value", "from"), output)


def page() -> str:
    """The reference of all settings, as Markdown."""
    sections = dict.fromkeys(setting.section for setting in SETTINGS)
    return INTRODUCTION + "".join(_section(section) for section in sections)


def _section(section: str) -> str:
    rows = "".join(_line(setting) for setting in SETTINGS if setting.section == section)
    return f"\n## {section}\n\n| setting | default | option, variable | what it does |\n|---|---|---|---|\n{rows}"


def _line(setting: Setting) -> str:
    default = f"`{setting.default_shown}`" if setting.default_shown else "none"
    allowed = setting.wants[0].upper() + setting.wants[1:]
    told = f"{setting.help} {allowed}."
    return f"| `{setting.name}` | {default} | `{setting.flag}`, `{setting.variable}` | {told} |\n"
