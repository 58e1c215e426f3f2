"""From a profile to a folder of synthetic patients.

``pipeline`` is the job in ten lines, ``chunks`` draws and writes one part, ``quotas`` makes
whole-number margins, ``folder`` keeps an output folder whole and resumable, ``card`` writes
the data card.
"""

from llmsyn.generation.pipeline import Result, generate

__all__ = ["Result", "generate"]
