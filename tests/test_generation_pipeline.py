"""A profile in, a folder of units out: what is in it, the same bytes, nothing half done."""

from __future__ import annotations

import fcntl
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from network_toys import QUICK, population, profile_of, quick_compiling

from llmsyn.cli import main
from llmsyn.errors import InputError, OutputError, ProfileError
from llmsyn.generation import chunks, generate, pipeline, places
from llmsyn.generation.chunks import column
from llmsyn.network.model import LevelVariable
from llmsyn.profile.reading import read_profile
from llmsyn.profile.variables import Numeric
from llmsyn.profile.writing import write_profile
from llmsyn.store import sha256_file, sha256_folder

SIZE, N = 400, 1_100  # three chunks, the last one shorter


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with quick_compiling():
        yield


@pytest.fixture(scope="module")
def study():
    """The toy population, with a number that has a decimal and missing values."""
    rows = population(2_000)
    profile = profile_of(rows, [rows.table("sex", "dx"), rows.table("dx", "died")])
    weight = Numeric("weight", "demographics", "kg", 1, np.array([0.3, 2.5, 60.0, 99.9]),
                     np.array([300.0, 900, 500]), 300.0)  # fmt: skip
    return replace(profile, variables=(*profile.variables, weight))


@pytest.fixture(autouse=True)
def _fast(monkeypatch, tmp_path_factory):
    """Small chunks, a short calibration, and a cache that all tests of this file share."""
    monkeypatch.setattr(chunks, "CHUNK", SIZE)
    monkeypatch.setattr(pipeline, "CHUNK", SIZE)
    monkeypatch.setattr(pipeline, "Settings", lambda: QUICK)
    monkeypatch.setenv("LLMSYN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def drawn(profile, out, n=N, seed=1, **more):
    return generate(profile, n, seed=seed, out=out, with_shipped=False, **more)


def files(folder):
    """Name -> bytes of everything but the file of times."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(Path(folder).rglob("*")) if p.is_file() and p.name != "run.json"
    }  # fmt: skip


def table(folder, name):
    parts = sorted((folder / name).glob("*.parquet"))
    return pa.concat_tables(pq.read_table(p) for p in parts).unify_dictionaries()


class Interrupt:
    """Presses Ctrl-C once so many units are drawn."""

    def __init__(self, units):
        self.units = units

    def __call__(self, stage, done, total):
        if stage == "draw" and done >= self.units:
            raise KeyboardInterrupt


@pytest.fixture
def cut(study, tmp_path):
    """A run that was interrupted after its first chunk."""
    with pytest.raises(KeyboardInterrupt):
        drawn(study, tmp_path / "cut", progress=Interrupt(SIZE))
    return tmp_path / "cut"


# --- what is in the folder ----------------------------------------------------------------


def test_the_folder_is_what_the_manifest_says(study, tmp_path):
    result = drawn(study, tmp_path / "out")
    out = result.folder
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest == json.loads(json.dumps(result.manifest))
    assert (manifest["n"], manifest["seed"], manifest["unit"]) == (N, 1, "patient")
    assert manifest["origin"] == "synthetic" and manifest["code_sets"] == ["dx", "drug"]
    parts = {p["file"]: p for p in manifest["parts"]}
    assert set(parts) == {f"{t}/part-{k:05d}.parquet" for t in ("patients", "dx", "drug") for k in range(3)}  # fmt: skip
    for name, part in parts.items():
        assert sha256_file(out / name) == part["sha256"]
        assert pq.read_metadata(out / name).num_rows == part["rows"]
    assert sum(p["rows"] for f, p in parts.items() if f.startswith("patients")) == N
    assert manifest["profile"]["sha256"] == sha256_folder(out / "profile")
    assert read_profile(out / "profile").n_units == study.n_units
    top = {p.name for p in out.iterdir()}
    assert top == {"manifest.json", "run.json", "DATA_CARD.md", "profile", "patients", "dx", "drug"}


def test_columns_are_those_of_the_data_card(study, tmp_path):
    out = drawn(study, tmp_path / "out").folder
    dictionary = pa.dictionary(pa.int16(), pa.string())
    expected = {
        "patients": {"patient_id": pa.int64(), "sex": dictionary, "age": pa.int32(),
                     "weight": pa.float64(), "died": dictionary},
        "dx": {"patient_id": pa.int64(), "code": dictionary, "position": pa.int16()},
        "drug": {"patient_id": pa.int64(), "code": dictionary, "position": pa.int16()},
    }  # fmt: skip
    card = (out / "DATA_CARD.md").read_text()
    words = {dictionary: "text", pa.int32(): "int32", pa.int64(): "int64",
             pa.float64(): "float64", pa.int16(): "int16"}  # fmt: skip
    for name, columns in expected.items():
        schema = pq.read_schema(out / name / "part-00000.parquet")
        assert dict(zip(schema.names, schema.types, strict=True)) == columns
        for column_name, kind in columns.items():
            line = [r for r in card.splitlines() if r.startswith(f"| `{name}` | `{column_name}`")]
            assert len(line) == 1 and words[kind] in line[0].split("|")[3]
    assert "These are not patients" in card and f"{N:,} synthetic patients" in card


def test_stays_have_ids_of_their_own(study, tmp_path):
    out = drawn(replace(study, unit="stay"), tmp_path / "out", n=50).folder
    stays = table(out, "stays")
    assert stays.column_names[:2] == ["patient_id", "stay_id"]
    assert table(out, "dx").column_names == ["patient_id", "stay_id", "code", "position"]
    assert "| `stays` | `stay_id` | int64" in (out / "DATA_CARD.md").read_text()


def test_numbers_lie_on_their_grid_and_inside_the_edges(study, tmp_path):
    out = drawn(study, tmp_path / "out").folder
    units = table(out, "patients")
    assert units["patient_id"].to_pylist() == list(range(1, N + 1))
    age = units["age"].to_numpy()
    assert units["age"].null_count == 0 and age.min() >= 0 and age.max() <= 99
    weight = units["weight"]
    assert abs(weight.null_count / N - 0.15) < 0.05  # missing is null
    values = weight.drop_null().to_numpy()
    assert values.min() >= 0.3 and values.max() < 99.9
    assert np.array_equal(values, np.round(values, 1))


class Almost:
    """A random generator whose draws lie just below the upper edge, or at the lower one."""

    def __init__(self, value):
        self.value = value

    def random(self, n):
        return np.full(n, self.value)


@pytest.mark.parametrize("decimals", [0, 1, 2])
@pytest.mark.parametrize("at", [0.0, 0.5, 1 - 2**-53])
def test_a_number_never_leaves_its_bin(decimals, at):
    """Rules hold bin by bin, so a draw just below an edge must not become the edge."""
    edges = np.array([0, 1, 3, 29, 65, 130]) / 10**decimals + 20
    variable = LevelVariable("x", ("",) * 5, "numeric", edges, decimals)
    values = column(variable, np.arange(5), Almost(at)).to_numpy()
    assert (values >= edges[:-1] - 1e-9).all() and (values < edges[1:] - 1e-9).all()


def test_position_0_is_the_main_code_and_unlisted_rows_are_marked(study, tmp_path):
    out = drawn(study, tmp_path / "out").folder
    dx = table(out, "dx")
    unit, position = dx["patient_id"].to_numpy(), dx["position"].to_numpy()
    code = np.array(dx["code"].to_pylist())
    assert (np.diff(unit) >= 0).all() and set(code) == {*"ABCDE", "(unlisted)"}
    first = np.flatnonzero(np.append(True, np.diff(unit) > 0))
    assert set(position[first]) == {0}  # who has codes has a main one, and it stands first
    assert (np.diff(position)[np.diff(unit) == 0] == 1).all()
    assert (code[first] == "(unlisted)").sum() > 50  # an unlisted main code stands first too
    shares = study["dx"]
    assert (code[first] == "A").sum() / N == pytest.approx(shares.main[0] / 2_000, abs=0.06)
    listed = [(u, c) for u, c in zip(unit, code, strict=True) if c != "(unlisted)"]
    assert len(set(listed)) == len(listed)
    per_unit = np.bincount(unit[code == "(unlisted)"], minlength=N + 1)[1:]
    wanted = shares.unlisted @ np.arange(len(shares.unlisted)) / 2_000
    assert per_unit.max() > 1 and per_unit.mean() == pytest.approx(wanted, abs=0.1)
    drug = table(out, "drug")  # no main drug is published: no row has position 0
    assert drug["position"].to_numpy().min() == 1 and "(unlisted)" not in drug["code"].to_pylist()


# --- the same bytes -----------------------------------------------------------------------


def test_a_seed_says_every_byte(study, tmp_path):
    a, b = (files(drawn(study, tmp_path / name).folder) for name in "ab")
    other = files(drawn(study, tmp_path / "c", seed=2).folder)
    assert a == b
    assert a["patients/part-00000.parquet"] != other["patients/part-00000.parquet"]
    assert a["patients/part-00000.parquet"] != a["patients/part-00001.parquet"]


def test_one_and_two_workers_write_the_same_bytes(study, tmp_path, monkeypatch):
    # Workers import the module anew, so the chunks are as large as they are.
    monkeypatch.undo()
    monkeypatch.setenv("LLMSYN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pipeline, "Settings", lambda: QUICK)
    n = chunks.CHUNK + 1_000
    one = drawn(study, tmp_path / "one", n=n)
    two = drawn(study, tmp_path / "two", n=n, workers=2)
    assert files(one.folder) == files(two.folder)
    assert len(one.manifest["parts"]) == 6
    assert json.loads((two.folder / "run.json").read_text())["workers"] == 2


def test_an_interrupted_run_goes_on_to_the_same_bytes(study, cut, tmp_path):
    assert not (cut / "manifest.json").exists()
    assert not list(cut.rglob("*.part"))
    before = (cut / "patients/part-00000.parquet").stat().st_mtime_ns
    resumed = drawn(study, cut)
    assert resumed.resumed_chunks == 1
    assert (cut / "patients/part-00000.parquet").stat().st_mtime_ns == before
    assert files(cut) == files(drawn(study, tmp_path / "whole").folder)
    assert not [p for p in cut.rglob("*") if p.name.startswith(".")]
    assert json.loads((cut / "run.json").read_text())["resumed_chunks"] == 1


@pytest.mark.parametrize("stage", ["calibrate", "last"])
def test_a_run_cut_at_any_other_stage_goes_on_too(study, tmp_path, stage):
    def stop(now, done, total):
        if now == stage or (stage == "last" and now == "draw" and done == total):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drawn(study, tmp_path / "cut", progress=stop, cache=False)
    drawn(study, tmp_path / "cut", cache=False)
    assert files(tmp_path / "cut") == files(drawn(study, tmp_path / "whole").folder)


def test_what_a_killed_run_leaves_is_swept(study, cut, tmp_path):
    (cut / "patients" / ".part-00001.parquet.xyz.part").write_bytes(b"half")
    (cut / ".profile.abc.part").mkdir()  # killed while the profile was copied in
    (cut / ".profile.abc.part" / "profile.toml").write_text("half")
    (cut / ".network.part").write_bytes(b"for workers")
    (cut / "dx/part-00000.parquet").unlink()  # the chunk must be drawn again
    assert drawn(study, cut).resumed_chunks == 0
    assert files(cut) == files(drawn(study, tmp_path / "whole").folder)


# --- folders that are refused -------------------------------------------------------------


def test_a_finished_folder_is_refused_without_force(study, tmp_path):
    out = tmp_path / "out"
    drawn(study, out)
    first = files(out)
    with pytest.raises(OutputError, match="finished cohort.*--force") as caught:
        drawn(study, out)
    assert caught.value.exit_code == 2 and files(out) == first
    drawn(study, out, n=30, force=True)
    assert table(out, "patients").num_rows == 30
    assert files(out) == files(drawn(study, tmp_path / "fresh", n=30).folder)


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("name", ["thesis.txt", "manifest.json", ".run.json"])
def test_a_foreign_folder_is_refused_even_with_force(study, tmp_path, name, force):
    """Other programs have a manifest.json too: a web app, a browser extension."""
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text('{"name": "my app", "version": 2}')
    (out / "photo.jpg").write_bytes(b"precious")
    with pytest.raises(OutputError, match="no cohort of ours"):
        drawn(study, out, force=force)
    assert {p.name for p in out.iterdir()} == {name, "photo.jpg"}


def test_a_file_is_no_folder(study, tmp_path):
    (tmp_path / "out").write_text("x")
    with pytest.raises(OutputError, match="is a file"):
        drawn(study, tmp_path / "out", force=True)


@pytest.mark.parametrize(
    "other", [{"n": N + 1}, {"seed": 2}, {"tables": "none"}, {"scale": 2.0}, {"quotas": True}]
)
def test_a_run_with_other_settings_is_refused_in_a_cut_folder(study, cut, other):
    with pytest.raises(OutputError, match="other settings"):
        drawn(study, cut, **other)
    assert drawn(study, cut).resumed_chunks == 1  # and the cut one still goes on


def test_another_profile_is_refused_in_a_cut_folder(study, cut):
    with pytest.raises(OutputError, match="other settings"):
        drawn(replace(study, n_units=study.n_units + 1), cut)
    assert drawn(replace(study, n_units=study.n_units + 1), cut, force=True).resumed_chunks == 0


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("seed", [1, 2])
def test_two_runs_at_once_are_refused(study, cut, force, seed):
    kept = files(cut)
    with (cut / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(OutputError, match="another run|other settings"):
            drawn(study, cut, seed=seed, force=force)
        assert files(cut) == kept
    assert drawn(study, cut).resumed_chunks == 1


def test_a_run_that_is_just_beginning_is_seen_as_one(study, tmp_path):
    """Its lock is there, and its state is being written: this is no stranger's folder."""
    out = tmp_path / "out"
    out.mkdir()
    (out / ".run.json.abc.part").touch()
    with (out / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(OutputError, match="another run"):
            drawn(study, out)
    drawn(study, out)
    assert not (out / ".run.json.abc.part").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "film.part").touch()
    with pytest.raises(OutputError, match="no cohort of ours"):
        drawn(study, tmp_path / "mine")


def test_a_run_that_ended_between_two_looks_is_kept(study, tmp_path, monkeypatch):
    """The second of two runs waited at the door while the first one finished."""
    from llmsyn.generation import folder as folders

    first = drawn(study, tmp_path / "out")
    before = files(first.folder)
    look, looks = folders._refuse_other, []

    def blind_once(*given, **more):
        looks.append(1)
        if len(looks) > 1:
            look(*given, **more)

    monkeypatch.setattr(folders, "_refuse_other", blind_once)
    with pytest.raises(OutputError, match="holds a finished cohort"):
        drawn(study, tmp_path / "out")
    assert files(first.folder) == before


def test_a_run_holds_the_lock_while_it_draws(study, tmp_path):
    refused = []

    def second(stage, done, total):
        if stage == "draw" and not refused:
            with pytest.raises(OutputError, match="another run") as caught:
                drawn(study, tmp_path / "out")
            refused.append(caught.value)

    drawn(study, tmp_path / "out", progress=second)
    assert len(refused) == 1


@pytest.mark.parametrize(
    ("bad", "named"),
    [({"n": 0}, "-n 0"), ({"n": -5}, "-n -5"), ({"seed": -1}, "seed -1"),
     ({"seed": 2**63}, "seed 9223372036854775808"), ({"workers": 0}, "--workers 0")],
)  # fmt: skip
def test_numbers_out_of_range(study, tmp_path, bad, named):
    with pytest.raises(InputError) as caught:
        drawn(study, tmp_path / "out", **bad)
    assert named in str(caught.value) and not (tmp_path / "out").exists()


def test_noisy_and_exact_numbers_in_one_profile_are_refused(study, tmp_path):
    noisy, *rest = study.variables
    mixed = replace(study, variables=(replace(noisy, sigma=2.0), *rest))
    with pytest.raises(ProfileError, match="has noise"):
        drawn(mixed, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_profile_that_is_not_there(tmp_path):
    with pytest.raises(InputError):
        drawn(str(tmp_path / "nowhere"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_largest_seed_and_a_single_unit(study, tmp_path):
    assert (
        table(drawn(study, tmp_path / "out", n=1, seed=2**63 - 1).folder, "patients").num_rows == 1
    )


# --- the command --------------------------------------------------------------------------


@pytest.fixture
def folder(study, tmp_path):
    write_profile(study, tmp_path / "study")
    return tmp_path / "study"


def arguments(folder, out, *more):
    return ["generate", str(folder), "-n", "500", "--seed", "3", "-o", str(out),
            "--no-shipped-knowledge", *more]  # fmt: skip


def test_the_command_says_what_it_made(folder, tmp_path):
    done = CliRunner().invoke(main.cli, arguments(folder, tmp_path / "a"))
    assert done.exit_code == 0, done.output
    assert "500 synthetic patients" in done.stdout and "largest bias" in done.stdout
    done = CliRunner().invoke(main.cli, arguments(folder, tmp_path / "b", "--quiet"))
    assert done.exit_code == 0 and done.stdout == ""
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_the_command_prints_json(folder, tmp_path):
    done = CliRunner().invoke(main.cli, arguments(folder, tmp_path / "a", "--json"))
    told = json.loads(done.stdout)
    assert done.exit_code == 0
    assert told["n"] == 500 and told["unit"] == "patient" and told["folder"] == str(tmp_path / "a")
    assert told["unmet"] == [] and told["units_per_second"] > 0


def test_options_reach_the_run(folder, tmp_path):
    more = ("--tables", "none", "--quotas", "--knowledge-scale", "0.5", "--no-icd10-sex-edit",
            "--no-associations", "--no-cache")  # fmt: skip
    assert CliRunner().invoke(main.cli, arguments(folder, tmp_path / "a", *more)).exit_code == 0
    settings = json.loads((tmp_path / "a" / "manifest.json").read_text())["settings"]
    assert settings["tables"] == "none" and settings["quotas"] and settings["scale"] == 0.5
    assert settings["parts"] == [] and settings["icd10_sex_edit"] is False
    assert settings["with_shipped"] is False


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["-n", "0"], "-n 0"),
        (["-n", "many"], "not a valid integer"),
        (["--seed", "-1"], "seed -1"),
        (["--workers", "0"], "--workers 0"),
        (["--tables", "some"], "--tables"),
        (["--knowledge", "nowhere"], "nowhere"),
    ],
)
def test_bad_options_end_with_2_and_a_sentence(folder, tmp_path, capsys, more, words):
    assert main.main(arguments(folder, tmp_path / "a", *more)) == 2
    out, err = capsys.readouterr()
    assert out == "" and words in err and "Traceback" not in err


def test_exit_codes_of_a_folder_that_is_taken(folder, tmp_path, capsys):
    assert main.main(arguments(folder, tmp_path / "a")) == 0
    assert main.main(arguments(folder, tmp_path / "a")) == 2
    assert "--force" in capsys.readouterr().err
    assert main.main(arguments(folder, tmp_path / "a", "--force")) == 0
    assert main.main(["generate", "no-such-profile", "-n", "1", "--seed", "1", "-o", str(tmp_path / "b")]) == 2  # fmt: skip


def test_ctrl_c_ends_with_130_and_the_same_command_goes_on(folder, tmp_path, monkeypatch, capsys):
    def press(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(places, "write_profile", press)
        assert main.main(arguments(folder, tmp_path / "a")) == 130
    assert "interrupted" in capsys.readouterr().err
    assert main.main(arguments(folder, tmp_path / "a")) == 0
    assert main.main(arguments(folder, tmp_path / "b")) == 0
    assert files(tmp_path / "a") == files(tmp_path / "b")


@pytest.mark.parametrize("scale", [float("nan"), float("inf"), -1.0])
def test_a_scale_that_is_no_factor_is_refused(study, tmp_path, scale):
    with pytest.raises(InputError, match="is no factor; give 0"):
        drawn(study, tmp_path / "out", scale=scale)
    assert not (tmp_path / "out").exists()
