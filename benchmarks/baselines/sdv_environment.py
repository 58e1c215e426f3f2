"""An environment of its own for SDV, and running a synthesizer in it.

``python benchmarks/baselines/sdv_environment.py`` builds it once (``--ctgan`` with torch, which
is large), into the cache folder or the folder that LLMSYN_SDV names.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq

from llmsyn.egress.cache import default_folder
from llmsyn.errors import InputError, ServiceError

VARIABLE = "LLMSYN_SDV"
TIMEOUT_SECONDS = 7_200.0

# SDV names ctgan and deepecho, which bring torch, and works without them where they are not used.
BESIDE_SDV = (
    "boto3<2", "cloudpickle", "copulas>=0.12.1", "graphviz", "pandas<3", "platformdirs", "plotly",
    "pyarrow", "pyyaml", "rdt>=2", "sdmetrics>=0.32", "tqdm>=4.29",
)  # fmt: skip


def folder() -> Path:
    """Where the environment is, or would be."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else default_folder() / "sdv"


def python() -> Path:
    """The interpreter of the environment.

    Raises
    ------
    InputError : it was not built.
    """
    for place in ("bin/python", "Scripts/python.exe"):
        if (folder() / place).is_file():
            return folder() / place
    raise InputError(
        "SDV has no environment yet; run: python benchmarks/baselines/sdv_environment.py "
        "(with --ctgan for CTGAN)"
    )


def synthesize(method: str, rows: pa.Table, n: int, seed: int) -> pa.Table:
    """Fit a synthesizer of SDV to rows and sample from it.

    Parameters
    ----------
    method : ``copula`` or ``ctgan``.

    Raises
    ------
    InputError : the environment is absent.
    ServiceError : SDV failed; its last line is in the message.
    """
    interpreter = python()
    script = Path(__file__).with_name("sdv_run.py")
    with TemporaryDirectory(prefix="llmsyn-sdv-") as place:
        pq.write_table(rows, Path(place) / "rows.parquet")
        words = [str(interpreter), "-I", str(script), place, method, str(n), str(seed)]
        try:
            done = subprocess.run(
                words, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise ServiceError(
                f"SDV's {method} took longer than {TIMEOUT_SECONDS:.0f} s; give it fewer rows"
            ) from None
        made = Path(place) / "made.parquet"
        if done.returncode or not made.exists():
            last = (done.stderr or done.stdout).strip().splitlines()
            raise ServiceError(
                f"SDV's {method} failed ({last[-1] if last else 'no message'}); build its "
                "environment anew with python benchmarks/baselines/sdv_environment.py --ctgan"
            )
        return pq.read_table(made)


def build(*, ctgan: bool) -> None:
    """Make the environment."""
    steps = [
        [sys.executable, "-m", "venv", "--clear", str(folder())],
        [str(folder() / "bin" / "python"), "-m", "pip", "install", "--quiet", *BESIDE_SDV],
        [
            str(folder() / "bin" / "python"),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "sdv>=2,<3",
        ],
    ]
    if ctgan:
        steps.append([str(folder() / "bin" / "python"), "-m", "pip", "install", "--quiet", "ctgan"])
    for words in steps:
        start = time.perf_counter()
        if subprocess.run(words, check=False).returncode:
            raise SystemExit(f"error: {' '.join(words[1:4])} failed; see above")
        sys.stderr.write(f"{' '.join(words[2:4])}: {time.perf_counter() - start:.0f} s\n")


if __name__ == "__main__":
    build(ctgan="--ctgan" in sys.argv[1:])
