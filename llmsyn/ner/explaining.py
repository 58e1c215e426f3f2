"""A language model explains error patterns and writes passages against them.

Examples of an error are shown to it only where the validation notes are synthetic; of real
ones it learns the pattern's name alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from llmsyn.egress.values import OwnText, SyntheticValue
from llmsyn.errors import InputError
from llmsyn.llm.prompts import template
from llmsyn.llm.rendering import render
from llmsyn.llm.requests import Failed, Model, ModelRequest, Prompt
from llmsyn.ner.errors_found import Pattern
from llmsyn.ner.refining import PER_PATTERN, Made, Maker
from llmsyn.notes.tagged import parse
from llmsyn.notes.types import Note
from llmsyn.notes.writing import guideline

_TOKENS = 3000
_SAID = {
    "missed": "mentions are not found",
    "spurious": "words that are no mention are taken for one",
    "borders": "a mention is found with the wrong beginning or end",
    "label": "a mention is found and called something else",
}


def request_of(pattern: Pattern, language: str, *, shown: bool, number: int) -> ModelRequest:
    """Word the request for one pattern.

    Parameters
    ----------
    shown : whether examples may be in it: the validation notes are synthetic.
    number : of the round, so that each round asks anew.
    """
    detail = f", {pattern.detail}" if pattern.detail else ""
    examples = [
        SyntheticValue(
            f"{slip.context} (right: {slip.gold or 'none'}; said: {slip.said or 'none'})"
        )
        for slip in (pattern.examples if shown else ())
    ]
    values = {
        "number": OwnText(PER_PATTERN),
        "language": OwnText(language),
        "guideline": guideline(),
        "pattern": OwnText(f"Label {pattern.label}{detail}: {_SAID[pattern.kind]}."),
        "examples": examples,
    }
    schema = {
        "type": "object",
        "properties": {
            "why": {"type": "string"},
            "passages": {"type": "array", "items": {"type": "string"}, "maxItems": PER_PATTERN},
        },
        "required": ["why", "passages"],
        "additionalProperties": False,
    }
    return ModelRequest(
        "notes/refine",
        Prompt.of(
            system=render(template("notes_system"), {}),
            user=render(template("notes_error"), values),
        ),
        schema,
        "passages",
        max_tokens=_TOKENS,
        temperature=1.0,
        seed=number,
    )


def model_maker(model: Model, language: str, *, dev: Sequence[Note]) -> Maker:
    """Make notes for patterns by a language model.

    Parameters
    ----------
    dev : the validation notes, whose origin decides whether examples may be shown.
    """
    shown = all(note.origin == "synthetic" for note in dev)

    def make(seen: Sequence[Pattern], number: int) -> Made:
        before = model.tally.cost.usd
        requests = [request_of(p, language, shown=shown, number=number) for p in seen]
        by_digest = {request.digest: request for request in requests}
        texts: dict[str, list[str]] = {}
        for answer in model.ask(list(by_digest.values())):
            if not isinstance(answer, Failed):
                texts[answer.request.digest] = list(answer.content["passages"])
        new = []
        for r, digest in enumerate(by_digest):  # in the order of the requests, not of replies
            for i, tagged in enumerate(texts.get(digest, ())):
                try:
                    text, spans = parse(tagged)
                except InputError:
                    continue  # broken tags: nothing is guessed
                name = f"refine-{number}-{r + 1}-{i + 1}"
                new.append(Note(name, text, spans, language=language, families=(name,)))
        return Made(tuple(new), model.tally.cost.usd - before)

    return make
