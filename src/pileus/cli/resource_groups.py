"""The command groups of the kinds of resource."""

import click

from pileus.cli.commands import LazySectionedGroup, SectionedCommand
from pileus.cli.machine_access import machine_access_commands
from pileus.cli.resource_commands import make_resource_command
from pileus.cli.resource_kinds import RESOURCE_KINDS
from pileus.cli.resource_methods import methods_of
from pileus.cli.secrets import rotate
from pileus.cli.ssh_keys import ssh_key_creation
from pileus.cli.task_commands import task_wait_command


class ResourceCommandGroup(LazySectionedGroup):
    """The commands of a kind of resource."""

    def __init__(self, word: str) -> None:
        self.kind = RESOURCE_KINDS[word]
        super().__init__(word, help=self.kind.help, examples=self.kind.examples)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's own signature
        """Return the names of the commands."""
        return list(dict.fromkeys([*methods_of(self.kind.word), *self._extra_commands()]))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's own signature
        """Return a command, made on demand."""
        extra = self._extra_commands()
        if cmd_name in extra:
            return extra[cmd_name]
        return make_resource_command(self.kind, cmd_name) if cmd_name in methods_of(self.kind.word) else None

    def _extra_commands(self) -> dict[str, SectionedCommand]:
        """Return the commands that are not operations of the API, or do more."""
        if self.kind.word == "instances":
            return machine_access_commands()
        if self.kind.word == "secrets":
            return {"rotate": rotate}
        if self.kind.word == "ssh-keys":
            return {"create": ssh_key_creation()}
        return {"wait": task_wait_command()} if self.kind.word == "tasks" else {}


def __getattr__(name: str) -> ResourceCommandGroup:
    """Return the command group of a kind of resource by its word."""
    if name not in RESOURCE_KINDS:
        raise AttributeError(name)
    return ResourceCommandGroup(name)
