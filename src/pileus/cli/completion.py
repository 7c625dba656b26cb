"""`pileus completion`: let a shell complete commands, options, and the ids of what there is."""

import click
from click.shell_completion import get_completion_class

from pileus.cli.formatting import Command

VARIABLE = "_PILEUS_COMPLETE"
EXAMPLES = (
    ("For bash, from the next shell on", "pileus completion bash"),
    ("For zsh, and fish", "pileus completion zsh && pileus completion fish"),
)
HOW = {
    "bash": "pileus completion bash >> ~/.bashrc",
    "zsh": "pileus completion zsh >> ~/.zshrc",
    "fish": "pileus completion fish > ~/.config/fish/completions/pileus.fish",
}


@click.command(cls=Command, examples=EXAMPLES)
@click.argument("shell", type=click.Choice(list(HOW)))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what a SHELL has to read so that it completes what is typed after `pileus`.

    Ids and names are asked of the cloud that GCORE_BASE_URL and GCORE_API_KEY name.
    """
    found = get_completion_class(shell)
    assert found is not None  # noqa: S101  # the library has one for each choice
    click.echo(found(ctx.find_root().command, {}, "pileus", VARIABLE).source())
    click.echo(f"# To keep it: {HOW[shell]}")
