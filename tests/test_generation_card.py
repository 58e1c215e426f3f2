"""The data card: complete, and deaf to what a stranger wrote into a profile."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from network_toys import population, profile_of

from llmsyn.generation.card import data_card
from llmsyn.profile.types import Disclosure, Provenance
from llmsyn.profile.variables import Categorical

EVIL = "<script>alert(1)</script> ![x](http://evil) [y](http://evil) `z` *b* | c \\ \n# Heading\n- item"


def manifest(**more):
    given = {
        "n": 1_234_567, "seed": 5, "unit": "patient", "unit_table": "patients",
        "versions": {"llmsyn": "1.0"},
        "network": {"tables": [], "misses": [], "unmet": [], "verified_cells": 77,
                    "largest_bias": 0.00123},
    }  # fmt: skip
    return given | more


@pytest.fixture(scope="module")
def profile():
    return profile_of(population(500))


def evil(profile):
    bad = Categorical("sex", "demographics", (EVIL, "M"), np.array([250.0, 250]), label=EVIL)
    dx = replace(profile["dx"], label=EVIL, systems=(EVIL,))
    return replace(
        profile, title=EVIL, name=EVIL, provenance=Provenance("typed", source=EVIL, licence=EVIL),
        variables=(bad, profile.variables[1], dx, *profile.variables[3:]),
    )  # fmt: skip


def without_code(card):
    return re.sub(r"(?<!\\)`[^`\n]*`", "CODE", card)


def test_texts_of_a_profile_are_text_and_nothing_else(profile):
    network = manifest()["network"] | {"tables": [EVIL]}
    card = data_card(evil(profile), manifest(network=network))
    text = without_code(card)
    assert "script" in card
    assert not re.search(r"(?<!\\)<", text)  # no tag
    assert not re.search(r"(?<!\\)\]\(", text)  # no link, no picture
    assert not re.search(r"(?<!\\)\*b", text)
    headings = [line for line in card.splitlines() if line.startswith("#")]
    plain = [line for line in data_card(profile, manifest()).splitlines() if line.startswith("#")]
    assert len(headings) == len(plain) and not any(line == "# Heading" for line in headings)
    assert "\n- item" not in card
    # No cell of a table more than the header has.
    for line in card.splitlines():
        if line.startswith("| ") and not line.startswith("| folder"):
            assert len(re.findall(r"(?<!\\)\|", line)) in (3, 5), line


def test_a_plain_profile_is_not_disfigured(profile):
    card = data_card(replace(profile, title="Toy of 2020", provenance=Provenance("invented", "a book")), manifest())  # fmt: skip
    assert card.startswith("# Synthetic records: Toy of 2020\n")
    assert "Source: a book" in card and "\\" not in card


def test_it_says_what_is_asked_of_it(profile):
    card = data_card(profile, manifest())
    for words in ("1,234,567 synthetic patients", "500 patients of", "counts below 11 patients",
                  "77 published cells", "0.00123", "Seed 5", "not stated", "These are not patients",
                  "(unlisted)"):  # fmt: skip
        assert words in " ".join(card.split()), words
    assert "contradict" not in card
    bent = manifest()["network"] | {"unmet": ["a", "b"], "misses": [{}]}
    told = data_card(profile, manifest(network=bent))
    assert "2 published numbers contradict" in told and "1 cells are off" in told


def test_privacy_parameters_are_named(profile):
    private = replace(profile, disclosure=Disclosure("differential_privacy", epsilon=2.0, delta=1e-6,
                                                     predicted_membership_auc=0.5312))  # fmt: skip
    card = data_card(private, manifest())
    assert "epsilon 2.0, delta 1e-06" in card and "0.531" in card
