"""Associations that a folder of knowledge states term by term, in ``associations.csv``.

What ``llmsyn elicit`` writes and a clinician may edit: one row says how much more or less
likely one term of a profile is where another holds.  The columns are ``given``, ``then``
(terms such as ``diagnoses=4280``; several given ones are joined by `` & ``), ``effect`` (a
class from -2 to 3, ``excludes``, or an odds ratio written ``OR 1.8``), and, if wanted,
``weight`` and ``provenance``.  Columns for the reader (titles, notes) are passed over.

A stated association stands above whatever the records say of the same two ends.  An age or
sex end is the whole variable, not one band of it: bands of two sources do not mix.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Literal

from llmsyn.errors import KnowledgeError
from llmsyn.knowledge.types import EXCLUDES, Association
from llmsyn.profile.terms import Term, parse_term
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import CodeSet
from llmsyn.store import read_at_most, spreadsheet_raw, spreadsheet_safe, write_text

FILE = "associations.csv"
MAX_BYTES = 64 << 20
NEEDED = ("given", "then", "effect")
OPTIONAL = ("weight", "provenance")
FOR_READERS = ("given_title", "then_title", "note")
AND = " & "

End = tuple[str, ...]
"""``(variable, code)``, or ``(variable,)`` for a variable with levels."""


def read_stated(folder: Path) -> tuple[Association, ...]:
    """The associations of ``associations.csv``; none where the folder has no such file.

    Raises
    ------
    KnowledgeError : the table cannot be read, a column or cell is wrong.
    """
    file = folder / FILE
    if not file.exists():
        return ()
    try:
        text = read_at_most(file, MAX_BYTES, KnowledgeError).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise KnowledgeError(f"cannot be read ({error}); save it as UTF-8", file=file) from error
    try:
        table = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        names, rows = table.fieldnames or (), list(table)
    except csv.Error as error:
        raise KnowledgeError(
            f"is no CSV ({error}); check its quotation marks", file=file
        ) from error
    for name in NEEDED:
        if name not in names:
            raise KnowledgeError(
                f"the column is missing; the table needs {', '.join(NEEDED)}",
                file=file, row=1, column=name,
            )  # fmt: skip
    for name in names:
        if name not in (*NEEDED, *OPTIONAL, *FOR_READERS):
            raise KnowledgeError(
                "the column is not known here; a table has "
                + ", ".join((*NEEDED, *OPTIONAL, *FOR_READERS)),
                file=file, row=1, column=name,
            )  # fmt: skip
    return tuple(_row(row, file, number) for number, row in enumerate(rows, start=2))


def _row(row: dict[str, str | None], file: Path, number: int) -> Association:
    def cell(name: str) -> str:
        return spreadsheet_raw((row.get(name) or "").strip())

    def wrong(problem: str, column: str) -> KnowledgeError:
        return KnowledgeError(problem, file=file, row=number, column=column)

    ends: dict[str, list[Term]] = {}
    for name in ("given", "then"):
        try:
            ends[name] = [parse_term(text) for text in cell(name).split(AND)]
        except ValueError as error:
            raise wrong(str(error), name) from error
    if len(ends["then"]) != 1:
        raise wrong("several terms where one is expected; write a row for each", "then")
    text = cell("weight") or "1"
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not 0 < weight <= 1:
        raise wrong(f"weight {text!r} is not a number above 0 and up to 1; write one", "weight")
    effect = parse_effect(cell("effect"))
    if effect is None:
        raise wrong(
            f"effect {cell('effect')!r} is no class from -2 to 3, no 'excludes' and no odds ratio "
            "such as 'OR 1.8'; write one of them",
            "effect",
        )
    return Association(tuple(ends["given"]), ends["then"][0], effect, weight, cell("provenance"))


def parse_effect(text: str) -> int | float | Literal["excludes"] | None:
    """Read an effect; None where the text is none.

    Examples
    --------
    >>> parse_effect("+2"), parse_effect("excludes"), round(parse_effect("OR 2"), 3)
    (2, 'excludes', 0.693)
    >>> parse_effect("7") is None
    True
    """
    if text == EXCLUDES:
        return EXCLUDES
    word, _, number = text.partition(" ")
    try:
        if word.upper() == "OR":
            ratio = float(number)
            return math.log(ratio) if 0 < ratio < math.inf else None
        return int(text) if int(text) in range(-2, 4) else None
    except ValueError:
        return None


def effect_text(effect: int | float | str) -> str:
    """Write an effect as :func:`parse_effect` reads it.

    Examples
    --------
    >>> effect_text(-1), effect_text("excludes"), effect_text(math.log(1.8))
    ('-1', 'excludes', 'OR 1.8')
    """
    return f"OR {math.exp(effect):.6g}" if isinstance(effect, float) else str(effect)


def write_stated(
    folder: Path,
    associations: Iterable[Association],
    title: Callable[[Term], str] = lambda term: "",
    note: Callable[[Association], str] = lambda association: "",
) -> None:
    """Write ``associations.csv`` into a folder.

    Parameters
    ----------
    title : what a term is called, for the reader.
    note : whatever else the reader should know.
    """
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(
        ("given", "given_title", "then", "then_title", "effect", "weight", "provenance", "note")
    )
    for each in associations:
        cells = (
            AND.join(map(str, each.given)),
            AND.join(filter(None, map(title, each.given))),
            str(each.then),
            title(each.then),
            effect_text(each.effect),
            f"{each.weight:.4g}",
            each.provenance,
            note(each),
        )
        # A class such as -2 is a number to a spreadsheet, not a formula.
        writer.writerow(c if i in (4, 5) else spreadsheet_safe(c) for i, c in enumerate(cells))
    write_text(folder / FILE, table.getvalue())


def ends_of(association: Association, profile: Profile) -> frozenset[End]:
    """What the association is about, whichever way round it is written."""
    sets = {variable.name for variable in profile.code_sets}

    def end(term: Term) -> End:
        plain = term.variable.partition(".")[0]
        return (term.variable, str(term.value)) if plain in sets else (term.variable,)

    return frozenset(end(term) for term in (*association.given, association.then))


def laid_over(
    profile: Profile,
    found: Sequence[Association],
    stated: Iterable[Association],
    parts: Collection[str],
) -> list[Association]:
    """What the records say, with what is stated put above it.

    Parameters
    ----------
    found : what follows from the records.
    stated : in the order of the folders; of two about the same terms the later one counts.
    parts : parts of the knowledge in use (:data:`llmsyn.knowledge.associations.PARTS`).
    """
    chosen: dict[frozenset[Term], Association] = {}
    for each in stated:
        if part_of(each, profile) in parts:
            chosen[frozenset((*each.given, each.then))] = each
    spoken = {ends_of(each, profile) for each in chosen.values()}
    kept = [each for each in found if ends_of(each, profile) not in spoken]
    return [*kept, *chosen.values()]


def part_of(association: Association, profile: Profile) -> str:
    """Which part of the knowledge an association belongs to, by the kind of its ends."""
    found = []
    for term in (*association.given, association.then):
        try:
            found.append(profile[term.variable])
        except KeyError:
            continue  # not of this profile: the network counts it as unused
    if any(variable.role != "feature" for variable in found):
        return "outcomes"
    concepts = {variable.concept for variable in found}
    if len([v for v in found if isinstance(v, CodeSet)]) < len(found):
        return "age_sex"
    return next((part for part in ("drugs", "procedures") if part in concepts), "comorbidities")
