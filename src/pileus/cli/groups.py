"""The commands of each noun; the official client, of whose methods they are made, is read in when they are needed."""

import click

from pileus.cli import guests
from pileus.cli.formatting import Command, Group
from pileus.cli.nouns import NOUNS
from pileus.cli.verbs import command, verbs


class NounGroup(Group):
    """The commands of one noun."""

    def __init__(self, word: str) -> None:
        self.noun = NOUNS[word]
        super().__init__(word, help=self.noun.help, examples=self.noun.examples)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's own signature
        """Name the commands."""
        return [*verbs(self.noun), *self._own()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's own signature
        """Make a command."""
        own = self._own()
        if cmd_name in own:
            return own[cmd_name]
        return command(self.noun, cmd_name) if cmd_name in verbs(self.noun) else None

    def _own(self) -> dict[str, Command]:
        """What the client has no methods for."""
        return guests.commands() if self.noun.word == "instances" else {}


def __getattr__(name: str) -> NounGroup:
    """The group of a noun, under its word."""
    if name not in NOUNS:
        raise AttributeError(name)
    return NounGroup(name)
