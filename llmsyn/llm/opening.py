"""From options to a model that answers, and everything closed again at the end."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from llmsyn.egress.cache import Cache, default_folder
from llmsyn.egress.door import LEDGER_NAME, Door
from llmsyn.egress.guard import check_address
from llmsyn.egress.ledger import Ledger
from llmsyn.egress.page import write_page
from llmsyn.egress.requests import Service
from llmsyn.egress.retrying import Retrying
from llmsyn.errors import InputError
from llmsyn.llm.batch import BatchModel
from llmsyn.llm.client import ChatModel, Place
from llmsyn.llm.conversation import Record
from llmsyn.llm.gathering import DryRun, Replay
from llmsyn.llm.limits import budget, limits_of
from llmsyn.llm.prices import FREE, Price, price_of
from llmsyn.llm.requests import Model, ModelOptions
from llmsyn.llm.results import Results, read_results, write_replies

KEY = "OPENAI_API_KEY"
URL = "OPENAI_BASE_URL"
_OPENAI = "https://api.openai.com/v1"
_ATTEMPTS = 6  # pauses of up to half a second, then 1, 2, 4 and 8
_MAX_BYTES = 20_000_000
_ENDS = 1 << 20  # bytes at each end of a weights file that its hash is over


@contextmanager
def open_model(options: ModelOptions) -> Iterator[Model]:
    """Open whoever answers, for the time of a ``with`` block.

    At its end, and after any error, a server that was started here is stopped, the readable
    page of the ledger is written, and so are the replies where ``keep_replies`` asks for it.

    Raises
    ------
    InputError : the options name nobody or more than one, no model, or a limit without price.
    MissingExtra : ``local`` without llama.cpp.
    ServiceError : the local server doesn't start.
    """
    _check_choice(options)
    cache = Cache(options.cache or default_folder())
    ledger = Ledger(options.ledger or cache.folder / LEDGER_NAME)
    with ExitStack() as stack:
        model, record = _opened(options, cache, ledger, stack)
        try:
            yield model
        finally:
            if ledger.file.exists() and not (options.dry_run or options.replay):
                write_page(ledger.file, ledger.file.with_suffix(".html"))
            if options.keep_replies is not None:
                write_replies(options.keep_replies, record.turns.values())


def _opened(
    options: ModelOptions, cache: Cache, ledger: Ledger, stack: ExitStack
) -> tuple[Model, Record]:
    record = Record()
    if options.replay is not None:
        replay = Replay(
            options.model or "replay",
            str(options.replay),
            read_results(options.replay),
            options.reasks,
            record,
        )
        return replay, record
    if options.batch is not None:
        return _batch(options, cache, ledger, record), record
    if options.local:
        return _local(options, cache, ledger, stack, record), record
    return _http(options, cache, ledger, stack, record), record


def _batch(options: ModelOptions, cache: Cache, ledger: Ledger, record: Record) -> Model:
    name, folder = _named(options), options.batch
    assert folder is not None
    full = price_of(name, options.prices)
    price = None if full is None else full.in_batch()
    place = Place("batch", name)
    limits = limits_of(options, price, name)
    if options.dry_run:
        results = read_results(folder) if folder.exists() else Results()
        return DryRun(name, place, cache, price, options.reasks, record, results)
    return BatchModel(folder, place, cache, ledger, limits, price, options.reasks, record)


def _local(
    options: ModelOptions, cache: Cache, ledger: Ledger, stack: ExitStack, record: Record
) -> Model:
    from llmsyn.llm.local import local_server, weights

    file = weights(options.gguf)
    place = Place(f"local {_fingerprint(file)}", file.stem)
    if options.dry_run:
        return DryRun(file.stem, place, cache, FREE, options.reasks, record)
    connections = min(options.connections, os.cpu_count() or 1)
    url = stack.enter_context(
        local_server(file, context_tokens=options.context_tokens, connections=connections)
    )
    return _chat(options, cache, ledger, stack, record, place, url, "", FREE)


def _http(
    options: ModelOptions, cache: Cache, ledger: Ledger, stack: ExitStack, record: Record
) -> Model:
    name = _named(options)
    url = (options.url or os.environ.get(URL) or _OPENAI).rstrip("/")
    check_address(_service(url, options))
    price = price_of(name, options.prices)
    place = Place(url, name)
    if options.dry_run:
        limits_of(options, price, name)
        return DryRun(name, place, cache, price, options.reasks, record)
    key = os.environ.get(KEY, "").strip()
    if not key and url == _OPENAI:
        raise InputError(
            f"{KEY} is not set and {url} needs it; set it, or give another server with --llm-url"
        )
    return _chat(options, cache, ledger, stack, record, place, url, key, price)


def _chat(
    options: ModelOptions,
    cache: Cache,
    ledger: Ledger,
    stack: ExitStack,
    record: Record,
    place: Place,
    url: str,
    key: str,
    price: Price | None,
) -> Model:
    from llmsyn.llm.transport import ChatTransport

    limits = limits_of(options, price, place.model)
    transport = stack.enter_context(
        ChatTransport(url, key, price, timeout_seconds=options.timeout_seconds)
    )
    counted = budget(limits, price)
    door = Door(
        cache,
        ledger,
        transport=transport,
        retrying=Retrying(attempts=_ATTEMPTS),
        budget=counted,
    )
    return ChatModel(
        door,
        _service(url, options),
        place,
        counted,
        origin="local" if options.local else "http",
        connections=options.connections,
        reasks=options.reasks,
        record=record,
    )


def _service(url: str, options: ModelOptions) -> Service:
    return Service(
        "language model",
        f"{url}/chat/completions",
        method="POST",
        fresh_seconds=float("inf"),  # the same question to the same model is asked once
        timeout_seconds=options.timeout_seconds,
        max_bytes=_MAX_BYTES,
    )


def _check_choice(options: ModelOptions) -> None:
    named = {
        "--llm-url": options.url is not None,
        "--llm local": options.local,
        "--batch": options.batch is not None,
        "--replay": options.replay is not None,
    }
    given = [name for name, there in named.items() if there]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)} exclude each other; give one of them")
    if not given and not os.environ.get(URL) and options.model is None:
        raise InputError(
            f"no language model is named; give one of {', '.join(named)} (or {URL}), with --model "
            "where it is on a server or in a batch"
        )
    if options.gguf is not None and not options.local:
        raise InputError("--gguf goes with --llm local; add it, or leave it out")
    if options.connections < 1 or options.reasks < 0 or not options.timeout_seconds > 0:
        raise InputError("connections and timeout have to be above 0, re-asks at least 0")


def _named(options: ModelOptions) -> str:
    if not options.model:
        raise InputError("the model has no name; give it with --model, as its server calls it")
    return options.model


def _fingerprint(file: Path) -> str:
    """Tells weights files apart without reading all of them."""
    size = file.stat().st_size
    with file.open("rb") as weights:
        head = weights.read(_ENDS)
        weights.seek(max(0, size - _ENDS))
        tail = weights.read()
    return hashlib.sha256(head + tail + str(size).encode()).hexdigest()[:16]
