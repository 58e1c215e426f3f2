"""PySynthea (package tietai-synthea): how many patients a minute, and how many codes.

It simulates patients from scratch and takes no profile, so it is compared by speed and by the
number of different codes alone, in an environment of its own (LLMSYN_PYSYNTHEA names its
folder):

    python benchmarks/baselines/pysynthea.py -n 50
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from llmsyn.egress.cache import default_folder
from llmsyn.errors import InputError, LlmsynError, ServiceError

VARIABLE = "LLMSYN_PYSYNTHEA"
_CODE = re.compile(r'"code"\s*:\s*"([^"]+)"')


@dataclass(frozen=True)
class Speed:
    """What one run took.

    Attributes
    ----------
    n : patients asked for; files written may be more, since it lets people die and replaces them.
    seconds : wall time, start of the interpreter included.
    codes : different codes in what it wrote.
    """

    n: int
    seconds: float
    codes: int

    @property
    def per_minute(self) -> float:
        """Patients a minute."""
        return 60 * self.n / self.seconds


def program() -> Path:
    """Its command.

    Raises
    ------
    InputError : the environment is absent.
    """
    named = os.environ.get(VARIABLE)
    folder = Path(named) if named else default_folder() / "pysynthea"
    found = folder / "bin" / "synthea"
    if not found.is_file():
        raise InputError(
            f"PySynthea has no environment yet; run: {sys.executable} -m venv {folder} && "
            f"{folder / 'bin' / 'pip'} install tietai-synthea"
        )
    return found


def measure(n: int, seed: int) -> Speed:
    """Let it make patients.

    Raises
    ------
    ServiceError : it failed.
    """
    command = program()
    with TemporaryDirectory(prefix="llmsyn-synthea-") as folder:
        start = time.perf_counter()
        done = subprocess.run(
            [str(command), "-p", str(n), "-s", str(seed)], cwd=folder, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        seconds = time.perf_counter() - start
        files = [file for file in Path(folder).rglob("*.json") if file.is_file()]
        if done.returncode or not files:
            last = (done.stderr or done.stdout).strip().splitlines()
            raise ServiceError(
                f"PySynthea wrote nothing ({last[-1] if last else 'no message'}); try its command "
                "by hand"
            )
        codes = {code for file in files for code in _CODE.findall(file.read_text("utf-8"))}
    return Speed(n, seconds, len(codes))


@click.command(help=__doc__)
@click.option("-n", "n", type=click.IntRange(1), default=50, show_default=True, help="Patients.")
@click.option("--seed", type=int, default=1, show_default=True)
def main(n: int, seed: int) -> None:
    found = measure(n, seed)
    said = {"patients": found.n, "seconds": round(found.seconds, 1),
            "patients a minute": round(found.per_minute, 1), "codes": found.codes}  # fmt: skip
    click.echo(json.dumps(said))


if __name__ == "__main__":
    try:
        main()
    except LlmsynError as error:
        click.echo(f"error: {error}", err=True)
        raise SystemExit(error.exit_code) from None
