"""An environment of its own for anonymeter, which pins an older numpy and pyarrow.

``python -m llmsyn.evaluation.attacks.anonymeter_environment`` builds it once, into the cache folder or into LLMSYN_ANONYMETER, with the package client of
the interpreter.  Nothing is built unless this is run.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from llmsyn.egress.cache import default_folder
from llmsyn.errors import InputError, MissingExtra, ServiceError

VARIABLE = "LLMSYN_ANONYMETER"
"""Environment variable: the folder of the environment, where it is not in the cache."""

REQUIREMENT = "anonymeter>=1.0,<2"
_NEWEST = (3, 12)
"""anonymeter's numpy (below 1.27) has no builds beyond Python 3.12."""


def folder() -> Path:
    """Where the environment is, or would be."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else default_folder() / "anonymeter"


def python() -> Path:
    """The interpreter of the environment.

    Raises
    ------
    MissingExtra : it was not built.
    """
    for place in ("bin/python", "Scripts/python.exe"):
        if (folder() / place).is_file():
            return folder() / place
    raise NoAnonymeter


class NoAnonymeter(MissingExtra):
    """The environment is absent."""

    def __init__(self) -> None:
        # Not the parent's: this is no extra, but an environment of its own.
        Exception.__init__(
            self,
            "anonymeter has no environment yet; run: python -m "
            "llmsyn.evaluation.attacks.anonymeter_environment",
        )


def build(interpreter: str | None = None) -> Path:
    """Make the environment and install anonymeter into it.

    Parameters
    ----------
    interpreter : Python 3.9 to 3.12; this one, or the newest such one on the path, where None.

    Returns
    -------
    Its interpreter.

    Raises
    ------
    InputError : no interpreter fits, or it cannot make environments.
    ServiceError : the packages could not be installed.
    """
    chosen = interpreter or _fitting()
    _run([chosen, "-m", "venv", "--clear", str(folder())], InputError,
         f"{chosen} cannot make an environment in {folder()}")  # fmt: skip
    made = python()
    _run([str(made), "-m", "pip", "install", "--quiet", REQUIREMENT], ServiceError,
         f"{REQUIREMENT} could not be installed")  # fmt: skip
    return made


def _fitting() -> str:
    if sys.version_info[:2] <= _NEWEST:
        return sys.executable
    for minor in range(_NEWEST[1], 8, -1):
        name = f"python3.{minor}"
        try:
            if subprocess.run([name, "-c", ""], check=False, capture_output=True).returncode == 0:
                return name
        except OSError:
            continue
    raise InputError(
        "anonymeter wants Python 3.9 to 3.12 and none is on the path; install one, and build again"
    )


def _run(words: list[str], kind: type[InputError] | type[ServiceError], problem: str) -> None:
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()
        raise kind(f"{problem} ({last[-1] if last else 'no message'}); correct that, and try again")


if __name__ == "__main__":
    sys.stdout.write(f"{build()}\n")
