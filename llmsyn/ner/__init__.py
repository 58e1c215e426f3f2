"""Named entity recognition that is trained on synthetic notes and judged on any corpus.

Three taggers say the same thing, ``tag(texts, policy) -> spans``: a gazetteer from the
knowledge base, spaCy (extra ``ner``), and a token classifier on a small encoder (extra
``ner``).  Scores come with intervals over documents.
"""
