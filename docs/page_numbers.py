"""Fill the marked numbers of the pages from benchmarks/results/.

    python docs/page_numbers.py            rewrite the pages
    python docs/page_numbers.py --check    end with 4 where a page says something else

A mark is ``<!-- n:FILE:PATH:FORMAT -->`` and what stands up to ``<!-- /n -->`` is ours to write.
FILE is a result without its ``.json``; PATH leads through it: keys and places joined by ``/``,
and ``[key=value]`` for the first entry of a list that has it.  FORMAT is one of Python's for
numbers (``.3f``, ``,.0f``, ``.1%``), empty for a text, or ``table`` for a list of rows.

    <!-- n:discriminator:rows/[held-out real rows against=network, all pairs]/AUC:.3f --><!-- /n -->
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PAGES = ("README.md", "docs/**/*.md", "benchmarks/*.md")
sys.path.insert(0, str(ROOT / "benchmarks"))

from result_files import table  # noqa: E402  (its folder is on the path only now)

DIFFER = 4
_MARK = re.compile(
    r"(<!-- n:([^:\n]+):((?:(?!-->).)+?):([^:\n<>]*) -->)(.*?)(<!-- /n -->)", re.DOTALL
)
_OPEN = re.compile(r"<!-- n:|<!-- /n -->")
_SELECT = re.compile(r"\[([^=\]]+)=(.*)\]")


class BadMark(Exception):
    """A mark that names nothing."""


def fill(text: str, results: Path = RESULTS) -> str:
    """The text with every marked number as the results have it.

    Raises
    ------
    BadMark : a mark is not closed, or leads to nothing in the results.
    """
    found = list(_MARK.finditer(text))
    if len(_OPEN.findall(text)) != 2 * len(found):
        raise BadMark("a mark is not closed, or closed twice: write <!-- n:FILE:PATH:FORMAT -->")

    def written(match: re.Match[str]) -> str:
        opening, file, path, form, _, closing = match.groups()
        try:
            source = json.loads((results / f"{file}.json").read_text(encoding="utf-8"))
            return opening + shown(follow(source, path), form) + closing
        except (OSError, LookupError, ValueError, TypeError) as error:
            raise BadMark(f"{opening} leads to nothing in the results: {error}") from error

    return _MARK.sub(written, text)


def follow(source: Any, path: str) -> Any:
    """What a path leads to.

    Raises
    ------
    LookupError, ValueError, TypeError : to nothing.

    Examples
    --------
    >>> follow({"rows": [{"set": "a/b", "n": 1}, {"set": "c", "n": 2}]}, "rows/[set=a/b]/n")
    1
    """
    for step in re.findall(r"\[[^\]]*\]|[^/]+", path):
        chosen = _SELECT.fullmatch(step)
        if chosen is not None and isinstance(source, Sequence):
            key, value = chosen.groups()
            matching = [x for x in source if isinstance(x, Mapping) and str(x.get(key)) == value]
            if not matching:
                raise LookupError(f"no entry has {key} = {value}")
            source = matching[0]
        elif isinstance(source, Mapping):
            source = source[step]
        else:
            source = source[int(step)]
    return source


def shown(value: Any, form: str) -> str:
    """A value in its format.

    Raises
    ------
    ValueError, TypeError : the format does not fit the value.

    Examples
    --------
    >>> shown(0.52797, ".3f"), shown(1000000, ","), shown("mimic3-demo", "")
    ('0.528', '1,000,000', 'mimic3-demo')
    """
    if form == "table":
        if not isinstance(value, list):
            raise TypeError("a table is made of a list of rows")
        rows = [{k: "" if v is None else v for k, v in row.items()} for row in value]
        return "\n\n" + table(rows) + "\n\n"
    return format(value, form)


def pages(root: Path = ROOT) -> list[Path]:
    """Pages that may hold marks."""
    return sorted({page for pattern in PAGES for page in root.glob(pattern)})


def apart(root: Path = ROOT) -> dict[Path, str]:
    """Pages that say something else than the results, with what they should say.

    Raises
    ------
    BadMark : a mark leads to nothing; the message names the page.
    """
    found = {}
    for page in pages(root):
        text = page.read_text(encoding="utf-8")
        try:
            right = fill(text, root / "benchmarks" / "results")
        except BadMark as error:
            raise BadMark(f"{page.relative_to(root).as_posix()}: {error}") from error
        if right != text:
            found[page] = right
    return found


def main(words: Sequence[str], root: Path = ROOT) -> int:
    """Rewrite the pages, or with ``--check`` say which differ."""
    try:
        differing = apart(root)
    except BadMark as error:
        print(f"error: {error}", file=sys.stderr)
        return DIFFER
    for page, text in differing.items():
        name = page.relative_to(root).as_posix()
        if "--check" in words:
            print(f"{name} differs from benchmarks/results/; run: python docs/page_numbers.py")
        else:
            page.write_text(text, encoding="utf-8", newline="\n")
            print(f"wrote {name}")
    return DIFFER if differing and "--check" in words else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
