"""Where a cohort is written: a local folder, or a prefix of an object store.

Both are whole or not there: parts appear complete under their names, and the manifest is
written last.  A local folder belongs to one run at a time (a lock).  Object stores have no
locks, so a prefix belongs to one *set of settings*: runs with equal settings may share the
work, since equal settings make equal bytes, and others are refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from llmsyn.generation.folder import claimed, finished_chunks, mark_done
from llmsyn.network.model import Network
from llmsyn.network.saving import load_network, save_network
from llmsyn.profile.types import Profile
from llmsyn.profile.writing import write_profile
from llmsyn.store import atomic, sha256_folder, write_json, write_text

NETWORK = ".network.part"
_EXTRAS = {
    "s3": "s3",
    "s3a": "s3",
    "gs": "gs",
    "gcs": "gs",
    "az": "az",
    "abfs": "az",
    "abfss": "az",
}

Run = Mapping[str, Any]
Files = Mapping[str, Mapping[str, Any]]


class Place(Protocol):
    """What the pipeline asks of a place."""

    name: str

    @contextmanager
    def claimed(self, run: Run, *, force: bool) -> Iterator[None]:
        """Hold the place for one run; resume what the same run left, refuse anything else."""

    @contextmanager
    def part(self, file: str) -> Iterator[Path]:
        """A local file to write, which becomes ``file`` when the block ends without error."""

    def mark_done(self, chunk: int, files: Files) -> None:
        """Remember that every file of a chunk is written."""

    def finished(self) -> dict[int, dict[str, dict[str, Any]]]:
        """Chunks that are written: their files with rows and sha256."""

    def write_profile(self, profile: Profile) -> str:
        """Copy the profile in; the hash of its folder."""

    def write_text(self, file: str, text: str) -> None:
        """Write a text file, whole or not at all."""

    def write_json(self, file: str, value: Any) -> None:
        """Write JSON with sorted keys."""

    @contextmanager
    def shared(self, network: Network) -> Iterator[None]:
        """Lay the network where workers find it, while the block runs."""

    def network(self) -> Network:
        """Read what :meth:`shared` laid there."""


def is_url(out: str | Path) -> bool:
    """Whether this names an object store rather than a folder."""
    return "://" in str(out)


def place_of(out: str | Path) -> Place:
    """The place that a path or a URL names.

    Raises
    ------
    OutputError : nothing is known of this kind of URL.
    MissingExtra : the library for it is not installed.
    """
    if is_url(out):
        from llmsyn.generation.objects import ObjectPlace

        return ObjectPlace(str(out))
    return LocalPlace(Path(out))


class LocalPlace:
    """A folder; see :mod:`llmsyn.generation.folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, str(folder)

    @contextmanager
    def claimed(self, run: Run, *, force: bool) -> Iterator[None]:
        """Hold the place for one run; see :class:`Place`."""
        with claimed(self.folder, run, force=force):
            yield

    @contextmanager
    def part(self, file: str) -> Iterator[Path]:
        """Write one file, whole or not at all."""
        with atomic(self.folder / file) as temporary:
            yield temporary

    def mark_done(self, chunk: int, files: Files) -> None:
        """Remember that every file of a chunk is written."""
        mark_done(self.folder, chunk, files)

    def finished(self) -> dict[int, dict[str, dict[str, Any]]]:
        """Chunks that are written."""
        return finished_chunks(self.folder)

    def write_profile(self, profile: Profile) -> str:
        """Copy the profile in."""
        if not (self.folder / "profile").exists():
            write_profile(profile, self.folder / "profile")
        return sha256_folder(self.folder / "profile")

    def write_text(self, file: str, text: str) -> None:
        """Write a text file, whole or not at all."""
        write_text(self.folder / file, text)

    def write_json(self, file: str, value: Any) -> None:
        """Write JSON with sorted keys."""
        write_json(self.folder / file, value)

    @contextmanager
    def shared(self, network: Network) -> Iterator[None]:
        """Lay the network where workers find it."""
        save_network(network, self.folder / NETWORK)
        try:
            yield
        finally:
            (self.folder / NETWORK).unlink(missing_ok=True)

    def network(self) -> Network:
        """Read what :meth:`shared` laid there."""
        return load_network(self.folder / NETWORK)
