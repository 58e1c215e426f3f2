"""Concepts of the OMOP vocabularies that need no download."""

GENDERS = {"female": 8532, "male": 8507, "unknown": 0, "other": 0}
INPATIENT_VISIT = 9201
STANDARD_ALGORITHM = 32880  # type concept: an algorithm made the row
UTF_8, ENGLISH = 32678, 4180186
CDM_5_4 = 756265
