"""What the bench of taggers keeps: trained models and judged rows, so that a run can go on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from corpora import CORPORA, corpus_file
from protocol import log

from llmsyn.errors import InputError
from llmsyn.ner.encoder import Encoder
from llmsyn.ner.evaluating import evaluate
from llmsyn.ner.fetch import fetch
from llmsyn.ner.fitting import EncoderSettings
from llmsyn.ner.gazetteer import gazetteer
from llmsyn.ner.tagger import VOTE_WEIGHT, Tagger, open_tagger
from llmsyn.ner.training import Added, TrainSettings, as_policy, train
from llmsyn.notes.bank import read_bank
from llmsyn.notes.jsonl import read_notes
from llmsyn.notes.policies import read_policy
from llmsyn.notes.types import Note

Row = dict[str, Any]


class Bench:
    """Corpora, bank, settings, and a folder with what was trained and judged already.

    Parameters
    ----------
    corpora, work : folders.
    most : documents of each corpus, at most.
    """

    def __init__(self, corpora: Path, work: Path, threads: int | None, most: int | None,
                 seed: int) -> None:  # fmt: skip
        self.corpora, self.work, self.most, self.seed = corpora, work, most, seed
        self.encoding = EncoderSettings(threads=threads)
        self._same_settings({"most": most, "seed": seed})

    def _same_settings(self, settings: dict[str, Any]) -> None:
        file = self.work / "settings.json"
        if file.is_file():
            if json.loads(file.read_text(encoding="utf-8")) != settings:
                raise InputError(
                    "the folder holds models of other settings; choose another", file=file
                )
            return
        self.work.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(settings), encoding="utf-8")

    def bank(self, language: str, n: int | None = None) -> list[Note]:
        """Passages in random order, so that a smaller number is a part of a larger one."""
        bank = read_bank(language)
        order = np.random.default_rng(self.seed).permutation(len(bank))
        return [bank[int(i)].note() for i in order[:n]]

    def real(self, name: str, n: int, repeat: int = 1) -> Added:
        """The first documents of the training split."""
        policy = read_policy(CORPORA[name].policy)
        notes = list(read_notes(corpus_file(self.corpora, name, "train")))[:n]
        return Added(as_policy(notes, policy), policy, repeat)

    def model(self, key: str, language: str, notes: Sequence[Note], rounds: int,
              added: Sequence[Added] = (), **more: Any) -> Tagger:  # fmt: skip
        """A trained model: from the folder where it is there, else trained and kept."""
        folder = self.work / "models" / key
        if not (folder / "tagger.json").is_file():
            settings = TrainSettings(rounds=rounds, language=language, seed=self.seed,
                                     encoder=fetch(), encoding=self.encoding)  # fmt: skip
            started = time.process_time()
            made = train(notes, replace(settings, **more), added)
            minutes = round((time.process_time() - started) / 60, 1)
            made.save(folder, {"language": language, "rounds": rounds, "notes": len(notes),
                               "minutes": minutes})  # fmt: skip
            log.info("%s: %d notes, %d passes, %.1f min", key, len(notes), rounds, minutes)
        return open_tagger(str(folder))

    def voting(self, model: Tagger, language: str) -> Encoder:
        """The same encoder beside the gazetteer's votes."""
        assert isinstance(model, Encoder)
        return Encoder(model.body, model.head, model.reader.tokenizer,
                       votes=gazetteer(language), vote_weight=VOTE_WEIGHT)  # fmt: skip

    def minutes(self, key: str) -> float:
        """CPU minutes that a kept model took to train."""
        meta = json.loads((self.work / "models" / key / "tagger.json").read_text(encoding="utf-8"))
        return float(meta["minutes"])

    def judge(self, key: str, what: str, open_: Callable[[], Tagger], name: str,
              **columns: Any) -> list[Row]:  # fmt: skip
        """A row a label: strict and type F1 with the interval, and the record level.

        Parameters
        ----------
        key : names the tagger in the folder.
        open_ : opens or trains the tagger; called only where the rows are not there yet.
        columns : further ones, before the scores.
        """
        file = self.work / "rows" / f"{key}@{name}.json"
        if not file.is_file():
            rows = self._rows(open_(), name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(rows), encoding="utf-8")
            log.info("%s on %s: %s", key, name, {r["label"]: r["strict F1"] for r in rows})
        rows = json.loads(file.read_text(encoding="utf-8"))
        corpus = CORPORA[name]
        return [{"corpus": f"{name} {corpus.judged}", "trained on": what, **columns, **row}
                for row in rows]  # fmt: skip

    def _rows(self, tagger: Tagger, name: str) -> list[Row]:
        corpus = CORPORA[name]
        policy = read_policy(corpus.policy)
        notes = list(read_notes(corpus_file(self.corpora, name, corpus.judged)))[: self.most]
        report = evaluate(tagger, notes, policy)
        found = []
        for label in policy.labels:
            strict, record = report.spans["strict"][label], report.records[label]
            found.append({
                "label": label,
                "documents": len(notes),
                "strict F1": round(strict.f1, 3),
                "95% interval": f"{strict.low:.3f} to {strict.high:.3f}",
                "precision": round(strict.precision, 3),
                "recall": round(strict.recall, 3),
                "partial F1": round(report.spans["partial"][label].f1, 3),
                "type F1": round(report.spans["type"][label].f1, 3),
                "record F1": round(record.f1, 3),
                "record accuracy": round(record.accuracy, 3),
                "record recall": round(record.recall, 3),
            })  # fmt: skip
        return found
