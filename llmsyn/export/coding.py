"""Code systems as the outside world names and writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llmsyn.codes import nearest_title
from llmsyn.profile.variables import UNLISTED, CodeSet

_DOT_AFTER = {"icd9cm": 3, "icd10cm": 3, "icd9proc": 2}

FHIR_SYSTEMS = {
    "icd9cm": "http://hl7.org/fhir/sid/icd-9-cm",
    "icd10cm": "http://hl7.org/fhir/sid/icd-10-cm",
    "icd9proc": "urn:oid:2.16.840.1.113883.6.104",
    "icd10pcs": "http://www.cms.gov/Medicare/Coding/ICD10",
    "cpt": "http://www.ama-assn.org/go/cpt",
    "hcpcs": "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
    "rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "ndc": "http://hl7.org/fhir/sid/ndc",
    "atc": "http://www.whocc.no/atc",
}
"""Canonical names of HL7's terminology site; systems without one are written as text."""

OMOP_VOCABULARIES = {
    "icd9cm": "ICD9CM",
    "icd10cm": "ICD10CM",
    "icd9proc": "ICD9Proc",
    "icd10pcs": "ICD10PCS",
    "cpt": "CPT4",
    "hcpcs": "HCPCS",
    "rxnorm": "RxNorm",
    "ndc": "NDC",
    "atc": "ATC",
    "ingredient": "RxNorm",
}
"""``vocabulary_id`` of Athena; ingredients are looked up by name among RxNorm's ingredients."""


@dataclass(frozen=True)
class Code:
    """One code of a code set.

    Attributes
    ----------
    text : as the cohort writes it, ``icd9cm:4280`` or ``4280``.
    system, bare : ``icd9cm`` and ``4280``; both empty for ``(unlisted)``.
    written : with the dot of its system, ``428.0``.
    title : the profile's own title, else the official one, else the written code.
    """

    text: str
    system: str
    bare: str
    written: str
    title: str

    @property
    def listed(self) -> bool:
        """Whether the profile names it."""
        return self.text != UNLISTED


def dotted(system: str, code: str) -> str:
    """A code with the dot of its system.

    Examples
    --------
    >>> dotted("icd9cm", "4280"), dotted("icd9cm", "E8889"), dotted("icd10cm", "I10")
    ('428.0', 'E888.9', 'I10')
    >>> dotted("icd9proc", "9671"), dotted("icd10pcs", "02HV33Z")
    ('96.71', '02HV33Z')
    """
    place = _DOT_AFTER.get(system, len(code))
    if system == "icd9cm" and code.startswith("E"):
        place += 1
    return code if len(code) <= place else f"{code[:place]}.{code[place:]}"


def code_of(codes: CodeSet, text: str) -> Code:
    """What is known of one code of a set, as the cohort writes it."""
    if text == UNLISTED:
        return Code(text, "", "", "", UNLISTED)
    system, bare = codes.system_of(text), codes.bare(text)
    written = dotted(system, bare)
    official = nearest_title(system, bare)
    title = codes.titles.get(text) or (official.value if official else written)
    return Code(text, system, bare, written, title)


def codes_of(codes: CodeSet, texts: Sequence[str]) -> list[Code]:
    """:func:`code_of` for each text."""
    return [code_of(codes, text) for text in texts]
