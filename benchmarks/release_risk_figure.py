"""The figure of release_risk.py: risk above, utility below, over the number of patients.

Plain SVG, so that the same numbers give the same file.  Colours tell apart for colour-blind
readers too (Okabe and Ito), and every line has its name at its end.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
FIGURE = HERE.parent / "docs" / "figures" / "release-risk.svg"
PART = HERE / "results" / "release_risk-part.svg"

COLOURS = ("#000000", "#D55E00", "#0072B2", "#CC79A7", "#009E73", "#B8860B")
WIDTH, HEIGHT = 860, 720
LEFT, RIGHT = 70, 640
PANELS = {"risk": (70, 390), "utility": (470, 660)}
BUDGET = 0.55

Row = Mapping[str, Any]
Point = tuple[float, float]


def draw_figure(rows: Sequence[Row], *, part: bool) -> Path:
    """Write the figure; one of a part of the runs does not replace the one in docs."""
    file = PART if part else FIGURE
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(figure(rows), encoding="utf-8")
    return file


def figure(rows: Sequence[Row]) -> str:
    """The SVG text.

    Parameters
    ----------
    rows : of the table of release_risk.py.
    """
    sizes = sorted({int(row["n"]) for row in rows})
    kinds = list(dict.fromkeys(str(row["release"]) for row in rows))
    columns = "measured AUC", "predicted AUC"
    risk = _span([row[c] for row in rows for c in columns] + [0.5, 0.6])
    utility = _span([row[c] for row in rows for c in ("TSTR death", "TRTR death")] + [0.5, 0.8])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'font-family="sans-serif" font-size="14">',
        "<title>Membership risk and utility of releases</title>",
        "<desc>Above: area under the curve of the strongest membership attack (solid) and the "
        "predicted one (dashed) against the number of patients, by kind of release. Below: "
        "utility of synthetic data drawn from each release.</desc>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        _text(LEFT, 28, "What to release: risk and utility by number of patients", size=18),
        *_panel(
            "risk",
            "Membership AUC: solid measured, dashed predicted, dotted the risk budget",
            sizes,
            risk,
        ),
        *_panel("utility", "AUROC of in-hospital death, trained on synthetic", sizes, utility),
    ]
    ends: dict[str, list[tuple[float, str, str]]] = {"risk": [], "utility": []}
    for kind, colour in zip(kinds, COLOURS):
        mine = sorted((row for row in rows if row["release"] == kind), key=lambda r: r["n"])
        for panel, column, span, dashed in (
            ("risk", "predicted AUC", risk, True),
            ("risk", "measured AUC", risk, False),
            ("utility", "TSTR death", utility, False),
        ):
            points = _points(mine, column, sizes, span, panel)
            parts += _line(points, colour, dashed=dashed)
            known = [y for _, y in points if not math.isnan(y)]
            if known and not dashed:
                ends[panel].append((known[-1], kind, colour))
    ceiling = _points(_first_by_size(rows), "TRTR death", sizes, utility, "utility")
    parts += _line(ceiling, "#666666", dashed=True)
    known = [y for _, y in ceiling if not math.isnan(y)]
    if known:
        ends["utility"].append((known[-1], "members' own records", "#666666"))
    parts += _level("risk", BUDGET, risk)
    for labels in ends.values():
        parts += _labels(labels)
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def _panel(name: str, title: str, sizes: Sequence[int], span: Point) -> list[str]:
    top, bottom = PANELS[name]
    parts = [_text(LEFT, top - 14, title, size=15)]
    step = 0.1 if span[1] - span[0] > 0.3 else 0.05
    at = math.ceil(span[0] / step - 1e-9) * step
    while at <= span[1] + 1e-9:
        y = _y(at, span, name)
        parts.append(_stroke((LEFT, y), (RIGHT, y), "#dddddd"))
        parts.append(_text(LEFT - 8, y + 5, f"{at:.2f}", anchor="end"))
        at += step
    for n in sizes:
        x = _x(n, sizes)
        parts.append(_stroke((x, bottom), (x, bottom + 5), "#333333"))
        parts.append(_text(x, bottom + 21, f"{n:,}", anchor="middle"))
    parts.append(_stroke((LEFT, bottom), (RIGHT, bottom), "#333333"))
    parts.append(_text((LEFT + RIGHT) / 2, bottom + 41, "patients behind the release",
                       anchor="middle"))  # fmt: skip
    return parts


def _level(panel: str, value: float, span: Point) -> list[str]:
    y = _y(value, span, panel)
    return [
        f'<path d="M{LEFT} {y:.1f}H{RIGHT}" stroke="#555555" stroke-dasharray="2 3" fill="none"/>',
        _text(LEFT - 8, y + 5, f"{value:.2f}", anchor="end"),
    ]


def _line(points: Sequence[Point], colour: str, *, dashed: bool) -> list[str]:
    """A line with a gap where nothing was measured (NaN)."""
    known = [(x, y) for x, y in points if not math.isnan(y)]
    if not known:
        return []
    path, pen = "", "M"
    for x, y in points:
        if math.isnan(y):
            pen = "M"
        else:
            path, pen = f"{path}{pen}{x:.1f} {y:.1f}", "L"
    dash = ' stroke-dasharray="7 5" opacity="0.75"' if dashed else ""
    parts = [f'<path d="{path}" stroke="{colour}" stroke-width="2" fill="none"{dash}/>']
    if not dashed:
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>' for x, y in known]
    return parts


def _labels(ends: Iterable[tuple[float, str, str]]) -> list[str]:
    """Names at the ends of lines, pushed apart where they would overlap."""
    parts, last = [], -math.inf
    for y, name, colour in sorted(ends):
        last = max(y + 5, last + 17)
        parts.append(_text(RIGHT + 12, last, name, fill=colour, size=13))
    return parts


def _points(
    rows: Iterable[Row], column: str, sizes: Sequence[int], span: Point, panel: str
) -> list[Point]:
    return [(_x(int(row["n"]), sizes), _y(float(row[column]), span, panel)) for row in rows]


def _first_by_size(rows: Sequence[Row]) -> list[Row]:
    return list({int(row["n"]): row for row in sorted(rows, key=lambda r: r["n"])}.values())


def _x(n: int, sizes: Sequence[int]) -> float:
    low, high = math.log(sizes[0]), math.log(sizes[-1])
    share = (math.log(n) - low) / (high - low) if high > low else 0.5
    return LEFT + 30 + share * (RIGHT - LEFT - 60)


def _y(value: float, span: Point, panel: str) -> float:
    top, bottom = PANELS[panel]
    return bottom - (value - span[0]) / (span[1] - span[0]) * (bottom - top)


def _span(values: Iterable[float]) -> Point:
    known = [float(v) for v in values if not math.isnan(float(v))]
    return math.floor(min(known) * 20 - 0.2) / 20, min(math.ceil(max(known) * 20 + 0.2) / 20, 1.0)


def _stroke(a: Point, b: Point, colour: str) -> str:
    return f'<path d="M{a[0]:.1f} {a[1]:.1f}L{b[0]:.1f} {b[1]:.1f}" stroke="{colour}"/>'


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", size: int = 14, fill: str = "#222222"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
        f'fill="{fill}" stroke="#ffffff" stroke-width="3" paint-order="stroke">'
        f"{escape(text)}</text>"
    )
