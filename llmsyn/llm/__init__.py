"""The language model: typed prompts go in, replies that fit their schema come out.

::

    ModelRequest ──> Model.ask ──> ModelReply | Failed
                       │
                       ├── client   any OpenAI-compatible server (openai package)
                       ├── local    a llama.cpp server that is started and stopped for the run
                       ├── batch    a folder: requests are written, results are read
                       └── replay   kept replies; sends nothing

Whatever answers, the layers above see the same thing.  What leaves goes through
:mod:`llmsyn.egress`.  Names are loaded on first use, so that ``import llmsyn.llm`` is light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmsyn.llm.opening import open_model
    from llmsyn.llm.rendering import render
    from llmsyn.llm.requests import (
        Failed,
        Model,
        ModelOptions,
        ModelReply,
        ModelRequest,
        Prompt,
        Tally,
        Usage,
    )

_PLACES = {
    "Failed": "requests",
    "Model": "requests",
    "ModelOptions": "requests",
    "ModelReply": "requests",
    "ModelRequest": "requests",
    "Prompt": "requests",
    "Tally": "requests",
    "Usage": "requests",
    "open_model": "opening",
    "render": "rendering",
}

__all__ = [
    "Failed",
    "Model",
    "ModelOptions",
    "ModelReply",
    "ModelRequest",
    "Prompt",
    "Tally",
    "Usage",
    "open_model",
    "render",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
