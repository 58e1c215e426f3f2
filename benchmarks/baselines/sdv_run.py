"""Fit one synthesizer of SDV to a Parquet file and sample; run in SDV's own environment.

Arguments: folder (with ``rows.parquet``), ``copula`` or ``ctgan``, number of rows, seed.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path


def main(folder: Path, method: str, n: int, seed: int) -> None:
    """Write ``made.parquet``; print seconds of both steps as JSON."""
    import numpy
    import pandas
    from sdv.metadata import Metadata
    from sdv.single_table import CTGANSynthesizer, GaussianCopulaSynthesizer

    numpy.random.seed(seed)  # noqa: NPY002  # SDV draws from the global generator
    rows = pandas.read_parquet(folder / "rows.parquet")
    metadata = Metadata.load_from_dict(
        {
            "tables": {
                "rows": {
                    "columns": {
                        name: {"sdtype": "numerical" if rows[name].dtype.kind == "f"
                               else "categorical"}
                        for name in rows.columns
                    }
                }
            }
        }
    )  # fmt: skip
    if method == "ctgan":
        import torch

        torch.manual_seed(seed)
        made = CTGANSynthesizer(metadata, epochs=100)
    else:
        made = GaussianCopulaSynthesizer(metadata)
    begun = time.perf_counter()
    made.fit({"rows": rows})  # SDV 2: a dictionary of one table, in and out
    fitted = time.perf_counter()
    drawn = made.sample(num_rows=n)
    sampled = time.perf_counter()
    table = drawn["rows"] if isinstance(drawn, dict) else drawn
    table.to_parquet(folder / "made.parquet")
    said = {"columns": len(rows.columns), "fit_seconds": round(fitted - begun, 2),
            "sample_seconds": round(sampled - fitted, 3)}  # fmt: skip
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
