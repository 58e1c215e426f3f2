"""An output folder that is whole, resumable, and used by one run at a time.

While a run goes on the folder holds ``.run.json`` (what the run is) and ``.done/`` (one
small file per finished part).  The manifest is written last: with it the cohort is whole,
without it the same command goes on where it stopped.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llmsyn.errors import OutputError
from llmsyn.store import sha256_file, write_json

STATE = ".run.json"
DONE = ".done"
LOCK = ".lock"
MANIFEST = "manifest.json"


@contextmanager
def claimed(folder: Path, run: Mapping[str, Any], *, force: bool) -> Iterator[None]:
    """Hold a folder for one run; resume what the same run left, refuse anything else.

    Raises
    ------
    OutputError : the folder holds something else, a finished cohort (without ``force``), or
        another run is at work in it.
    """
    _refuse_other(folder, run, force)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("w")
    except OSError as error:
        raise OutputError(
            f"cannot write to {folder}: {error.strerror}; choose another folder"
        ) from error
    with lock:
        _lock(lock, folder)
        # Another run may have begun, or ended, since the first look.
        try:
            _refuse_other(folder, run, force=False)
        except OutputError:
            (folder / LOCK).unlink(missing_ok=True)
            raise
        _sweep(folder)
        write_json(folder / STATE, dict(run))
        try:
            yield
        finally:
            _sweep(folder)
        (folder / STATE).unlink(missing_ok=True)
        shutil.rmtree(folder / DONE, ignore_errors=True)
    (folder / LOCK).unlink(missing_ok=True)


def _refuse_other(folder: Path, run: Mapping[str, Any], force: bool) -> None:
    if folder.is_file():
        raise OutputError(f"{folder} is a file; choose a folder")
    if not folder.exists() or not any(_counts(p) for p in folder.iterdir()):
        return
    finished, state = _is_ours(folder), _read(folder / STATE)
    if not finished and not (isinstance(state, dict) and "llmsyn" in state):
        raise OutputError(f"{folder} exists and is no cohort of ours; choose another folder")
    if state == dict(run) and not finished:
        return
    if not force:
        if finished:
            _tidy(folder)
        what = "holds a finished cohort" if finished else "holds a run with other settings"
        raise OutputError(f"{folder} {what}; choose another folder or pass --force")
    _take_lock_then_clear(folder)


def _tidy(folder: Path) -> None:
    """Remove what a run left that was killed after its manifest, unless one is at work."""
    if not any((folder / name).exists() for name in (STATE, DONE, LOCK)):
        return
    try:
        with (folder / LOCK).open("w") as lock:
            _lock(lock, folder)
            _sweep(folder)
            (folder / STATE).unlink(missing_ok=True)
            shutil.rmtree(folder / DONE, ignore_errors=True)
        (folder / LOCK).unlink(missing_ok=True)
    except (OSError, OutputError):
        return  # another run, or a place that is read only: the cohort is whole anyway


def _counts(path: Path) -> bool:
    """Whether a file stands for something: locks and what is being written do not."""
    return path.name != LOCK and not (path.name.startswith(".") and path.suffix == ".part")


def _is_ours(folder: Path) -> bool:
    """Whether a finished cohort stands there (other programs have a manifest.json too)."""
    manifest = _read(folder / MANIFEST)
    return isinstance(manifest, dict) and {"origin", "parts", "unit_table"} <= manifest.keys()


def _take_lock_then_clear(folder: Path) -> None:
    with (folder / LOCK).open("w") as lock:
        _lock(lock, folder)
        for path in folder.iterdir():
            if path.name == LOCK:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _lock(handle: Any, folder: Path) -> None:
    try:
        import fcntl
    except ImportError:  # no such lock on this system: parts are still atomic
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise OutputError(f"another run is writing to {folder}; wait for it to end") from error


def _sweep(folder: Path) -> None:
    """Remove temporary files that a killed run left."""
    for path in list(folder.rglob(".*.part")):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def mark_done(folder: Path, chunk: int, files: Mapping[str, Mapping[str, Any]]) -> None:
    """Remember that every file of a chunk is written."""
    write_json(folder / DONE / f"{chunk:05d}.json", {k: dict(v) for k, v in files.items()})


def finished_chunks(folder: Path) -> dict[int, dict[str, dict[str, Any]]]:
    """Chunks that an earlier, cut run finished: their files with rows and sha256.

    A chunk whose file is missing, cut short or changed since is not finished: it is drawn again.
    """
    found: dict[int, dict[str, dict[str, Any]]] = {}
    for path in sorted((folder / DONE).glob("[0-9]*.json")):
        files = _read(path)
        if isinstance(files, dict) and all(_whole(folder / n, f) for n, f in files.items()):
            found[int(path.stem)] = files
    return found


def _whole(path: Path, written: Any) -> bool:
    try:
        return bool(sha256_file(path) == written["sha256"])
    except (OSError, KeyError, TypeError):
        return False
