"""What a baseline is: fit to a profile, then sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from llmsyn.evaluation.samples import Sample
from llmsyn.profile.types import Profile


class Fitted(Protocol):
    """A fitted baseline."""

    def sample(self, n: int, seed: int) -> Sample:
        """``n`` units; the same for the same seed."""
        ...


FromProfile = Callable[[Profile], Fitted]
FromRows = Callable[[Profile, Sample], Fitted]


@dataclass(frozen=True, eq=False)
class Drawn:
    """A baseline that is a function of a profile, a size and random numbers."""

    draw: Callable[[int, np.random.Generator], Sample]

    def sample(self, n: int, seed: int) -> Sample:
        """See :class:`Fitted`."""
        return self.draw(n, np.random.default_rng(seed))
