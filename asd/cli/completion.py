"""asd completion: the script that completes commands in a shell, and the names it completes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from asd.workspace import PARAMS, find_root

_SHELLS = ("bash", "zsh", "fish")

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
def command(shell: str) -> None:
    """Print the script that completes commands, options and names in SHELL.

    \b
    Examples:
      asd completion bash >> ~/.bashrc
      asd completion zsh >> ~/.zshrc
      asd completion fish > ~/.config/fish/completions/asd.fish
    """
    from click.shell_completion import get_completion_class

    from asd.cli import cli

    kind = get_completion_class(shell)
    if kind is not None:
        click.echo(kind(cli, {}, "asd", "_ASD_COMPLETE").source())


def names(section: str) -> Complete:
    """Return what completes the names of a section of params.yaml, such as ``models``.

    The file is looked for here and above and is not checked: a mistake in it is for the command to
    tell, and a key press should not wait for it.
    """

    def complete(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:
        found = _section(section)
        return [CompletionItem(name) for name in found if name.startswith(typed)]

    return complete


def profiles(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:
    """Complete the names of the profiles."""
    from asd.stages.init import profiles as known

    return [CompletionItem(name) for name in known() if name.startswith(typed)]


def _section(section: str) -> list[str]:
    root = find_root(Path.cwd())
    if root is None:
        return []
    from asd.yaml_text import read_yaml

    try:
        params = read_yaml((root / PARAMS).read_bytes())
        found = params["dataset"]["machines"] if section == "machines" else params[section]
        return [str(name) for name in found]
    except (OSError, ValueError, LookupError, TypeError):
        return []
