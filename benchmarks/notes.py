r"""Notes: time, memory, span errors, variety, and what the text shares with real corpora.

\b
    python benchmarks/notes.py --corpora-dir DIR [-n 100000] [--language en]

The cohort is drawn from a shipped profile first; its time is not counted.  Notes are rendered
in a process of their own, so that time and memory are the renderer's.
"""

from __future__ import annotations

import hashlib
import resource
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
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

OTHER_SHARE = 10
"""A tenth of the English notes in each other language."""

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
    counts = {"notes": 0, "words": 0, "prose": 0}
    written = hashlib.sha256()

    def counted(notes: Iterator[Note]) -> Iterator[Note]:
        for note in notes:
            counts["notes"] += 1
            counts["words"] += note.text.count(" ") + note.text.count("\n") + 1
            counts["prose"] += bool(note.families)
            written.update(surfaces(note))
            yield note

    started, clock = time.process_time(), time.perf_counter()
    write_notes(out, counted(islice(renderer.notes(records(cohort, renderer.names)), n)))
    cpu, wall = time.process_time() - started, time.perf_counter() - clock
    peak = peak_mb()
    n_spans, errors, same = checked(out, written.hexdigest())
    return {
        "language": language,
        "notes": counts["notes"],
        "words a note": round(counts["words"] / max(1, counts["notes"])),
        "spans": n_spans,
        "span errors": errors,
        "file holds what was rendered": same,
        "with prose of the bank": round(counts["prose"] / max(1, counts["notes"]), 3),
        "CPU s": round(cpu, 1),
        "wall s": round(wall, 1),
        "notes a minute of a core": round(60 * counts["notes"] / cpu),
        "peak MB": round(peak),
    }


def peak_mb() -> float:
    """Most memory of this process; where /proc does not say it, ``maxrss``, which in a child
    begins at the size of its parent."""
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def surfaces(note: Note) -> bytes:
    """What a note's spans say, for a digest."""
    said = [f"{s.start} {s.end} {s.label} {s.code} {note.surface(s)}" for s in note.spans]
    return "\n".join((note.note_id, *said, "")).encode()


def checked(file: Path, digest: str) -> tuple[int, int, bool]:
    """Spans in a file, faulty ones, and whether all are those that were rendered.

    Faulty: empty, or outside of the text, or with space at an edge, or an edge within a word.
    """
    n_spans = errors = 0
    read = hashlib.sha256()
    for note in read_notes(file):
        read.update(surfaces(note))
        text = f" {note.text} "
        for span in note.spans:
            surface = note.text[span.start : span.end]
            n_spans += 1
            errors += (
                len(surface) != span.end - span.start
                or not surface
                or surface != surface.strip()
                or within_word(text[span.start], surface[0])
                or within_word(surface[-1], text[span.end + 1])
            )
    return n_spans, errors, read.hexdigest() == digest


def within_word(before: str, after: str) -> bool:
    """Whether a word or a number goes on from one sign to the next ("x72 h" are two)."""
    return (before.isalpha() and after.isalpha()) or (before.isdigit() and after.isdigit())


@click.command(help=__doc__)
@corpora_dir_option
@work_dir_option
@click.option("-n", "--notes", "n", type=int, default=100_000, show_default=True)
@click.option("--profile", default="mimic4-demo", show_default=True)
@click.option("--language", "languages", multiple=True, type=click.Choice(list(LANGUAGES)),
              default=tuple(LANGUAGES), show_default=True)  # fmt: skip
@json_option
def main(corpora_dir: Path, work_dir: Path | None, n: int, profile: str,
         languages: tuple[str, ...], as_json: bool) -> None:  # fmt: skip
    rows: list[dict[str, Any]] = []
    compared: list[dict[str, Any]] = []
    shared: list[str] = []
    with TemporaryDirectory(dir=work_dir, prefix="llmsyn-notes-") as temporary:
        cohort = Path(temporary) / "cohort"
        generate(read_profile(find_profile(profile)), n, seed=1, out=cohort)
        for language in languages:
            names = LANGUAGES[language]
            out = Path(temporary) / f"{language}.jsonl"
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
                most = n if language == "en" else n // OTHER_SHARE
                rows.append(alone.submit(rendered, language, cohort, most, out).result())
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
