"""The numbers behind a figure as a table, for who cannot see it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import singledispatch

import numpy as np

from llmsyn.evaluation.figures import (
    Bars,
    Curves,
    Forest,
    HeatMaps,
    LearningCurve,
    Pyramids,
    Scatter,
)
from llmsyn.evaluation.intervals import Estimate

SHOWN = 15
"""Rows of a figure with more points than anyone reads: those that differ most."""


@dataclass(frozen=True)
class Numbers:
    """A table: what it is, its heads, its rows of texts."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@singledispatch
def numbers_of(figure: object) -> Numbers:
    """The table of a figure.

    Raises
    ------
    TypeError : nobody knows its numbers.
    """
    raise TypeError(f"there is no table of {type(figure).__name__}")


@numbers_of.register
def _(figure: Scatter) -> Numbers:
    order = np.argsort(-np.abs(figure.x - figure.y), kind="stable")[:SHOWN]
    rows = tuple(
        (figure.labels[k], f"{figure.x[k]:.2%}", f"{figure.y[k]:.2%}") for k in order.tolist()
    )
    return Numbers("The codes that differ most", ("code", figure.x_title, figure.y_title), rows)


@numbers_of.register
def _(figure: HeatMaps) -> Numbers:
    (first, a), (second, b) = figure.maps
    i, j = np.triu_indices(len(figure.labels), 1)
    order = np.argsort(-np.abs(a[i, j] - b[i, j]), kind="stable")[:SHOWN]
    rows = tuple(
        (f"{figure.labels[p]} and {figure.labels[q]}", f"{a[p, q]:.2f}", f"{b[p, q]:.2f}")
        for p, q in zip(i[order].tolist(), j[order].tolist())
    )
    return Numbers("The pairs that differ most", ("pair", first, second), rows)


@numbers_of.register
def _(figure: LearningCurve) -> Numbers:
    rows = [
        (f"{n:,.0f} real units", _said(Estimate(float(v), float(low), float(high))))
        for n, v, low, high in zip(figure.n, figure.value, figure.low, figure.high)
    ]
    rows += [
        ("synthetic units", _said(figure.synthetic)),
        ("independent marginals", _said(figure.floor)),
    ]
    return Numbers("The curve", ("trained on", "AUROC"), tuple(rows))


@numbers_of.register
def _(figure: Curves) -> Numbers:
    rows = []
    for name, role, fpr, tpr in figure.curves:
        area = float(np.sum(np.diff(fpr) * (tpr[1:] + tpr[:-1]) / 2))
        rows.append((name, role, f"{area:.3f}", f"{float(np.interp(0.01, fpr, tpr)):.3f}"))
    heads = ("curve", "role", "area", "true positives at 1% false ones")
    return Numbers("The curves", heads, tuple(rows))


@numbers_of.register
def _(figure: Bars) -> Numbers:
    rows = tuple(
        (label, _said(value), _said(real))
        for label, value, real in zip(figure.labels, figure.values, figure.ceiling)
    )
    return Numbers("The bars", ("group", figure.y_title, "ceiling (real units)"), rows)


@numbers_of.register
def _(figure: Pyramids) -> Numbers:
    heads = ["age"]
    for name, _, _ in figure.samples:
        heads += [f"{side}, {name}" for side in figure.sides]
    rows = tuple(
        (band, *(f"{side[k]:.1%}" for _, left, right in figure.samples for side in (left, right)))
        for k, band in enumerate(figure.bands)
    )
    return Numbers("The bands", tuple(heads), rows)


@numbers_of.register
def _(figure: Forest) -> Numbers:
    heads = ("coefficient", *(name for name, *_ in figure.samples))
    rows = tuple(
        (
            label,
            *(
                _said(Estimate(float(v[k]), float(low[k]), float(high[k])))
                for _, v, low, high in figure.samples
            ),
        )
        for k, label in enumerate(figure.labels)
    )
    return Numbers("The coefficients", heads, rows)


def _said(value: Estimate) -> str:
    if math.isnan(value.value):
        return "–"
    if math.isnan(value.low):
        return f"{value.value:.3f}"
    return f"{value.value:.3f} ({value.low:.3f} to {value.high:.3f})"
