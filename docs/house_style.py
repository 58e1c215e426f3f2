"""Docstrings of this house, for mkdocstrings: after a parameter's name stands what it is.

numpy's convention has the type there; ours never repeats the annotation, so what the parser takes
for a type is the beginning of the description.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:mod|func|class|data|meth|attr|exc):(?=`)")
_KINDS = {
    griffe.DocstringSectionKind.parameters,
    griffe.DocstringSectionKind.attributes,
    griffe.DocstringSectionKind.returns,
}


class HouseStyle(griffe.Extension):
    """Put the two halves of each description together."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Mend the sections of one docstring, once."""
        if obj.docstring is None:
            return
        for section in obj.docstring.parsed:
            if section.kind is griffe.DocstringSectionKind.text:
                section.value = _ROLE.sub("", section.value)
            if section.kind is griffe.DocstringSectionKind.raises:
                for item in section.value:
                    names, _, said = str(item.annotation).partition(" : ")
                    item.annotation = names
                    item.description = _ROLE.sub("", f"{said} {item.description}".strip())
            if section.kind not in _KINDS:
                continue
            for item in section.value:
                said = "" if item.annotation is None else str(item.annotation)
                item.description = _ROLE.sub("", f"{said} {item.description}".strip())
                item.annotation = None
