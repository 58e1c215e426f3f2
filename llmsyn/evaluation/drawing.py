"""From the data of a figure to SVG."""

from __future__ import annotations

import math
from collections import defaultdict
from functools import singledispatch

import numpy as np

from llmsyn.evaluation.equivalent import Curve, said
from llmsyn.evaluation.figures import (
    Bars,
    Curves,
    FloatArray,
    Forest,
    HeatMaps,
    LearningCurve,
    Pyramids,
    Scatter,
)
from llmsyn.evaluation.svg import Drawing, Scale

_HINTED = 80  # points of a scatter that say their name
_SHADES = 10  # steps of a colour on either side of zero
_KINDS = {
    "attack": "synthetic",
    "baseline": "floor",
    "positive control": "positive",
    "negative control": "real",
}


@singledispatch
def draw(figure: object) -> str:
    """The SVG of a figure.

    Raises
    ------
    TypeError : nobody knows how to draw it.
    """
    raise TypeError(f"there is no drawing of {type(figure).__name__}")


@draw.register
def _(figure: Scatter) -> str:
    image = Drawing(480, 450, figure.title, figure.caption)
    both = np.concatenate([figure.x, figure.y])
    positive = both[both > 0]
    if len(positive):
        low = 10.0 ** math.floor(math.log10(float(positive.min())))
        high = min(10.0 ** math.ceil(math.log10(float(positive.max()) + 1e-12)), 1.0)
    else:
        low, high = 0.1, 1.0
    low = min(low, high / 10)
    x = Scale(low, high, 66, 464, log=True)
    y = Scale(low, high, 384, 16, log=True)
    image.axes(x, y, figure.x_title, figure.y_title)
    image.line(x(low), y(low), x(high), y(high), "diagonal")
    far = np.abs(np.log(np.maximum(figure.x, low)) - np.log(np.maximum(figure.y, low)))
    hinted = set(
        np.argsort(-far * np.maximum(figure.x, figure.y), kind="stable")[:_HINTED].tolist()
    )
    for k, (a, b) in enumerate(zip(figure.x, figure.y)):
        hint = f"{figure.labels[k]}: {a:.2%} real, {b:.2%} synthetic" if k in hinted else ""
        image.add("circle", hint=hint, cx=x(float(a)), cy=y(float(b)), r=3, class_="point")
    image.text(x(low), 446, f"Shares below {low:g} stand at the edge.", kind="tick")
    return str(image)


@draw.register
def _(figure: HeatMaps) -> str:
    k = len(figure.labels)
    side, gap, top = 300.0, 40.0, 30.0
    width = len(figure.maps) * (side + gap) + 40
    image = Drawing(width, side + top + 40, figure.title, figure.caption)
    for number, (name, matrix) in enumerate(figure.maps):
        left = number * (side + gap) + 8
        image.text(left, 20, name, kind="name")
        image.add("rect", x=left, y=top, width=side, height=side, class_="paper")
        for shade, cells in _shaded(matrix).items():
            step = side / k
            d = "".join(
                f"M{left + j * step:.2f} {top + i * step:.2f}h{step:.2f}v{step:.2f}h{-step:.2f}z"
                for i, j in cells
            )
            image.add("path", d=d, fill=_colour(shade))
        image.add("rect", x=left, y=top, width=side, height=side, class_="frame")
    left = len(figure.maps) * (side + gap) - gap + 22
    for n in range(-_SHADES, _SHADES + 1):
        height = side / (2 * _SHADES + 1)
        at = top + (_SHADES - n) * height
        image.add("rect", x=left, y=at, width=10, height=height + 0.5, fill=_colour(n))
    for value, at in ((0.5, top), (0.0, top + side / 2), (-0.5, top + side)):
        image.text(left + 14, at + 4, f"{value:g}", kind="tick")
    image.text(8, top + side + 24, f"{k} codes, in the same order on both sides; beyond 0.5 the "
               "colour is the same.", kind="tick")  # fmt: skip
    return str(image)


def _shaded(matrix: FloatArray) -> dict[int, list[tuple[int, int]]]:
    """Cells by shade; the diagonal and shade 0 are left out."""
    shade = np.rint(np.clip(matrix / 0.5, -1, 1) * _SHADES).astype(int)
    cells: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for i, j in zip(*np.nonzero(shade)):
        if i != j:
            cells[int(shade[i, j])].append((int(i), int(j)))
    return cells


