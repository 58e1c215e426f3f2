"""A cohort in an object store, through fsspec: ``s3://``, ``gs://``, ``az://`` and others.

Credentials and endpoints come from fsspec's own settings and environment variables
(``FSSPEC_S3_ENDPOINT_URL``, ``AWS_ACCESS_KEY_ID`` and the like): none passes through here.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from llmsyn.errors import MissingExtra, OutputError
from llmsyn.generation.folder import DONE, MANIFEST, STATE
from llmsyn.generation.places import NETWORK, Files, Run
from llmsyn.network.model import Network
from llmsyn.network.saving import load_network, save_network
from llmsyn.profile.types import Profile
from llmsyn.profile.writing import write_profile
from llmsyn.store import sha256_folder

_EXTRAS = {
    "s3": "s3",
    "s3a": "s3",
    "gs": "gs",
    "gcs": "gs",
    "az": "az",
    "abfs": "az",
    "abfss": "az",
}


class ObjectPlace:
    """A prefix of an object store: one put per part, the manifest last."""

    def __init__(self, url: str) -> None:
        self.name = url.rstrip("/")
        try:
            from fsspec.core import url_to_fs
        except ImportError as error:
            scheme = url.partition(":")[0]
            if scheme not in _EXTRAS:
                raise OutputError(
                    f"cannot write to {url}: nothing is known of {scheme}://; name a folder, or a "
                    "URL such as s3://bucket/name"
                ) from error
            raise MissingExtra("fsspec", extra=_EXTRAS[scheme]) from error
        try:
            self._fs, root = url_to_fs(self.name)
        except ImportError as error:
            scheme = url.partition(":")[0]
            raise MissingExtra(
                f"the library for {scheme}://", extra=_EXTRAS.get(scheme, "s3")
            ) from error
        except ValueError as error:
            raise OutputError(
                f"cannot write to {url}: {error}; name a folder, or a URL such as s3://bucket/name"
            ) from error
        self._root = root.rstrip("/")

    @contextmanager
    def claimed(self, run: Run, *, force: bool) -> Iterator[None]:
        """Hold the place for one run; see :class:`Place`."""
        wanted = json.loads(json.dumps(dict(run)))  # as it reads back
        state, manifest = self._read(STATE), self._read(MANIFEST)
        finished = (
            isinstance(manifest, dict) and {"origin", "parts", "unit_table"} <= manifest.keys()
        )
        ours = finished or (isinstance(state, dict) and "llmsyn" in state)
        if not ours and self._names():
            raise OutputError(f"{self.name} exists and is no cohort of ours; choose another place")
        if finished or (state is not None and state != wanted):
            if not force:
                what = "holds a finished cohort" if finished else "holds a run with other settings"
                raise OutputError(f"{self.name} {what}; choose another place or pass --force")
            # The manifest goes first: without it nothing here is taken for a cohort.
            self._remove(MANIFEST)
            with self._ours():
                self._fs.rm(self._root, recursive=True)
        self._begin(wanted)
        yield
        self._remove(STATE)
        for name in self._names(DONE):
            self._remove(f"{DONE}/{name}")

    def _begin(self, run: Any) -> None:
        """Write the state unless another run just did; then it must be the same one."""
        text = json.dumps(run, sort_keys=True).encode()
        with self._ours(), suppress(FileExistsError):
            self._fs.pipe_file(self._path(STATE), text, mode="create")
        if self._read(STATE) != run:
            raise OutputError(
                f"a run with other settings began in {self.name} just now; choose another place"
            )

    @contextmanager
    def part(self, file: str) -> Iterator[Path]:
        """Write one file, whole or not at all."""
        handle, name = tempfile.mkstemp(prefix="llmsyn-", suffix=".part")
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            with self._ours():
                self._fs.put_file(str(temporary), self._path(file))
        except OSError as error:
            raise _cannot(self.name, error) from error
        finally:
            temporary.unlink(missing_ok=True)

    def mark_done(self, chunk: int, files: Files) -> None:
        """Remember that every file of a chunk is written."""
        self.write_json(f"{DONE}/{chunk:05d}.json", {k: dict(v) for k, v in files.items()})

    def finished(self) -> dict[int, dict[str, dict[str, Any]]]:
        """Chunks that are written."""
        found = {}
        for name in self._names(DONE):
            files = self._read(f"{DONE}/{name}")
            number = name.removesuffix(".json")
            if isinstance(files, dict) and number.isdigit():
                found[int(number)] = files
        return found

    def write_profile(self, profile: Profile) -> str:
        """Copy the profile in."""
        with tempfile.TemporaryDirectory() as work:
            folder = Path(work) / "profile"
            write_profile(profile, folder)
            for file in sorted(p for p in folder.rglob("*") if p.is_file()):
                with self._ours():
                    self._fs.put_file(
                        str(file), self._path(f"profile/{file.relative_to(folder).as_posix()}")
                    )
            return sha256_folder(folder)

    def write_text(self, file: str, text: str) -> None:
        """Write a text file, whole or not at all."""
        with self._ours():
            self._fs.pipe_file(self._path(file), text.encode())

    def write_json(self, file: str, value: Any) -> None:
        """Write JSON with sorted keys."""
        text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
        self.write_text(file, text + "\n")

    @contextmanager
    def shared(self, network: Network) -> Iterator[None]:
        """Lay the network where workers find it."""
        with self.part(NETWORK) as temporary:
            save_network(network, temporary)
        try:
            yield
        finally:
            self._remove(NETWORK)

    def network(self) -> Network:
        """Read what :meth:`shared` laid there."""
        with tempfile.TemporaryDirectory() as work:
            file = Path(work) / "network.npz"
            with self._ours():
                self._fs.get_file(self._path(NETWORK), str(file))
            return load_network(file)

    def _path(self, file: str) -> str:
        return f"{self._root}/{file}"

    def _read(self, file: str) -> Any:
        """Content of a JSON object; None when there is none, or it is no JSON."""
        with self._ours():
            try:
                return json.loads(self._fs.cat_file(self._path(file)))
            except (FileNotFoundError, ValueError):
                return None

    def _names(self, below: str = "") -> list[str]:
        """Names right below the prefix, from the store and not from fsspec's memory of it."""
        with self._ours():
            self._fs.invalidate_cache()
            try:
                paths = self._fs.ls(f"{self._root}/{below}".rstrip("/"), detail=False)
            except FileNotFoundError:
                return []
        return sorted(p.rstrip("/").rpartition("/")[2] for p in paths)

    def _remove(self, file: str) -> None:
        with self._ours(), suppress(FileNotFoundError):
            self._fs.rm_file(self._path(file))

    @contextmanager
    def _ours(self) -> Iterator[None]:
        """Whatever the store's library raises, as an error of ours."""
        try:
            yield
        except (FileNotFoundError, FileExistsError):
            raise
        except _store_errors() as error:
            raise _cannot(self.name, error) from error


def _cannot(place: str, error: Exception) -> OutputError:
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return OutputError(
        f"cannot write to {place}: {' '.join(str(said).split())}; check the address, the "
        "credentials and what they allow"
    )


def _store_errors() -> tuple[type[Exception], ...]:
    """What the stores' libraries raise."""
    found: list[type[Exception]] = [OSError]
    with suppress(ImportError):
        from botocore.exceptions import BotoCoreError, ClientError

        found += [BotoCoreError, ClientError]
    return tuple(found)
