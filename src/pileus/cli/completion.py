"""`pileus completion`: shell completion of commands, options and values."""

import click
from click.shell_completion import get_completion_class

from pileus.cli.commands import SectionedCommand

VARIABLE = "_PILEUS_COMPLETE"
EXAMPLES = (
    ("Print the completion for bash", "pileus completion bash"),
    ("Print it for zsh and for fish", "pileus completion zsh && pileus completion fish"),
)
INSTALL_COMMANDS = {
    "bash": "pileus completion bash >> ~/.bashrc",
    "zsh": "pileus completion zsh >> ~/.zshrc",
    "fish": "pileus completion fish > ~/.config/fish/completions/pileus.fish",
}


@click.command(cls=SectionedCommand, examples=EXAMPLES)
@click.argument("shell", type=click.Choice(list(INSTALL_COMMANDS)))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of `pileus` for a SHELL.

    Names of resources, flavors and tasks are completed from the server that the commands use: see `pileus context`.
    Types of tasks, columns and contexts need no server.
    """
    completer = get_completion_class(shell)
    assert completer is not None  # noqa: S101  # click has a class for each choice
    click.echo(completer(ctx.find_root().command, {}, "pileus", VARIABLE).source())
    click.echo(f"# To install it: {INSTALL_COMMANDS[shell]}")
