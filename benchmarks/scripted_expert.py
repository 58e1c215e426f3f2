"""A scripted expert: a test double in place of a language model, of known quality.

It is no model.  It knows a truth (the class of every pair) and spoils it: of the pairs that
have an association, each is called on its right side with probability ``q`` and on the other
side else; of the pairs that have none, so many are named wrongly that at ``q`` = 0.5 there
are half as many of them as of true ones.  So ``q`` = 1 is the truth and 0.5 is guessing.

The same pair gets the same answer however often, and from whichever side, it is asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from llmsyn.elicitation.questions import Question
from llmsyn.elicitation.scale import Rated, word_of
from llmsyn.llm.requests import Failed, ModelReply, ModelRequest, Progress, Tally, Usage
from llmsyn.profile.terms import Term

Truth = Mapping[frozenset[Term], Rated]
_OTHER_SIDE: dict[Rated, Rated] = {3: -2, 2: -2, 1: -1, -1: 1, -2: 2, "excludes": 2}


class ScriptedExpert:
    """Answers the requests of a plan; the double's place is that of a ``Model``.

    Parameters
    ----------
    questions : digest of a request -> its question.
    truth : class of pairs; pairs that are not in it have no association.
    q : probability of the right side, 0.5 to 1.
    fails : requests that get no reply, by digest.
    """

    def __init__(
        self,
        questions: Mapping[str, Question],
        truth: Truth,
        q: float = 1.0,
        *,
        seed: int = 0,
        fails: Callable[[str], bool] = lambda digest: False,
    ) -> None:
        self.questions, self.truth, self.q, self.seed, self.fails = (
            questions, truth, q, seed, fails
        )  # fmt: skip
        self.asked: list[ModelRequest] = []
        pairs = {
            frozenset((g.term, c.term))
            for question in questions.values()
            for g in question.givens
            for c in question.candidates
            if g.beside(c)
        }
        n_true = sum(1 for pair in pairs if truth.get(pair, 0) != 0)
        self.false_alarms = (1 - q) * n_true / max(len(pairs) - n_true, 1)

    @property
    def name(self) -> str:
        """Says that it is a double."""
        return f"scripted-expert-q{self.q:g}"

    @property
    def tally(self) -> Tally:
        """It costs nothing."""
        failed = sum(self.fails(request.digest) for request in self.asked)
        n = len(self.asked)
        return Tally(asked=n, answered=n - failed, failed=failed)

    def ask(
        self, requests: Sequence[ModelRequest], progress: Progress | None = None
    ) -> Iterator[ModelReply | Failed]:
        """Answer every request of the plan."""
        for done, request in enumerate(requests, start=1):
            self.asked.append(request)
            if self.fails(request.digest):
                yield Failed(request, "scripted to fail")
            else:
                content = self.content(self.questions[request.digest])
                yield ModelReply(request, content, Usage(), self.name, "replay")
            if progress is not None:
                progress(done, len(requests))

    def content(self, question: Question) -> dict[str, Any]:
        """The reply to a question, as its schema wants it."""
        answers = []
        for given in question.givens:
            named: dict[str, list[str]] = {}
            rated = [
                (self.opinion(given.term, c.term), c.key)
                for c in question.candidates
                if given.beside(c)
            ]
            strong = sorted((r for r in rated if r[0] != 0), key=lambda r: -_size(r[0]))
            for effect, key in strong[: question.most]:
                named.setdefault(word_of(effect), []).append(key)
            ratings = [{"class": word, "then": keys} for word, keys in named.items()]
            answers.append({"given": given.key, "ratings": ratings})
        return {"answers": answers}

    def opinion(self, a: Term, b: Term) -> Rated:
        """What the expert says of a pair: the truth, or spoilt."""
        pair = frozenset((a, b))
        true = self.truth.get(pair, 0)
        luck, side = self._luck(pair)
        if true != 0:
            return true if luck < self.q else _OTHER_SIDE[true]
        if luck < self.false_alarms:
            return 1 if side < 0.5 else -1
        return 0

    def _luck(self, pair: frozenset[Term]) -> tuple[float, float]:
        """Two uniforms that belong to the pair."""
        text = "|".join(sorted(map(str, pair))) + f"|{self.seed}"
        digest = hashlib.sha256(text.encode()).digest()
        return tuple(int.from_bytes(digest[i : i + 8], "big") / 2**64 for i in (0, 8))  # type: ignore[return-value]


def _size(effect: Rated) -> float:
    return 2.5 if effect == "excludes" else abs(float(effect))
