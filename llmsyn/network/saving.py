"""A network in one file: weights as npz, everything else as JSON inside it (never pickle)."""

from __future__ import annotations

import json
import zipfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from llmsyn.errors import InputError
from llmsyn.network.model import (
    CodeFactor,
    CodeList,
    Factor,
    LevelNode,
    LevelVariable,
    Network,
    Parent,
    SlotNode,
    Tilt,
)
from llmsyn.network.verification import Miss, Verification
from llmsyn.store import atomic

FORMAT = 2
_UNREADABLE = (
    OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, EOFError,
    zipfile.BadZipFile,
)  # fmt: skip
_KINDS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        CodeFactor,
        CodeList,
        Factor,
        LevelNode,
        LevelVariable,
        Miss,
        Network,
        Parent,
        SlotNode,
        Tilt,
        Verification,
    )
}


def save_network(network: Network, path: Path, verification: Verification | None = None) -> None:
    """Write a network, and how well it meets its cells where that is known; arrays bit for bit."""
    arrays: list[np.ndarray[Any, Any]] = []
    content = {
        "format": FORMAT,
        "network": _to_tree(network, arrays),
        "verification": _to_tree(verification, arrays),
    }
    text = json.dumps(content, ensure_ascii=False)
    packed = {f"a{i}": a for i, a in enumerate(arrays)}
    with atomic(path) as temporary, temporary.open("wb") as handle:
        np.savez(handle, tree=np.frombuffer(text.encode(), np.uint8), **packed)  # type: ignore[arg-type]


def load_network(path: Path) -> Network:
    """Read a network that :func:`save_network` wrote.

    Raises
    ------
    InputError : the file is not one, is damaged, or is of another format version.
    """
    return load_verified(path)[0]


def load_verified(path: Path) -> tuple[Network, Verification | None]:
    """Read a network with its verification; raises as :func:`load_network` does."""
    try:
        # Opened here: numpy leaves the handle of a damaged file open.
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as packed:
            tree = json.loads(packed["tree"].tobytes().decode())
            if tree["format"] != FORMAT:
                raise InputError(f"network format {tree['format']}, expected {FORMAT}", file=path)
            network = _from_tree(tree["network"], packed)
            verification = _from_tree(tree["verification"], packed)
    except _UNREADABLE as error:
        raise InputError(f"no readable network ({error}); delete it", file=path) from error
    if not isinstance(network, Network) or not isinstance(verification, Verification | None):
        raise InputError("no network; delete it", file=path)
    return network, verification


def _to_tree(value: Any, arrays: list[np.ndarray[Any, Any]]) -> Any:
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if type(value).__name__ in _KINDS:
        return {
            "kind": type(value).__name__,
            "fields": {f.name: _to_tree(getattr(value, f.name), arrays) for f in fields(value)},
        }
    if isinstance(value, (list, tuple)):
        return {
            "tuple" if isinstance(value, tuple) else "list": [_to_tree(v, arrays) for v in value]
        }
    return value


def _from_tree(tree: Any, packed: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    if "array" in tree:
        return packed[f"a{tree['array']}"]
    if "kind" in tree:
        return _KINDS[tree["kind"]](
            **{name: _from_tree(v, packed) for name, v in tree["fields"].items()}
        )
    if "tuple" in tree:
        return tuple(_from_tree(v, packed) for v in tree["tuple"])
    return [_from_tree(v, packed) for v in tree["list"]]
