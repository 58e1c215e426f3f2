"""Files that are whole or absent: atomic writes, hashes, and text for spreadsheets.

Every file goes to a temporary name in its own folder, is flushed to the disk, and is
renamed.  What a reader sees under the final name is complete.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from llmsyn.errors import InputError, OutputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path that becomes ``path`` when the block ends without error.

    Raises
    ------
    OutputError : the folder cannot be written to, or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        os.close(handle)
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror}; choose another folder"
        ) from error
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}; free some space or "
            "choose another folder"
        ) from error
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file, whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write JSON with sorted keys, so that equal content is equal bytes."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def write_folder(path: Path, fill: Callable[[Path], None], *, force: bool = False) -> None:
    """Fill a folder beside ``path`` and rename it there, so that it is whole or absent.

    Raises
    ------
    OutputError : ``path`` exists and ``force`` is false, or it cannot be written.
    """
    if path.exists() and not force:
        raise OutputError(f"{path} exists; choose another folder or pass --force")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part"))
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror}; choose another folder"
        ) from error
    try:
        fill(temporary)
        temporary.chmod(0o755)
        if path.exists():
            _remove(path)
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if temporary.exists():
            _remove(temporary)


def _remove(path: Path) -> None:
    import shutil

    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def read_at_most(file: Path, most: int, kind: type[InputError] = InputError) -> bytes:
    """The bytes of a file that is read whole, and so must have a limit.

    Raises
    ------
    InputError : of the given kind: the file is larger than ``most`` bytes.
    OSError : it cannot be read.
    """
    with file.open("rb") as handle:
        data = handle.read(most + 1)
    if len(data) > most:
        raise kind(
            f"the file has more than {most >> 20} MB, which is the limit; split it or leave "
            "things out",
            file=file,
        )
    return data


def parse_toml(text: str) -> dict[str, Any]:
    """``tomllib.loads``, with one error for whatever a file may hold.

    Raises
    ------
    tomllib.TOMLDecodeError : it is no TOML, is nested beyond reason, or has a number of
        thousands of digits.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError:
        raise tomllib.TOMLDecodeError("nested too deeply") from None
    except ValueError as error:
        raise tomllib.TOMLDecodeError(str(error)) from None


def sha256_file(path: Path) -> str:
    """Hash of a file's bytes, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def sha256_folder(path: Path) -> str:
    """Hash over names and bytes of all files below a folder, hidden files left out."""
    digest = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        name = file.relative_to(path).as_posix()
        if any(part.startswith(".") for part in name.split("/")):
            continue
        digest.update(f"{name}\0{sha256_file(file)}\n".encode())
    return digest.hexdigest()


def spreadsheet_safe(text: str) -> str:
    """A cell text that no spreadsheet runs as a formula: such texts get a leading quote mark.

    Examples
    --------
    >>> spreadsheet_safe("=1+1"), spreadsheet_safe("E11.9")
    ("'=1+1", 'E11.9')
    """
    # Texts that look like an already marked one are marked again, so that raw() undoes it.
    return "'" + text if text.lstrip("'").startswith(_FORMULA_STARTS) else text


def spreadsheet_raw(text: str) -> str:
    """Undo :func:`spreadsheet_safe`.

    Examples
    --------
    >>> spreadsheet_raw("'=1+1")
    '=1+1'
    """
    marked = text.startswith("'") and text.lstrip("'").startswith(_FORMULA_STARTS)
    return text[1:] if marked else text
