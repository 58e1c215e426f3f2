"""Findings on what the profile says was done before its release."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from llmsyn.errors import ProfileError
from llmsyn.profile.crosscells import MOST
from llmsyn.profile.finding import Finding, error_at
from llmsyn.profile.mixing import refuse_mixing
from llmsyn.profile.places import DOCUMENT, Place, Source
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import CodeSet, FloatArray, Numeric


def release_findings(profile: Profile, source: Source) -> Iterator[Finding]:
    """Counts below the threshold that ``[disclosure]`` states, noise that it does not state.

    Parameters
    ----------
    profile : a threshold counts only where ``disclosure.method`` is ``suppression``.
    source : where its numbers stand.
    """
    try:
        refuse_mixing(profile)
    except ProfileError as error:
        document = DOCUMENT if source.keys else None
        yield error_at(Place(document, None, "disclosure.method"), error.problem)
    if profile.disclosure.method != "suppression" or profile.disclosure.threshold < 2:
        return
    for name, counts, half_width in _arrays(profile):
        small = (counts > half_width) & (counts + half_width < profile.disclosure.threshold)
        cells = np.argwhere(small)
        for cell in cells[:MOST]:
            index = tuple(int(k) for k in cell)
            yield error_at(
                source.entry(name, *index),
                f"count {counts[index]:g} is below the threshold of "
                f"{profile.disclosure.threshold} that the profile states; suppress it",
            )
        if len(cells) > MOST:
            where: Place = source.last(name)
            yield error_at(where, f"{len(cells) - MOST} more counts below the threshold")


def _arrays(profile: Profile) -> Iterator[tuple[str, FloatArray, float]]:
    for variable in profile.variables:
        counts = variable.counts
        if isinstance(variable, Numeric):
            counts = np.append(counts, variable.missing_count)
        yield variable.name, counts, variable.half_width
        if isinstance(variable, CodeSet):
            main = variable.main
            if main is not None and variable.main_unlisted is not None:
                main = np.append(main, variable.main_unlisted)
            for facet, array in (
                ("main", main),
                ("count", variable.listed),
                ("unlisted", variable.unlisted),
                ("total", variable.total),
            ):
                if array is not None:
                    yield f"{variable.name}.{facet}", array, variable.half_width
    for i, table in enumerate(profile.tables):
        yield (
            f"#{i}",
            np.triu(table.counts, 1) if table.is_pairs else table.counts,
            table.half_width,
        )
