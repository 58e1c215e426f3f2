"""What evaluation is about and what it says: evidence in, findings and a report out.

A function that measures takes :class:`Evidence` and returns :class:`Findings`.  Attacks
(``evaluation/attacks/``, one a file) are such functions, so are fidelity, utility and equity.
No measure travels without what it stands between: the same number with real data
(``ceiling``), without any structure (``floor``), and, for an attack, its controls.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from llmsyn.evaluation.samples import Sample
from llmsyn.profile.types import Profile
from llmsyn.score import Score, json_number

if TYPE_CHECKING:
    from llmsyn.evaluation.figures import Figure
    from llmsyn.evaluation.marks import Judged

FloatArray: TypeAlias = npt.NDArray[np.float64]
Topic = Literal["fidelity", "utility", "plausibility", "privacy", "equity", "cost"]
Role = Literal["attack", "baseline", "positive control", "negative control"]

TOPICS: tuple[Topic, ...] = (
    "privacy", "plausibility", "fidelity", "utility", "equity", "cost",
)  # fmt: skip
"""Topics in the order of the report: what a privacy officer needs stands first."""

__all__ = [
    "TOPICS",
    "Attack",
    "Control",
    "Evidence",
    "Findings",
    "Measure",
    "Report",
    "Roc",
    "Role",
    "Sample",
    "Topic",
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Evidence:
    """Three samples on the columns of one profile, recoded the same way.

    Attributes
    ----------
    profile : the columns, and, where ``released`` is true, what was released of the members.
    synthetic : what is judged.
    members : the real units whose statistics made it.
    holdout : real units of the same population that had no part in it; no patient is in both.
    seed : of every random choice (:meth:`random`).
    quick : fewer resamples, folds and rows, for a first look.
    released : whether ``profile`` is what left the data owner (then aggregate attacks may
        read it); else it was measured from the members here, for its columns only.
    manifest : of the synthetic cohort, empty where it has none.
    run : ``run.json`` of the synthetic cohort, empty where it has none.
    """

    profile: Profile
    synthetic: Sample
    members: Sample
    holdout: Sample
    seed: int = 0
    quick: bool = False
    released: bool = True
    manifest: Mapping[str, Any] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)

    def random(self, what: str) -> np.random.Generator:
        """A stream of random numbers for one purpose; the same for the same seed.

        Streams are named, so that leaving one measure out does not change another.
        """
        return np.random.default_rng([self.seed, *what.encode()])


@dataclass(frozen=True)
class Control:
    """What an attack or a measure does where the answer is known.

    Attributes
    ----------
    role : a ``positive control`` has the weakness planted and must be caught; a ``negative
        control`` has none, and its interval must cover chance; a ``baseline`` is what can be
        had without the release.
    name : what was done, such as ``10% of the members copied``.
    score : of the attack on the control.
    dose : how much was planted (share copied, 1/n of a release); NaN where that means nothing.
    """

    role: Role
    name: str
    score: Score
    dose: float = math.nan

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "role": self.role,
            "name": self.name,
            "dose": json_number(self.dose),
            "score": self.score.to_json(),
        }


@dataclass(frozen=True)
class Measure:
    """One measured number and what it stands between.

    Attributes
    ----------
    key : what the file of marks calls it, such as ``privacy.nearest_neighbour.auc``; measures
        of several variables, tasks or groups share a key.
    score : value and interval.  Its verdict is set by the marks, not by who measured, with
        one exception: ``undefined`` beside a value says that it could not be measured
        (a positive control was not caught), and ``reason`` why; no mark overrules that.
    of : the variable, task, attack or group; empty where it is about everything.
    ceiling : the same with real rows in place of synthetic ones.
    floor : the same with independent marginals, a permuted target, or guessing.
    controls : of an attack.
    """

    key: str
    score: Score
    of: str = ""
    ceiling: Score | None = None
    floor: Score | None = None
    controls: tuple[Control, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "key": self.key,
            "of": self.of,
            **self.score.to_json(),
            "ceiling": None if self.ceiling is None else self.ceiling.to_json(),
            "floor": None if self.floor is None else self.floor.to_json(),
            "controls": [c.to_json() for c in self.controls],
        }


@dataclass(frozen=True, eq=False)
class Roc:
    """A ROC curve, of an attack or of one of its controls; all of ``attack`` share a figure."""

    attack: str
    name: str
    role: Role
    fpr: FloatArray  # (k,) rising from 0 to 1
    tpr: FloatArray  # (k,)


@dataclass(frozen=True, eq=False)
class Findings:
    """What one function found.

    Attributes
    ----------
    topic : the part of the report it belongs to.
    name : of the function, such as ``nearest neighbour``.
    measures : in the order in which they are shown.
    rocs : of an attack and its controls.
    figures : to be drawn in the report.
    does_not_show : what a reader might take from it that it does not say; one or two sentences.
    notes : settings and remarks.
    source : DOI or paper.
    """

    topic: Topic
    name: str
    measures: tuple[Measure, ...] = ()
    rocs: tuple[Roc, ...] = ()
    figures: tuple[Figure, ...] = ()
    does_not_show: str = ""
    notes: tuple[str, ...] = ()
    source: str = ""


Attack: TypeAlias = Callable[[Evidence], Findings]
"""One attack: its own baseline and controls are its own business."""


@dataclass(frozen=True, eq=False)
class Report:
    """Everything that ``llmsyn evaluate`` says.

    Attributes
    ----------
    title : what was evaluated.
    preset : the set of marks it was judged by.
    judged : every measure with its verdict and the mark behind it, in the order of the topics.
    findings : what each function found, with figures and remarks.
    facts : sizes, names, versions, seed: what a reader needs to run it again.
    datasheet : Markdown under the headings of Datasheets for Datasets.
    """

    title: str
    preset: str
    judged: tuple[Judged, ...]
    findings: tuple[Findings, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    datasheet: str = ""

    @property
    def measures(self) -> tuple[Measure, ...]:
        """All measures, with their verdicts."""
        return tuple(j.measure for j in self.judged)

    @property
    def failed(self) -> tuple[Measure, ...]:
        """Measures that missed their mark."""
        return tuple(m for m in self.measures if m.score.verdict == "fail")

    @property
    def passed(self) -> bool:
        """Whether no measure missed its mark."""
        return not self.failed

    def of(self, key: str, of: str | None = None) -> tuple[Measure, ...]:
        """Measures of a key (or whose key starts with ``key.``), of one thing or of all."""
        return tuple(
            m
            for m in self.measures
            if (m.key == key or m.key.startswith(f"{key}.")) and (of is None or m.of == of)
        )

    def score(self, key: str, of: str | None = None) -> Score:
        """The one score of a key.

        Raises
        ------
        KeyError : there is none, or several.
        """
        found = [m for m in self.measures if m.key == key and (of is None or m.of == of)]
        if len(found) != 1:
            raise KeyError(
                f"{len(found)} measures are called {key!r}" + (f" of {of}" if of else "")
            )
        return found[0].score

    def to_json(self) -> dict[str, Any]:
        """Plain values, without the figures."""
        return {
            "title": self.title,
            "passed": self.passed,
            "preset": self.preset,
            "facts": dict(self.facts),
            "measures": [j.to_json() for j in self.judged],
            "findings": [_said(f) for f in self.findings],
        }

    def _repr_html_(self) -> str:
        """The verdict table, for a notebook."""
        from llmsyn.evaluation.page import verdict_table

        return verdict_table(self)


def _said(findings: Findings) -> dict[str, Any]:
    def curve(points: Iterable[float]) -> list[float]:
        return [round(float(p), 5) for p in points]

    return {
        "topic": findings.topic,
        "name": findings.name,
        "does_not_show": findings.does_not_show,
        "notes": list(findings.notes),
        "source": findings.source,
        "roc": [
            {"attack": r.attack, "name": r.name, "role": r.role,
             "fpr": curve(r.fpr), "tpr": curve(r.tpr)}
            for r in findings.rocs
        ],
    }  # fmt: skip
