"""A click group whose subcommands are imported when they are asked for.

The group knows each subcommand's name, place and one line of help, so that
``llmsyn --help`` prints all of them and imports none.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import click


@dataclass(frozen=True)
class Lazy:
    """Where a subcommand is, and what ``--help`` of its group says of it.

    Attributes
    ----------
    place : ``module:name`` of a :class:`click.Command`.
    help : one line.
    commands : further subcommands that are added to it when it is a group.
    """

    place: str
    help: str
    commands: Mapping[str, Lazy] = field(default_factory=dict)

    def load(self) -> click.Command:
        """Import the subcommand."""
        module, _, name = self.place.partition(":")
        command = getattr(import_module(module), name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{self.place} is {type(command).__name__}, not a click command")
        if self.commands and isinstance(command, click.Group):
            return LazyGroup.around(command, self.commands)
        return command


class LazyGroup(click.Group):
    """A group with some subcommands at hand (``commands``) and others by name (``lazy``)."""

    def __init__(self, *args: Any, lazy: Mapping[str, Lazy] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = dict(lazy or {})

    @classmethod
    def around(cls, group: click.Group, lazy: Mapping[str, Lazy]) -> LazyGroup:
        """Return the same group with further subcommands; ``group`` itself is unchanged."""
        return cls(
            name=group.name,
            help=group.help,
            epilog=group.epilog,
            short_help=group.short_help,
            callback=group.callback,
            params=group.params,
            commands=dict(group.commands),
            lazy={**getattr(group, "lazy", {}), **lazy},
            invoke_without_command=group.invoke_without_command,
            no_args_is_help=group.no_args_is_help,
            context_settings=group.context_settings,
        )

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all subcommands: those at hand, then the lazy ones, each in its order."""
        return list(dict.fromkeys([*self.commands, *self.lazy]))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a subcommand, imported if need be; None when there is none of that name."""
        if cmd_name in self.commands:
            return self.commands[cmd_name]
        return self.lazy[cmd_name].load() if cmd_name in self.lazy else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the subcommand; a misspelt one is told which is meant."""
        if args and self.get_command(ctx, args[0]) is None:
            close = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            if close:
                ctx.fail(f"No such command '{args[0]}'. Did you mean '{close[0]}'?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of subcommands without importing them."""
        rows = [
            (
                name,
                self.lazy[name].help
                if name not in self.commands
                else self.commands[name].get_short_help_str(limit=formatter.width),
            )
            for name in self.list_commands(ctx)
        ]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)
