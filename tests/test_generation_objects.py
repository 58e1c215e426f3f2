"""Cohorts in an object store: a real S3 server on this machine, over HTTP."""

from __future__ import annotations

import json
import uuid
import warnings

import pytest
from joblib.externals.loky import get_reusable_executor
from network_toys import QUICK, population, profile_of, quick_compiling

from llmsyn.errors import InputError, MissingExtra, OutputError
from llmsyn.generation import chunks, generate, pipeline
from llmsyn.generation.places import place_of

fsspec = pytest.importorskip("fsspec")
pytest.importorskip("s3fs")
SIZE, N = 400, 1_100


@pytest.fixture(scope="module")
def server():
    """Address of the server."""
    moto = pytest.importorskip("moto.server")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        running = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        running.start()
        host, port = running.get_host_and_port()
        yield f"http://{host}:{port}"
        running.stop()


@pytest.fixture
def bucket(server, monkeypatch):
    """An empty bucket, and settings under which fsspec finds it."""
    for name, value in (("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"),
                        ("AWS_DEFAULT_REGION", "us-east-1"),
                        ("FSSPEC_S3_ENDPOINT_URL", server)):  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(fsspec.config.conf, "s3", {"endpoint_url": server})
    # Workers of earlier tests have not got these settings; later tests are not to have them.
    get_reusable_executor().shutdown(wait=True)
    name = f"b{uuid.uuid4().hex[:10]}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        store().mkdir(name)
        yield name
    get_reusable_executor().shutdown(wait=True)


def store():
    fs = fsspec.filesystem("s3")
    fs.invalidate_cache()
    return fs


@pytest.fixture(scope="module")
def study():
    rows = population(2_000)
    return profile_of(rows, [rows.table("sex", "dx")])


