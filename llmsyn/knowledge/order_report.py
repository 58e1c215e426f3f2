"""How many orders of a list the base can place, and which it cannot, most frequent first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from llmsyn.knowledge.loading import KnowledgeBase
from llmsyn.knowledge.orders import Placement, place


@dataclass(frozen=True)
class Order:
    """One text of an order list: how often it stands there, for how many patients, its reading.

    ``patients`` is None where the list does not say whose the orders are.
    """

    text: str
    count: int
    patients: int | None
    placement: Placement

    @property
    def placed(self) -> bool:
        """Whether at least one ingredient is certain."""
        return bool(self.placement.ingredients)


@dataclass(frozen=True)
class OrderReport:
    """All texts of an order list, most frequent first (then by text)."""

    orders: tuple[Order, ...]

    @property
    def n_orders(self) -> int:
        """Rows with a text."""
        return sum(order.count for order in self.orders)

    @property
    def placed(self) -> tuple[Order, ...]:
        """Texts with an ingredient."""
        return tuple(order for order in self.orders if order.placed)

    @property
    def not_placed(self) -> tuple[Order, ...]:
        """Texts without one."""
        return tuple(order for order in self.orders if not order.placed)

    @property
    def share(self) -> float:
        """Share of orders that are placed; NaN of an empty list."""
        return _share(sum(order.count for order in self.placed), self.n_orders)

    @property
    def share_by_patient(self) -> float | None:
        """The same with each text counted once a patient; None where patients are not known."""
        if any(order.patients is None for order in self.orders):
            return None
        total = sum(order.patients or 0 for order in self.orders)
        return _share(sum(order.patients or 0 for order in self.placed), total)


def order_report(
    counts: Mapping[str, int],
    base: KnowledgeBase,
    patients: Mapping[str, int] | None = None,
) -> OrderReport:
    """Place each text of an order list once.

    Parameters
    ----------
    counts : how often each text stands there.
    patients : for how many patients each stands there, if that is known.

    Examples
    --------
    >>> from llmsyn.knowledge.loading import load_base
    >>> report = order_report({"Lasix 40 mg": 3, "blue pill": 1}, load_base())
    >>> report.share, [order.text for order in report.not_placed]
    (0.75, ['blue pill'])
    """
    found = (
        Order(text, count, None if patients is None else patients[text], place(text, base))
        for text, count in counts.items()
    )
    return OrderReport(tuple(sorted(found, key=lambda order: (-order.count, order.text))))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
