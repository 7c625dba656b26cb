"""Commands with sections in their help, examples, and errors in one line."""

import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

import click
from click.core import ParameterSource

from pileus.cli.suggestions import suggest_text

Rows = list[tuple[str, str]]
MAX_NAME_WIDTH = 32
LINE_BREAK = re.compile(r"\s*\n\s*")
CLOUD_SECTION = "Cloud"
"""The section of the options that all commands with a server have."""


class CommandError(click.ClickException):
    """An error that the user can fix. It is printed in one line, without a traceback."""

    def show(self, file: Any = None) -> None:
        """Print the message to standard error."""
        print_error(self.message, file)


class UsageError(CommandError):
    """The command line is invalid. The exit code is 2."""

    exit_code = 2


def print_error(message: str, file: Any = None) -> None:
    """Print an error as all commands do: one line on standard error that begins with `pileus:`."""
    text = LINE_BREAK.sub(" ", message) if file is None else message
    click.echo(f"{click.style('pileus:', fg='red', bold=True)} {text}", file=file, err=file is None)


def show_click_error(error: click.ClickException) -> None:
    """Print an error of click in the same form, with the command whose help explains more."""
    if not isinstance(error, click.UsageError) or error.ctx is None:
        print_error(error.format_message())
        return
    message = _message_of(error)
    ending = "" if message.endswith((".", "?", "!")) else "."
    print_error(f"{message}{ending} See `{error.ctx.command_path} --help`.")


def _message_of(error: click.UsageError) -> str:
    if isinstance(error, click.NoSuchOption):
        names = [name for option in error.ctx.command.params for name in option.opts] if error.ctx else []
        return f"There is no option {error.option_name}.{suggest_text(error.option_name, names)}"
    return error.format_message()


class HelpFormatter(click.HelpFormatter):
    """A formatter with bold headings."""

    def write_heading(self, heading: str) -> None:
        """Write a heading in bold."""
        super().write_heading(click.style(heading, bold=True))


class HelpContext(click.Context):
    """A context that uses `HelpFormatter`."""

    formatter_class = HelpFormatter


class SectionOption(click.Option):
    """An option in a named section of the help."""

    def __init__(self, *arguments: Any, section: str, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.section = section


class SwitchOption(SectionOption):
    """A boolean option. The help shows only the flag that turns it on; docs/settings.md has the other."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the help of the first of its two flags."""
        record = super().get_help_record(ctx)
        return record and (self.opts[0], record[1])


class SectionedCommand(click.Command):
    """A command whose help has sections of options, and examples."""

    context_class = HelpContext

    def __init__(self, *arguments: Any, examples: Sequence[tuple[str, str]] = (), **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.examples = examples

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words. Raises UsageError if an option has no value but another option behind it."""
        _check_values_are_there(ctx, args)
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options by section: those of the command last but those for the cloud."""
        sections: dict[str, Rows] = {}
        for option in self.get_params(ctx):
            record = option.get_help_record(ctx)
            if record is not None and record[1]:
                sections.setdefault(getattr(option, "section", "Options"), []).append(record)
        for heading in sorted(sections, key=lambda heading: (heading == CLOUD_SECTION, heading == "Options")):
            _write_rows(formatter, heading, sections[heading], _name_width(sections.values()))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's own signature
        """Write the examples."""
        write_examples(formatter, self.examples)


class LazySectionedGroup(click.Group):
    """Commands in sections, imported on demand. `sections` maps headings to command names and `module:name` paths."""

    context_class = HelpContext
    command_class = SectionedCommand

    def __init__(
        self,
        *arguments: Any,
        sections: Mapping[str, Mapping[str, str]] | None = None,
        examples: Sequence[tuple[str, str]] = (),
        **settings: Any,
    ) -> None:
        super().__init__(*arguments, **settings)
        self.sections = sections or {}
        self.examples = examples

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words. Raises UsageError if an option has no value but another option behind it."""
        _check_values_are_there(ctx, args)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands in the order of the help."""
        return [name for section in self.sections.values() for name in section] + super().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, imported on demand."""
        for section in self.sections.values():
            if cmd_name in section:
                module, _, name = section[cmd_name].partition(":")
                command: click.Command = getattr(import_module(module), name)
                return command
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the first word names. Raises UsageError with similar commands."""
        if args and not args[0].startswith("-") and not ctx.resilient_parsing and not self.get_command(ctx, args[0]):
            hint = suggest_text(args[0], self.list_commands(ctx))
            raise click.UsageError(f"There is no command `{ctx.command_path} {args[0]}`.{hint}", ctx)
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None and command is not None and not ctx.resilient_parsing:
            self._pass_options_on(ctx, name, command)
        return name, command, rest

    def _pass_options_on(self, ctx: click.Context, name: str, command: click.Command) -> None:
        """Let the options that stand before a command be its own, unless it has them too. Raises UsageError."""
        options = {option.name: option for option in command.params}
        values: dict[str, Any] = {}
        for given in self.params:
            if ctx.get_parameter_source(given.name) is not ParameterSource.COMMANDLINE:
                continue
            if given.name not in options or options[given.name].opts != given.opts:
                raise click.UsageError(
                    f"{given.opts[0]} is an option of `{ctx.command_path}` alone, not of `{ctx.command_path} {name}`.",
                    ctx,
                )
            # What is not among the parameters is kept by its callback, for this command line.
            if given.expose_value:
                values[given.name] = ctx.params[given.name]
        ctx.default_map = {name: values}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by section, with one line of help each; those that are not lazy come first."""
        in_sections = {name for section in self.sections.values() for name in section}
        own = [name for name in self.list_commands(ctx) if name not in in_sections]
        names_by_heading: dict[str, Iterable[str]] = {**({"Commands": own} if own else {}), **self.sections}
        sections = {
            heading: [
                (name, command.get_short_help_str(90)) for name in names if (command := self.get_command(ctx, name))
            ]
            for heading, names in names_by_heading.items()
        }
        for heading, rows in sections.items():
            if rows:
                _write_rows(formatter, heading, rows, _name_width(sections.values()))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's own signature
        """Write the examples."""
        write_examples(formatter, self.examples)


def _check_values_are_there(ctx: click.Context, args: Sequence[str]) -> None:
    needs_value = {
        name: not (option.is_flag or option.count)
        for option in ctx.command.get_params(ctx)
        if isinstance(option, click.Option)
        for name in (*option.opts, *option.secondary_opts)
    }
    words = iter(args)
    for word in words:
        if word == "--" or not (word.startswith("-") or ctx.allow_interspersed_args):
            return
        if needs_value.get(word) and (value := next(words, None)) in needs_value:
            # Whoever means it as a value writes --description=--name.
            raise click.BadOptionUsage(word, f"{word} needs a value, and {value} is another option.", ctx)


def write_examples(formatter: click.HelpFormatter, examples: Sequence[tuple[str, str]]) -> None:
    """Write example command lines, each below its purpose."""
    if examples:
        with formatter.section("Examples"):
            for purpose, line in examples:
                formatter.write(f"{'':>{formatter.current_indent}}{click.style(f'# {purpose}', dim=True)}\n")
                formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


def _name_width(sections: Iterable[Rows]) -> int:
    return min(MAX_NAME_WIDTH, max((len(name) for rows in sections for name, _ in rows), default=0))


def _write_rows(formatter: click.HelpFormatter, heading: str, rows: Rows, width: int) -> None:
    # Padding aligns the columns of all sections.
    with formatter.section(heading):
        formatter.write_dl([(name.ljust(width), text) for name, text in rows], col_max=MAX_NAME_WIDTH)
