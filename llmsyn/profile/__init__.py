"""Profiles: types, files, findings, differences.  No patient-level row ever comes here."""
