"""Attacks on a synthetic set and on a release, one a file; each with its own controls."""
