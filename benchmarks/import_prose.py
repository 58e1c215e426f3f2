"""Passages as they were written -> the prose bank's own form.

    python benchmarks/import_prose.py --language en --out knowledge/prose/en FILE.jsonl ... \
        [--corpus FILE.jsonl.gz ...]

Each line is checked (JSON, tags, labels), codes are attached by looking its surfaces up in the
names of the language, sex and age are read from its tags where they are not given, and what
doubles another passage or shares text with a corpus is left out and counted.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from llmsyn.errors import InputError
from llmsyn.notes.lexicon import TUMOUR_LANGUAGES, Lexicon, lexicon
from llmsyn.notes.overlap import read_texts, sequences
from llmsyn.notes.tagged import parse, write
from llmsyn.notes.types import Span, base_label

MOST_SHARED = 2  # eight-word sequences with a corpus or an earlier passage, before it is left out
REGISTERS = {
    "discharge": "discharge_summary", "progress": "progress_note", "nursing": "nursing_note",
    "admission": "admission_note", "triage": "triage_note", "operative": "operative_report",
    "ward_handover": "handover", "telephone": "telephone_note", "referral": "referral_letter",
    "label": "drug_label", "admin": "administrative", "trial_result": "trial",
    "genetics_abstract": "abstract", "clinic": "clinic_letter", "operation": "operative_report",
    "epicrisis": "discharge_summary", "death": "death_summary",
}  # fmt: skip
MAIN_CODES = 3
FIRST = 2  # mentions at the beginning that count as what a passage is about
FEMALE = re.compile(
    r"\b(she|her|hers|woman|female|lady|girl|mrs|mother of|mujer|niña|paciente femenina|naine|naispatsient)\b",
    re.I,
)
MALE = re.compile(
    r"\b(he|his|him|man|male|gentleman|boy|mr|varón|hombre|niño|mees|meespatsient)\b", re.I
)
BAND_YEARS = 20


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--language", required=True)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--corpus", action="append", default=[], type=Path)
    given = parser.parse_args()
    names = lexicon(given.language)
    foreign = {run for file in given.corpus for text in read_texts(file) for run in sequences(text)}
    seen: set[tuple[str, ...]] = set()
    left: Counter[str] = Counter()
    kept = 0
    given.out.mkdir(parents=True, exist_ok=True)
    for file in given.files:
        stem = re.sub(r"[^a-z0-9]+", "-", file.stem.lower()).removeprefix(f"{given.language}-")
        lines = []
        for row, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if not line.strip():
                continue
            try:
                body = json.loads(line)
                text, spans = parse(_mended(body["text"]))
                if given.language in TUMOUR_LANGUAGES:
                    spans = tuple(_tumour(text, span) for span in spans)
            except (ValueError, KeyError, InputError) as error:
                left["broken"] += 1
                print(f"{file.name}, row {row}: {error}", file=sys.stderr)
                continue
            runs = set(sequences(text))
            if sum(run in foreign for run in runs) > MOST_SHARED:
                left["shares text with a corpus"] += 1
                continue
            if sum(run in seen for run in runs) > MOST_SHARED:
                left["doubles an earlier passage"] += 1
                continue
            seen |= runs
            identity = f"{given.language}-{stem}-{row:03d}"
            lines.append(
                json.dumps(_line(identity, body, text, spans, names, stem), ensure_ascii=False)
            )
        kept += len(lines)
        (given.out / f"{stem}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{kept} passages in {given.out}; left out: {dict(left) or 'none'}")


def _mended(text: str) -> str:
    """Slips that are safe to mend: a suffix that the label does not have."""
    return re.sub(
        r"\[\[(DISEASE|MEASUREMENT|DOSE|DEVICE|ANATOMY|DATE|AGE|SEX|TUMOR_MORPHOLOGY):[a-z_]+\|",
        r"[[\1|",
        text,
    )


NEOPLASM = re.compile(
    r"carcinom|linfom|leucemi|mielom|sarcom|melanom|met[áa]sta|neoplas|tumor|c[áa]ncer|gliom|blastom|adenom|timoma"
    r"|mesoteliom|schwannom|meningiom|seminom|craneofaring|lipom|fibrom|angiom|papilom|carcinoide|maligni|macroglobulin",
    re.I,
)


def _tumour(text: str, span: Span) -> Span:
    """Spanish passages tag neoplasms apart; some writers call them DISEASE."""
    neoplasm = span.label == "DISEASE" and NEOPLASM.search(text[span.start : span.end])
    return replace(span, label="TUMOR_MORPHOLOGY") if neoplasm else span


def _line(
    identity: str,
    body: dict[str, Any],
    text: str,
    spans: tuple[Span, ...],
    names: Lexicon,
    stem: str,
) -> dict[str, Any]:
    slots = [_code(text[s.start : s.end], s.label, names) for s in spans]
    spans = tuple(
        Span(s.start, s.end, _finer(text[s.start : s.end], s.label, code, names), code, s.assertion)
        for s, code in zip(spans, slots)
    )
    about = [
        (text[s.start : s.end].lower(), code)
        for s, code in zip(spans, slots)
        if base_label(s.label) in ("DISEASE", "TUMOR_MORPHOLOGY")
        and s.assertion in ("present", "unc")
    ]
    said = Counter(surface for surface, _ in about)
    if body.get("condition"):
        # What the writer says it is about; a passage about something else stands for no code.
        main = [_code(str(body["condition"]), "DISEASE", names)]
    else:
        main = [code for i, (surface, code) in enumerate(about) if i < FIRST or said[surface] > 1]
    codes = list(dict.fromkeys(filter(None, main)))[:MAIN_CODES]
    return {
        "id": identity,
        "register": REGISTERS.get(style := body.get("style") or "case_report", style),
        "specialty": body.get("specialty") or stem,
        "codes": codes,
        "sex": body["sex"] if body.get("sex") in ("female", "male") else _sex(text),
        "age": body.get("age") or _age(text, spans),
        "text": write(text, spans),
        "slots": slots if any(slots) else [],
    }


def _code(surface: str, label: str, names: Lexicon) -> str:
    wanted = {"DRUG": "ingredient:", "PROC_DIAG": "procedures/", "PROC_THER": "procedures/"}.get(
        base_label(label), ("conditions/", "concepts/")
    )
    if base_label(label) not in ("DRUG", "PROC_DIAG", "PROC_THER", "DISEASE", "TUMOR_MORPHOLOGY"):
        return ""
    return next((key for key in names.keys(surface) if key.startswith(wanted)), "")


def _finer(surface: str, label: str, code: str, names: Lexicon) -> str:
    """The kind of a label, where the writer gave none and the names or the words tell."""
    if ":" in label:
        return label
    if code and code in names.concepts and base_label(names.concepts[code].label) == label:
        return names.concepts[code].label
    for kind, words in KINDS.get(label, {}).items():
        if words.search(surface):
            return f"{label}:{kind}"
    return label


def _words(*listed: str) -> re.Pattern[str]:
    return re.compile("|".join(listed), re.I)


KINDS = {
    "DRUG": {
        "vaccine": _words(r"vaccin", r"toxoid", r"vacuna", r"vaktsiin"),
        "class": _words(
            r"ics$", r"blockers?$", r"inhibitors?$", r"steroids?$", r"statins?$", r"opioids?$", r"agents?$",
            r"antagonists?$", r"agonists?$", r"diuretics?$", r"nsaids?$", r"analgesi", r"anticoagula", r"antibi",
            r"azoles?$", r"pressors?$", r"inhibidor", r"antagonista", r"corticoid", r"antiagrega", r"coagulant",
        ),
        "fluid": _words(r"saline", r"ringer", r"\bcells?\b", r"plasma", r"platelets", r"dextrose", r"fluids?$",
                        r"suero", r"hemat[ií]es", r"albumin", r"cryoprecip"),
        "toxin": _words(r"alcohol", r"ethanol", r"cocaine", r"heroin", r"venom", r"tobacco", r"cigarette", r"ackee",
                        r"cannabis", r"poison", r"etanol", r"coca[ií]na"),
    },
    "PROC_DIAG": {
        "imaging": _words(
            r"\bCT\b", r"\bMRI?\b", r"MRI", r"x-?ray", r"radiogra", r"ultraso", r"\bUS\b", r"doppler", r"angiogra",
            r"echo", r"scinti", r"\bPET", r"scan", r"sonogra", r"\bTC\b", r"\bRM\b", r"ecogra", r"resonancia",
            r"tomogra", r"gammagra", r"endoscop", r"colonoscop", r"gastroscop", r"bronchoscop", r"broncoscop", r"\bOCT\b",
        ),
        "exam": _words(
            r"exam", r"auscult", r"palpat", r"\bEC?KG\b", r"\bECG\b", r"\bEEG\b", r"\bEMG\b", r"score", r"pressure",
            r"heart rate", r"pulse", r"temperature", r"saturation", r"SpO2", r"spirometr", r"holter", r"scale", r"test$",
            r"explora", r"tensi[oó]n", r"fundoscop", r"\bBP\b", r"\bHR\b", r"\bRR\b", r"\bGCS\b", r"\bBMI\b", r"weight",
        ),
        "lab": _words(
            r"h[ae]*emoglobin", r"creatin", r"sodium", r"potassium", r"culture", r"\bPCR\b", r"serolog", r"antibod",
            r"\bCRP\b", r"platelet", r"count", r"lactate", r"troponin", r"glucose", r"blood", r"urin", r"level",
            r"enzym", r"bilirubin", r"album", r"\bALT\b", r"\bAST\b", r"\bINR\b", r"\bWBC\b", r"ferritin", r"gas",
            r"hemograma", r"anal[ií]t", r"leucoc", r"anticuerpos", r"cultiv", r"serum", r"plasma", r"CSF", r"titer",
            r"titre", r"ase$", r"\bHb\b", r"HbA1c", r"hormone", r"calcium", r"protein", r"dimer", r"\bTSH\b",
        ),
    },
    "PROC_THER": {
        "surgery": _words(
            r"ectom", r"otom(y|[ií]a)", r"ostom", r"plast", r"surg", r"cirug", r"operat", r"graft", r"resect", r"resec",
            r"transplant", r"trasplante", r"repair", r"fixation", r"stent", r"bypass", r"implant", r"amputa", r"excis",
            r"exéresis", r"laparo", r"thoracoscop", r"VATS", r"ORIF", r"debrid", r"coil", r"shunt",
        ),
    },
    "SYMPTOM": {
        "finding": _words(
            r"opacit", r"lesion", r"thicken", r"enhanc", r"infiltrat", r"oedema of", r"shadow", r"calcif", r"elevat",
            r"depression", r"cells$", r"signal", r"dilat", r"stranding", r"hypertroph", r"murmur", r"crackles", r"rales",
            r"reduced", r"increased", r"raised", r"low ", r"enlarge", r"necrosis", r"nodes?$", r"mass", r"inversion",
            r"sign$", r"reflex", r"realce", r"engros", r"masa", r"elevaci", r"nódulo", r"imagen",
        ),
    },
}  # fmt: skip


def _sex(text: str) -> str | None:
    female, male = len(FEMALE.findall(text)), len(MALE.findall(text))
    if female > 2 * male:
        return "female"
    return "male" if male > 2 * female else None


def _age(text: str, spans: Iterable[Span]) -> list[int] | None:
    """A band around the patient's age; None where no age stands there in digits."""
    for span in spans:
        said = text[span.start : span.end].lower()
        if span.label != "AGE" or span.assertion == "fam":
            continue
        found = re.search(r"\d+", said)
        if not found:
            return None
        years = int(found[0])
        if re.search(r"month|week|day|hour|mes|semana|día|kuu|nädal|päev", said):
            return [0, 1]
        if years < 18:
            return [max(0, years - 3), min(17, years + 3)]
        return [max(18, years - BAND_YEARS), years + BAND_YEARS]
    return None


if __name__ == "__main__":
    main()
