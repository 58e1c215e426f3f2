"""Surfaces that can stand for each other: by label, and by kind where one is known.

A drug goes for a drug of its class, a neoplasm for a neoplasm, an abbreviation for an
abbreviation, one word for about one word.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from llmsyn import codes
from llmsyn.knowledge.loading import KnowledgeBase, load_base
from llmsyn.notes.bank import Passage
from llmsyn.notes.lexicon import Lexicon, lexicon
from llmsyn.notes.types import base_label

SWAPPED = frozenset(
    {
        "DRUG", "DISEASE", "TUMOR_MORPHOLOGY", "SYMPTOM", "PROC_DIAG", "PROC_THER", "DEVICE",
        "ANATOMY",
    }
)  # fmt: skip
"""Labels whose surfaces are exchanged.

Age and sex hold a passage together; dates, doses and values take their grammar from the
words around them.
"""

LONG_WORDS = 4
_NEOPLASM = re.compile(
    r"(cancer|carcin|sarcom|lymphom|leuk|myelom|melanom|blastom|gliom|metasta|neoplas|tumou?r|malignan|"
    r"adenom|thymom|mesotheliom|c[áa]ncer|linfom|leucem|mielom|timom|mesoteliom|vähk|kasvaja|siirde)",
    re.IGNORECASE,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Pools:
    """Surfaces by kind.

    Attributes
    ----------
    written : kind -> surfaces that stand in passages, each once.
    known : kind -> names from the knowledge base, which no passage may have.
    drug_class : folded name of a drug -> its class.
    """

    written: Mapping[str, tuple[str, ...]]
    known: Mapping[str, tuple[str, ...]]
    drug_class: Mapping[str, str]

    def kind(self, label: str, surface: str) -> str:
        """The kind of a surface: what it may be exchanged for."""
        return kind_of(label, surface, self.drug_class)


def kind_of(label: str, surface: str, drug_class: Mapping[str, str]) -> str:
    """Label, class or nature, and shape of a surface, as one text.

    Examples
    --------
    >>> kind_of("DISEASE", "AML", {}), kind_of("DISEASE", "lung cancer", {})
    ('DISEASE//short', 'DISEASE/neoplasm/few')
    """
    base = base_label(label)
    words = surface.split()
    if len(words) == 1 and surface.isupper() and len(surface) <= 6:
        shape = "short"
    else:
        shape = "one" if len(words) == 1 else "few" if len(words) <= LONG_WORDS else "many"
    nature = ""
    if base == "DRUG":
        nature = drug_class.get(surface.lower(), "")
        shape = shape if shape == "short" else ""
    elif base in ("DISEASE", "TUMOR_MORPHOLOGY"):
        nature = "neoplasm" if base == "DISEASE" and _NEOPLASM.search(surface) else ""
    return f"{label}/{nature}/{shape}"


def make_pools(passages: Iterable[Passage], language: str, *, titles: bool = True) -> Pools:
    """Collect the surfaces of a bank and the names of the knowledge base.

    Parameters
    ----------
    titles : English only: short titles of ICD-10-CM are names of diseases too.
    """
    names, base = lexicon(language), load_base()
    classes = _classes(names, base)
    written: dict[str, dict[str, None]] = defaultdict(dict)
    for passage in passages:
        for span in passage.spans:
            if base_label(span.label) in SWAPPED:
                surface = passage.text[span.start : span.end]
                if "\n" not in surface:
                    written[kind_of(span.label, surface, classes)][surface] = None
    known: dict[str, dict[str, None]] = defaultdict(dict)
    for concept in names.concepts.values():
        for name in concept.names:
            known[kind_of(concept.label, name, classes)][name] = None
    if titles and language == "en":
        for name in _icd_names():
            known[kind_of("DISEASE", name, classes)][name] = None
    return Pools(_frozen(written), _frozen(known), classes)


def _frozen(found: Mapping[str, dict[str, None]]) -> dict[str, tuple[str, ...]]:
    return {kind: tuple(surfaces) for kind, surfaces in found.items()}


def _classes(names: Lexicon, base: KnowledgeBase) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, concept in names.concepts.items():
        if key.startswith("ingredient:"):
            drug = base.drugs[key.partition(":")[2]]
            for name in (*concept.names, *drug.aliases):
                found.setdefault(name.lower(), drug.drug_class)
    return found


_ODD_TITLE = re.compile(
    r"unspecified|other|encounter|history|status|elsewhere|due to|in diseases|without|with |"
    r"category|dependence on|acquired absence|presence of|initial|sequela|screening|nec\b|nos\b|,|\(",
    re.IGNORECASE,
)
_CHAPTERS = "ABCDEFGHIJKLMNQ"  # diseases; no symptoms, injuries, circumstances
_LONGEST_TITLE = 4


_LONGEST_CODE = 5  # longer codes add laterality and encounter, not diseases


def _icd_names() -> tuple[str, ...]:
    """Titles of ICD-10-CM codes that read like a name in a sentence."""
    found: dict[str, None] = {}
    for code in (code for chapter in _CHAPTERS for code in codes.children("icd10cm", chapter)):
        if len(code) <= _LONGEST_CODE:
            title = codes.title("icd10cm", code) or ""
            if 0 < len(title.split()) <= _LONGEST_TITLE and not _ODD_TITLE.search(title):
                found[clean_title(title)] = None
    return tuple(found)


def clean_title(title: str) -> str:
    """A title of a code as it stands within a sentence.

    Examples
    --------
    >>> clean_title("Congestive heart failure, unspecified"), clean_title("Crohn's disease")
    ('congestive heart failure', "Crohn's disease")
    """
    text = re.split(r",|\(|\bnot elsewhere\b|\bwithout mention\b", title)[0].strip()
    text = re.sub(r"^(Other and unspecified|Other|Unspecified)\s+", "", text)
    text = re.sub(r"\s+(NEC|NOS|unspecified)$", "", text)
    first = text.split(" ")[0]
    named = "'" in first or any(sign.isupper() or sign.isdigit() for sign in first[1:])
    return text if named or first in _NAMED else text[:1].lower() + text[1:]


_NAMED = frozenset(
    [
        "Alzheimer",
        "Parkinson",
        "Crohn",
        "Hodgkin",
        "Down",
        "Barrett",
        "Cushing",
        "Graves",
        "Turner",
        "Marfan",
        "Raynaud",
        "Sjogren",
        "Staphylococcus",
        "Streptococcus",
        "Escherichia",
        "Klebsiella",
        "Candida",
        "Clostridium",
        "Ebola",
        "Zika",
        "Lyme",
        "Pseudomonas",
        "Salmonella",
        "Guillain",
        "Kaposi",
        "Ewing",
        "Wilson",
        "Huntington",
        "Legionnaires",
        "Mycobacterium",
    ]
)


def title_name(system: str, code: str) -> str:
    """The name of a code from its title; empty where it has none that reads well."""
    found = codes.nearest_title(system, code)
    title = "" if found is None else found.value
    name = clean_title(title.replace(" (category)", ""))
    return name if 0 < len(name.split()) <= 6 and not re.search(r"^\d|history|status", name) else ""
