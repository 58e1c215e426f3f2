"""Procedure concepts that ship: well-known codes go where a clinician would put them.

The codes are those that HCUP's published lists of the most common hospital procedures stand
for; which concept each belongs to was decided by its title alone.
"""

from __future__ import annotations

import pytest

from llmsyn import codes
from llmsyn.knowledge.loading import load_base
from llmsyn.knowledge.matching import matcher

BASE = load_base()
LOOK = matcher(BASE)

ICD9 = """
9671 mechanical_ventilation  9672 mechanical_ventilation  9604 intubation
9390 noninvasive_ventilation 311 tracheostomy             3324 bronchoscopy
3491 thoracentesis           3404 chest_tube              3893 central_line
3891 arterial_line           3895 dialysis_catheter       3995 hemodialysis
387 ivc_filter               9904 red_cell_transfusion    9905 platelet_transfusion
9907 plasma_transfusion      966 enteral_nutrition        9915 parenteral_nutrition
4311 gastrostomy             4516 upper_endoscopy         4523 colonoscopy
4525 colonoscopy             5185 biliary_endoscopy       5491 paracentesis
5011 liver_biopsy            5123 cholecystectomy         4709 appendectomy
4562 bowel_resection         0331 lumbar_puncture         0139 craniotomy
8914 eeg                     8703 head_ct                 8872 echocardiography
3722 cardiac_catheterization 8856 coronary_angiography    0066 coronary_intervention
3606 coronary_intervention   3615 coronary_bypass         3961 cardiopulmonary_bypass
3521 valve_surgery           3761 balloon_pump            3783 permanent_pacemaker
3794 implantable_defibrillator 9962 cardioversion         9960 cardiopulmonary_resuscitation
3812 carotid_endarterectomy  9910 thrombolysis            9925 chemotherapy
8151 hip_surgery             8154 knee_replacement        7935 hip_surgery
8108 spinal_surgery          8415 amputation              8622 debridement
741 cesarean_delivery        7359 vaginal_delivery        640 circumcision
9955 vaccination             6849 hysterectomy            9462 alcohol_detoxification
"""

ICD10 = """
5A1955Z mechanical_ventilation  5A1945Z mechanical_ventilation  0BH17EZ intubation
5A09357 noninvasive_ventilation 0B110F4 tracheostomy            0BJ08ZZ bronchoscopy
0W993ZZ thoracentesis           0W9930Z chest_tube              02HV33Z central_line
02HW32Z arterial_line           5A1D70Z hemodialysis            5A1D90Z continuous_renal_replacement
06H03DZ ivc_filter              30233N1 red_cell_transfusion    30233R1 platelet_transfusion
30233K1 plasma_transfusion      3E0G76Z enteral_nutrition       3E0436Z parenteral_nutrition
0DH63UZ gastrostomy             0DB68ZX upper_endoscopy         0DJ08ZZ upper_endoscopy
0DJD8ZZ colonoscopy             0W9G3ZZ paracentesis            0FB03ZX liver_biopsy
0FT44ZZ cholecystectomy         0DTJ4ZZ appendectomy            0DTG0ZZ bowel_resection
009U3ZX lumbar_puncture         4A10X4Z eeg                     B020ZZZ head_ct
B24BZZZ echocardiography        4A023N7 cardiac_catheterization B2111ZZ coronary_angiography
027034Z coronary_intervention   021009W coronary_bypass         5A1221Z cardiopulmonary_bypass
02RF38Z valve_surgery           0JH606Z permanent_pacemaker     5A2204Z cardioversion
5A12012 cardiopulmonary_resuscitation 3E03305 chemotherapy      3E03317 thrombolysis
0SR90J9 hip_surgery             0SRD0J9 knee_replacement        0QS634Z hip_surgery
0SG00AJ spinal_surgery          0Y6H0Z1 amputation              10D00Z1 cesarean_delivery
10E0XZZ vaginal_delivery        0VTTXZZ circumcision            0UT90ZZ hysterectomy
HZ2ZZZZ alcohol_detoxification  5A1522F extracorporeal_oxygenation
"""


def pairs(text: str) -> list[tuple[str, str]]:
    words = text.split()
    return list(zip(words[::2], words[1::2], strict=True))


@pytest.mark.parametrize(
    ("system", "code", "concept"),
    [("icd9proc", *pair) for pair in pairs(ICD9)] + [("icd10pcs", *pair) for pair in pairs(ICD10)],
)
def test_common_procedures(system: str, code: str, concept: str) -> None:
    assert codes.known(system, code)
    found = LOOK.procedure(system, code)
    assert found is not None and found.id == concept


def test_there_are_enough_concepts_and_each_has_a_pattern_and_a_name() -> None:
    assert len(BASE.procedures) >= 90
    for record in BASE.procedures.values():
        assert record.patterns and record.name, record.id
        assert set(record.patterns) <= {"icd9proc", "icd10pcs", "cpt", "hcpcs"}, record.id


@pytest.mark.parametrize("system", ["icd9proc", "icd10pcs"])
def test_concepts_reach_over_the_whole_system(system: str) -> None:
    """Every chapter is covered, so coverage does not depend on one hospital's codes."""
    listed = codes.children(system, "")[::17]
    covered = [LOOK.procedure(system, code) is not None for code in listed]
    assert sum(covered) / len(covered) > 0.97


@pytest.mark.parametrize("system", ["icd9proc", "icd10pcs"])
def test_few_codes_are_claimed_by_two_concepts_alike(system: str) -> None:
    """Where two patterns match the same length, the order of files decides: keep it rare."""
    patterns = LOOK._patterns[system]
    listed = codes.children(system, "")[::7]
    torn = 0
    for code in listed:
        ends: dict[str, int] = {}
        for pattern, name in patterns:
            match = pattern.match(code)
            if match:
                ends[name] = max(ends.get(name, 0), match.end())
        torn += sum(end == max(ends.values()) for end in ends.values()) > 1
    assert torn / len(listed) < 0.001
