"""Files of replies: what a batch gives back, what was written by hand, what was kept."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llmsyn.errors import InputError, ServiceError
from llmsyn.llm.completion import Completion, Turn, read_completion, write_completion
from llmsyn.llm.requests import Usage
from llmsyn.store import write_text

MAX_BYTES = 512 << 20
"""A file of results is read whole; so it has a limit, unpacked."""

REQUESTS = "requests-"
"""How the names of request files start; every other ``.jsonl`` file holds results."""


@dataclass(frozen=True)
class Results:
    """What lies in a folder.

    Attributes
    ----------
    completions : chat completions as JSON, by ``custom_id``.
    errors : messages of lines that failed, by ``custom_id``, one a line.
    unreadable : places of lines that are no result, ``file, row 3: why``.
    """

    completions: Mapping[str, bytes] = field(default_factory=dict)
    errors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unreadable: tuple[str, ...] = ()


def read_results(place: Path) -> Results:
    """Read every result file of a folder, or one file, whatever order its lines have.

    A line is one of

    * what the Batch API writes: ``{"custom_id", "response": {"status_code", "body"}, "error"}``;
    * the easy form: ``{"custom_id", "content"}``, where ``content`` is the reply as a JSON
      object or as text; ``model`` and ``usage`` may stand beside it;
    * a kept reply (:func:`write_replies`), with ``digest`` and ``reply`` in place of these.

    Of several usable replies to one request the last counts, files in the order of their
    names; a line that failed or can't be read takes nothing away.

    Raises
    ------
    InputError : the folder or a file cannot be read.
    """
    completions: dict[str, bytes] = {}
    errors: dict[str, tuple[str, ...]] = {}
    unreadable: list[str] = []
    for file in result_files(place):
        for row, line in enumerate(_lines(file), start=1):
            if not line.strip():
                continue
            try:
                custom_id, body, error = _result(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
                what = problem if isinstance(problem, ValueError) else "no result of a request"
                unreadable.append(f"{file.name}, row {row}: {what}")
                continue
            if body is None:
                errors[custom_id] = (*errors.get(custom_id, ()), error)
            else:
                completions[custom_id] = body
    return Results(completions, errors, tuple(unreadable))


def result_files(place: Path) -> list[Path]:
    """The files with results in a folder, by name; or the file itself.

    Raises
    ------
    InputError : there is no such folder or file.
    """
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise InputError("is no folder or file of replies; check the path", file=place)
    found = [*place.glob("*.jsonl"), *place.glob("*.jsonl.gz")]
    return sorted(file for file in found if not file.name.startswith(REQUESTS))


def write_replies(file: Path, turns: Iterable[tuple[Turn, Completion, str]]) -> None:
    """Keep replies in a file, sorted by digest: equal replies are equal bytes.

    Raises
    ------
    OutputError : the file cannot be written.
    """
    lines = sorted(
        json.dumps(_kept(*each), ensure_ascii=False, separators=(",", ":")) for each in turns
    )
    write_text(file, "".join(f"{line}\n" for line in lines))


def _kept(turn: Turn, completion: Completion, origin: str) -> dict[str, Any]:
    line: dict[str, Any] = {
        "digest": turn.digest,
        "purpose": turn.request.purpose,
        "model": completion.model,
        "origin": origin,
        "reply": completion.text,
    }
    if completion.problem:
        line["problem"] = completion.problem
    if completion.usage is not None:
        line["usage"] = {
            "prompt_tokens": completion.usage.prompt_tokens,
            "completion_tokens": completion.usage.completion_tokens,
        }
    return line


def _result(line: Any) -> tuple[str, bytes | None, str]:
    """Request, its completion, or why there is none."""
    custom_id = line["custom_id"] if "custom_id" in line else line["digest"]
    if not isinstance(custom_id, str):
        raise ValueError("custom_id is no text")
    if "response" in line or "error" in line:
        return custom_id, *_batch_result(line)
    content = line["content"] if "content" in line else line["reply"]
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    usage = line.get("usage")
    counted = None if usage is None else Usage(usage["prompt_tokens"], usage["completion_tokens"])
    body = write_completion(
        text, str(line.get("model", "")), counted, problem=str(line.get("problem", ""))
    )
    return custom_id, body, ""


def _batch_result(line: Mapping[str, Any]) -> tuple[bytes | None, str]:
    response = line.get("response") or {}
    if line.get("error") or response.get("status_code") != 200:
        said = line.get("error") or response.get("body") or "no response"
        return None, said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
    body = json.dumps(response["body"], ensure_ascii=False).encode("utf-8", "replace")
    try:
        read_completion(body)
    except ServiceError as error:
        return None, str(error)
    return body, ""


def _lines(file: Path) -> list[str]:
    try:
        return _read(file).decode("utf-8-sig").split("\n")
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise InputError(f"cannot be read as UTF-8 JSON Lines ({error})", file=file) from error


def _read(file: Path) -> bytes:
    """The bytes of a file, unpacked; never more than :data:`MAX_BYTES` of them."""
    opened = gzip.open if file.suffix == ".gz" else Path.open
    with opened(file, "rb") as handle:
        data = handle.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise InputError(
            f"the file has more than {MAX_BYTES >> 20} MB; split it into several", file=file
        )
    return data
