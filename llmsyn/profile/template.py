"""A profile to type a published Table 1 into."""

from __future__ import annotations

import json
from pathlib import Path

from llmsyn.store import write_folder, write_text

_DOCUMENT = """\
# A profile: what a paper, a registry or a hospital publishes about a population.
# Replace the invented numbers by the published ones, then run
#
#     llmsyn profile check THIS_FOLDER
#
# Lines that begin with # are comments. Numbers stand in the CSV files beside this one;
# a spreadsheet opens them (save as "CSV UTF-8", with commas and decimal points).
# In every CSV file you may give counts (column count) or shares between 0 and 1 (column
# share; shares are of all units, so divide percentages by 100). A share counts as exact to
# its last decimal. Write the word suppressed for a number that is kept back.
schema = 1
name = @NAME@
title = "Invented example: adults admitted to an intensive care unit"
unit = "patient"            # what is counted: "patient", or "stay" (then add n_patients)
n_units = 1000
# The order in which a patient is drawn, from first to last.
stages = ["demographics", "diagnoses", "drugs", "outcome"]

[provenance]
kind = "invented"           # "published" once the numbers are a paper's, "typed" otherwise
source = ""                 # authors, year, table number, DOI
licence = ""

[disclosure]
method = "none"             # "published" for printed tables, "suppression" with a threshold

# --- demographics -----------------------------------------------------------------------

[[variables]]
name = "sex"
kind = "categorical"        # named levels, of which each unit has one
stage = "demographics"
file = "sex.csv"
concept = "sex"             # what it is to the medical knowledge base ...
means = {F = "female", M = "male"}   # ... and what its levels are

[[variables]]
name = "age"
kind = "numeric"            # a number, as counts in bins
stage = "demographics"
unit = "years"
decimals = 0
file = "age.csv"            # columns low,high and count or share
concept = "age"
# Where only quantiles are published: a file with columns quantile,value (and the keys low
# and high where the smallest and largest value are not among them).
# Where only mean and standard deviation are published, instead of file:
# mean = 63.2
# sd = 15.8
# low = 18
# high = 90
# missing_share = 0.02      # share of units without a value

# --- diagnoses and drugs ----------------------------------------------------------------

[[variables]]
name = "diagnoses"
kind = "codes"              # a list of codes per unit
stage = "diagnoses"
systems = ["icd10cm"]       # with two systems, write codes as icd10cm:I509
file = "diagnoses.csv"      # columns code and count or share; main_count or main_share if known
histograms = "diagnoses-histograms.csv"   # how many codes a unit has, and how many others
concept = "diagnoses"

[[variables]]
name = "drugs"
kind = "codes"
stage = "drugs"
systems = ["ingredient"]    # ingredient names in small letters
file = "drugs.csv"
unlisted_per_unit = 3.5     # mean number of further drugs that are not listed
concept = "drugs"

# --- outcome ----------------------------------------------------------------------------

[[variables]]
name = "died"
kind = "categorical"
stage = "outcome"
role = "outcome"
file = "died.csv"
concept = "in_hospital_death"
means = {yes = "yes", no = "no"}

# --- cross-tables: any two or more variables (delete those that are not published) --------

[[tables]]
axes = ["died", "sex"]      # diagnoses.main is the main diagnosis, diagnoses.count its number
file = "table-died-by-sex.csv"
source = ""

# --- rules: terms that never hold together -------------------------------------------------

# [[rules]]
# never = ["died=yes", "discharged_to=home"]
# reason = "who died in hospital was not discharged"
"""

_FILES = {
    "sex.csv": "level,share\nF,0.44\nM,0.56\n",
    "age.csv": "low,high,count\n18,40,110\n40,55,170\n55,65,200\n65,75,240\n75,85,190\n85,90,90\n",
    "diagnoses.csv": (
        "code,title,count,main_count\n"
        "I10,Essential (primary) hypertension,420,15\n"
        'I509,"Heart failure, unspecified",210,80\n'
        'N179,"Acute kidney failure, unspecified",190,40\n'
        'A419,"Sepsis, unspecified organism",160,110\n'
        "(unlisted),,,755\n"
    ),
    "diagnoses-histograms.csv": (
        "number,listed,unlisted\n0,320,0\n1,460,90\n2,150,210\n3,60,300\n4,10,400\n"
    ),
    "drugs.csv": "code,share\nfurosemide,0.34\nvancomycin,0.27\nnorepinephrine,0.19\n",
    "died.csv": "level,count\nno,890\nyes,110\n",
    "table-died-by-sex.csv": "died,sex,count\nno,F,388\nno,M,502\nyes,F,52\nyes,M,58\n",
}


def write_template(folder: Path, *, force: bool = False) -> None:
    """Write a commented profile of an invented population.

    It passes ``llmsyn profile check``, so that what the check says afterwards is about the
    numbers that were typed.

    Parameters
    ----------
    folder : where to; its name becomes the name of the profile.
    force : replace the folder, with everything in it.

    Raises
    ------
    OutputError : the folder exists, or cannot be written.
    """

    def fill(place: Path) -> None:
        name = json.dumps(folder.resolve().name or "profile", ensure_ascii=False)
        write_text(place / "profile.toml", _DOCUMENT.replace("@NAME@", name))
        for file, text in _FILES.items():
            write_text(place / file, text)

    write_folder(folder, fill, force=force)
