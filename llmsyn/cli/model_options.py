"""The options of every command that may ask a language model, and what it prints of it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from llmsyn.llm.requests import ModelOptions, Progress, Tally

_F = TypeVar("_F", bound=Callable[..., Any])
_PATH = click.Path(path_type=Path)
_FOLDER = click.Path(path_type=Path, file_okay=False)

_OPTIONS = (
    click.option(
        "--llm-url",
        metavar="URL",
        help="OpenAI-compatible server, such as http://127.0.0.1:8000/v1  [default: "
        "OPENAI_BASE_URL]; the key is read from OPENAI_API_KEY.",
    ),
    click.option("--model", metavar="NAME", help="Its name, as the server calls it."),
    click.option(
        "--llm",
        type=click.Choice(["local"]),
        help="Start a llama.cpp server on this machine (pip install 'llmsyn[local]').",
    ),
    click.option("--gguf", type=_PATH, help="Weights for --llm local  [default: SmolLM2]."),
    click.option(
        "--batch",
        type=_FOLDER,
        help="Write requests into this folder, read replies from it, and run again.",
    ),
    click.option("--replay", type=_PATH, help="Answer from kept replies; sends nothing."),
    click.option(
        "--max-usd", type=click.FloatRange(min=0), help="Stop before this price is passed."
    ),
    click.option(
        "--max-tokens", type=click.IntRange(min=0), help="Stop before so many tokens are passed."
    ),
    click.option("--max-requests", type=click.IntRange(min=0), help="Stop after so many requests."),
    click.option("--dry-run", is_flag=True, help="Print requests, tokens and price; send nothing."),
    click.option("--prices", type=_PATH, help="Price table (TOML) instead of the shipped one."),
    click.option("--cache", type=_FOLDER, help="Folder for replies  [default: ~/.cache/llmsyn]."),
    click.option(
        "--ledger",
        type=_PATH,
        help="JSON Lines file of what left, with a page beside it  [default: in the cache].",
    ),
    click.option("--keep-replies", type=_PATH, help="Write all replies to a file for --replay."),
    click.option(
        "--connections",
        type=click.IntRange(1, 256),
        default=8,
        show_default=True,
        help="Requests at a time.",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        default=180.0,
        show_default=True,
        help="Seconds for one reply.",
    ),
)


def model_options(command: _F) -> _F:
    """Add the options to a command, which gets them as ``model_options``, a ``ModelOptions``.

    Examples
    --------
    >>> @click.command()
    ... @model_options
    ... def ask(model_options): ...
    >>> "--max-usd" in [name for option in ask.params for name in option.opts]
    True
    """

    @functools.wraps(command)
    def with_model(*args: Any, **given: Any) -> Any:
        from llmsyn.llm.requests import ModelOptions

        options = ModelOptions(
            url=given.pop("llm_url"),
            model=given.pop("model"),
            local=given.pop("llm") == "local",
            gguf=given.pop("gguf"),
            batch=given.pop("batch"),
            replay=given.pop("replay"),
            max_usd=given.pop("max_usd"),
            max_tokens=given.pop("max_tokens"),
            max_requests=given.pop("max_requests"),
            dry_run=given.pop("dry_run"),
            prices=given.pop("prices"),
            cache=given.pop("cache"),
            ledger=given.pop("ledger"),
            keep_replies=given.pop("keep_replies"),
            connections=given.pop("connections"),
            timeout_seconds=given.pop("timeout"),
        )
        return command(*args, model_options=options, **given)

    wrapped: Any = with_model
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[no-any-return]


def tally_text(tally: Tally, options: ModelOptions) -> str:
    """What a run came to, or would come to, in a line or two."""
    cost = tally.cost
    price = "no price known" if math.isnan(cost.usd) else f"{cost.usd:.4f} USD"
    counts = f"{cost.requests:,} requests, {cost.prompt_tokens:,} prompt and "
    if options.dry_run:
        return (
            f"Would send at most {counts}{cost.completion_tokens:,} reply tokens: {price}.\n"
            f"{tally.kept:,} more are answered already. Prompt tokens are estimated from the "
            "length of the text, replies count at their longest, re-asks are not counted."
        )
    unsure = tally.unsure.requests
    doubt = f" {unsure} more may have been charged." if unsure else ""
    return (
        f"{tally.answered:,} of {tally.asked:,} questions answered, {tally.failed:,} without a "
        f"usable reply, {tally.reasked:,} re-asked, {tally.kept:,} from kept replies. "
        f"This run: {counts}{cost.completion_tokens:,} reply tokens, {price}.{doubt}"
    )


def tally_json(tally: Tally) -> dict[str, Any]:
    """The same for a script; ``usd`` is null where no price is known."""
    cost = tally.cost
    return {
        "asked": tally.asked,
        "answered": tally.answered,
        "failed": tally.failed,
        "waiting": tally.waiting,
        "reasked": tally.reasked,
        "kept": tally.kept,
        "requests": cost.requests,
        "prompt_tokens": cost.prompt_tokens,
        "completion_tokens": cost.completion_tokens,
        "usd": None if math.isnan(cost.usd) else round(cost.usd, 9),
        "unsure_requests": tally.unsure.requests,
    }


@contextmanager
def progress_bar(label: str, *, quiet: bool = False) -> Iterator[Progress | None]:
    """A bar on stderr in a terminal; None, which reports nothing, elsewhere."""
    import sys

    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bars

    with Bars(console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(label, total=None)

        def tell(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total)

        yield tell
