"""The child process behind ``--llm local``: serves until its standard input closes.

``python -m llmsyn.llm.server '{"file": ..., "name": ..., ...}'`` prints its address.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any


def serve(settings: dict[str, Any]) -> None:
    """Start the server, print where it listens, and wait for the end of the input."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = settings["file"]
    parameters.model_alias = {settings["name"]}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0  # any free one
    parameters.n_parallel = settings["connections"]
    parameters.n_ctx = settings["context_tokens"] * settings["connections"]
    parameters.ui = False
    # Its threads spin while they wait for each other: where another process takes one of two
    # cores, two threads gave 1.5 tokens a second and one gave 28.
    threads = max(1, len(os.sched_getaffinity(0)) // 2) if hasattr(os, "sched_getaffinity") else 4
    parameters.cpuparams.n_threads = threads
    parameters.cpuparams_batch.n_threads = threads
    server = xllamacpp.Server(parameters)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()
    # At once: replies still being written have nobody to read them.
    os._exit(0)


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
