"""The command groups of the nouns. The official client is imported only when a group is used."""

import click

from pileus.cli import guests
from pileus.cli.commands import Command, Group
from pileus.cli.nouns import NOUNS
from pileus.cli.verbs import make_command, methods_by_verb


class NounGroup(Group):
    """The group of a noun's commands."""

    def __init__(self, word: str) -> None:
        self.noun = NOUNS[word]
        super().__init__(word, help=self.noun.help, examples=self.noun.examples)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's own signature
        """Return the names of the commands."""
        return [*methods_by_verb(self.noun), *self._extra_commands()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's own signature
        """Return a command, made on demand."""
        extra = self._extra_commands()
        if cmd_name in extra:
            return extra[cmd_name]
        return make_command(self.noun, cmd_name) if cmd_name in methods_by_verb(self.noun) else None

    def _extra_commands(self) -> dict[str, Command]:
        """Return the commands that the client has no methods for."""
        return guests.commands() if self.noun.word == "instances" else {}


def __getattr__(name: str) -> NounGroup:
    """Return the command group of a noun by its word."""
    if name not in NOUNS:
        raise AttributeError(name)
    return NounGroup(name)
