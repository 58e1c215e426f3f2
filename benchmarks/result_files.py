"""What a benchmark leaves behind: ``results/NAME.json`` and ``results/NAME.md``."""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"

_PACKAGES = (
    "llmsyn", "numpy", "scipy", "numba", "pyarrow", "scikit-learn", "xgboost-cpu", "xgboost",
)  # fmt: skip

Row = Mapping[str, Any]


def write_result(
    name: str, title: str, rows: Sequence[Row], /, *, notes: Sequence[str] = (), **settings: Any
) -> dict[str, Any]:
    """Write JSON and Markdown into ``results/``; return what was written (:func:`result_of`)."""
    result = result_of(name, title, rows, notes=notes, **settings)
    save_result(result, RESULTS)
    return result


def save_result(result: Mapping[str, Any], folder: Path) -> None:
    """Write JSON and Markdown of a result into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_plain(result), indent=2, ensure_ascii=False, allow_nan=False)
    (folder / f"{result['name']}.json").write_text(text + "\n", encoding="utf-8")
    (folder / f"{result['name']}.md").write_text(markdown(result), encoding="utf-8")


def read_result(name: str, folder: Path = RESULTS) -> dict[str, Any] | None:
    """A result as it was written; None where there is none."""
    file = folder / f"{name}.json"
    if not file.exists():
        return None
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def result_of(
    name: str, title: str, rows: Sequence[Row], /, *, notes: Sequence[str] = (), **settings: Any
) -> dict[str, Any]:
    """Rows with all that decides them: settings, versions, commit, command.

    Parameters
    ----------
    name : of the files.
    title : one sentence: what the table shows.
    rows : one mapping a line of the table; keys are column heads.
    notes : sentences below the table.
    settings : whatever decides the numbers (seeds among them).
    """
    context = click.get_current_context(silent=True)
    return {
        "name": name,
        "title": title,
        "command": f"python benchmarks/{name.partition('-')[0]}.py{_options(context)}",
        "commit": _git_commit(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "python": platform.python_version(),
        "machine": {"architecture": platform.machine(), "cores": os.cpu_count()},
        "versions": _versions(),
        "settings": settings,
        "notes": list(notes),
        "rows": [dict(row) for row in rows],
    }


def show(result: Mapping[str, Any], *, as_json: bool) -> None:
    """Print a result for a script or for a reader."""
    if as_json:
        click.echo(json.dumps(_plain(result), indent=2, ensure_ascii=False))
    else:
        click.echo(markdown(result))


def markdown(result: Mapping[str, Any]) -> str:
    """The result as a page."""
    lines = [f"# {result['title']}", "", table(result["rows"]), ""]
    lines += [f"- {note}" for note in result["notes"]]
    packages = ", ".join(f"{k} {v}" for k, v in result["versions"].items())
    lines += [
        "",
        f"`{result['command']}` at commit {result['commit']}, {result['date']}, "
        f"Python {result['python']}, {result['machine']['architecture']} with "
        f"{result['machine']['cores']} cores; {packages}.",
    ]
    return "\n".join(lines) + "\n"


def table(rows: Sequence[Row]) -> str:
    """A Markdown table; columns in the order in which rows first name them.

    Examples
    --------
    >>> print(table([{"set": "a", "auc": 0.51234}, {"set": "b"}]))
    | set | auc |
    |---|---|
    | a | 0.5123 |
    | b |  |
    """
    heads = list(dict.fromkeys(key for row in rows for key in row))
    lines = ["| " + " | ".join(map(_cell, heads)) + " |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(_cell(row.get(h, "")) for h in heads) + " |" for row in rows]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        if math.isnan(value):
            return "not measurable"
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return str(value).replace("|", "\\|")


def _plain(value: Any) -> Any:
    """JSON has neither NaN nor infinity."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def _options(context: click.Context | None) -> str:
    """Options that were given, without paths: those are somebody's own."""
    if context is None:
        return ""
    words = []
    for parameter in context.command.params:
        name, value = str(parameter.name), context.params.get(str(parameter.name))
        given = context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT
        if not given or isinstance(value, Path) or name == "as_json":
            continue
        option = max(parameter.opts, key=len)
        if isinstance(value, bool):
            words.append(option)
        else:
            several = value if isinstance(value, tuple) else (value,)
            words += [f"{option} {one}" for one in several if not isinstance(one, Path)]
    return "".join(f" {word}" for word in words)


def _git_commit() -> str:
    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=HERE, capture_output=True, text=True, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    commit = git("rev-parse", "--short=12", "HEAD") or "unknown"
    changed = git("status", "--porcelain", "--", ":/", ":(exclude,top)benchmarks/results")
    return f"{commit} with changes" if changed else commit


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
