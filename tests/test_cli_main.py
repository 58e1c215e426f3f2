"""The command line as a whole: lazy subcommands, exit codes, where words go."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from llmsyn import errors
from llmsyn.cli import logs, main
from llmsyn.cli.lazy import Lazy, LazyGroup


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[BaseException | int | None]]:
    """A subcommand ``try`` that raises, or returns, what is put into the list."""
    box: list[BaseException | int | None] = []

    @click.command("try")
    def attempt() -> int | None:
        (what,) = box
        if isinstance(what, BaseException):
            raise what
        return what

    monkeypatch.setitem(main.cli.commands, "try", attempt)
    yield box


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ProfileError("a share of 1.3", file="sex.csv", row=3), 2),
        (errors.OutputError("out exists; pass --force"), 2),
        (errors.MissingExtra("OpenDP", extra="dp"), 2),
        (errors.InfeasibleError("two counts disagree"), 2),
        (errors.ServiceError("no answer"), 3),
        (errors.CheckFailed("3 of 40 cells are off"), 4),
        (errors.Stopped("the budget is spent"), 5),
        (click.FileError("x.csv", "no such file"), 2),
    ],
)
def test_an_error_is_one_line_on_stderr_and_its_code(
    error: Exception,
    code: int,
    command: list[BaseException],
    capsys: pytest.CaptureFixture[str],
) -> None:
    command.append(error)
    assert main.main(["try"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    text = error.format_message() if isinstance(error, click.ClickException) else str(error)
    assert err == f"llmsyn: error: {text}\n"


def test_a_message_of_two_lines_is_printed_as_one(
    command: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    command.append(errors.InputError("first\nsecond"))
    assert main.main(["try"]) == 2
    assert capsys.readouterr().err == "llmsyn: error: first second\n"


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), click.Abort()])
def test_an_interruption_is_130(
    interruption: BaseException, command: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    command.append(interruption)
    assert main.main(["try"]) == 130
    assert capsys.readouterr().err.strip() == "llmsyn: error: interrupted"


def test_a_crash_is_not_swallowed(command: list[BaseException]) -> None:
    command.append(ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError):
        main.main(["try"])


@pytest.mark.parametrize("returned", [None, 7, True])
def test_what_a_command_returns_is_no_exit_code(
    returned: int | None, command: list[int | None]
) -> None:
    command.append(returned)
    assert main.main(["try"]) == 0


def test_a_command_may_choose_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command("try")
    @click.pass_context
    def attempt(ctx: click.Context) -> None:
        ctx.exit(4)

    monkeypatch.setitem(main.cli.commands, "try", attempt)
    assert main.main(["try"]) == 4


@pytest.mark.parametrize("arguments", [[], ["nope"], ["--nope"], ["try", "--nope"], ["try", "x"]])
@pytest.mark.usefixtures("command")
def test_wrong_usage_is_2_and_goes_to_stderr(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Usage: llmsyn" in err


def test_help_names_every_subcommand(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--help"]) == 0
    out = capsys.readouterr().out
    for name, lazy in main.COMMANDS.items():
        assert f"\n  {name} " in out
        assert lazy.help.split()[0] in out


@pytest.mark.parametrize(
    "path",
    [(name,) for name in main.COMMANDS]
    + [(name, sub) for name, lazy in main.COMMANDS.items() for sub in lazy.commands],
    ids=" ".join,
)
def test_every_subcommand_loads_and_has_help(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main([*path, "--help"]) == 0
    assert f"Usage: llmsyn {' '.join(path)}" in capsys.readouterr().out


def test_a_closed_pipe_is_quiet() -> None:
    """``llmsyn ... | head -1``: the reader leaves before the writer is done."""
    code = (
        "import sys, click, llmsyn.cli.main as m\n"
        "@m.cli.command('long')\n"
        "def long():\n"
        "    for _ in range(100_000): click.echo('x' * 80)\n"
        "sys.exit(m.main(['long']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_lazy_group_adds_to_a_group_without_changing_it() -> None:
    @click.group()
    def group() -> None:
        """Things."""

    @group.command()
    def here() -> None:
        """At hand."""

    lazy = {"there": Lazy("llmsyn.cli.main:cli", "Far away.")}
    both = LazyGroup.around(group, lazy)
    context = click.Context(both)
    assert both.list_commands(context) == ["here", "there"]
    assert both.get_command(context, "here") is here
    assert both.get_command(context, "there") is main.cli
    assert both.get_command(context, "nowhere") is None
    assert list(group.commands) == ["here"]
    text = both.get_help(context)
    assert "At hand." in text
    assert "Far away." in text


def test_a_place_that_is_no_command_is_a_bug_said_at_once() -> None:
    with pytest.raises(TypeError, match="llmsyn.errors:LlmsynError is type, not a click command"):
        Lazy("llmsyn.errors:LlmsynError", "").load()


@pytest.mark.parametrize(
    ("verbose", "environment", "level"),
    [
        (0, None, logging.WARNING),
        (0, "", logging.WARNING),
        (0, "INFO", logging.INFO),
        (0, "error", logging.ERROR),
        (1, "error", logging.INFO),
        (2, None, logging.DEBUG),
        (5, None, logging.DEBUG),
    ],
)
def test_log_level(verbose: int, environment: str | None, level: int) -> None:
    logs.set_up(verbose, environment)
    assert logging.getLogger("llmsyn").level == level


def test_a_wrong_log_level_says_what_is_accepted(
    monkeypatch: pytest.MonkeyPatch, command: list[None], capsys: pytest.CaptureFixture[str]
) -> None:
    command.append(None)
    monkeypatch.setenv("LLMSYN_LOG", "loud")
    assert main.main(["try"]) == 2
    assert capsys.readouterr().err == (
        "llmsyn: error: LLMSYN_LOG=loud is no level; set it to one of debug, info, warning, error\n"
    )


def test_records_go_to_stderr_once(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(0, None)
    logs.set_up(1, None)
    logging.getLogger("llmsyn.store").info("wrote %s", "a.csv")
    logging.getLogger("llmsyn.store").debug("not this")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.endswith("INFO llmsyn.store: wrote a.csv\n")


def test_a_misspelt_command_is_told_which_is_meant(capsys: pytest.CaptureFixture[str]) -> None:
    for words, meant in ((["chek"], "check"), (["profile", "extrct"], "extract")):
        assert main.main(words) == 2
        assert f"Did you mean '{meant}'?" in capsys.readouterr().err
    assert main.main(["zzz"]) == 2
    assert "Did you mean" not in capsys.readouterr().err
