"""A synthetic cohort in the formats of the field: OMOP, FHIR, MEDS, CSV, one database file.

``dates`` says when things happened, ``chart`` lays one part out as people with visits and
dated codes, and each format writes charts one after the other: memory holds one part.
Everything is marked as synthetic, and real tables are never exported.
"""
