"""Re-weighting: the wanted share, all else as it follows, and a check of what still holds."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from click.testing import CliRunner
from network_toys import QUICK, population, profile_of, quick_compiling

from llmsyn.cli import main
from llmsyn.cohort.parts import open_cohort
from llmsyn.errors import InfeasibleError, InputError
from llmsyn.generation import chunks, generate, pipeline, reweighting
from llmsyn.profile.condition import Reweight, read_reweight
from llmsyn.profile.terms import parse_term
from llmsyn.store import sha256_file

SIZE, N = 400, 1_100  # three chunks, the last one shorter


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with quick_compiling():
        yield


@pytest.fixture(scope="module")
def study():
    """The toy population."""
    rows = population(4_000)
    return profile_of(rows, [rows.table("sex", "dx"), rows.table("dx", "died")])


@pytest.fixture
def _small(monkeypatch):
    """Small chunks, so that a run has several."""
    monkeypatch.setattr(chunks, "CHUNK", SIZE)
    monkeypatch.setattr(pipeline, "CHUNK", SIZE)


@pytest.fixture(autouse=True)
def _fast(monkeypatch, tmp_path_factory):
    """A short calibration, and a cache that all tests of this file share."""
    monkeypatch.setattr(pipeline, "Settings", lambda: QUICK)
    monkeypatch.setenv("LLMSYN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def drawn(profile, out, n=N, seed=1, **more):
    return generate(profile, n, seed=seed, out=out, with_shipped=False, **more)


def hashes(folder):
    return {str(p.relative_to(folder)): sha256_file(p) for p in sorted(folder.rglob("*.parquet"))}


def has_code(folder, name, code):
    """Whether each unit has a code, in the order of units."""
    found = []
    for batch in open_cohort(folder):
        held = np.zeros(len(batch), bool)
        rows = batch.codes[name]
        held[np.asarray(rows["row"])[np.asarray(rows["code"].to_pylist()) == code]] = True
        found.append(held)
    return np.concatenate(found)


def column(folder, name):
    """Values of a column of units, of all parts."""
    return np.concatenate([np.array(b.units[name].to_pylist()) for b in open_cohort(folder)])


def test_a_level_has_exactly_the_wanted_share_in_every_chunk(study, tmp_path, _small):
    result = drawn(study, tmp_path / "out", reweight=("died=yes", 0.3))
    died = column(result.folder, "died") == "yes"
    assert died.sum() == 330 == result.manifest["reweighted"]["units"]
    assert [int(died[i : i + SIZE].sum()) for i in (0, 400, 800)] == [120, 120, 90]
    first = died[:SIZE]
    assert 0.15 < first[: SIZE // 2].mean() < 0.45, "those who died stand among the others"


def test_the_share_holds_to_the_nearest_unit_over_chunks_that_it_does_not_divide():
    wanted = Reweight(parse_term("died=yes"), 0.37)
    ends = [0, 13, 29, 30, 101]
    parts = [wanted.units(b) - wanted.units(a) for a, b in pairwise(ends)]
    assert sum(parts) == 37 and parts == [5, 6, 0, 26]


@pytest.mark.parametrize(
    ("condition", "name", "code"), [("dx=E", "dx", "E"), ("drug=z", "drug", "z")]
)
def test_a_code_has_exactly_the_wanted_share(study, tmp_path, condition, name, code):
    if code not in study[name].codes:
        condition, code = f"{name}={study[name].codes[-1]}", study[name].codes[-1]
    out = drawn(study, tmp_path / "out", n=1_001, reweight=(condition, 0.5)).folder
    assert has_code(out, name, code).sum() == 501  # 500.5 is rounded up


def test_a_main_code_and_a_range(study, tmp_path):
    out = drawn(study, tmp_path / "main", n=500, reweight=("dx.main=C", 0.4)).folder
    main = [r for b in open_cohort(out) for r in b.codes["dx"].to_pylist() if r["position"] == 0]
    assert sum(r["code"] == "C" for r in main) == 200
    out = drawn(study, tmp_path / "age", n=500, reweight=("age=[60,inf)", 0.9)).folder
    assert (column(out, "age") >= 60).sum() == 450


def test_all_else_is_as_it_is_given_the_condition(study, tmp_path):
    """Among those who died, and among the others, shares are those of a plain cohort."""
    plain = drawn(study, tmp_path / "plain", n=20_000).folder
    moved = drawn(study, tmp_path / "moved", n=10_000, reweight=("died=yes", 0.5)).folder
    for died in ("yes", "no"):
        a, b = column(plain, "died") == died, column(moved, "died") == died
        for name, code in (("dx", "E"), ("dx", "A"), ("drug", study["drug"].codes[0])):
            p, q = has_code(plain, name, code)[a], has_code(moved, name, code)[b]
            spread = np.sqrt(p.var() / len(p) + q.var() / len(q))
            assert abs(p.mean() - q.mean()) < 4 * spread, (died, name, code)
    share = has_code(plain, "dx", "E").mean(), has_code(moved, "dx", "E").mean()
    assert share[1] > 1.08 * share[0], "what goes with death is more frequent now"


def test_nobody_is_copied(study, tmp_path):
    """A rare group is drawn anew, never repeated: ages and codes of its units differ."""
    out = drawn(study, tmp_path / "out", n=600, reweight=("dx=E", 0.9)).folder
    rows = zip(column(out, "age"), column(out, "sex"), has_code(out, "dx", "A"), strict=True)
    values, counts = np.unique([str(r) for r in rows], return_counts=True)
    assert len(values) > 150 and counts.max() < 40


def test_the_seed_says_every_byte(study, tmp_path, _small):
    first = drawn(study, tmp_path / "a", reweight=("dx=E", 0.6)).folder
    again = drawn(study, tmp_path / "b", reweight=("dx=E", 0.6)).folder
    other = drawn(study, tmp_path / "c", seed=2, reweight=("dx=E", 0.6)).folder
    assert hashes(first) == hashes(again)
    assert not set(hashes(first).values()) & set(hashes(other).values())


def test_chunks_are_drawn_the_same_by_themselves(study, tmp_path, _small):
    """The chunk number and the seed are all that a worker needs."""
    from llmsyn.network.drawing import compile_program
    from llmsyn.network.saving import load_network, save_network

    made = {}
    original = pipeline.compile_program

    def keep(network):
        made["network"] = network
        return original(network)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pipeline, "compile_program", keep)
        whole = drawn(study, tmp_path / "a", reweight=("died=yes", 0.5)).folder
    save_network(made["network"], tmp_path / "network")
    program = compile_program(load_network(tmp_path / "network"))
    job = chunks.Job("", N, 1, False, Reweight(parse_term("died=yes"), 0.5))
    alone = chunks.draw(program, job, 1)["patients"]
    import pyarrow.parquet as pq

    assert alone.equals(pq.read_table(whole / "patients" / "part-00001.parquet"))


def test_manifest_and_card_say_it(study, tmp_path):
    result = drawn(study, tmp_path / "out", n=1_000, reweight=("died=yes", 0.3))
    said = json.loads((result.folder / "manifest.json").read_text())
    assert said["settings"]["reweight"] == {"condition": "died=yes", "share": 0.3}
    p = study["died"].counts[1] / study.n_units
    assert said["reweighted"]["published_share"] == pytest.approx(p, abs=1e-6)
    back = said["reweighted"]["weight_with"] * 300, said["reweighted"]["weight_without"] * 700
    assert back[0] / sum(back) == pytest.approx(p, abs=1e-5), "the weights undo it"
    card = (result.folder / "DATA_CARD.md").read_text()
    assert "**Re-weighted**: 300 of 1,000 patients have `died=yes`" in card
    plain = drawn(study, tmp_path / "plain", n=100)
    assert "reweighted" not in plain.manifest and plain.manifest["settings"]["reweight"] is None
    assert "Re-weighted" not in (plain.folder / "DATA_CARD.md").read_text()


@pytest.mark.parametrize(
    ("condition", "share", "words"),
    [
        ("died=yes", 1.0, "not above 0 and below 1"),
        ("died=yes", 0.0, "not above 0 and below 1"),
        ("died=yes", float("nan"), "not above 0 and below 1"),
        ("died", 0.3, "write variable=level, such as died=yes"),
        ("dead=yes", 0.3, "no variable 'dead'; there are|did you mean died"),
        ("died=yess", 0.3, "did you mean yes"),
        ("dx=Q", 0.3, "'Q' is no listed code of dx; there are A, B, C, D, E"),
        ("age=[3,17)", 0.3, "no range of age that covers whole bins"),
        ("dx.count=3", 0.3, "cannot be re-weighted"),
        ("sex.main=F", 0.3, "cannot be re-weighted"),
        ("drug.main=z", 0.3, "cannot be re-weighted"),
    ],
)
def test_what_cannot_be_meant_is_refused(study, condition, share, words):
    with pytest.raises(InputError, match=words):
        read_reweight(study, condition, share)


def test_what_nobody_has_is_refused(study):
    none = replace(study["died"], counts=np.array([study.n_units, 0.0]))
    others = [none if v.name == "died" else v for v in study.variables]
    profile = replace(study, variables=tuple(others), tables=())
    with pytest.raises(InputError, match="nobody has died=yes"):
        read_reweight(profile, "died=yes", 0.5)
    with pytest.raises(InputError, match="everybody has died=no"):
        read_reweight(profile, "died=no", 0.5)


def test_quotas_are_refused(study, tmp_path):
    with pytest.raises(InputError, match="leave one out"):
        drawn(study, tmp_path / "out", reweight=("died=yes", 0.3), quotas=True)


def test_a_group_that_the_network_never_draws_ends(study, tmp_path, monkeypatch):
    monkeypatch.setattr(reweighting, "PATIENCE", 20_000)
    monkeypatch.setattr(
        reweighting, "meets", lambda network, batch, term: np.zeros(batch.levels.shape[1], bool)
    )
    with pytest.raises(InfeasibleError, match=r"none with died=yes"):
        drawn(study, tmp_path / "out", reweight=("died=yes", 0.3))


def command(*words):
    return CliRunner().invoke(main.cli, [str(w) for w in words])


def test_the_command_line(study, tmp_path):
    from llmsyn.profile.writing import write_profile

    write_profile(study, tmp_path / "p")
    base = ("generate", tmp_path / "p", "-n", 200, "--seed", 1, "-o", tmp_path / "out",
            "--no-shipped-knowledge")  # fmt: skip
    done = command(*base, "--reweight", "died=yes", "0.25")
    assert done.exit_code == 0, done.output
    assert "re-weighted: 50 of 200 have died=yes" in done.output
    assert command(*base, "--reweight", "died=yes").exit_code == 2
    again = command(*base, "--reweight", "died=yes", "0.5")
    assert "holds a finished cohort" in str(again.exception)
    records = command(*base, "--reweight", "died=yes", "0.5", "--method", "records")
    assert records.exit_code == 2 and "--reweight is for the network" in records.output


def test_an_export_and_the_evaluation_say_it(study, tmp_path):
    from llmsyn.evaluation.fidelity import _reweighted

    out = drawn(study, tmp_path / "out", n=200, reweight=("died=yes", 0.25)).folder
    done = CliRunner().invoke(main.cli, ["export", "csv", str(out), "-o", str(tmp_path / "csv")])
    assert done.exit_code == 0, done.output
    texts = [p.read_text() for p in (tmp_path / "csv").glob("*.md")]
    assert any("Re-weighted: 50 of them have died=yes" in text for text in texts)
    about = json.loads((tmp_path / "csv" / "export.json").read_text())
    assert about["cohort"]["reweighted"]["units"] == 50

    class Evidence:
        manifest = json.loads((out / "manifest.json").read_text())

    assert "died=yes in 25% of the units" in _reweighted(Evidence())[0]
    Evidence.manifest = {}
    assert _reweighted(Evidence()) == ()
