"""How help looks: commands and options in sections, examples at the end, failures in one line."""

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

import click

Rows = list[tuple[str, str]]
WIDEST = 32


class Failure(click.ClickException):
    """Something went wrong that the user can mend: told in one line, without a trace."""

    def show(self, file: Any = None) -> None:
        """Say what happened, on standard error."""
        click.echo(f"{click.style('pileus:', fg='red', bold=True)} {self.message}", file=file, err=file is None)


class Mistake(Failure):
    """What was asked for is wrong in itself, whatever the server says."""

    exit_code = 2


class Formatter(click.HelpFormatter):
    """Headings stand out on a terminal."""

    def write_heading(self, heading: str) -> None:
        """Write one in bold."""
        super().write_heading(click.style(heading, bold=True))


class Context(click.Context):
    """What a command runs in; help is written by our formatter."""

    formatter_class = Formatter


class SectionOption(click.Option):
    """An option that help shows under a heading of its own."""

    def __init__(self, *arguments: Any, section: str, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.section = section


class SwitchOption(SectionOption):
    """A switch; help shows how it is turned on, the page about settings says how off."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Show the first of its two names only."""
        record = super().get_help_record(ctx)
        return record and (self.opts[0], record[1])


class Command(click.Command):
    """A command whose help has its options in sections, and then examples."""

    context_class = Context

    def __init__(self, *arguments: Any, examples: Sequence[tuple[str, str]] = (), **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.examples = examples

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each section's options, those without one last."""
        sections: dict[str, Rows] = {}
        for option in self.get_params(ctx):
            record = option.get_help_record(ctx)
            if record is not None and record[1]:
                sections.setdefault(getattr(option, "section", "Options"), []).append(record)
        for heading in sorted(sections, key=lambda one: one == "Options"):
            _write(formatter, heading, sections[heading], _width(sections.values()))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's own signature
        """Write the examples."""
        write_examples(formatter, self.examples)


class Group(click.Group):
    """Commands in sections, imported when they are needed: `sections` maps a heading to names and where they live."""

    context_class = Context
    command_class = Command

    def __init__(
        self,
        *arguments: Any,
        sections: Mapping[str, Mapping[str, str]] | None = None,
        examples: Sequence[tuple[str, str]] = (),
        **more: Any,
    ) -> None:
        super().__init__(*arguments, **more)
        self.sections = sections or {}
        self.examples = examples

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the order in which help tells them."""
        return [name for section in self.sections.values() for name in section] + super().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find a command, importing it if it lives elsewhere."""
        for section in self.sections.values():
            if cmd_name in section:
                module, _, name = section[cmd_name].partition(":")
                command: click.Command = getattr(import_module(module), name)
                return command
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each section's commands with a line on each."""
        told: Mapping[str, Iterable[str]] = self.sections or {"Commands": self.list_commands(ctx)}
        sections = {
            heading: [(name, one.get_short_help_str(90)) for name in names if (one := self.get_command(ctx, name))]
            for heading, names in told.items()
        }
        for heading, rows in sections.items():
            _write(formatter, heading, rows, _width(sections.values()))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's own signature
        """Write the examples."""
        write_examples(formatter, self.examples)


def write_examples(formatter: click.HelpFormatter, examples: Sequence[tuple[str, str]]) -> None:
    """Show command lines as they are typed, each under what it is for."""
    if examples:
        with formatter.section("Examples"):
            for purpose, line in examples:
                formatter.write(f"{'':>{formatter.current_indent}}{click.style(f'# {purpose}', dim=True)}\n")
                formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


def write_table(formatter: click.HelpFormatter, heading: str, rows: Rows) -> None:
    """Write names and what they mean under a heading."""
    _write(formatter, heading, rows, _width([rows]))


def _width(sections: Iterable[Rows]) -> int:
    return min(WIDEST, max((len(name) for rows in sections for name, _ in rows), default=0))


def _write(formatter: click.HelpFormatter, heading: str, rows: Rows, width: int) -> None:
    # Each section would have a width of its own: padding makes them one table.
    with formatter.section(heading):
        formatter.write_dl([(name.ljust(width), text) for name, text in rows], col_max=WIDEST)
