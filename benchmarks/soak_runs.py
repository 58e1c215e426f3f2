"""What ``soak.py`` runs: commands, their undisturbed results, and one row of the table."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from soak_models import MODEL, report_numbers

from llmsyn.errors import InputError

ROOT = Path(__file__).resolve().parent.parent
PROFILE = ROOT / "tests" / "data" / "toy"
N, N_EXPORTED, N_EVALUATED, N_ENGINES = 160_000, 51_000, 200, 500_000
"""Units: four parts of the toy profile to draw, two to export, ten for engines."""

PATIENCE_SECONDS = 300
FINISHED = ("finished cohort", "holds an export", "exists; choose another folder")
"""What a command says that finds its work done."""

_TIMES = ("run.json",)


@dataclass
class Tally:
    """One row of the table."""

    fault: str
    command: str
    tried: int = 0
    lost: int = 0
    corrupted: int = 0
    wrong: int = 0
    notes: list[str] = field(default_factory=list)

    def row(self) -> dict[str, object]:
        """As the table has it."""
        return {k: getattr(self, k) for k in ("fault", "command", "tried", "lost", "corrupted",
                                              "wrong")}  # fmt: skip


@dataclass(frozen=True)
class Bench:
    """A folder to work in, with undisturbed cohorts and the environment of all runs.

    Attributes
    ----------
    model_url : the server of a scripted model, for ``elicit``.
    known : command -> what it makes, and its seconds.
    """

    work: Path
    model_url: str = ""
    known: dict[str, tuple[object, float]] = field(default_factory=dict)

    @property
    def cohort(self) -> Path:
        """The undisturbed cohort."""
        return self.work / "cohort"

    def command(self, name: str, out: Path) -> list[str]:
        """The words of one command."""
        python = [sys.executable, "-m", "llmsyn"]
        if name == "check":
            return [*python, "check", str(self.cohort), str(PROFILE), "--json"]
        if name == "elicit":
            return [*python, "elicit", str(PROFILE), "-o", str(out), "--llm-url", self.model_url,
                    "--model", MODEL, "--cache", str(self.kept(out)), "--givens", "2",
                    "--connections", "2", "--quiet"]  # fmt: skip
        if name == "evaluate":
            made, members, holdout = (str(self.small(seed)) for seed in (1, 2, 3))
            return [*python, "evaluate", made, "--members", members, "--holdout", holdout, "--quick",
                    "--task", "died", "--no-privacy", "--force", "--quiet", "-o", str(out)]  # fmt: skip
        if name.startswith("generate"):
            return [*python, *self._generate(name, out), "--quiet"]
        more = ["--engine", "sqlite"] if name == "duckdb" else []
        return [*python, "export", name, str(self.cohort), "-o", str(out), "--quiet", *more]

    def _generate(self, name: str, out: Path) -> list[str]:
        n, more = N, ["--workers", "1"]
        if name == "generate2":
            more = ["--workers", "2"]
        elif name.startswith("generate "):  # on an engine, or for comparison with one
            n, engine = N_ENGINES, name.partition(" ")[2]
            more = [] if engine == "alone" else ["--workers", "2", "--engine", engine]
        return ["generate", str(PROFILE), "-n", str(n), "--seed", "1", "-o", str(out), *more]

    def small(self, seed: int) -> Path:
        """A cohort to evaluate; drawn when it is first asked for."""
        out = self.work / f"small-{seed}"
        if not out.exists():
            self.draw(N_EVALUATED, seed, out)
        return out

    def draw(self, n: int, seed: int, out: Path) -> None:
        """Draw a cohort in this process."""
        from llmsyn.generation import generate

        with patch.dict(os.environ, {"LLMSYN_CACHE": str(self.work / "cache")}):
            generate(str(PROFILE), n, seed=seed, out=out)

    @staticmethod
    def kept(out: Path) -> Path:
        """Where ``elicit`` keeps the replies of a run, and goes on from."""
        return out.with_name(f"{out.name}-replies")

    def start(
        self, words: Sequence[str], *, before: Callable[[], None] | None = None,
        extra: Sequence[Path] = (),
    ) -> subprocess.Popen[str]:  # fmt: skip
        """Start a command in a process group of its own."""
        paths = [*map(str, extra), str(ROOT), os.environ.get("PYTHONPATH", "")]
        environment = {
            **os.environ, "LLMSYN_CACHE": str(self.work / "cache"), "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join(p for p in paths if p), "OPENAI_API_KEY": "none",
        }  # fmt: skip

        def alone() -> None:
            os.setpgrp()  # so that it is killed with its workers
            if before is not None:
                before()

        return subprocess.Popen(
            words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=alone,  # noqa: PLW1509 (it takes no lock)
        )  # fmt: skip

    def run(self, words: Sequence[str], **how: object) -> tuple[int, str]:
        """Run a command to its end: exit code, and what it printed."""
        process = self.start(words, **how)  # type: ignore[arg-type]
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        return process.returncode, out + err

    def must(self, words: Sequence[str]) -> str:
        """Run a command that nothing disturbs.

        Raises
        ------
        InputError : it failed.
        """
        code, said = self.run(words)
        if code and not ("check" in words and code == 4):
            raise InputError(f"the undisturbed {words[3]} failed: {said}")
        return said

    def made(self, name: str, out: Path, said: str) -> object:
        """What has to be equal: files, or what was printed, without times."""
        if name == "check":
            return said
        return report_numbers(out / "report.json") if name == "evaluate" else content(out)

    def undisturbed(self, name: str) -> tuple[object, float]:
        """What a command makes, and the seconds that it takes; run once."""
        if name not in self.known:
            out = self.fresh("reference")
            words = self.command(name, out)
            begun = time.perf_counter()
            said = self.must(words)
            self.known[name] = self.made(name, out, said), time.perf_counter() - begun
        return self.known[name]

    def fresh(self, name: str) -> Path:
        """A place in which nothing stands."""
        out = self.work / name
        for left in (out, self.kept(out)):
            shutil.rmtree(left, ignore_errors=True)
        return out


def content(folder: Path) -> dict[str, bytes]:
    """Name -> bytes of what must be equal; hidden files count, files of times do not."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*")) if p.is_file() and p.name not in _TIMES
    }  # fmt: skip


def prepare(work: Path, model_url: str = "") -> Bench:
    """Make the undisturbed cohort; the network is calibrated here, once."""
    bench = Bench(work, model_url)
    if not bench.cohort.exists():
        bench.draw(N_EXPORTED, 1, bench.cohort)
    return bench
