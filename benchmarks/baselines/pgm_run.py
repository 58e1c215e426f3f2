"""Sample from Private-PGM (package mbi) with the counts of a Parquet file.

Run in an environment of its own:

    python -m venv ENV && ENV/bin/pip install mbi pyarrow
    ENV/bin/python benchmarks/baselines/pgm_run.py rows.parquet HUB N SEED

Columns are texts.  The graph is a star: every column by the column HUB, the smallest model that
has any dependence, and the fastest to sample from.  A tree's parameters are its counts' logarithms,
so nothing needs to be fitted: only the time of sampling is asked for, N rows less that of a few,
which is that of the inference that each sample begins with.  Prints seconds as JSON.
"""

from __future__ import annotations

import json
import sys
import time
import warnings

FEW = 1_000


def main(file: str, hub: str, n: int, seed: int) -> None:
    """Make the model, sample and print."""
    import jax

    jax.config.update("jax_disable_jit", True)  # compiling hundreds of tables takes many minutes
    import mbi
    import numpy
    import pyarrow.parquet

    rows = pyarrow.parquet.read_table(file)
    coded = {name: rows[name].combine_chunks().dictionary_encode() for name in rows.column_names}
    domain = mbi.Domain(tuple(coded), tuple(len(c.dictionary) for c in coded.values()))
    places = {name: c.indices.to_numpy() for name, c in coded.items()}
    tables = {}
    for name in coded:
        if name != hub:
            shape = (domain[hub], domain[name])
            places_of_both = places[hub] * shape[1] + places[name]
            counts = numpy.bincount(places_of_both, minlength=shape[0] * shape[1]).reshape(shape)
            by_hub = counts.sum(axis=1, keepdims=True) if tables else 1.0  # the hub counts once
            tables[(hub, name)] = mbi.Factor(
                domain.project((hub, name)), numpy.log((counts + 1e-9) / by_hub)
            )
    potentials = mbi.CliqueVector(domain, tuple(tables), tables)
    model = mbi.MarkovRandomField(
        potentials=potentials, marginals=potentials, total=float(len(rows))
    )
    begun = time.perf_counter()
    numpy.random.seed(seed)  # noqa: NPY002  # it draws from the global generator
    model.synthetic_data(rows=FEW)
    ready = time.perf_counter()
    made = model.synthetic_data(rows=n)
    done = time.perf_counter()
    said = {
        "rows": len(made.to_dict()[hub]) - FEW,
        "columns": len(coded),
        "few_seconds": round(ready - begun, 2),
        "sample_seconds": round((done - ready) - (ready - begun), 3),
    }
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