def _colour(shade: int) -> str:
    """From blue over white to red (ColorBrewer's RdBu ends); readable without colour vision."""
    ends = {-1: (33, 102, 172), 1: (178, 24, 43)}
    if shade == 0:
        return "rgb(247,247,247)"
    part = abs(shade) / _SHADES
    rgb = (round(247 + part * (end - 247)) for end in ends[1 if shade > 0 else -1])
    return f"rgb({','.join(map(str, rgb))})"


@draw.register
def _(figure: LearningCurve) -> str:
    image = Drawing(560, 440, figure.title, figure.caption)
    known = [v for v in (*figure.low, *figure.high, *figure.value, figure.synthetic.low,
                         figure.synthetic.high, 0.5) if not math.isnan(v)]  # fmt: skip
    low, high = max(min(known) - 0.02, 0.0), min(max(known) + 0.02, 1.0)
    first, last = float(figure.n[0]), float(figure.n[-1])
    if first == last:
        first, last = first / 2, last * 2
    x = Scale(first, last, 66, 544, log=True)
    y = Scale(low, high, 330, 16)
    image.axes(x, y, "real units that the model was trained on", "AUROC, held-out real units")
    band = [(x(float(n)), y(float(h))) for n, h in zip(figure.n, figure.high)]
    band += [(x(float(n)), y(float(v))) for n, v in zip(figure.n[::-1], figure.low[::-1])]
    if not any(math.isnan(c) for point in band for c in point):
        image.path(band, "band real", closed=True)
    points = [(x(float(n)), y(float(v))) for n, v in zip(figure.n, figure.value)]
    image.path(points, "curve real")
    for (a, b), n, v in zip(points, figure.n, figure.value):
        image.add(
            "circle", hint=f"{n:,.0f} real units: {v:.3f}", cx=a, cy=b, r=3.5, class_="dot real"
        )
    entries = [("real units", "curve real")]
    if not math.isnan(figure.floor.value):
        image.line(x.start, y(figure.floor.value), x.end, y(figure.floor.value), "curve floor")
        entries.append(("independent marginals", "curve floor"))
    if not math.isnan(figure.synthetic.value):
        at = y(figure.synthetic.value)
        image.line(x.start, at, x.end, at, "curve synthetic")
        entries.append((f"synthetic units, {figure.synthetic.value:.3f}", "curve synthetic"))
        n = figure.equivalent.value
        if 0 < n < math.inf:
            image.line(x(n), at, x(n), y.start, "drop")
            image.add("circle", cx=x(n), cy=at, r=5, class_="dot synthetic")
        curve = Curve(figure.n, figure.value)
        words = f"worth {said(n, curve)} real units" if not math.isnan(n) else ""
        near_right = (0 < n < math.inf and x(n) > 330) or math.isinf(n)
        place = x(n) if 0 < n < math.inf else (x.end if near_right else x.start)
        image.text(place + (-8 if near_right else 8), at - 8, words,
                   "end" if near_right else "start", "strong")  # fmt: skip
    image.legend(66, 392, entries)
    return str(image)


@draw.register
def _(figure: Curves) -> str:
    below = 20 * len(figure.curves)
    image = Drawing(480, 440 + below, figure.title, figure.caption)
    x, y = Scale(0, 1, 66, 464), Scale(0, 1, 384, 16)
    image.axes(x, y, "false positive rate", "true positive rate")
    image.line(x(0), y(0), x(1), y(1), "diagonal")
    entries, lines = [], []
    dashes = 0
    for name, role, fpr, tpr in figure.curves:
        kind = f"curve {_KINDS.get(role, 'real')}"
        if role == "positive control":
            kind += f" dash{dashes % 3}"
            dashes += 1
        lines.append(
            (role == "attack", kind, [(x(float(a)), y(float(b))) for a, b in zip(fpr, tpr)])
        )
        entries.append((f"{role}: {name}", kind))
    for _, kind, points in sorted(lines, key=lambda line: line[0]):  # the attack on top
        image.path(points, kind)
    image.legend(66, 446, entries)
    return str(image)


