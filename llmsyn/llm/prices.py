"""The price table: a TOML file that a person can edit."""

from __future__ import annotations

import math
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmsyn.egress.budget import Cost
from llmsyn.errors import InputError
from llmsyn.store import parse_toml, read_at_most

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SHIPPED = Path(__file__).with_name("prices.toml")
_DATED = re.compile(r"-(\d{8}|\d{4}-\d{2}-\d{2})$")
_NUMBERS = ("input", "output", "batch_share", "most_prompt_tokens")
_KEYS = {"names", "source", *_NUMBERS}
_MILLION = 1e6


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens.

    Attributes
    ----------
    batch_share : what a token costs in a batch, as a share of its price.
    most_prompt_tokens : up to which length of prompt the price holds; None for any.
    source : where it was read, and when.
    """

    input: float
    output: float
    batch_share: float = 1.0
    most_prompt_tokens: int | None = None
    source: str = ""

    def usd(self, prompt_tokens: int, completion_tokens: int) -> float:
        """What so many tokens cost."""
        return (prompt_tokens * self.input + completion_tokens * self.output) / _MILLION

    def in_batch(self) -> Price:
        """The price of a batch."""
        share = self.batch_share
        return Price(
            self.input * share, self.output * share, 1.0, self.most_prompt_tokens, self.source
        )


FREE = Price(0.0, 0.0, source="runs on this machine")


def cost_of(price: Price | None, prompt_tokens: int, completion_tokens: int) -> Cost:
    """One request of so many tokens; without a price its ``usd`` is NaN."""
    usd = math.nan if price is None else price.usd(prompt_tokens, completion_tokens)
    return Cost(1, prompt_tokens, completion_tokens, usd)


def price_of(model: str, file: Path | None = None) -> Price | None:
    """The price of a model; None where the table does not list it.

    A provider before the name (``openai/gpt-6-sol``) and a date after it are passed over.

    Raises
    ------
    InputError : the table cannot be read.

    Examples
    --------
    >>> price_of("openai/gpt-5-mini-2026-01-31").output
    2.0
    """
    table = load_prices(file or SHIPPED)
    last = model.rpartition("/")[2]
    for name in (model, last, _DATED.sub("", last)):
        if name in table:
            return table[name]
    return None


def load_prices(file: Path) -> dict[str, Price]:
    """Read a price table: model name to price.

    Raises
    ------
    InputError : the file cannot be read, has an unknown key, or a price that is none.
    """
    try:
        content = parse_toml(read_at_most(file, 1 << 20).decode())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(
            f"the price table cannot be read ({error}); copy the shipped {SHIPPED.name} and edit "
            "that",
            file=file,
        ) from error
    unknown = sorted(set(content) - {"schema", "read", "models"})
    if unknown:
        raise InputError("is no key of a price table", file=file, key=unknown[0])
    if content.get("schema") != 1:
        raise InputError("expected schema = 1", file=file, key="schema")
    prices: dict[str, Price] = {}
    for place, entry in enumerate(content.get("models", [])):
        where = f"models[{place}]"
        _check(entry, file, where)
        price = Price(**{key: entry[key] for key in entry if key != "names"})
        for name in entry["names"]:
            if name in prices:
                raise InputError(f"model {name!r} has two prices; keep one", file=file, key=where)
            prices[name] = price
    return prices


def _check(entry: dict[str, Any], file: Path, where: str) -> None:
    unknown = sorted(set(entry) - _KEYS)
    if unknown:
        raise InputError(
            f"is no key of a price; it has {', '.join(sorted(_KEYS))}",
            file=file,
            key=f"{where}.{unknown[0]}",
        )
    for key in ("names", "input", "output"):
        if key not in entry:
            raise InputError("is missing", file=file, key=f"{where}.{key}")
    for key in _NUMBERS:
        value = entry.get(key, 0)
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not 0 <= value < math.inf:
            raise InputError(
                f"{value!r} is no number of at least 0", file=file, key=f"{where}.{key}"
            )
