"""Read the shipped knowledge base and overlays into one :class:`KnowledgeBase`.

A folder of knowledge holds any of ``conditions/*.toml``, ``drugs/*.toml``,
``procedures/*.toml``, ``classes.toml``, ``outcomes.toml``, ``sources.toml``,
``orders.toml``, ``edits/medicare_code_editor.csv``, ``edits/exclusive.toml``,
``edits/coherence.toml`` and ``associations.csv`` (see :mod:`llmsyn.knowledge.stated`).  Later folders win: a record of
the same id replaces the earlier one whole, classes are replaced one by one.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from llmsyn.errors import KnowledgeError
from llmsyn.knowledge.parsed import read_toml
from llmsyn.knowledge.records import (
    Condition,
    Drug,
    Edit,
    Exclusive,
    Needs,
    OutcomeBackground,
    Procedure,
    Record,
    Source,
)
from llmsyn.knowledge.scales import read_scales
from llmsyn.knowledge.stated import read_stated
from llmsyn.knowledge.types import Association
from llmsyn.shipped import shipped

ORDER_WORDS = ("refuse", "weak", "carriers", "units", "forms", "routes", "salts", "other")
"""Lists of words in ``orders.toml``."""

EDIT_FILES = {"exclusive": "exclusive.toml", "needs": "coherence.toml"}

_RecordT = TypeVar("_RecordT", bound=Record)


@dataclass(frozen=True, eq=False)
class KnowledgeBase:
    """All knowledge in use: records by id, the class scale, rules and sources.

    ``classes`` maps a class to its marginal log odds ratio.  ``relations`` does so for one kind
    of relation and ``multipliers`` scales log odds ratios that are no classes, both where
    ``llmsyn knowledge recalibrate`` fitted them (:mod:`llmsyn.knowledge.scales`).
    ``order_words`` are the words of drug orders that name no ingredient, ``combinations``
    products and their ingredients.  ``stated`` are associations in terms of a profile, later
    folders last.
    """

    conditions: Mapping[str, Condition]
    drugs: Mapping[str, Drug]
    procedures: Mapping[str, Procedure]
    classes: Mapping[int, float]
    outcomes: Mapping[str, OutcomeBackground]
    edits: tuple[Edit, ...]
    exclusives: tuple[Exclusive, ...]
    sources: Mapping[str, Source]
    folders: tuple[Path, ...]
    order_words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    combinations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    stated: tuple[Association, ...] = ()
    relations: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    multipliers: Mapping[str, float] = field(default_factory=dict)
    needs: tuple[Needs, ...] = ()


def load_base(folders: Sequence[Path] = (), *, with_shipped: bool = True) -> KnowledgeBase:
    """Read the shipped base, then each overlay folder; later records win.

    Parameters
    ----------
    folders : overlays, in the order in which they are laid over each other.
    with_shipped : whether the shipped base lies below them.

    Raises
    ------
    KnowledgeError : a folder or file is missing, or a record cannot be read.
    """
    places = (*((shipped("knowledge"),) if with_shipped else ()), *map(Path, folders))
    for place in places:
        if not place.is_dir():
            raise KnowledgeError(f"there is no folder {place}; give a folder of knowledge records")
    exclusives = _edit_rules(places, "exclusive", Exclusive)
    edits = [edit for place in places for edit in _edits(place)]
    order_words, combinations = _orders(places)
    classes, relations, multipliers = read_scales(places)
    return KnowledgeBase(
        conditions=_records(places, "conditions", Condition),
        drugs=_records(places, "drugs", Drug),
        procedures=_records(places, "procedures", Procedure),
        classes=classes,
        outcomes=_tables(places, "outcomes.toml", OutcomeBackground),
        edits=tuple(edits),
        exclusives=tuple(exclusives.values()),
        needs=tuple(_edit_rules(places, "needs", Needs).values()),
        sources=_tables(places, "sources.toml", Source),
        folders=places,
        order_words=order_words,
        combinations=combinations,
        stated=tuple(each for place in places for each in read_stated(place)),
        relations=relations,
        multipliers=multipliers,
    )


def log_odds(effect: int | float | str, classes: Mapping[int, float], scale: float = 1.0) -> float:
    """The marginal log odds ratio of an effect.

    Parameters
    ----------
    effect : a class (an ``int``), a log odds ratio (a ``float``), or ``"excludes"``.
    classes : log odds ratio of each class, from :class:`KnowledgeBase`.
    scale : multiplies the result; 0.5 and 2 show how much the class values matter.

    Returns
    -------
    The log odds ratio; minus infinity for ``"excludes"``.

    Raises
    ------
    KnowledgeError : the class table lacks the class.

    Examples
    --------
    >>> round(log_odds(2, {2: math.log(3)}), 4), log_odds(0.7, {}), log_odds("excludes", {})
    (1.0986, 0.7, -inf)
    """
    if effect == "excludes":
        return -math.inf
    if isinstance(effect, int):
        if effect not in classes:
            raise KnowledgeError(
                f"class {effect} is not in the class table, which has "
                f"{sorted(classes)}; add it to classes.toml"
            )
        return classes[effect] * scale
    return float(effect) * scale


def _records(
    places: Iterable[Path], kind: str, model: Callable[..., _RecordT]
) -> dict[str, _RecordT]:
    found: dict[str, _RecordT] = {}
    for place in places:
        here: dict[str, str] = {}
        for file in sorted((place / kind).glob("*.toml")):
            content = read_toml(file)
            family = str(content.pop("family", file.stem))
            name = f"{kind}/{file.name}"
            for identity, body in content.items():
                if identity in here:
                    raise KnowledgeError(
                        f"the record also stands in {here[identity]}; keep one of them",
                        file=file,
                        key=identity,
                    )
                here[identity] = name
                found[identity] = _parse(
                    model, body, file, identity, id=identity, family=family, file=name
                )
    return found


def _tables(
    places: Iterable[Path], name: str, model: Callable[..., _RecordT]
) -> dict[str, _RecordT]:
    return {
        key: _parse(model, body, place / name, key)
        for place in places
        if (place / name).exists()
        for key, body in read_toml(place / name).items()
    }


def _orders(
    places: Iterable[Path],
) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """Words add up over the folders; a product is replaced by name."""
    words: dict[str, tuple[str, ...]] = {}
    combinations: dict[str, tuple[str, ...]] = {}
    for place in places:
        file = place / "orders.toml"
        if file.exists():
            content = read_toml(file)
            combinations.update(
                {name: tuple(parts) for name, parts in content.pop("combinations", {}).items()}
            )
            for key, listed in content.items():
                if key not in ORDER_WORDS:
                    raise KnowledgeError(
                        f"the key is not known here; write {', '.join(ORDER_WORDS)}",
                        file=file,
                        key=key,
                    )
                words[key] = (*words.get(key, ()), *listed)
    return words, combinations


def _edit_rules(
    places: Iterable[Path], kind: str, model: Callable[..., _RecordT]
) -> dict[str, _RecordT]:
    """Rules about codes of one record, by name; a later folder replaces one of the same name."""
    found: dict[str, _RecordT] = {}
    for place in places:
        file = place / "edits" / EDIT_FILES[kind]
        entries = read_toml(file).get(kind, []) if file.exists() else []
        for i, body in enumerate(entries):
            rule = _parse(model, body, file, f"{kind}[{i}]")
            found[str(body["name"])] = rule
    return found


def _edits(place: Path) -> list[Edit]:
    file = place / "edits" / "medicare_code_editor.csv"
    if not file.exists():
        return []
    try:
        with file.open(newline="", encoding="utf-8") as handle:
            return [Edit.model_construct(**row) for row in csv.DictReader(handle)]  # type: ignore[arg-type]
    except (OSError, UnicodeDecodeError, csv.Error, TypeError) as error:
        raise KnowledgeError(
            f"is no CSV of edits ({error}); take the file that ships", file=file
        ) from error


def _parse(
    model: Callable[..., _RecordT], body: Any, path: Path, key: str, /, **given: str
) -> _RecordT:
    if not isinstance(body, dict):
        raise KnowledgeError(
            f"{body!r} is no table; write [{key}] and its keys below it", file=path, key=key
        )
    try:
        return model(**given, **body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join([key, *(str(part) for part in first["loc"])])
        problem = first["msg"]
        if first["type"] == "extra_forbidden":
            allowed = ", ".join(getattr(model, "model_fields", {}))
            problem = f"the key is not known here; a record has {allowed}"
        raise KnowledgeError(problem, file=path, key=where) from error
    except TypeError as error:  # id, family or file given in the record
        raise KnowledgeError(f"{error}; leave that key out", file=path, key=key) from error