@draw.register
def _(figure: Bars) -> str:
    row, left, top = 30, 150, 12
    height = top + row * len(figure.labels)
    image = Drawing(560, height + 56, figure.title, figure.caption)
    known = [
        v for e in (*figure.values, *figure.ceiling) for v in (e.value, e.high) if not math.isnan(v)
    ]
    high = max([*known, figure.base + 1e-6]) * (1.02 if figure.base == 0 else 1.0)
    x = Scale(figure.base, 1.0 if figure.base else high, left, 540)
    for tick in x.ticks():
        image.line(x(tick), top, x(tick), height, "grid")
        image.text(x(tick), height + 16, f"{tick:.3g}", "middle", "tick")
    for k, (label, value, real) in enumerate(zip(figure.labels, figure.values, figure.ceiling)):
        y = top + k * row
        shown = label if len(label) <= 24 else label[:23] + "…"
        image.text(left - 8, y + 19, shown, "end", "tick")
        if not math.isnan(value.value):
            hint = f"{label}: {value.value:.3g}, interval {value.low:.3g} to {value.high:.3g}"
            width = max(x(value.value) - left, 0.5)
            image.add(
                "rect", hint=hint, x=left, y=y + 6, width=width, height=18, class_="bar synthetic"
            )
            if not math.isnan(value.low):
                image.line(x(value.low), y + 15, x(value.high), y + 15, "whisker")
        if not math.isnan(real.value):
            image.line(x(real.value), y + 2, x(real.value), y + 28, "mark real")
    image.line(left, top, left, height, "axis")
    image.text((left + 540) / 2, height + 36, figure.y_title, "middle", "name")
    return str(image)


@draw.register
def _(figure: Pyramids) -> str:
    row, top = 17, 46
    n = len(figure.bands)
    width = 320
    image = Drawing(width * len(figure.samples), top + row * n + 40, figure.title, figure.caption)
    most = max(float(np.max([left, right])) for _, left, right in figure.samples) or 1.0
    for number, (name, left, right) in enumerate(figure.samples):
        centre = number * width + width / 2
        image.text(centre, 16, name, "middle", "name")
        image.text(centre - 30, 36, figure.sides[0], "end", "tick")
        image.text(centre + 30, 36, figure.sides[1], "start", "tick")
        size = Scale(0, most, 0, width / 2 - 34)
        for k, band in enumerate(figure.bands):
            y = top + (n - 1 - k) * row
            image.text(centre, y + 12, band, "middle", "tick")
            a, b = size(float(left[k])), size(float(right[k]))
            kind = "synthetic" if number else "plain"
            image.add("rect", hint=f"{figure.sides[0]} {band}: {left[k]:.1%}", x=centre - 24 - a,
                      y=y, width=a, height=row - 2, class_=f"bar {kind}")  # fmt: skip
            image.add("rect", hint=f"{figure.sides[1]} {band}: {right[k]:.1%}", x=centre + 24,
                      y=y, width=b, height=row - 2, class_=f"bar {kind} second")  # fmt: skip
    image.text(width * len(figure.samples) / 2, top + row * n + 26,
               f"longest bar: {most:.1%} of all units", "middle", "tick")  # fmt: skip
    return str(image)


@draw.register
def _(figure: Forest) -> str:
    row, left, top = 46, 190, 12
    height = top + row * len(figure.labels)
    image = Drawing(560, height + 100, figure.title, figure.caption)
    ends = np.concatenate([np.concatenate([low, high]) for _, _, low, high in figure.samples])
    bound = min(max(float(np.abs(ends).max()), 0.5), 5.0)
    x = Scale(-bound, bound, left, 544)
    for tick in x.ticks():
        image.line(x(tick), top, x(tick), height, "grid")
        image.text(x(tick), height + 16, f"{tick:g}", "middle", "tick")
    image.line(x(0), top, x(0), height, "axis")
    kinds = ("real", "positive", "synthetic")
    for k, label in enumerate(figure.labels):
        y = top + k * row
        image.text(left - 8, y + 24, label if len(label) <= 30 else label[:29] + "…", "end", "tick")
        for s, (name, value, low, high) in enumerate(figure.samples):
            at = y + 10 + 12 * s
            hint = f"{name}, {label}: {value[k]:.2f}, {low[k]:.2f} to {high[k]:.2f}"
            image.line(x(float(low[k])), at, x(float(high[k])), at, f"curve {kinds[s % 3]}")
            image.add(
                "circle",
                hint=hint,
                cx=x(float(value[k])),
                cy=at,
                r=3.5,
                class_=f"dot {kinds[s % 3]}",
            )
    image.text((left + 544) / 2, height + 36, "log odds ratio", "middle", "name")
    image.legend(
        left,
        height + 60,
        [(name, f"curve {kinds[s % 3]}") for s, (name, *_) in enumerate(figure.samples)],
    )
    return str(image)
