"""One patient and one stage to a request, and the reply to codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmsyn.dictation.candidates import Limits
from llmsyn.dictation.patients import Patient
from llmsyn.egress.plain import clean_line
from llmsyn.egress.values import ProfileValue, Public, SyntheticValue, text_of
from llmsyn.elicitation.asking import cards_of, slug, unit_of
from llmsyn.elicitation.items import Item, population
from llmsyn.knowledge.loading import KnowledgeBase
from llmsyn.llm.prompts import Ablation, template
from llmsyn.llm.rendering import render
from llmsyn.llm.requests import ModelReply, ModelRequest, Prompt
from llmsyn.profile.terms import Term
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import UNLISTED, Categorical, CodeSet

MOST_CHOSEN = 40
"""Codes that a reply may choose where no number is given."""

TEMPERATURE = 1.0
"""Patients of one kind should differ: the model draws here, as in LLMSYN."""

_TASKS = ("diagnoses", "procedures", "drugs")


def request_of(
    patient: Patient,
    variable: CodeSet,
    candidates: Sequence[Item],
    profile: Profile,
    base: KnowledgeBase,
    ablation: Ablation,
    meanings: Mapping[Term, Item],
) -> ModelRequest:
    """Word the completion of one code set of one patient.

    Parameters
    ----------
    candidates : what may be chosen, in this order.
    meanings : the item of every code that the patient may already have.
    """
    number = still_wanted(patient, variable, len(candidates), ablation)
    concept = variable.concept if variable.concept in _TASKS else "codes"
    known = [meanings[t] for t in _held_codes(patient) if t in meanings]
    values: dict[str, Any] = {
        "unit": unit_of(profile),
        "target": ProfileValue(variable.label or variable.name, profile.name, variable.name),
        "population": population(profile) if ablation != "base" else [],
        "patient": _rows(patient, profile, meanings),
        "candidates": [item.row(with_share=ablation != "base") for item in candidates],
        "with_shares": ablation != "base",
        "number": None if number is None else ProfileValue(number, profile.name, variable.name),
        "cards": cards_of(known[:8], profile, base, str(concept)) if ablation == "full" else [],
    }
    most = min(len(candidates), MOST_CHOSEN if number is None else number)
    schema = {
        "type": "object",
        "properties": {
            "codes": {
                "type": "array",
                "items": {"type": "string", "enum": [item.key for item in candidates]},
                "maxItems": most,
            }
        },
        "required": ["codes"],
        "additionalProperties": False,
    }
    return ModelRequest(
        f"records/{slug(variable.name)}",
        Prompt.of(
            system=render(template("system"), {}),
            user=render(template("dictate_frame", f"dictate_{concept}"), values),
        ),
        schema,
        "codes",
        max_tokens=100 + 12 * most,
        temperature=TEMPERATURE,
        seed=patient.number,
    )


def still_wanted(
    patient: Patient, variable: CodeSet, n_candidates: int, ablation: Ablation
) -> int | None:
    """How many codes to choose; None where the prompts may not know, or nobody does.

    A listed main code counts as one that is there already.
    """
    if ablation == "base" or variable.name not in patient.wanted:
        return None
    main = patient.main.get(variable.name, UNLISTED)
    return min(max(patient.wanted[variable.name] - (main != UNLISTED), 0), n_candidates)


def _held_codes(patient: Patient) -> list[Term]:
    """Main codes, then the others in the order of the stages."""
    found = [Term(name, code) for name, code in patient.main.items()]
    found += [Term(name, code) for name, listed in patient.codes.items() for code in listed]
    return list(dict.fromkeys(found))


def _rows(
    patient: Patient, profile: Profile, meanings: Mapping[Term, Item]
) -> list[dict[str, Any]]:
    selectors = {s.selector.variable for s in profile.code_sets if s.selector is not None}
    rows: list[dict[str, Any]] = []

    def row(name: str, variable: str, values: list[Public]) -> None:
        title = ProfileValue(clean_line(name), profile.name, variable)
        rows.append({"name": title, "said": values})

    for variable in profile.level_variables:
        if variable.name in selectors or variable.name not in patient.levels:
            continue
        level = patient.levels[variable.name]
        if isinstance(variable, Categorical):
            text = variable.meaning(level)
        else:
            text = f"{level} {variable.unit}".strip()
        row(variable.label or variable.name, variable.name, [SyntheticValue(text)])
    for name, code in patient.main.items():
        row(f"main of {name}", name, [_words(Term(name, code), meanings)])
    for name, listed in patient.codes.items():
        others = [code for code in listed if code != patient.main.get(name)]
        if others:
            row(name, name, [_words(Term(name, code), meanings) for code in others])
    return rows


def _words(term: Term, meanings: Mapping[Term, Item]) -> Public:
    if term not in meanings:
        return SyntheticValue("a code that the profile does not name")
    item = meanings[term]
    if item.meaning is None:
        return SyntheticValue(item.key)
    return SyntheticValue(f"{item.key} {text_of(item.meaning)}")


def read_codes(
    reply: ModelReply,
    patient: Patient,
    variable: CodeSet,
    candidates: Sequence[Item],
    limits: Limits,
    ablation: Ablation,
) -> tuple[tuple[str, ...], int]:
    """The codes that a patient gets, and how many of the reply were not taken.

    Not taken are doubles, codes beyond the number that was asked for, and codes that a rule
    keeps apart from one that came before.
    """
    by_key = {item.key: str(item.term.value) for item in candidates}
    wanted = still_wanted(patient, variable, len(candidates), ablation)
    most = MOST_CHOSEN if wanted is None else wanted
    main = patient.main.get(variable.name)
    taken: list[str] = [] if main in (None, UNLISTED) else [str(main)]
    first = len(taken)
    held = set(patient.terms())
    for key in reply.content["codes"]:
        code = by_key[key]
        full = len(taken) - first >= most
        if full or code in taken or not limits.allows(patient, variable, code, held):
            continue
        taken.append(code)
        held.add(Term(variable.name, code))
    return tuple(taken), len(reply.content["codes"]) - (len(taken) - first)
