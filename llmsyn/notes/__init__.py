"""Synthetic records into clinical notes whose entities are annotated by construction.

::

    prose bank (knowledge/prose) ──> passages ──┐
    cohort ──> record ──────────────────────────┴─> renderer ──> Note(text, spans)
                                                      formats: JSONL, CoNLL, tokens, brat, ...

Nothing here needs a language model; :mod:`llmsyn.notes.writing` and its siblings use one
where it is there.
"""
