"""The pages of the commands, from their own help."""

from collections.abc import Iterator

import click

from pileus.cli.commands import LazySectionedGroup

WIDTH = 96


def make_command_pages(root: LazySectionedGroup) -> dict[str, str]:
    """Return a page for each command of the root with the commands below it, and their index, by name."""
    context = root.make_context("pileus", [], resilient_parsing=True)
    pages = {}
    lines = ["# Commands", "", "`pileus COMMAND --help` prints the same.", ""]
    for heading, names in root.sections.items():
        lines += [f"## {heading}", ""]
        for name in names:
            command = require_command(root, context, name)
            pages[f"commands/{name}"] = "\n".join(describe_command(command, name, context, 1))
            lines.append(f"- [`pileus {name}`]({name}.md): {command.get_short_help_str(200)}")
        lines.append("")
    contents = "\n".join(name.removeprefix("commands/") for name in pages)
    lines.append(f"```{{toctree}}\n:hidden:\n\n{contents}\n```\n")
    return {"commands/index": "\n".join(lines), **pages}


def describe_command(command: click.Command, name: str, parent: click.Context, level: int) -> Iterator[str]:
    """Yield the lines about a command and those below it, with a heading of a level for each."""
    settings = {**command.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    context = command.context_class(command, info_name=name, parent=parent, **settings)
    yield from (f"{'#' * level} {context.command_path}", "", "```text", click.unstyle(command.get_help(context)))
    yield from ("```", "")
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            yield from describe_command(require_command(command, context, inner), inner, context, min(level + 1, 3))


def require_command(group: click.Group, context: click.Context, name: str) -> click.Command:
    """Return a command that its group lists."""
    if (command := group.get_command(context, name)) is None:
        raise LookupError(name)
    return command
