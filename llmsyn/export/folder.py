"""An export folder that is whole or absent, written by one run at a time.

Files go into a hidden folder beside the final one, which is renamed at the end.  What a
killed run left is removed by the next one; equal input gives equal bytes, so that next run
ends where the killed one would have.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llmsyn.errors import OutputError

ABOUT = "export.json"


@contextmanager
def whole_folder(path: Path, *, force: bool) -> Iterator[Path]:
    """Yield a folder to fill; it becomes ``path`` when the block ends without an error.

    Parameters
    ----------
    force : replace a folder that an export of ours made (anything else is refused).

    Raises
    ------
    OutputError : something stands there, another run writes there, or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = (path.parent / f".{path.name}.lock").open("w")
    except OSError as error:
        raise _cannot(path, error) from error
    with lock:
        _take(lock, path)
        try:
            _refuse(path, force)
            with _swept(path) as temporary:
                yield temporary
                temporary.chmod(0o755)
                _flush(temporary)
                if path.exists():
                    old = temporary.with_name(temporary.name.replace(".part", ".old.part"))
                    path.rename(old)
                    temporary.rename(path)
                    _remove(old)
                else:
                    temporary.rename(path)
        except OSError as error:
            raise _cannot(path, error) from error
        finally:
            Path(lock.name).unlink(missing_ok=True)


@contextmanager
def _swept(path: Path) -> Iterator[Path]:
    """A temporary folder beside ``path``; what killed runs left there is removed."""
    for stale in path.parent.glob(f".{path.name}.*.part"):
        _remove(stale)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part"))
    try:
        yield temporary
    finally:
        if temporary.exists():
            _remove(temporary)


def _cannot(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"cannot write {path}: {error.strerror or error}; free some space or choose another folder"
    )


def _refuse(path: Path, force: bool) -> None:
    if not path.exists():
        return
    if path.is_dir() and not any(path.iterdir()):
        return
    if not path.is_dir() or not (path / ABOUT).is_file():
        raise OutputError(f"{path} exists and is no export of ours; choose another folder")
    if not force:
        raise OutputError(f"{path} holds an export; choose another folder or pass --force")


def _take(handle: Any, path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # no such lock on this system: the folder is still whole or absent
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise OutputError(f"another run is writing to {path}; wait for it to end") from error


def _flush(folder: Path) -> None:
    """Bring every file to the disk before the rename says that they are there."""
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb") as handle:
                os.fsync(handle.fileno())


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
