"""Plain SVG: elements, scales and axes; nothing that needs a script or another file.

Every text that is put in is escaped.  Colours and fonts are classes of the page's style
sheet, so that dark screens and printers get their own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from zlib import crc32


@dataclass(frozen=True)
class Scale:
    """From values to places on the page, linear or logarithmic.

    Examples
    --------
    >>> Scale(0, 10, 100, 200)(5)
    150.0
    >>> round(Scale(1, 100, 0, 10, log=True)(10), 6)
    5.0
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Place of a value; beyond the ends it stands at the edge."""
        a, b, x = self.low, self.high, min(max(value, self.low), self.high)
        if self.log:
            a, b, x = math.log(a), math.log(b), math.log(x)
        share = (x - a) / (b - a) if b > a else 0.5
        return self.start + share * (self.end - self.start)

    def ticks(self, about: int = 5) -> list[float]:
        """Round values inside of the scale, about so many."""
        return (
            _decades(self.low, self.high) if self.log else round_steps(self.low, self.high, about)
        )


def round_steps(low: float, high: float, about: int = 5) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten.

    Examples
    --------
    >>> round_steps(0, 1)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if not high > low:
        return [low]
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(k * step, 12) for k in range(first, last + 1)]


def _decades(low: float, high: float) -> list[float]:
    powers = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
    found = [10.0**k for k in powers]
    if len(found) >= 2:
        return found
    more = [m * 10.0**k for k in range(math.floor(math.log10(low)), 9) for m in (1, 2, 5)]
    return [x for x in more if low <= x <= high] or [low, high]


def short(value: float) -> str:
    """A number for an axis.

    Examples
    --------
    >>> short(0.25), short(20000), short(1e-4)
    ('0.25', '20,000', '0.0001')
    """
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}" if abs(value) >= 1e-4 else f"{value:.0e}"


class Drawing:
    """An SVG image that grows element by element."""

    def __init__(self, width: float, height: float, title: str, description: str) -> None:
        self.width, self.height = width, height
        self.name = f"figure{crc32(title.encode()):08x}"  # the same in every run
        self.title, self.description = title, description
        self.parts: list[str] = []

    def add(self, tag: str, text: str | None = None, hint: str = "", **attributes: object) -> None:
        """Add an element; ``hint`` is shown on hovering; ``_`` in a name becomes ``-``."""
        said = "".join(
            f' {name.rstrip("_").replace("_", "-")}="{escape(_plain(value))}"'
            for name, value in attributes.items()
            if value is not None
        )
        inside = f"<title>{escape(hint)}</title>" if hint else ""
        inside += escape(text) if text is not None else ""
        self.parts.append(f"<{tag}{said}>{inside}</{tag}>" if inside else f"<{tag}{said}/>")

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        """A straight line."""
        self.add("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind)

    def text(
        self, x: float, y: float, text: str, anchor: str = "start", kind: str = "", turn: float = 0
    ) -> None:  # fmt: skip
        """A text; ``turn`` in degrees around its own place."""
        self.add(
            "text", text, x=x, y=y, text_anchor=None if anchor == "start" else anchor,
            class_=kind or None, transform=f"rotate({turn:g} {x:.1f} {y:.1f})" if turn else None,
        )  # fmt: skip

    def path(
        self, points: Sequence[tuple[float, float]], kind: str, *, closed: bool = False
    ) -> None:
        """A line through points."""
        if points:
            d = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + ("Z" if closed else "")
            self.add("path", d=d, class_=kind)

    def axes(self, x: Scale, y: Scale, x_title: str, y_title: str, *, x_ticks: bool = True) -> None:
        """Both axes with ticks, grid lines and titles."""
        bottom, left = y.start, x.start
        for tick in y.ticks():
            self.line(left, y(tick), x.end, y(tick), "grid")
            self.text(left - 6, y(tick) + 4, short(tick), "end", "tick")
        if x_ticks:
            for tick in x.ticks():
                self.line(x(tick), bottom, x(tick), bottom + 5, "axis")
                self.text(x(tick), bottom + 18, short(tick), "middle", "tick")
        self.line(left, bottom, x.end, bottom, "axis")
        self.line(left, bottom, left, y.end, "axis")
        self.text((left + x.end) / 2, bottom + 38, x_title, "middle", "name")
        self.text(left - 46, (bottom + y.end) / 2, y_title, "middle", "name", turn=-90)

    def legend(self, x: float, y: float, entries: Sequence[tuple[str, str]]) -> None:
        """Names beside samples of their lines, one below the other."""
        for k, (name, kind) in enumerate(entries):
            self.line(x, y + 18 * k - 4, x + 22, y + 18 * k - 4, kind)
            self.text(x + 28, y + 18 * k, name, kind="tick")

    def __str__(self) -> str:
        name = self.name
        return (
            f'<svg viewBox="0 0 {self.width:g} {self.height:g}" role="img" '
            f'aria-labelledby="{name}t {name}d" xmlns="http://www.w3.org/2000/svg">'
            f'<title id="{name}t">{escape(self.title)}</title>'
            f'<desc id="{name}d">{escape(self.description)}</desc>{"".join(self.parts)}</svg>'
        )


def _plain(value: object) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
