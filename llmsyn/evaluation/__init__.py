"""Evaluation: synthetic units beside the real ones that made them, and real ones that did not."""
