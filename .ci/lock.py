"""Write constraints.txt: the exact versions that each supported Python resolves to.

    python .ci/lock.py python3.10 python3.11 python3.12 python3.13

Each interpreter needs its own pip (22.2 or later).  Nothing is installed.  The file holds
names and versions only: no address of an index, no hash, so it works with any mirror.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = "audit,az,build,dask,dev,docs,dp,duckdb,figures,gs,local,ray,s3,spacy,spark,standards"
HEAD = f"""\
# Exact versions of everything that `pip install '.[{EXTRAS}]'` brings on Linux.
# Written by .ci/lock.py (make lock); use with: pip install -c constraints.txt ...
"""


def python_version(python: str) -> tuple[int, int]:
    """Major and minor version of an interpreter, by running it."""
    code = "import sys; print(*sys.version_info[:2])"
    major, minor = subprocess.check_output([python, "-c", code], text=True).split()
    return int(major), int(minor)


def resolve(python: str) -> dict[str, str]:
    """Names and versions that pip would install for that interpreter."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        command = [python, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        subprocess.run([*command, "--report", str(report), f"{ROOT}[{EXTRAS}]"], check=True)
        items = json.loads(report.read_text())["install"]
    versions = {
        re.sub(r"[-_.]+", "-", item["metadata"]["name"]).lower(): item["metadata"]["version"]
        for item in items
    }
    del versions["llmsyn"]
    return versions


def lines(resolved: dict[tuple[int, int], dict[str, str]]) -> list[str]:
    """One line per package and version; a marker where Pythons differ."""
    pythons = sorted(resolved)
    written = []
    for name in sorted(set().union(*resolved.values())):
        have = [(python, resolved[python].get(name)) for python in pythons]
        runs: list[list] = []  # [version, first index, last index]
        for i, (_, version) in enumerate(have):
            if version is None:
                continue
            if runs and runs[-1][0] == version:
                runs[-1][2] = i
            else:
                runs.append([version, i, i])
        for position, (version, _, _) in enumerate(runs):
            marker = []
            if position > 0:
                marker.append('python_version >= "{}.{}"'.format(*pythons[runs[position][1]]))
            if position < len(runs) - 1:
                marker.append('python_version < "{}.{}"'.format(*pythons[runs[position + 1][1]]))
            written.append(f"{name}=={version}" + ("; " + " and ".join(marker) if marker else ""))
    return written


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit(f"usage: {__doc__}")
    found = {python_version(python): resolve(python) for python in sys.argv[1:]}
    (ROOT / "constraints.txt").write_text(HEAD + "\n".join(lines(found)) + "\n")
    print(
        f"constraints.txt: {len(lines(found))} lines for", *(f"{a}.{b}" for a, b in sorted(found))
    )
