"""Write docs/knowledge/: a page per family of conditions, and the table of sources.

    python docs/families.py

Run it after changing a record or a source (`make docs`).  knowledge/SOURCES.md is the same
table of sources, beside the records that cite it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from llmsyn.knowledge.findings import edges_of
from llmsyn.knowledge.loading import KnowledgeBase, load_base
from llmsyn.knowledge.records import Condition, Effect, Source

ROOT = Path(__file__).resolve().parent.parent
FOLDER = "docs/knowledge"
WRITTEN = "Written by `make docs` from the records; don't edit by hand.\n"
STRONG = 2  # edges of at least this class, up or down, are shown
KINDS = {
    "comorbid": "Goes with",
    "complication": "May bring about",
    "drug": "Drugs",
    "procedure": "Procedures",
}
OUTCOMES = {"mortality": "death", "readmission": "readmission", "stay": "long stay"}

SOURCES_HEAD = """\
# Sources of the knowledge base

{written}
Guidelines and studies are cited for facts, restated in our own words; nothing of their text is
copied. `curator` marks clinical judgement without an external source, and every edge whose source
says so. A key may be followed by `:` and what the source says.

"From memory" means that title, year or address were written down without looking the publication
up: verify one before quoting it elsewhere. The figures of the others were read in a stored copy.

Left out on purpose: CPT titles (AMA), SNOMED CT content, ATC dumps, DrugBank, DrugCentral. RxCUIs
are not filled in until they are verified.

| key | source | licence | year | address | looked up |
|---|---|---|---|---|---|
"""


def pages(base: KnowledgeBase) -> dict[str, str]:
    """Every page by its path from the root of the checkout."""
    families: dict[str, list[Condition]] = {}
    for record in base.conditions.values():
        families.setdefault(record.family, []).append(record)
    sources = sources_page(base)
    found = {f"{FOLDER}/{name}.md": family_page(name, families[name]) for name in sorted(families)}
    found[f"{FOLDER}/README.md"] = index_page(base, families)
    found[f"{FOLDER}/sources.md"] = sources
    found["knowledge/SOURCES.md"] = sources
    return found


def index_page(base: KnowledgeBase, families: dict[str, list[Condition]]) -> str:
    """The families and what they hold."""
    rows = "".join(
        f"| [{title(name)}]({name}.md) | {len(families[name])} | "
        f"{', '.join(record.name for record in families[name][:6])}"
        f"{', ...' if len(families[name]) > 6 else ''} |\n"
        for name in sorted(families)
    )
    return (
        f"# Families of conditions\n\n{WRITTEN}\n"
        f"{len(base.conditions)} conditions. How a record is built: "
        "[the knowledge base](../knowledge.md). What it rests on: [sources](sources.md). One code "
        "at a time: `llmsyn knowledge show 428.0`.\n\n"
        f"| family | conditions | among them |\n|---|---|---|\n{rows}"
    )


def family_page(name: str, records: list[Condition]) -> str:
    """All conditions of one family, with their typical edges."""
    return (
        f"# {title(name)}\n\n{WRITTEN}\n"
        f"Edges of class {STRONG} and more, up (+) or down (-); weaker ones stand in "
        f"`knowledge/conditions/`. Ages and sexes marked * are estimates.\n"
        + "".join("\n" + "\n".join(section(record)) + "\n" for record in records)
    )


def section(record: Condition) -> Iterator[str]:
    """One condition."""
    yield f"## {record.name}\n"
    said = [f"`{record.id}`", "chronic" if record.chronic else "acute"]
    if not record.may_be_principal:
        said.append("not a main diagnosis")
    said += list(age_and_sex(record))
    said += [
        f"{label} {strength(effect)}"
        for key, label in OUTCOMES.items()
        if (effect := getattr(record, key)) is not None
    ]
    yield ", ".join(said) + "\n"
    for system, prefixes in record.codes.items():
        yield f"- {system}: {' '.join(prefixes)}"
    edges = sorted(edges_of(record), key=lambda item: -(item[2].strength or 0))
    for kind, label in KINDS.items():
        shown = [
            f"{', '.join(edge.ids)} ({strength(edge)})"
            for key, _, edge in edges
            if key == kind and (edge.strength is None or abs(edge.strength) >= STRONG)
        ]
        if shown:
            yield f"- {label}: {'; '.join(shown)}"
    if record.prompt is not None:
        yield f"\n{' '.join(record.prompt.text.split())}"


def age_and_sex(record: Condition) -> Iterator[str]:
    """Age and share of men, with a mark where they are estimates."""
    pattern = record.profile
    if pattern is None:
        return
    mark = "*" if pattern.unverified else ""
    if pattern.follows_hospital:
        yield "ages and sexes as all patients"
        return
    if pattern.age_mean is not None:
        yield f"age {pattern.age_mean:g} ± {pattern.age_sd:g}{mark}"
    if pattern.share_male is not None:
        yield f"{pattern.share_male:.0%} men{mark}"


def sources_page(base: KnowledgeBase) -> str:
    """The table of sources with their licences."""
    rows = "".join(
        f"| `{key}` | {each.title}{f'. {each.note}' if each.note else ''} | {each.licence} | "
        f"{each.year} | {each.url} | {looked_up(each)} |\n"
        for key, each in base.sources.items()
    )
    return SOURCES_HEAD.format(written=WRITTEN) + rows


def looked_up(source: Source) -> str:
    """Whether somebody has seen the publication that a source names."""
    if not source.url:
        return ""
    return "from memory" if source.unverified else "yes"


def title(name: str) -> str:
    """A family's name as a heading."""
    return name.replace("_", " and ").capitalize()


def strength(effect: Effect) -> str:
    """A class with its sign, or a quoted odds ratio."""
    if effect.odds_ratio is not None:
        return f"odds ratio {effect.odds_ratio:g}"
    return f"{effect.strength:+d}" if effect.strength else "0"


if __name__ == "__main__":
    for path, text in pages(load_base()).items():
        place = ROOT / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8", newline="\n")
        print(f"wrote {path}")
