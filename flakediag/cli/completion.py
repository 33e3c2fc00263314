"""`flakediag completion`"""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from flakediag.cli.options import make_command


@make_command(short_help="Print the shell's completion script.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print a script that teaches the shell to complete flakediag's commands and options.

    \b
    Examples:
      eval "$(flakediag completion bash)"      in ~/.bashrc
      eval "$(flakediag completion zsh)"       in ~/.zshrc
      flakediag completion fish > ~/.config/fish/completions/flakediag.fish
    """
    found = get_completion_class(shell)
    assert found is not None
    completion = found(ctx.find_root().command, {}, "flakediag", "_FLAKEDIAG_COMPLETE")
    # The template alone: `source()` would start a bash to ask for its version.
    click.echo(completion.source_template % completion.source_vars())
