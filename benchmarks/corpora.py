"""The annotated corpora that notes and taggers are compared with; none of them is shipped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from llmsyn.errors import InputError


@dataclass(frozen=True)
class Corpus:
    """Folder, splits, language and label policy of a corpus; ``judged`` is the split for scores."""

    folder: str
    splits: tuple[str, ...]
    language: str
    policy: str
    judged: str


CORPORA = {
    "maccrobat": Corpus("maccrobat2020", ("train", "dev", "test"), "en", "maccrobat", "test"),
    "ncbi": Corpus("ncbi_disease", ("train", "dev", "test"), "en", "ncbi", "test"),
    "cantemist": Corpus("cantemist", ("train", "dev"), "es", "cantemist", "dev"),
}

corpora_dir_option = click.option(
    "--corpora-dir",
    required=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder with maccrobat2020, ncbi_disease and cantemist (JSON Lines, gzipped).",
)


def corpus_file(folder: Path, name: str, split: str) -> Path:
    """File of a split.

    Raises
    ------
    InputError : it is not there.
    """
    file = folder / CORPORA[name].folder / f"{split}.jsonl.gz"
    if not file.is_file():
        raise InputError("the corpus is not there; put it into the corpora folder", file=file)
    return file
