r"""Notes: time, memory, span errors, variety, and what the text shares with real corpora.

\b
    python benchmarks/notes.py --corpora-dir DIR [-n 100000]

The cohort is drawn from a shipped profile first; its time is not counted.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from corpora import CORPORA, corpora_dir_option, corpus_file
from protocol import json_option, log, run_script, work_dir_option
from result_files import show, write_result

from llmsyn.generation import generate
from llmsyn.notes.bank import read_bank
from llmsyn.notes.jsonl import read_notes, write_notes
from llmsyn.notes.overlap import distinct_share, overlap, self_bleu
from llmsyn.notes.patients import records
from llmsyn.notes.rendering import NoteSettings, Renderer
from llmsyn.notes.types import Note
from llmsyn.profile.reading import find_profile, read_profile

SAMPLE_WORDS = 20_000
"""Words of each collection whose variety is compared: distinct-n falls with length."""

LANGUAGES = {"en": ("maccrobat", "ncbi"), "es": ("cantemist",), "et": ()}


def sample(notes: Iterable[Note], words: int = SAMPLE_WORDS) -> list[str]:
    """The first notes that hold so many words, the last one cut there."""
    found: list[str] = []
    left = words
    for note in notes:
        parts = note.text.split()
        found.append(" ".join(parts[:left]))
        left -= len(parts)
        if left <= 0:
            break
    return found


def variety(name: str, texts: list[str]) -> dict[str, Any]:
    return {
        "text": name,
        "documents": len(texts),
        **{f"distinct-{n}": round(distinct_share(texts, n), 3) for n in (1, 2, 3)},
        "self-BLEU-4": round(self_bleu(texts), 3),
    }


def rendered(language: str, cohort: Path, n: int, out: Path) -> dict[str, Any]:
    """Render and write; every span of every note is read back and checked."""
    renderer = Renderer(NoteSettings(language=language, seed=1))
    _ = renderer.prose, renderer.names
    counts = {"spans": 0, "errors": 0, "words": 0, "prose": 0, "notes": 0}

    def counted(notes: Iterator[Note]) -> Iterator[Note]:
        for note in notes:
            counts["notes"] += 1
            counts["words"] += len(note.text.split())
            counts["prose"] += bool(note.families)
            yield note

    started, clock = time.process_time(), time.perf_counter()
    write_notes(out, counted(islice(renderer.notes(records(cohort, renderer.names)), n)))
    cpu, wall = time.process_time() - started, time.perf_counter() - clock
    for note in read_notes(out):
        for span in note.spans:
            surface = note.text[span.start : span.end]
            counts["spans"] += 1
            counts["errors"] += not surface or surface != surface.strip()
    return {
        "language": language,
        "notes": counts["notes"],
        "spans": counts["spans"],
        "span errors": counts["errors"],
        "with prose of the bank": round(counts["prose"] / max(1, counts["notes"]), 3),
        "CPU s": round(cpu, 1),
        "wall s": round(wall, 1),
        "notes a minute": round(60 * counts["notes"] / cpu),
        "peak MB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


@click.command(help=__doc__)
@corpora_dir_option
@work_dir_option
@click.option("-n", "--notes", "n", type=int, default=100_000, show_default=True)
@click.option("--profile", default="mimic4-demo", show_default=True)
@json_option
def main(corpora_dir: Path, work_dir: Path | None, n: int, profile: str, as_json: bool) -> None:
    rows: list[dict[str, Any]] = []
    compared: list[dict[str, Any]] = []
    shared: list[str] = []
    with TemporaryDirectory(dir=work_dir, prefix="llmsyn-notes-") as temporary:
        cohort = Path(temporary) / "cohort"
        generate(read_profile(find_profile(profile)), n, seed=1, out=cohort)
        for language, names in LANGUAGES.items():
            out = Path(temporary) / f"{language}.jsonl"
            rows.append(rendered(language, cohort, n, out))
            log.info("%s", rows[-1])
            bank = [passage.note() for passage in read_bank(language)]
            collections = {f"notes, {language}": sample(read_notes(out)),
                           f"bank, {language}": sample(bank)}  # fmt: skip
            for name in names:
                real = list(read_notes(corpus_file(corpora_dir, name, "train")))
                collections[f"{name} (real)"] = sample(real)
                for what, texts in (("bank", [b.text for b in bank]),
                                    ("10,000 notes", [x.text for x in islice(read_notes(out), 10_000)])):  # fmt: skip
                    every = (
                        note.text for split in CORPORA[name].splits
                        for note in read_notes(corpus_file(corpora_dir, name, split))
                    )  # fmt: skip
                    found = overlap(texts, every)
                    shared.append(
                        f"{what} ({language}) and {name}: {len(found.shared)} of "
                        f"{found.n_sequences:,} eight-word sequences shared ({found.share:.5%})."
                    )
            compared += [variety(name, texts) for name, texts in collections.items()]
    write_result(
        "notes-variety", "Notes and bank beside real text: variety, shared sequences", compared,
        notes=[*shared, f"Variety over the first {SAMPLE_WORDS:,} words of each."], n=n, seed=1,
    )  # fmt: skip
    result = write_result("notes", "Notes: speed and spans", rows, n=n, profile=profile, seed=1)
    show(result, as_json=as_json)


if __name__ == "__main__":
    run_script(main)
