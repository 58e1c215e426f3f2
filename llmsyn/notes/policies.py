"""Label policies: small files that turn the bank's fine labels into a site's or corpus' own.

Corpora disagree on what a mention is.  A policy merges labels, drops them, and trims words
from the edges of a mention; it is written from a published guideline, never from a test set.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from llmsyn.errors import InputError, KnowledgeError
from llmsyn.knowledge.parsed import read_toml
from llmsyn.notes.bank import prose_folder
from llmsyn.notes.types import ASSERTIONS, Note, Span, base_label, in_order, known_label


class _Trim(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    start: tuple[str, ...] = ()
    end: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()

    def tail(self) -> re.Pattern[str] | None:
        """What a site behind a link looks like: " de la mama"."""
        if not self.links or not self.sites:
            return None
        links, sites = ("|".join(map(re.escape, words)) for words in (self.links, self.sites))
        return re.compile(rf"\s+(?:{links})\s+(?:{sites})\b", re.IGNORECASE)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    source: str
    merge: dict[str, str]
    trim: dict[str, _Trim] = {}
    drop_assertions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Policy:
    """How the bank's labels become others.

    Attributes
    ----------
    merge : label or ``LABEL:kind`` -> new label, empty to drop; labels that it lacks go too.
    trim_start, trim_end : new label -> lower-case words that are cut from the edge.
    drop_assertions : mentions with these are no mentions here.
    tails : new label -> a body site behind a link ("of the liver"): the mention ends before it.
    """

    name: str
    title: str
    source: str
    merge: Mapping[str, str]
    trim_start: Mapping[str, tuple[str, ...]]
    trim_end: Mapping[str, tuple[str, ...]]
    drop_assertions: tuple[str, ...] = ()
    tails: Mapping[str, re.Pattern[str]] = field(default_factory=dict)

    @property
    def labels(self) -> tuple[str, ...]:
        """The new labels, in the order of the file."""
        return tuple(dict.fromkeys(label for label in self.merge.values() if label))

    def label(self, label: str) -> str:
        """The new label of an old one; empty where it is dropped."""
        return self.merge.get(label, self.merge.get(base_label(label), ""))

    def spans(self, text: str, spans: Iterable[Span]) -> tuple[Span, ...]:
        """The spans under the policy.

        Examples
        --------
        >>> policy = read_policy("maccrobat")
        >>> text = "severe asthma"
        >>> [text[s.start : s.end] for s in policy.spans(text, [Span(0, 13, "DISEASE")])]
        ['asthma']
        """
        kept = []
        for span in spans:
            label = self.label(span.label)
            if label and span.assertion not in self.drop_assertions:
                kept.append(self.trimmed(text, replace(span, label=label)))
        return in_order(kept)

    def note(self, note: Note) -> Note:
        """The note with its spans under the policy."""
        return replace(note, spans=self.spans(note.text, note.spans))

    def trimmed(self, text: str, span: Span) -> Span:
        """A span that has a label of the policy, without the words that it cuts.

        Examples
        --------
        >>> text = "carcinoma de pulmón"
        >>> span = read_policy("cantemist").trimmed(text, Span(0, 19, "TUMOR_MORPHOLOGY"))
        >>> text[span.start : span.end]
        'carcinoma'
        """
        start, end = span.start, span.end
        tail = self.tails.get(span.label)
        site = tail.search(text, start, end) if tail is not None else None
        if site is not None and site.start() > start:
            end = site.start()
        again = True
        while again:
            again = False
            surface = text[start:end]
            lower = surface.lower()
            for word in self.trim_start.get(span.label, ()):
                if lower.startswith(word + " "):
                    start += len(word) + 1
                    start += len(text[start:end]) - len(text[start:end].lstrip())
                    again = True
                    break
            for word in () if again else self.trim_end.get(span.label, ()):
                if lower.endswith(" " + word):
                    end -= len(word) + 1
                    end = start + len(text[start:end].rstrip())
                    again = True
                    break
        return replace(span, start=start, end=end)


def policies() -> tuple[str, ...]:
    """Names of the shipped policies."""
    return tuple(sorted(file.stem for file in (prose_folder() / "policies").glob("*.toml")))


def read_policy(name: str | Path) -> Policy:
    """A shipped policy by name, or one from a file that ends in ``.toml``.

    Raises
    ------
    InputError : no shipped policy has that name.
    KnowledgeError : the file is no policy, or names a label that the bank does not have.
    """
    file = Path(name)
    if file.suffix != ".toml":
        file = prose_folder() / "policies" / f"{name}.toml"
        if not file.is_file():
            raise InputError(
                f"there is no label policy {str(name)!r}; there are {', '.join(policies())}, or "
                "give a .toml file"
            )
    try:
        parsed = _File.model_validate(read_toml(file))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise KnowledgeError(f"{first['msg']}; correct it", file=file, key=key) from error
    for label in parsed.merge:
        if not known_label(label):
            raise KnowledgeError(
                f"the bank has no label {label!r}; see GUIDELINE.md", file=file, key="merge"
            )
    for label in parsed.trim:
        if label not in parsed.merge.values():
            raise KnowledgeError(
                f"no label becomes {label!r}, so it is never trimmed; correct the name",
                file=file,
                key=f"trim.{label}",
            )
    for assertion in parsed.drop_assertions:
        if assertion not in ASSERTIONS:
            raise KnowledgeError(
                f"there is no assertion {assertion!r}; there are {', '.join(ASSERTIONS)}",
                file=file,
                key="drop_assertions",
            )
    return Policy(
        file.stem,
        parsed.title,
        parsed.source,
        parsed.merge,
        {label: trim.start for label, trim in parsed.trim.items()},
        {label: trim.end for label, trim in parsed.trim.items()},
        parsed.drop_assertions,
        {label: tail for label, trim in parsed.trim.items() if (tail := trim.tail()) is not None},
    )
