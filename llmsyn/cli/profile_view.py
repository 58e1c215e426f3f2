"""How profiles, findings and differences look in a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from llmsyn.profile.difference import CellDifference, ProfileDifference
from llmsyn.profile.finding import Finding
from llmsyn.profile.summary import Summary, VariableSummary

_MOST_LEVELS = 24
_MOST_LEFT_OUT = 3


def summary_view(summary: Summary) -> RenderableType:
    """A profile at a glance: head, variables, cross-tables, rules."""
    return Group(
        *_head(summary),
        *(_variable(variable) for variable in summary.variables),
        *([_tables(summary)] if summary.tables else []),
        *(Text(f"never: {rule}") for rule in summary.rules),
    )


def findings_view(findings: Iterable[Finding]) -> RenderableType:
    """One line a finding: severity, place, message."""
    styles = {"error": "bold red", "warning": "yellow"}
    return Group(
        *(
            Text.assemble((finding.severity, styles[finding.severity]), f" {finding}")
            for finding in findings
        )
    )


def difference_view(difference: ProfileDifference, a: str, b: str, most: int) -> RenderableType:
    """What separates two profiles: names first, then the largest differences of a share."""
    names = (
        (f"variables only in {b}", difference.added),
        (f"variables only in {a}", difference.removed),
        ("variables of another kind", difference.changed_kind),
        (f"tables only in {b}", difference.tables_added),
        (f"tables only in {a}", difference.tables_removed),
    )
    lines: list[RenderableType] = [Text(f"{what}: {', '.join(n)}") for what, n in names if n]
    if difference.cells:
        table = Table("cell", box=None, header_style="bold", pad_edge=False)
        for column in (a, b, "difference"):
            table.add_column(escape(column), justify="right")
        for cell in difference.cells[:most]:
            table.add_row(escape(cell.cell), *_cell(cell))
        lines.append(table)
    hidden = len(difference.cells) - most
    if hidden > 0:
        lines.append(Text(f"... and {hidden:,} more cells that differ"))
    both = f"{difference.n_cells:,} cells are published by both"
    lines.append(Text(f"{both}; the largest difference of a share is {difference.largest:.4f}"))
    return Group(*lines)


def profiles_view(rows: Iterable[tuple[str, str, str]]) -> RenderableType:
    """Name, size and title of each profile."""
    table = Table("name", "units", "title", box=None, header_style="bold", pad_edge=False)
    table.columns[1].justify = "right"
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    return table


def _cell(cell: CellDifference) -> tuple[str, str, str]:
    shares = ["not published" if x is None else f"{x:.4f}" for x in (cell.a, cell.b)]
    known = cell.a is not None and cell.b is not None
    return shares[0], shares[1], f"{cell.difference:+.4f}" if known else ""


def _head(summary: Summary) -> Iterable[RenderableType]:
    yield Text.assemble((summary.name, "bold"), f"  {summary.title}" if summary.title else "")
    size = f"{summary.n_units:,.6g} {summary.unit}s"
    if summary.unit == "stay":
        size += f" of {summary.n_patients:,.6g} patients"
    yield Text(f"{size}; drawn in the order {' > '.join(summary.stages)}")
    origin = summary.provenance
    details = (origin.source, origin.licence, origin.released)
    yield Text(f"numbers: {'; '.join([origin.kind, *(text for text in details if text)])}")
    yield Text(f"disclosure: {_disclosure(summary)}")


def _disclosure(summary: Summary) -> str:
    what = summary.disclosure
    parts = [what.method.replace("_", " ")]
    if what.threshold:
        parts.append(f"no count of fewer than {what.threshold} patients")
    if what.rounding > 1:
        parts.append(f"rounded to {what.rounding}")
    if what.epsilon is not None:
        parts.append(f"epsilon {what.epsilon:g}, delta {what.delta or 0:g}")
    if what.predicted_membership_auc is not None:
        parts.append(f"predicted membership AUC {what.predicted_membership_auc:.3f}")
    if what.left_out:
        more = len(what.left_out) - _MOST_LEFT_OUT
        said = ", ".join(what.left_out[:_MOST_LEFT_OUT])
        parts.append(f"left out: {said}" + (f" and {more} more (--json)" if more > 0 else ""))
    return "; ".join(parts)


def _variable(variable: VariableSummary) -> RenderableType:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.title = Text.assemble((f"\n{variable.name}", "bold"), f"  {_about(variable)}")
    table.title_justify = "left"
    table.add_column(no_wrap=True)
    table.add_column(justify="right")
    table.add_column(no_wrap=True, overflow="ellipsis")
    shown = variable.labels[:_MOST_LEVELS]
    for each in shown:
        share = "suppressed" if each.share is None else f"{each.share:.4f}"
        table.add_row(escape(f"  {each.label}"), share, escape(each.title))
    hidden = variable.n_labels - len(shown)
    if hidden:
        table.add_row(f"  ... {hidden:,} more", "", "")
    return table


def _about(variable: VariableSummary) -> str:
    parts = [variable.kind, f"stage {variable.stage}"]
    if variable.role != "feature":
        parts.append(variable.role)
    if variable.text:
        parts.append(variable.text)
    if variable.n_labels > len(variable.labels):
        parts.append(f"{variable.n_labels:,} codes")
    if variable.mean is not None:
        per_unit = " codes a unit" if variable.kind.startswith("codes") else ""
        parts.append(f"mean {variable.mean:.3g}{per_unit}")
    if variable.n_suppressed:
        parts.append(f"{variable.n_suppressed:,} suppressed")
    return "; ".join(parts)


def _tables(summary: Summary) -> RenderableType:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("\ncross-table", no_wrap=True)
    table.add_column("\nlabels", justify="right")
    table.add_column("\npublished cells", justify="right")
    table.add_column("\nsmallest", justify="right")
    for each in summary.tables:
        smallest = "" if each.smallest is None else f"{each.smallest:,.6g}"
        labels = " x ".join(map(str, each.shape))
        cells = f"{each.n_published:,} of {each.n_cells:,}"
        table.add_row(escape(each.name), labels, cells, smallest)
    return table
