"""Fuzz one parser with atheris, in a process that ends with it; ``fuzz.py`` starts it.

    python benchmarks/fuzz_one.py PARSER SECONDS WORK

Nothing of llmsyn is imported before atheris can watch it, so this is a script of its own.
"""

from __future__ import annotations

import gzip
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import atheris
from fuzz_limits import FOUND, MOST_BYTES, MOST_MB, MOST_SECONDS

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

with atheris.instrument_imports(include=["llmsyn", "tomllib", "csv"]):
    import parser_targets as known
    from export_toys import toy_cohort
    from knowledge_toys import TOY

    from llmsyn.cohort.parts import read_manifest, synthetic_parts
    from llmsyn.knowledge.loading import load_base
    from llmsyn.knowledge.stated import read_stated
    from llmsyn.llm.completion import read_completion
    from llmsyn.llm.results import read_results

LONGEST_WORD = 60
"""libFuzzer takes no longer words in its dictionary."""


@dataclass(frozen=True)
class Target:
    """What reads some bytes, and bytes that it reads well."""

    read: Callable[[bytes], object]
    seeds: list[bytes]


def in_copy(folder: Path, names: list[str], work: Path, read: Callable[[Path], object]) -> Target:
    """One file of a folder is replaced: the first byte says which."""
    copy = Path(shutil.copytree(folder, work / "copy"))
    whole = {name: (copy / name).read_bytes() for name in names}

    def replaced(data: bytes) -> object:
        name = names[data[0] % len(names) if data else 0]
        (copy / name).write_bytes(data[1:])
        try:
            return read(copy)
        finally:
            (copy / name).write_bytes(whole[name])

    return Target(replaced, [bytes([i]) + whole[name] for i, name in enumerate(names)])


def in_file(name: str, seeds: list[bytes], work: Path, read: Callable[[Path], object]) -> Target:
    """A file of its own."""

    def written(data: bytes) -> object:
        (work / name).write_bytes(data)
        return read(work / name)

    return Target(written, seeds)


def knowledge(work: Path) -> Target:
    """A small base, one file of which is replaced."""
    for name, text in TOY.items():
        (work / "base" / name).parent.mkdir(parents=True, exist_ok=True)
        (work / "base" / name).write_text(text, "utf-8")
    return in_copy(work / "base", sorted(TOY), work, lambda f: load_base([f], with_shipped=False))


def cohort(file: str, verify: bool) -> Callable[[Path], Target]:
    """A small cohort, one file of which is replaced."""

    def made(work: Path) -> Target:
        folder = toy_cohort(work / "c", n=9, parts=2)
        return in_copy(folder, [file], work, lambda f: [
            read_manifest(f), *synthetic_parts(f, verify=verify)])  # fmt: skip

    return made


def results(file: Path) -> object:
    """Replies of a batch, in the folder of a file."""
    return read_results(file.parent)


PACKED = [gzip.compress(known.RESULTS, mtime=0)]
TARGETS: dict[str, Callable[[Path], Target]] = {
    "profile TOML": lambda w: in_copy(known.PROFILE, ["profile.toml"], w, known.read_and_check),
    "profile CSV": lambda w: in_copy(known.PROFILE, known.SHEETS, w, known.read_and_check),
    "mapping": lambda w: in_copy(known.HOSPITAL, ["mapping.toml"], w, known.read_batches),
    "hospital tables": lambda w: in_copy(known.HOSPITAL, known.TABLES, w, known.read_batches),
    "knowledge": knowledge,
    "stated associations": lambda w: in_file(
        "associations.csv", [known.STATED], w, lambda f: read_stated(f.parent)
    ),
    "prose": lambda w: in_file("bank.jsonl", known.PROSE, w, known.read_prose),
    "notes": lambda w: in_file("notes.jsonl", [known.NOTES], w, known.read_notes),
    "notes, own form": lambda w: in_file("n.jsonl", known.OWN_NOTES, w, known.read_own_notes),
    "model replies": lambda w: Target(known.read_reply, [known.REPLY.encode()]),
    "completions": lambda w: Target(read_completion, [known.COMPLETION]),
    "batch results": lambda w: in_file("r.jsonl", [known.RESULTS], w, results),
    "batch results, gzip": lambda w: in_file("r.jsonl.gz", PACKED, w, results),
    "cohort manifest": cohort("manifest.json", True),
    "cohort part": cohort("drugs/part-00001.parquet", False),
    "vocabulary": lambda w: in_file("CONCEPT.csv", [known.CONCEPT], w, known.read_concepts),
}


def fuzz_one(name: str, seconds: int, work: Path) -> None:
    """Fuzz one parser in this process, which ends with it."""
    target = TARGETS[name](work)
    corpus, words = work / "corpus", work / "words"
    corpus.mkdir()
    for i, seed in enumerate(target.seeds):
        (corpus / str(i)).write_bytes(seed)
    escaped = ["".join(f"\\x{b:02X}" for b in t) for t in known.TOKENS if len(t) <= LONGEST_WORD]
    words.write_text("".join(f'"{word}"\n' for word in escaped), "utf-8")
    FOUND.mkdir(parents=True, exist_ok=True)
    options = {
        "max_total_time": seconds, "rss_limit_mb": MOST_MB, "timeout": MOST_SECONDS,
        "max_len": max(MOST_BYTES, *map(len, target.seeds)), "dict": words, "seed": 1,
        "print_final_stats": 1, "artifact_prefix": f"{FOUND}/{name.replace(' ', '-')}-",
    }  # fmt: skip
    atheris.Setup(
        [sys.argv[0], str(corpus), *(f"-{k}={v}" for k, v in options.items())],
        lambda data: known.survives(lambda: target.read(data)),
    )
    atheris.Fuzz()


if __name__ == "__main__":
    fuzz_one(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
