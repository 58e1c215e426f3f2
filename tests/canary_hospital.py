"""A toy hospital in whose every column a few patients carry a text of their own: a canary."""

from __future__ import annotations

import csv
from pathlib import Path

N_PATIENTS = 80
RARE = (3, 4)  # stays that carry canaries; fewer than any threshold

MAPPING = """schema = 1
name = "canaries"
unit = "stay"
stages = ["demographics", "outcome", "diagnoses", "drugs"]

[tables.stays]
file = "stays.csv"
[tables.diagnoses]
file = "diagnoses.csv"
stay = "stay"
[tables.drugs]
file = "drugs.csv"
stay = "stay"

[units]
table = "stays"
patient = "patient"
stay = "stay"

[[variables]]
name = "sex"
stage = "demographics"
kind = "categorical"
column = "sex"
concept = "sex"

[[variables]]
name = "age"
stage = "demographics"
kind = "numeric"
column = "age"
concept = "age"

[[variables]]
name = "town"
stage = "demographics"
kind = "categorical"
column = "town"

[[variables]]
name = "weight"
stage = "demographics"
kind = "numeric"
column = "weight"
decimals = 2

[[variables]]
name = "stay_days"
stage = "outcome"
kind = "numeric"
days_between = ["admitted", "discharged"]
decimals = 1

[[variables]]
name = "died"
stage = "outcome"
kind = "categorical"
column = "died"
role = "outcome"
levels = { 0 = "no", 1 = "yes" }

[[variables]]
name = "diagnoses"
stage = "diagnoses"
kind = "codes"
main = true
[[variables.sources]]
table = "diagnoses"
code = "code"
position = "seq"
system = "local"

[[variables]]
name = "drugs"
stage = "drugs"
kind = "codes"
[[variables.sources]]
table = "drugs"
code = "drug"
system = "local"
"""


def write_hospital(folder: Path) -> list[bytes]:
    """Write the tables and the mapping; return what must never come out of the house.

    Ids of all patients and stays, the free text of every row, and of the rare stays each value:
    levels, a number, dates, codes, drugs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stays, diagnoses, drugs = [], [], []
    canaries = set()
    for i in range(N_PATIENTS * 2):
        rare = i in RARE
        patient, stay = f"PATIENT-{i // 2:04d}-ID", f"STAY-{i:05d}-ID"
        note = f"Seen by Dr Canary{i:04d}, lives in Finchley"
        row = {
            "patient": patient,
            "stay": stay,
            "sex": ("F", "M")[i // 2 % 2],
            "age": 117 if rare else 30 + i // 2 % 50,
            "town": f"CANARYTOWN{i}" if rare else ("Northam", "Southam", "Westam")[i // 2 % 3],
            "weight": "987.65" if rare else f"{60 + i // 2 % 40}.0",
            "admitted": "1923-09-17 04:05:06" if rare else f"2020-01-{1 + i % 20:02d} 08:00:00",
            "discharged": "1931-02-18 07:08:09" if rare else f"2020-02-{1 + i % 20:02d} 08:00:00",
            "died": int(i // 2 % 4 == 0),
            "note": note,
        }
        stays.append(row)
        diagnoses += [
            {"stay": stay, "seq": k + 1, "code": code, "text": note}
            for k, code in enumerate(("A1", "B2", "C3")[: 1 + i // 2 % 3])
        ]
        drugs.append({"stay": stay, "drug": ("alpha", "beta")[i // 2 % 2], "order": note})
        if rare:
            diagnoses.append({"stay": stay, "seq": 9, "code": "CANARYCODE", "text": note})
            drugs.append({"stay": stay, "drug": "canarydrug", "order": note})
        canaries |= {patient, stay, note, f"Canary{i:04d}"}
    canaries |= {"CANARY", "Canary", "canary-", "canarydrug", "Finchley", "117", "987.65", "987"}
    canaries |= {"1923", "1931", "04:05:06", "PATIENT-", "STAY-"}
    for name, rows in (("stays", stays), ("diagnoses", diagnoses), ("drugs", drugs)):
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    (folder / "mapping.toml").write_text(MAPPING, encoding="utf-8")
    return sorted(text.encode() for text in canaries)
