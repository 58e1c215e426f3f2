"""The example notebooks: well formed, without outputs, and every code cell runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from network_toys import QUICK, quick_compiling

from llmsyn.generation import pipeline

NAMES = ("evaluate", "what_must_fail")


def notebook(root: Path, name: str) -> dict[str, Any]:
    text = (root / "examples" / "notebooks" / f"{name}.ipynb").read_text("utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def test_every_notebook_is_run_here(root: Path) -> None:
    found = {path.stem for path in (root / "examples" / "notebooks").glob("*.ipynb")}
    assert found == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_notebook_is_well_formed_and_holds_no_output(root: Path, name: str) -> None:
    made = notebook(root, name)
    assert (made["nbformat"], made["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in made["cells"]]
    assert len(ids) == len(set(ids))
    for cell in made["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None


@pytest.mark.parametrize("name", NAMES)
def test_every_code_cell_runs(
    root: Path, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    cache = tmp_path_factory.getbasetemp() / "notebook-networks"  # one calibration for both
    monkeypatch.setattr(pipeline, "Settings", lambda: QUICK)  # whose fit is not shown here
    monkeypatch.setenv("LLMSYN_CACHE", str(cache))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    names: dict[str, Any] = {"__name__": "__main__"}
    with quick_compiling():
        for cell in notebook(root, name)["cells"]:
            if cell["cell_type"] == "code":
                source = "".join(cell["source"])
                exec(compile(source, f"{name}.ipynb {cell['id']}", "exec"), names)
    if name == "evaluate":
        assert names["report"]._repr_html_().startswith("<table")
        assert all(path.is_file() for path in names["paths"])
    else:
        assert names["verdicts"]["as it is"] != "fail"
