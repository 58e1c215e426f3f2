"""Write the parts of a cohort again as plain Parquet: what writing its bytes takes at the least.

    python benchmarks/plain_writer.py COHORT OUT

Reading is not timed.  Prints seconds and bytes as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
from bare_writer import write_plainly


def rewrite(cohort: Path, out: Path) -> dict[str, float]:
    """Seconds of writing alone, and bytes that were written."""
    out.mkdir(parents=True, exist_ok=True)
    seconds, size = 0.0, 0
    for part in sorted(cohort.glob("*/part-*.parquet")):
        table = pq.read_table(part)
        file = out / f"{part.parent.name}-{part.name}"
        begun = time.perf_counter()
        write_plainly(table, file)
        seconds += time.perf_counter() - begun
        size += file.stat().st_size
        file.unlink()
    return {"seconds": seconds, "bytes": size}


if __name__ == "__main__":
    print(json.dumps(rewrite(Path(sys.argv[1]), Path(sys.argv[2]))))
