"""One run of ``generate`` in a process of its own, for ``speed.py``.

    python benchmarks/one_run.py PROFILE N SEED WORKERS OUT [WARM]

Prints one line of JSON: seconds to compile and to draw.  With WARM so many units are drawn before,
whose seconds (``start_seconds``) hold the start of workers and of compiled code.  A run apart from the measuring
process starts with nothing imported and nothing allocated, so its memory is its own.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from llmsyn.generation import generate


def main() -> None:
    profile, n, seed, workers, out, *warm = sys.argv[1:]
    started = {}
    if warm:
        first = generate(profile, int(warm[0]), seed=0, out=Path(f"{out}-warm"),
                         workers=int(workers), force=True)  # fmt: skip
        started = {"start_seconds": first.draw_seconds}
    result = generate(profile, int(n), seed=int(seed), out=Path(out), workers=int(workers))
    print(
        json.dumps({"compile_seconds": result.compile_seconds, "draw_seconds": result.draw_seconds,
                    **started})
    )  # fmt: skip


if __name__ == "__main__":  # workers import this module again
    main()
