"""What all tests share: places, the toy profile, the hypothesis profiles, the rule on skips."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
REAL = bool(os.environ.get("LLMSYN_REAL"))

# A shared machine is slow at times: a deadline would fail the machine, not the code.  In CI
# the examples are the same in each run, so that a red run can be repeated.
settings.register_profile("dev", deadline=None)
settings.register_profile(
    "ci", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep settings of whoever runs the tests out of them."""
    for name in [name for name in os.environ if name.startswith("LLMSYN_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def toy() -> Path:
    """A profile small enough to check by hand; read it, don't write into it."""
    return ROOT / "tests" / "data" / "toy"


@pytest.fixture
def toy_copy(toy: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of the toy profile that a test may break."""
    yield Path(shutil.copytree(toy, tmp_path / "toy"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[pytest.TestReport]:
    """Turn a skipped test of a real component into a failed one where they must run."""
    report = yield
    if report.skipped and REAL and item.get_closest_marker("real"):
        report.outcome = "failed"
        report.longrepr = f"a real component is missing, and LLMSYN_REAL is set: {report.longrepr}"
    return report
