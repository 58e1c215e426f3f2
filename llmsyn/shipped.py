"""Where the data that ships with the package lies.

``stats/`` and ``knowledge/`` are top-level folders of the checkout.  In a wheel they are
the data packages ``llmsyn._data.stats`` and ``llmsyn._data.knowledge``.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def shipped(folder: str) -> Path:
    """Return the shipped data folder of that name.

    Parameters
    ----------
    folder : ``"stats"`` or ``"knowledge"``.

    Returns
    -------
    The first that exists of ``<package>/_data/<folder>`` and ``<checkout>/<folder>``.

    Raises
    ------
    FileNotFoundError : the installation is broken: neither exists.

    Examples
    --------
    >>> shipped("stats").name
    'stats'
    """
    for place in (_PACKAGE / "_data" / folder, _PACKAGE.parent / folder):
        if place.is_dir():
            return place
    raise FileNotFoundError(f"the installation lacks its data folder {folder!r}; reinstall llmsyn")
