"""Parts of a note that are lists: values with units, drugs with doses, rows with marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llmsyn.notes.drafting import Draft, Mention
from llmsyn.notes.patients import Coded
from llmsyn.notes.tables import Quantity, read_doses
from llmsyn.notes.teller import Teller


def quantities(
    teller: Teller,
    draft: Draft,
    listed: Mapping[str, Quantity],
    names: Mapping[str, Sequence[str]],
    label: str,
    most: int,
) -> bool:
    """Values in a row: those that the record changes, then what everybody has measured."""
    changed, usual = [], []
    for key, quantity in listed.items():
        if key not in names:
            continue
        held = next((r for c, r in quantity.when.items() if c in teller.record.keys), None)
        if held is not None:
            changed.append((key, quantity, held))
        else:
            usual.append((key, quantity, quantity.usual))
    room = max(0, most - len(changed))
    chosen = changed[:most]
    if room and usual:
        # The first ones are what everybody has measured.
        chosen += usual[: max(2, room)][:room]
    first = True
    for i in teller.random.permutation(len(chosen)):
        key, quantity, (low, high) = chosen[int(i)]
        value = f"{teller.random.uniform(low, high):.{quantity.decimals}f}"
        if key == "systolic":
            value += f"/{int(float(value) * teller.random.uniform(0.5, 0.68))}"
        unit = quantity.unit if teller.random.random() < 0.7 else ""
        joint = "" if unit in ("%", "/min") else " "
        draft.write("" if first else ", ")
        draft.line(
            teller.pick(teller.language.lines["lab"]),
            {"test": [Mention(teller.pick(names[key]), label)],
             "value": [Mention(f"{value}{joint}{unit}".strip(), "MEASUREMENT")]},
            begins=first,
        )  # fmt: skip
        first = False
    draft.write("" if first else ".")
    return bool(chosen)


def bullets(teller: Teller, draft: Draft, rows: Sequence[Sequence[Mention]]) -> None:
    """Rows as a numbered or marked list, or in one line."""
    style = int(teller.random.integers(4))
    for i, row in enumerate(rows):
        if style == 3:
            draft.write("; " if i else "")
        else:
            mark = ("- ", f"{i + 1}. ", f"#{i + 1} ")[style]
            draft.write(("\n" if i else "") + mark)
        for j, mention in enumerate(row):
            draft.write(" " if j else "")
            draft.mention(mention, capital=style != 3 and j == 0)


def dosing(teller: Teller, drug: Coded) -> list[Mention]:
    """Dose, route and frequency as one mention; none for a drug without a usual dose."""
    entry = read_doses().get(drug.key.partition(":")[2])
    if entry is None:
        return []
    doses, route, frequencies = entry
    parts = [teller.pick(doses)]
    if teller.random.random() < 0.7:
        parts.append(teller.pick(teller.language.route[route]))
    parts.append(teller.pick(teller.language.frequency[teller.pick(frequencies)]))
    return [Mention(" ".join(parts), "DOSE")]
