"""docs/cli.md, made from the commands' own help: `python -m flakediag.cli.reference > docs/cli.md`."""

from __future__ import annotations

import sys

import click

from flakediag.cli.app import COMMANDS, app

_HEAD = """# The command line

<!-- Made by `python -m flakediag.cli.reference > docs/cli.md`; a test holds it true. -->

Data goes to standard output, everything else to standard error. `--db`, `--config`, `--color`, `-v` and `-q` may stand
before or after the command. Settings come from flags, then `FLAKEDIAG_*` variables, then `pyproject.toml`: see
[configuration](configuration.md). The JSON documents are described in [json.md](json.md).

Colour is used on a terminal only; `NO_COLOR` switches it off, `--color always` on. Piped output is plain and uncut.

To complete commands and options with the tab key, put `eval "$(flakediag completion bash)"` into `~/.bashrc`
(`zsh` and `~/.zshrc` alike); for fish, save the output of `flakediag completion fish` as
`~/.config/fish/completions/flakediag.fish`.
"""


def page() -> str:
    """The whole page, each command's help as it is printed 100 columns wide."""
    parts = [_HEAD, _section("flakediag", app, None)]
    root = click.Context(app, info_name="flakediag", terminal_width=100, max_content_width=100)
    for name in COMMANDS:
        command = app.get_command(root, name)
        assert command is not None
        parts.append(_section(name, command, root))
        if isinstance(command, click.Group):
            above = click.Context(command, info_name=name, parent=root, **command.context_settings)
            parts += [_section(f"{name} {each}", made, above) for each, made in sorted(command.commands.items())]
    return "\n".join(parts)


def _section(name: str, command: click.Command, parent: click.Context | None) -> str:
    context = command.context_class(
        command, info_name=name.rpartition(" ")[2], parent=parent, **{**command.context_settings, "terminal_width": 100}
    )
    title = name if parent is None else f"flakediag {name}"
    text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    return f"## {title}\n\n```text\n{text}\n```\n"


if __name__ == "__main__":
    sys.stdout.write(page())
