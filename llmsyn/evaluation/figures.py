"""Figures of the report as data; :mod:`llmsyn.evaluation.drawing` draws them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from llmsyn.evaluation.intervals import Estimate

FloatArray: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scatter:
    """Points beside the diagonal; axes are logarithmic where values allow it."""

    title: str
    caption: str
    x: FloatArray  # (m,)
    y: FloatArray  # (m,)
    labels: tuple[str, ...]  # m names, shown on hovering
    x_title: str
    y_title: str


@dataclass(frozen=True, eq=False)
class HeatMaps:
    """Matrices of correlations side by side; values from -1 to 1."""

    title: str
    caption: str
    maps: tuple[tuple[str, FloatArray], ...]  # name, (k, k)
    labels: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """Area against number of real units, and where synthetic units stand."""

    title: str
    caption: str
    n: FloatArray  # (k,)
    value: FloatArray  # (k,)
    low: FloatArray  # (k,)
    high: FloatArray  # (k,)
    synthetic: Estimate
    equivalent: Estimate
    floor: Estimate


@dataclass(frozen=True, eq=False)
class Curves:
    """ROC curves of an attack and its controls."""

    title: str
    caption: str
    curves: tuple[tuple[str, str, FloatArray, FloatArray], ...]  # name, role, fpr, tpr


@dataclass(frozen=True, eq=False)
class Bars:
    """One bar a group, with its interval and a line for the ceiling.

    Bars start at ``base``; an area (base 0.5) ends at 1, so that figures can be compared.
    """

    title: str
    caption: str
    labels: tuple[str, ...]
    values: tuple[Estimate, ...]
    ceiling: tuple[Estimate, ...]
    y_title: str
    base: float


@dataclass(frozen=True, eq=False)
class Pyramids:
    """Two-sided bars by age band, one pyramid a sample."""

    title: str
    caption: str
    bands: tuple[str, ...]
    sides: tuple[str, str]
    samples: tuple[tuple[str, FloatArray, FloatArray], ...]  # name, left and right shares


@dataclass(frozen=True, eq=False)
class Forest:
    """Coefficients with intervals, several samples beside each other."""

    title: str
    caption: str
    labels: tuple[str, ...]
    samples: tuple[tuple[str, FloatArray, FloatArray, FloatArray], ...]  # name, value, low, high


Figure: TypeAlias = Scatter | HeatMaps | LearningCurve | Curves | Bars | Pyramids | Forest
