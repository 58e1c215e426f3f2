"""What a few patients carry never comes out: not in the profile, the register, nor the report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from canary_hospital import MAPPING, RARE, write_hospital

from llmsyn.cli.main import main


def _everything(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("options", [
    [],
    ["--zeros", "--rounding", "5"],
    ["--tables", "all"],
    ["--tables", "none", "--max-membership-auc", "0.7"],
    ["--split", "train", "--json"],
], ids=" ".join)  # fmt: skip
def test_no_canary_leaves_the_house(
    tmp_path: Path, options: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    house, out = tmp_path / "house", tmp_path / "out"
    canaries = write_hospital(house)
    before = _everything(house)
    code = main([
        "profile", "extract", str(house / "mapping.toml"),
        "-o", str(out / "profile"),
        "--report", str(out / "report.html"),
        "--register", str(out / "releases.jsonl"),
        *options,
    ])  # fmt: skip
    said = capfd.readouterr()
    assert code == 0, said.err
    written = _everything(out)
    assert {"report.html", "report.json", "releases.jsonl"} < set(written)
    assert len(written) > 8
    # Counts, quantities and texts of the program may hold a number such as 117 by chance.
    texts = [canary for canary in canaries if not canary.isdigit()]
    assert len(texts) > 300
    for name, data in {**written, "stdout": said.out.encode(), "stderr": said.err.encode()}.items():
        assert [c for c in texts if c in data] == [], name
    edges = written["profile/age.csv"] + written["profile/weight.csv"]
    assert [c for c in (b"117", b"987") if c in edges] == []
    assert _everything(house) == before  # and nothing is written beside the rows


def test_the_canaries_would_be_found(tmp_path: Path) -> None:
    """The rows are full of them, so a leak of any column would show."""
    canaries = write_hospital(tmp_path)
    rows = b"".join(_everything(tmp_path).values())
    assert [c for c in canaries if c not in rows] in ([], [b"canary-"])
    assert all(f"CANARYTOWN{i}".encode() in rows for i in RARE)


@pytest.mark.parametrize("others", [1, 2])
def test_a_rare_level_beside_few_others(tmp_path: Path, others: int) -> None:
    """Where the rare level cannot become ``other`` by itself, its text is not named either."""
    house, out = tmp_path / "house", tmp_path / "out"
    write_hospital(house)
    stays = (house / "stays.csv").read_text("utf-8").replace("Westam", "Southam")
    if others == 1:
        stays = stays.replace("Southam", "Northam")
    (house / "stays.csv").write_text(stays.replace(f"CANARYTOWN{RARE[1]}", f"CANARYTOWN{RARE[0]}"))
    arguments = [str(house / "mapping.toml"), "-o", str(out), "--json"]
    assert main(["profile", "extract", *arguments]) == 0
    assert [name for name, data in _everything(out).items() if b"CANARY" in data] == []


def test_free_text_that_is_mapped_by_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every note is a level of its own: none is named."""
    house, out = tmp_path / "house", tmp_path / "out"
    canaries = write_hospital(house)
    mistaken = MAPPING.replace('column = "town"', 'column = "note"')
    (house / "mapping.toml").write_text(mistaken, encoding="utf-8")
    code = main(["profile", "extract", str(house / "mapping.toml"), "-o", str(out), "--json"])
    said = capsys.readouterr()
    assert code in (0, 2)
    if code == 0:
        assert json.loads(said.out)["profile"] == "canaries"
    for name, data in {**_everything(out), "said": (said.out + said.err).encode()}.items():
        assert [c for c in canaries if b"anary" in c and c in data] in ([], [b"canary-"]), name
