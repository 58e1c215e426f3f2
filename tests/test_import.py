"""``import llmsyn`` and ``llmsyn --help`` stay light, and the exports are what they say."""

from __future__ import annotations

import ast
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

import llmsyn

# The aims are 0.3 s and 0.5 s; twice that here, as the machine may be busy with other work.
IMPORT_SECONDS = 0.6
HELP_SECONDS = 1.0
HEAVY = ("jinja2", "numba", "numpy", "openai", "pandas", "pyarrow", "pydantic", "rich", "scipy")


def best_of_three(*arguments: str) -> float:
    """Wall time of the fastest of three runs, less nothing: the interpreter's start counts."""
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def loaded_by(code: str) -> set[str]:
    """Top-level modules in memory after running ``code`` in a fresh interpreter."""
    show = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\n{show}"], check=True, capture_output=True, text=True
    )
    return set(run.stdout.splitlines()[-1].split())


def test_import_is_fast() -> None:
    assert best_of_three("-c", "import llmsyn") < IMPORT_SECONDS


def test_help_is_fast() -> None:
    assert best_of_three("-m", "llmsyn", "--help") < HELP_SECONDS


def test_import_and_help_load_nothing_heavy() -> None:
    assert loaded_by("import llmsyn").isdisjoint(HEAVY)
    assert loaded_by("import llmsyn.cli.main as m; m.main(['--help'])").isdisjoint(HEAVY)


def test_all_is_sorted_and_says_where_each_export_lives() -> None:
    assert llmsyn.__all__ == sorted(llmsyn.__all__)
    assert set(llmsyn.__all__) == set(llmsyn._HOME)
    assert set(llmsyn.__all__) <= set(dir(llmsyn))


def test_type_checkers_see_the_same_exports() -> None:
    tree = ast.parse(Path(llmsyn.__file__).read_text(encoding="utf-8"))
    seen = {
        alias.name: statement.module
        for block in tree.body
        if isinstance(block, ast.If)
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
    assert seen == llmsyn._HOME


@pytest.mark.parametrize("name", llmsyn.__all__)
def test_export_is_the_object_of_its_module(name: str) -> None:
    value = getattr(llmsyn, name)
    assert callable(value)
    assert value is getattr(import_module(llmsyn._HOME[name]), name)


def test_unknown_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        llmsyn.nothing  # noqa: B018
    with pytest.raises(ImportError):
        exec("from llmsyn import nothing")
