"""The layers of setup.cfg hold, and the check that says so can fail."""

from __future__ import annotations

import configparser
import subprocess
import sys
from pathlib import Path

LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache", "--config", str(folder / "setup.cfg")],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def layers(root: Path) -> list[str]:
    config = configparser.ConfigParser()
    config.read(root / "setup.cfg", encoding="utf-8")
    text = config["importlinter:contract:layers"]["layers"]
    return [line.strip() for line in text.splitlines() if line.strip()]


def small_copy(root: Path, folder: Path, **modules: str) -> Path:
    """A package with one empty module a layer, and the contract of the real one."""
    package = folder / "llmsyn"
    package.mkdir()
    (folder / "setup.cfg").write_text((root / "setup.cfg").read_text("utf-8"), "utf-8")
    (package / "__init__.py").touch()
    for line in layers(root):
        for name in line.strip("()").split(" | "):
            (package / f"{name}.py").touch()
    for name, text in modules.items():
        (package / f"{name}.py").write_text(text, "utf-8")
    return folder


def test_imports_run_one_way(root: Path) -> None:
    result = lint(root)
    assert result.returncode == 0, result.stdout + result.stderr


def test_small_copy_passes(root: Path, tmp_path: Path) -> None:
    copy = small_copy(root, tmp_path, cli="import llmsyn.profile")
    assert lint(copy).returncode == 0


def test_an_import_upwards_is_caught(root: Path, tmp_path: Path) -> None:
    copy = small_copy(root, tmp_path, profile="import llmsyn.knowledge")
    result = lint(copy)
    assert result.returncode == 1
    assert "llmsyn.profile -> llmsyn.knowledge" in result.stdout


def test_a_module_without_a_layer_is_caught(root: Path, tmp_path: Path) -> None:
    result = lint(small_copy(root, tmp_path, utils=""))
    assert result.returncode == 1
    assert "utils" in result.stdout


def test_contributing_draws_the_same_order(root: Path) -> None:
    drawn = (root / "CONTRIBUTING.md").read_text("utf-8")
    _, _, rest = drawn.partition("<!-- layers -->")
    rows = [line.split("|")[1] for line in rest.splitlines() if line.startswith("| `")]
    names = [name.strip(" `/") for row in rows for name in row.split(",")]
    bottom_up = [n for line in reversed(layers(root)) for n in line.strip("()").split(" | ")]
    assert names == bottom_up
