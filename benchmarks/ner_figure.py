"""The figure of the amount of data: F1 against passages, and against real documents added."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

FIGURE = Path(__file__).resolve().parent.parent / "docs" / "figures" / "ner-amount.svg"
PANELS = (
    ("synthetic passages, no real document", ("passages",)),
    (
        "real documents, beside all passages (solid) or alone (dotted)",
        ("all passages and real documents", "real documents alone"),
    ),
)
COLOURS = {"DRUG": "#0b6e99", "DISEASE": "#b3541e", "PROCEDURE": "#4f7a28"}
NAMES = {"maccrobat": "MACCROBAT", "ncbi": "NCBI"}


def write_figure(rows: Sequence[dict[str, Any]], file: Path = FIGURE) -> None:
    """One line a corpus and label; solid where synthetic text is in the training."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "llmsyn", "font.size": 9})
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True)
    for axis, (title, kinds) in zip(axes, PANELS):
        for kind in kinds:
            for (corpus, label), points in _lines(rows, kind).items():
                alone = kind == "real documents alone"
                axis.plot(
                    *zip(*sorted(points)), marker="s" if corpus == "ncbi" else "o", markersize=4,
                    color="#5b4b9a" if corpus == "ncbi" else COLOURS[label],
                    linestyle=":" if alone else "-", linewidth=1.4,
                    label=f"{NAMES[corpus]} {label.lower()}" + (", real alone" if alone else ""),
                )  # fmt: skip
        axis.set_xlabel(title)
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_xscale("log", base=2)
    ticks = sorted({row["n"] for row in rows if row["trained on"] == "passages"})
    axes[0].set_xticks(ticks, [f"{n:,}" for n in ticks])
    axes[1].set_xscale("symlog", linthresh=10)
    ticks = sorted({row["n"] for row in rows if row["trained on"] in PANELS[1][1]})
    axes[1].set_xticks(ticks, [str(n) for n in ticks])
    axes[1].set_xlim(left=-1)
    for axis in axes:
        axis.minorticks_off()
        axis.set_ylim(0, 0.8)
    axes[0].set_ylabel("strict F1")
    handles, names = axes[1].get_legend_handles_labels()
    fig.legend(handles, names, loc="lower center", ncols=4, fontsize=8, frameon=False)
    fig.tight_layout(rect=(0, 0.13, 1, 1))
    file.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(file, metadata={"Date": None})
    plt.close(fig)


def _lines(
    rows: Sequence[dict[str, Any]], kind: str
) -> dict[tuple[str, str], list[tuple[int, float]]]:
    found: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for row in rows:
        if row["trained on"] == kind:
            key = row["corpus"].split()[0], row["label"]
            found.setdefault(key, []).append((row["n"], row["strict F1"]))
    return found
