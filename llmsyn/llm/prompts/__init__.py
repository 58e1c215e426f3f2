"""The prompt templates: one text file a task, laid into a frame of LLMSYN's five parts.

A frame (``elicit_frame``, ``dictate_frame``, ``review_frame``) has the parts ``[Task]``,
``[Examples]``, ``[Description]``, ``[Retrieval]`` and ``[Steps]`` (Hao et al. 2024, section
3).  What differs from stage to stage is the task, a file of its own.  Everything that comes
from a profile or from the knowledge base stands between ``<<<`` and ``>>>``, one line a
value with a leading ``|``, so that no text can end its fence.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal, TypeAlias

from llmsyn.errors import InputError

Ablation: TypeAlias = Literal["base", "prior", "full"]
"""``base``: the template and the lists; ``prior``: and the profile's numbers; ``full``: and
retrieved knowledge."""

ABLATIONS: tuple[Ablation, ...] = ("base", "prior", "full")

_HERE = Path(__file__).resolve().parent


@cache
def template(name: str, task: str = "") -> str:
    """The Jinja text of a template, with its task in place.

    Raises
    ------
    InputError : there is no template of that name.

    Examples
    --------
    >>> template("system").splitlines()[0]
    'You are a clinician who knows how hospitals code their patients.'
    """
    text = _read(name)
    return text.replace("@task@", _read(task).strip()) if task else text


def _read(name: str) -> str:
    file = _HERE / f"{name}.txt"
    if not file.is_file():
        names = ", ".join(sorted(path.stem for path in _HERE.glob("*.txt")))
        raise InputError(f"there is no prompt template {name!r}; there are {names}")
    return file.read_text(encoding="utf-8")
