"""Write docs/commands.md: the help text of every command, as the program prints it.

    python docs/commands.py

Run it after changing an option (`make docs`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from llmsyn.cli.main import cli

WIDTH = 96
HEAD = """\
# Commands

Written by `make docs` from the `--help` texts; don't edit by hand.
"""


def contexts(command: click.Command, parent: click.Context | None) -> Iterator[click.Context]:
    """The command, then its subcommands, depth first."""
    name = "llmsyn" if parent is None else command.name
    context = click.Context(
        command, parent, info_name=name, terminal_width=WIDTH, **command.context_settings
    )
    yield context
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            subcommand = command.get_command(context, child)
            if subcommand is not None and not subcommand.hidden:
                yield from contexts(subcommand, context)


def reference() -> str:
    """The whole page."""
    sections = (
        f"\n## {context.command_path}\n\n```text\n{context.get_help()}\n```\n"
        for context in contexts(cli, None)
    )
    return HEAD + "".join(sections)


if __name__ == "__main__":
    page = Path(__file__).with_name("commands.md")
    page.write_text(reference(), encoding="utf-8", newline="\n")
    print(f"wrote docs/{page.name}")
