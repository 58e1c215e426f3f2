"""Known flaws of the dependencies, by pip-audit: `make audit`.

The database of flaws is on the network.  Where it can't be reached, or a mirror answers that it
does not know a package, nothing was looked up, which is neither good nor bad news: this says so,
and ends with 3.  It ends with 1 where a flaw is known.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

COMMAND = [
    sys.executable, "-m", "pip_audit", "--local", "--skip-editable", "--timeout", "15",
    "--progress-spinner", "off", "--format", "json",
]  # fmt: skip
_NOTHING = "audit: the database of flaws can't be reached; no dependency was looked up"


def verdict(output: str) -> tuple[str, int]:
    """What to print of pip-audit's JSON, and the exit code."""
    try:
        found: list[dict[str, Any]] = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return _NOTHING, 3
    audited = [d for d in found if "skip_reason" not in d]
    if not audited:
        return _NOTHING, 3
    lines = [
        f"{d['name']} {d['version']}: {v['id']}, mended in {', '.join(v['fix_versions']) or 'none'}"
        for d in audited
        for v in d["vulns"]
    ]
    skipped = len(found) - len(audited)
    lines.append(f"audit: {len(audited)} dependencies looked up, {len(lines)} known flaws")
    if skipped:
        lines.append(f"audit: {skipped} dependencies are not in the database")
    return "\n".join(lines), int(len(lines) > 1 + bool(skipped))


if __name__ == "__main__":
    try:
        run = subprocess.run(COMMAND, capture_output=True, text=True, check=False, timeout=600)
        said, code = verdict(run.stdout)
    except subprocess.TimeoutExpired:
        said, code = _NOTHING, 3
    print(said)
    raise SystemExit(code)