@pytest.fixture
def draw(study, monkeypatch, tmp_path_factory):
    monkeypatch.setattr(chunks, "CHUNK", SIZE)
    monkeypatch.setattr(pipeline, "CHUNK", SIZE)
    monkeypatch.setattr(pipeline, "Settings", lambda: QUICK)
    monkeypatch.setenv("LLMSYN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))

    def run(out, **more):
        with quick_compiling():
            return generate(study, more.pop("n", N), seed=1, out=out, with_shipped=False, **more)

    return run


def objects(prefix):
    """Name -> bytes of everything below a prefix, run.json left out."""
    fs = store()
    found = {p.removeprefix(prefix + "/"): fs.cat_file(p) for p in fs.find(prefix)}
    return {name: data for name, data in found.items() if name != "run.json"}


def files(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*")) if p.is_file() and p.name != "run.json"
    }  # fmt: skip


class Interrupt:
    def __init__(self, units):
        self.units = units

    def __call__(self, stage, done, total):
        if stage == "draw" and done >= self.units:
            raise KeyboardInterrupt


def test_the_store_holds_the_bytes_of_a_folder(bucket, draw, tmp_path):
    result = draw(f"s3://{bucket}/some/where")
    draw(tmp_path / "o")
    assert objects(f"{bucket}/some/where") == files(tmp_path / "o")
    assert result.place == f"s3://{bucket}/some/where"
    with pytest.raises(InputError, match="is no folder; copy the cohort"):
        _ = result.folder


def test_workers_read_the_network_from_the_store(bucket, study, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "Settings", lambda: QUICK)
    monkeypatch.setenv("LLMSYN_CACHE", str(tmp_path / "cache"))
    n = chunks.CHUNK + 100  # workers import the module anew, so the chunks are as large as they are
    for out, workers in ((f"s3://{bucket}/w", 2), (tmp_path / "o", 1)):
        with quick_compiling():
            generate(study, n, seed=1, out=out, with_shipped=False, workers=workers)
    assert objects(f"{bucket}/w") == files(tmp_path / "o")


def test_the_manifest_is_the_commit(bucket, draw, tmp_path):
    url, prefix = f"s3://{bucket}/cut", f"{bucket}/cut"
    with pytest.raises(KeyboardInterrupt):
        draw(url, progress=Interrupt(SIZE))
    left = objects(prefix)
    assert "manifest.json" not in left and ".done/00000.json" in left
    assert "patients/part-00000.parquet" in left and "patients/part-00002.parquet" not in left
    again = draw(url)
    assert again.resumed_chunks == 1
    draw(tmp_path / "o")
    assert objects(prefix) == files(tmp_path / "o")


def test_a_part_that_did_not_arrive_is_not_done(bucket, draw, monkeypatch, tmp_path):
    """The put of the second chunk fails as if the line were cut; the run can be resumed."""
    import s3fs

    put = s3fs.S3FileSystem._put_file

    async def cut(self, lpath, rpath, **more):
        if "part-00001" in rpath:
            raise ConnectionResetError(104, "connection reset by peer")
        return await put(self, lpath, rpath, **more)

    with monkeypatch.context() as patched:
        patched.setattr(s3fs.S3FileSystem, "_put_file", cut)
        s3fs.S3FileSystem.clear_instance_cache()
        with pytest.raises(OutputError, match=r"cannot write to s3://.*connection reset by peer"):
            draw(f"s3://{bucket}/c")
    s3fs.S3FileSystem.clear_instance_cache()
    assert "manifest.json" not in objects(f"{bucket}/c")
    assert draw(f"s3://{bucket}/c").resumed_chunks == 1
    draw(tmp_path / "o")
    assert objects(f"{bucket}/c") == files(tmp_path / "o")


def test_what_stands_there_is_kept(bucket, draw):
    store().pipe_file(f"{bucket}/mine/thesis.tex", b"years of work")
    for force in (False, True):
        with pytest.raises(OutputError, match="no cohort of ours"):
            draw(f"s3://{bucket}/mine", force=force)
    assert objects(f"{bucket}/mine") == {"thesis.tex": b"years of work"}
    draw(f"s3://{bucket}/a", n=50)
    with pytest.raises(OutputError, match="holds a finished cohort; .* --force"):
        draw(f"s3://{bucket}/a", n=60)
    draw(f"s3://{bucket}/a", n=60, force=True)
    assert json.loads(objects(f"{bucket}/a")["manifest.json"])["n"] == 60


def test_runs_with_other_settings_do_not_mix(bucket, draw):
    with pytest.raises(KeyboardInterrupt):
        draw(f"s3://{bucket}/x", progress=Interrupt(SIZE))
    with pytest.raises(OutputError, match="holds a run with other settings"):
        draw(f"s3://{bucket}/x", n=N + 1)
    assert draw(f"s3://{bucket}/x").resumed_chunks == 1


def test_who_comes_second_at_the_same_moment_is_refused(bucket):
    """Both saw an empty prefix; the second one finds the first one's state."""
    url = f"s3://{bucket}/race"
    first, second = place_of(url), place_of(url)
    with first.claimed({"llmsyn": "1", "n": 1}, force=False):
        with pytest.raises(OutputError, match="other settings"):
            second._begin({"llmsyn": "1", "n": 2})
        with second.claimed({"llmsyn": "1", "n": 1}, force=False):
            pass  # the same run may share the work


def test_no_server_is_an_error_of_ours(draw, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setitem(
        fsspec.config.conf, "s3",
        {"endpoint_url": "http://127.0.0.1:9", "config_kwargs": {"retries": {"max_attempts": 1}}},
    )  # fmt: skip
    with warnings.catch_warnings(), pytest.raises(OutputError, match="cannot write to s3://b/c"):
        warnings.simplefilter("ignore")
        draw("s3://b/c")


def test_an_unknown_kind_of_url_is_named(draw):
    with pytest.raises(OutputError, match="cannot write to nowhere://x"):
        draw("nowhere://x/y")


def test_a_missing_library_says_how_to_get_it(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(MissingExtra, match=r"pip install 'llmsyn\[gs\]'"):
        place_of("gs://bucket/x")
