"""`pluggy-sync completion`: what makes a shell complete the commands and their options."""

import click
from click.shell_completion import get_completion_class

_PROGRAM = "pluggy-sync"
_VARIABLE = "_PLUGGY_SYNC_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """
    Print what lets a shell complete these commands.

    Once for this shell: eval "$(pluggy-sync completion bash)". For every shell: put that line into ~/.bashrc or
    ~/.zshrc.
    """
    found = get_completion_class(shell)
    if found is None:
        raise click.ClickException(f"{shell} is not known to this version of click.")
    click.echo(found(ctx.find_root().command, {}, _PROGRAM, _VARIABLE).source())
