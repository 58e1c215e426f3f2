"""Coverage-guided fuzzing of every parser with atheris, for a bounded time each.

\b
    pip install atheris
    python benchmarks/fuzz.py --seconds 60

The parsers and what they must survive are those of ``tests/parser_targets.py``, whose inputs
are hypothesis's; here libFuzzer makes them from the same seeds, led by the branches they reach.
A finding is an exception that is not ours, an input that takes more than 20 s, or more than
2 GB of memory; its input is left in ``out/fuzz``.
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from protocol import json_option, log, run_script
from result_files import HERE, show, write_result

from llmsyn.errors import MissingExtra

FOUND = Path("out/fuzz")
MOST_MB, MOST_SECONDS, MOST_BYTES = 2_048, 20, 20_000
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


def targets() -> dict[str, Callable[[Path], Target]]:
    """Parser -> its target, given a folder to work in."""
    import parser_targets as known
    from export_toys import toy_cohort
    from knowledge_toys import TOY

    from llmsyn.cohort.parts import read_manifest, synthetic_parts
    from llmsyn.knowledge.loading import load_base
    from llmsyn.knowledge.stated import read_stated
    from llmsyn.llm.completion import read_completion
    from llmsyn.llm.results import read_results

    def knowledge(work: Path) -> Target:
        for name, text in TOY.items():
            (work / "base" / name).parent.mkdir(parents=True, exist_ok=True)
            (work / "base" / name).write_text(text, "utf-8")
        return in_copy(
            work / "base", sorted(TOY), work, lambda f: load_base([f], with_shipped=False)
        )

    def cohort(file: str, verify: bool) -> Callable[[Path], Target]:
        def made(work: Path) -> Target:
            folder = toy_cohort(work / "c", n=9, parts=2)
            return in_copy(folder, [file], work, lambda f: [
                read_manifest(f), *synthetic_parts(f, verify=verify)])  # fmt: skip

        return made

    def results(file: Path) -> object:
        return read_results(file.parent)

    packed = [gzip.compress(known.RESULTS, mtime=0)]
    return {
        "profile TOML": lambda w: in_copy(
            known.PROFILE, ["profile.toml"], w, known.read_and_check),
        "profile CSV": lambda w: in_copy(known.PROFILE, known.SHEETS, w, known.read_and_check),
        "mapping": lambda w: in_copy(known.HOSPITAL, ["mapping.toml"], w, known.read_batches),
        "hospital tables": lambda w: in_copy(known.HOSPITAL, known.TABLES, w, known.read_batches),
        "knowledge": knowledge,
        "stated associations": lambda w: in_file(
            "associations.csv", [known.STATED], w, lambda f: read_stated(f.parent)),
        "prose": lambda w: in_file("bank.jsonl", known.PROSE, w, known.read_prose),
        "notes": lambda w: in_file("notes.jsonl", [known.NOTES], w, known.read_notes),
        "model replies": lambda w: Target(known.read_reply, [known.REPLY.encode()]),
        "completions": lambda w: Target(read_completion, [known.COMPLETION]),
        "batch results": lambda w: in_file("r.jsonl", [known.RESULTS], w, results),
        "batch results, gzip": lambda w: in_file("r.jsonl.gz", packed, w, results),
        "cohort manifest": cohort("manifest.json", True),
        "cohort part": cohort("drugs/part-00001.parquet", False),
        "vocabulary": lambda w: in_file(
            "CONCEPT.csv", [known.CONCEPT], w, known.read_concepts),
    }  # fmt: skip


def fuzz_one(name: str, seconds: int, work: Path) -> None:
    """Fuzz one parser in this process, which ends with it."""
    try:
        import atheris
    except ImportError as error:
        raise MissingExtra("atheris", extra="dev") from error
    sys.path.insert(0, str(HERE.parent / "tests"))
    with atheris.instrument_imports(include=["llmsyn", "tomllib", "csv"]):
        target = targets()[name](work)
    from parser_targets import TOKENS, survives

    corpus, words = work / "corpus", work / "words"
    corpus.mkdir()
    for i, seed in enumerate(target.seeds):
        (corpus / str(i)).write_bytes(seed)
    escaped = ["".join(f"\\x{b:02X}" for b in t) for t in TOKENS if len(t) <= LONGEST_WORD]
    words.write_text("".join(f'"{word}"\n' for word in escaped), "utf-8")
    FOUND.mkdir(parents=True, exist_ok=True)
    options = {
        "max_total_time": seconds, "rss_limit_mb": MOST_MB, "timeout": MOST_SECONDS,
        "max_len": max(MOST_BYTES, *map(len, target.seeds)), "dict": words, "seed": 1,
        "print_final_stats": 1, "artifact_prefix": f"{FOUND}/{name.replace(' ', '-')}-",
    }  # fmt: skip
    atheris.Setup(
        [sys.argv[0], str(corpus), *(f"-{k}={v}" for k, v in options.items())],
        lambda data: survives(lambda: target.read(data)),
    )
    atheris.Fuzz()


def row(name: str, seconds: int) -> dict[str, Any]:
    """Fuzz a parser in a process of its own: one line of the table."""
    with TemporaryDirectory(prefix="llmsyn-fuzz-") as work:
        words = [sys.executable, __file__, "--seconds", str(seconds), "--only", name, work]
        done = subprocess.run(words, capture_output=True, check=False)
    said = (done.stdout + done.stderr).decode("utf-8", "replace")
    numbers = {k: int(v) for k, v in re.findall(r"stat::(\w+):\s+(\d+)", said)}
    reached = re.findall(r"cov: (\d+)", said)
    if "number_of_executed_units" not in numbers:
        log.warning("%s: %s", name, said[-3000:])
    found = done.returncode != 0
    if found:
        log.warning("%s: %s", name, said[-3000:])
    return {
        "parser": name,
        "seconds": seconds,
        "inputs": numbers.get("number_of_executed_units", 0),
        "branches reached": int(reached[-1]) if reached else 0,
        "peak MB": numbers.get("peak_rss_mb", 0),
        "findings": int(found),
    }


@click.command(help=__doc__)
@click.option("--seconds", default=60, show_default=True, help="For each parser.")
@click.option("--parser", "chosen", multiple=True, help="This one; can be repeated.")
@click.option("--only", nargs=2, hidden=True)
@json_option
def main(
    seconds: int, chosen: tuple[str, ...], only: tuple[str, str] | None, as_json: bool
) -> None:
    if only is not None:
        fuzz_one(only[0], seconds, Path(only[1]))
        return
    sys.path.insert(0, str(HERE.parent / "tests"))
    rows = []
    for name in chosen or targets():
        log.info("%s", name)
        rows.append(row(name, seconds))
        log.info("%s", json.dumps(rows[-1]))
    result = write_result(
        "fuzz", "Fuzzing of every parser with atheris (libFuzzer)", rows,
        notes=[
            f"A finding: an exception that is not ours, more than {MOST_SECONDS} s or more than "
            f"{MOST_MB:,} MB for an input; inputs have at most {MOST_BYTES:,} bytes.",
            "Peak MB is that of the whole process, Python and libraries included.",
        ],
        seconds=seconds,
    )  # fmt: skip
    show(result, as_json=as_json)
    if any(r["findings"] for r in rows):
        raise SystemExit(4)


if __name__ == "__main__":
    run_script(main)
