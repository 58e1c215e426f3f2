"""The command ``llmsyn``: its subcommands, and how every error becomes an exit code.

=====  ==========================================================================
code   meaning
=====  ==========================================================================
0      done
2      usage or bad input
3      an outside service failed
4      a check or verdict failed
5      stopped at a budget, or waiting for batch results; run again to go on
130    interrupted
141    the reader of the output went away (``llmsyn profile list | head -1``)
=====  ==========================================================================

1 is left to crashes, which print a traceback.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from llmsyn import __version__
from llmsyn.cli.lazy import Lazy, LazyGroup
from llmsyn.errors import LlmsynError

USAGE, INTERRUPTED, BROKEN_PIPE = 2, 130, 141

COMMANDS = {
    "profile": Lazy(
        "llmsyn.cli.profile:profile",
        "Aggregate statistics: list, check, show, compare, extract.",
        commands={
            "extract": Lazy(
                "llmsyn.cli.extract:extract",
                "Patient tables to a profile that may leave the house.",
            ),
            "measure": Lazy(
                "llmsyn.cli.extract:measure",
                "Measure a cohort, in the form of another profile.",
            ),
        },
    ),
    "knowledge": Lazy(
        "llmsyn.cli.knowledge:knowledge",
        "The medical knowledge base: check it, show a code, coverage of a profile.",
        commands={
            "about": Lazy(
                "llmsyn.cli.about:about",
                "What is known of one code: title, text, drugs, procedures, sources.",
            ),
        },
    ),
    "elicit": Lazy(
        "llmsyn.cli.elicit:elicit", "Ask a language model what goes with what in a profile."
    ),
    "generate": Lazy("llmsyn.cli.generate:generate", "Draw synthetic patients from a profile."),
    "check": Lazy(
        "llmsyn.cli.check:check",
        "Compare a cohort with a profile, published cell by published cell.",
    ),
    "evaluate": Lazy(
        "llmsyn.cli.evaluate:evaluate",
        "Fidelity, utility, privacy and equity of a synthetic cohort.",
    ),
    "memorisation": Lazy(
        "llmsyn.cli.memorisation:memorisation",
        "Which rows of public data sets a language model knows by heart.",
    ),
    "export": Lazy(
        "llmsyn.cli.export:export", "Write a cohort as OMOP, FHIR, MEDS, CSV or one database file."
    ),
    "notes": Lazy("llmsyn.cli.notes:notes", "Clinical notes about synthetic patients, annotated."),
    "ner": Lazy(
        "llmsyn.cli.ner:ner", "Entity recognition trained on synthetic notes, and its scores."
    ),
}


class _ReaderGone(Exception):
    """The reader of stdout went away; click would answer with our code for a crash."""


class _Root(LazyGroup):
    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Parse the options (``--help`` and ``--version`` print here)."""
        try:
            return super().make_context(*args, **kwargs)
        except BrokenPipeError as error:
            raise _ReaderGone from error

    def invoke(self, ctx: click.Context) -> None:
        """Run the subcommand and drop what it returns.

        Only ``ctx.exit`` and errors set an exit code: a command that returns a number must
        not end as a failure.
        """
        try:
            super().invoke(ctx)
        except BrokenPipeError as error:
            raise _ReaderGone from error


@click.command(
    cls=_Root,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: llmsyn profile list",
)
@click.version_option(__version__, prog_name="llmsyn", message="%(prog)s %(version)s")
@click.option(
    "-v",
    "--verbose",
    count=True,
    help="Say more on stderr (-vv: everything); LLMSYN_LOG=info does the same.",
)
def cli(verbose: int) -> None:
    """Synthetic electronic health records from aggregate statistics, without a patient."""
    from llmsyn.cli.logs import set_up

    set_up(verbose, os.environ.get("LLMSYN_LOG"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    arguments : what follows ``llmsyn``; the process's own arguments when None.
    """
    try:
        code: Any = cli.main(
            args=None if arguments is None else list(arguments),
            prog_name="llmsyn",
            standalone_mode=False,
        )
        # Here, and not at the interpreter's end, where a closed pipe can't be caught.
        sys.stdout.flush()
    except (_ReaderGone, BrokenPipeError):
        _discard_stdout()
        return BROKEN_PIPE
    except LlmsynError as error:
        return _fail(str(error), error.exit_code)
    except click.UsageError as error:
        error.show()
        return USAGE
    except click.ClickException as error:
        return _fail(error.format_message(), USAGE)
    except (click.Abort, KeyboardInterrupt):
        return _fail("interrupted", INTERRUPTED)
    return code if isinstance(code, int) else 0


def _fail(message: str, code: int) -> int:
    click.echo("llmsyn: error: " + " ".join(message.splitlines()), err=True)
    return code


def _discard_stdout() -> None:
    """Send what is still buffered nowhere, so that the interpreter's last flush is quiet."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        return  # stdout is not a file: nothing is flushed to a pipe
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
