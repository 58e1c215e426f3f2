"""Records mode: beginnings drawn by code, patients completed by a double, cohorts on disk."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from model_doubles import FunctionModel, first_codes, silent
from network_toys import QUICK

from llmsyn.cli.generate import generate as command
from llmsyn.cohort.parts import read_manifest, synthetic_parts
from llmsyn.dictation.candidates import Limits, candidates_of
from llmsyn.dictation.dictating import Settings, dictate
from llmsyn.dictation.patients import Patient
from llmsyn.egress.budget import Cost
from llmsyn.elicitation.items import code_items
from llmsyn.errors import InputError, ServiceError, WaitingForBatch
from llmsyn.generation import records, starts
from llmsyn.generation.records import generate_records, rehearse
from llmsyn.generation.starts import draw_starts, without_lists
from llmsyn.knowledge.loading import load_base
from llmsyn.knowledge.types import Impossible
from llmsyn.llm.requests import Tally
from llmsyn.measurement import measure
from llmsyn.profile.reading import read_profile
from llmsyn.profile.terms import Range, Term
from llmsyn.profile.variables import UNLISTED, CodeSet, Selector


@pytest.fixture(autouse=True)
def _quick(monkeypatch, tmp_path):
    monkeypatch.setattr(starts, "Settings", lambda: QUICK)
    monkeypatch.setenv("LLMSYN_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def base():
    return load_base()


@pytest.fixture(scope="module")
def study(toy):
    return read_profile(toy)


def by_digest(request):
    """Some candidates, another choice for each patient."""
    codes = request.plain_schema["properties"]["codes"]
    keys, most = codes["items"]["enum"], codes["maxItems"]
    order = np.random.default_rng(request.seed).permutation(len(keys))
    return {"codes": [keys[i] for i in order[:most]]}


def patient(number=0, **changed):
    start = Patient(number, {"sex": "F", "age": "[60,70)", "died": "no"}, {"diagnoses": "4280"},
                    {"diagnoses": 3, "drugs": 2})  # fmt: skip
    return replace(start, **changed)


def completed(study, base, who, answer=by_digest, rules=(), **settings):
    model = FunctionModel(answer)
    made = dictate(study, base, who, rules, model, Settings(**{"ablation": "prior", **settings}))
    return made, model


# ---- beginnings ----------------------------------------------------------------------------


def test_demographics_outcome_and_main_code_are_whole_number_quotas(study):
    n = 500
    drawn = draw_starts(study, (), n, seed=3)
    sexes = Counter(p.levels["sex"] for p in drawn.patients)
    assert abs(sexes["F"] - 0.444 * n) <= 1
    deaths = sum(p.levels["died"] == "yes" for p in drawn.patients)
    assert abs(deaths - 0.084 * n) <= 5
    main = Counter(p.main.get("diagnoses") for p in drawn.patients)
    assert abs(main["41401"] - 0.175 * n) <= 10
    assert abs(main[UNLISTED] - 0.29 * n) <= 15


def test_who_has_a_listed_main_code_has_a_place_for_it(study):
    for one in draw_starts(study, (), 300, seed=1).patients:
        main = one.main.get("diagnoses", UNLISTED)
        assert main == UNLISTED or one.wanted["diagnoses"] >= 1


def test_the_same_seed_draws_the_same_beginnings(study):
    first, again, other = (draw_starts(study, (), 50, seed=s).patients for s in (1, 1, 2))
    assert first == again and first != other


def test_the_small_network_keeps_tables_about_what_it_draws(study):
    small = without_lists(study)
    assert [t.name for t in small.tables] == ["sex x died"]
    assert not any(isinstance(v, CodeSet) for v in small.variables)


# ---- what is offered -----------------------------------------------------------------------


def test_what_a_rule_keeps_apart_is_neither_offered_nor_taken(study, base):
    rules = (
        Impossible((Term("diagnoses", "42731"), Term("sex", "F")), "mce-sex"),
        Impossible((Term("diagnoses", "5849"), Term("age", Range(50.0, 90.0))), "mce-age"),
        Impossible((Term("diagnoses", "0389"), Term("diagnoses", "4280")), "exclusive"),
        Impossible((Term("drugs", "furosemide"), Term("drugs", "metoprolol")), "exclusive"),
    )
    made, model = completed(study, base, [patient(k) for k in range(40)], rules=rules)
    for request in model.asked:
        if request.purpose == "records/diagnoses":
            keys = request.plain_schema["properties"]["codes"]["items"]["enum"]
            assert sorted(keys) == ["4019", "41401"]
    for one in made.patients:
        assert not {"furosemide", "metoprolol"} <= set(one.codes["drugs"])
    assert made.not_taken > 0


def test_systems_follow_the_selector(study):
    selector = Selector("version", {"nine": ("icd9cm",), "ten": ("icd10cm",)})
    mixed = CodeSet("dx", "diagnoses", ("icd9cm", "icd10cm"), ("icd9cm:4280", "icd10cm:I509"),
                    np.array([90.0, 80]), selector=selector)  # fmt: skip
    profile = replace(study, variables=(*study.variables[:2], mixed), tables=())
    items = code_items(profile, mixed)
    who = Patient(0, {"version": "ten"})
    random = np.random.default_rng(0)
    found = candidates_of(who, mixed, items, Limits(profile, ()), 10, random)
    assert [item.term.value for item in found] == ["icd10cm:I509"]


def test_a_long_list_is_offered_in_part_and_every_code_comes_up(study):
    many = CodeSet("dx", "diagnoses", ("local",), tuple(f"c{k}" for k in range(200)),
                   np.linspace(900, 20, 200))  # fmt: skip
    profile = replace(study, variables=(*study.variables[:2], many), tables=())
    items, limits = code_items(profile, many), Limits(profile, ())
    seen = Counter()
    for k in range(300):
        random = np.random.default_rng(k)
        found = candidates_of(Patient(k, {}), many, items, limits, 40, random)
        assert len(found) == len(set(found)) == 40
        seen.update(str(item.term.value) for item in found)
    assert len(seen) == 200
    assert all(seen[f"c{k}"] == 300 for k in range(28))  # 70% of 40: always there


# ---- what comes back -----------------------------------------------------------------------


def test_a_patient_gets_the_main_code_first_and_as_many_codes_as_were_drawn(study, base):
    made, model = completed(study, base, [patient(k) for k in range(10)])
    for one in made.patients:
        assert one.codes["diagnoses"][0] == "4280" and len(set(one.codes["diagnoses"])) == 3
        assert len(set(one.codes["drugs"])) == 2
    assert made.n_requests == {"diagnoses": 10, "drugs": 10}
    assert len({request.digest for request in model.asked}) == 20


def test_drugs_are_asked_for_with_the_diagnoses_that_were_chosen(study, base):
    made, model = completed(study, base, [patient()])
    user = next(r for r in model.asked if r.purpose == "records/drugs").prompt.user
    for code in made.patients[0].codes["diagnoses"]:
        assert code in user.split("Candidates")[0]


def test_nothing_is_asked_where_nothing_is_wanted(study, base):
    made, model = completed(study, base, [patient(wanted={"diagnoses": 1, "drugs": 0})])
    assert model.asked == []
    assert made.patients[0].codes == {"diagnoses": ("4280",), "drugs": ()}


def test_doubles_and_more_than_wanted_are_not_taken(study, base):
    def greedy(request):
        keys = request.plain_schema["properties"]["codes"]["items"]["enum"]
        return {"codes": [keys[0], keys[0]]}

    made, _ = completed(study, base, [patient()], greedy)
    assert made.not_taken == 2
    assert [len(made.patients[0].codes[s]) for s in ("diagnoses", "drugs")] == [2, 1]


def test_without_numbers_the_model_says_how_many(study, base):
    made, _ = completed(study, base, [patient()], first_codes, ablation="base")
    assert len(made.patients[0].codes["diagnoses"]) == 6  # the main one and five


def test_a_patient_without_a_usable_reply_leaves_and_is_counted(study, base):
    def fails_once(request):
        return "cut off" if request.seed == 2 and "diag" in request.purpose else silent(request)

    made, _ = completed(study, base, [patient(k) for k in range(4)], fails_once)
    assert [p.number for p in made.patients] == [0, 1, 3]
    assert made.failed == {"diagnoses: cut off": 1}
    assert made.n_requests == {"diagnoses": 4, "drugs": 3}


# ---- whole cohorts -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cohort(study, tmp_path_factory):
    out = tmp_path_factory.mktemp("records") / "out"
    patch = pytest.MonkeyPatch()
    patch.setattr(starts, "Settings", lambda: QUICK)
    model = FunctionModel(by_digest, name="double-1")
    result = generate_records(study, 400, seed=5, out=out, model=model, over=1.5, cache=False,
                              ablation="prior")  # fmt: skip
    patch.undo()
    return result


def test_the_folder_is_a_cohort_like_that_of_the_network(cohort, study):
    manifest = read_manifest(cohort.folder)
    assert manifest["method"] == "records" and manifest["n"] == 400
    batches = list(synthetic_parts(cohort.folder, verify=True))
    found = measure(batches, study).profile
    assert found.n_units == 400
    gaps = {gap.cell: gap.drawn for gap in cohort.raked.gaps}
    for code, count in zip(study["diagnoses"].codes, found["diagnoses"].counts):
        assert gaps[f"diagnoses={code}"] == pytest.approx(count / 400)
    for code, count in zip(study["diagnoses"].codes, found["diagnoses"].main):
        assert gaps[f"diagnoses.main={code}"] == pytest.approx(count / 400)


def test_what_a_reader_must_know_is_in_manifest_and_card(cohort):
    records_ = cohort.manifest["records"]
    assert records_["models"] == ["double-1"] and records_["proposals"] == 600
    assert records_["requests"]["diagnoses"] > 0 and records_["completed"] == 600
    card = (cohort.folder / "DATA_CARD.md").read_text()
    assert "double-1" in card and "raking.csv" in card
    gap = records_["gap"]
    assert gap["mean_raked"] < gap["mean_proposed"]
    lines = (cohort.folder / "raking.csv").read_text().splitlines()
    assert len(lines) == gap["cells"] + 1 and lines[0].startswith("cell,published,proposed")


def test_rows_belong_to_units_and_main_codes_come_first(cohort):
    units = pq.read_table(cohort.folder / "patients")
    codes = pq.read_table(cohort.folder / "diagnoses").to_pylist()
    assert units["patient_id"].to_pylist() == list(range(1, 401))
    seen = {}
    for row in codes:
        assert row["position"] == seen.get(row["patient_id"], -1) + 1
        seen[row["patient_id"]] = row["position"]
    listed = [(r["patient_id"], r["code"]) for r in codes if r["code"] != UNLISTED]
    assert len(listed) == len(set(listed))


def test_the_same_replies_give_the_same_bytes(cohort, study, tmp_path, monkeypatch):
    again = generate_records(study, 400, seed=5, out=tmp_path / "out", cache=False, over=1.5,
                             model=FunctionModel(by_digest, name="double-1"), ablation="prior")  # fmt: skip
    for part in cohort.manifest["parts"]:
        first = (cohort.folder / part["file"]).read_bytes()
        assert (again.folder / part["file"]).read_bytes() == first
    assert again.manifest == cohort.manifest


class InRounds(FunctionModel):
    """A batch folder in small: each run of the command may answer what was asked before."""

    def __init__(self, known):
        super().__init__(by_digest)
        self.known = known

    def ask(self, requests, progress=None):
        missing = [r for r in requests if r.digest not in self.known]
        yield from super().ask([r for r in requests if r.digest in self.known], progress)
        self.known.update(r.digest for r in requests)
        if missing:
            raise WaitingForBatch(f"{len(missing)} wait")


def test_stages_go_in_rounds_and_the_same_command_goes_on(study, tmp_path):
    known = set()

    def run():
        return generate_records(study, 30, seed=1, out=tmp_path / "out", model=InRounds(known),
                                ablation="prior")  # fmt: skip

    for _ in range(2):  # one round a stage
        with pytest.raises(WaitingForBatch):
            run()
        assert not (tmp_path / "out" / "manifest.json").exists()
    result = run()
    whole = generate_records(study, 30, seed=1, out=tmp_path / "two", ablation="prior",
                             model=FunctionModel(by_digest))  # fmt: skip
    assert result.manifest["parts"] == whole.manifest["parts"]


def test_a_model_that_answers_for_few_patients_is_an_error(study, tmp_path):
    with pytest.raises(ServiceError, match="double gave no usable reply for . of 6 patients"):
        generate_records(study, 5, seed=1, out=tmp_path / "o", model=FunctionModel(lambda r: "x"))


class Counting(FunctionModel):
    """A dry run: counts, and answers nothing."""

    def __init__(self):
        super().__init__(silent)

    def ask(self, requests, progress=None):
        self.asked += requests
        return iter(())

    @property
    def tally(self):
        n = len(self.asked)
        return Tally(asked=n, cost=Cost(n, 100 * n, 10 * n, 0.5 * n))


def test_a_dry_run_sees_every_stage_and_grows_with_n(study):
    model = Counting()
    small = rehearse(study, 100, seed=1, model=model)
    assert {r.purpose for r in model.asked} == {"records/diagnoses", "records/drugs"}
    assert small.cost.requests == len(model.asked)
    large = rehearse(study, 100_000, seed=1, model=Counting())
    assert large.cost.requests == pytest.approx(1000 * small.cost.requests, rel=0.1)
    assert large.cost.usd == pytest.approx(0.5 * large.cost.requests, rel=0.01)


def test_the_command_writes_records_in_rounds(toy, tmp_path):
    runner = CliRunner()
    out, batch = tmp_path / "out", tmp_path / "batch"
    arguments = [str(toy), "-n", "8", "--seed", "1", "-o", str(out), "--method", "records",
                 "--model", "m", "--batch", str(batch), "--cache", str(tmp_path / "kept"),
                 "--ledger", str(tmp_path / "ledger.jsonl"), "--json"]  # fmt: skip
    for number in range(6):
        found = runner.invoke(command, arguments)
        if found.exception is None:
            break
        assert isinstance(found.exception, WaitingForBatch)
        _answer(batch, number)
    shown = json.loads(found.stdout)
    assert shown["records"]["models"] == ["m"] and number == 2
    assert (out / "manifest.json").exists()


def _answer(batch, number):
    """Results as a batch service would write them."""
    lines = []
    for file in sorted(batch.glob("requests-*.jsonl")):
        for text in file.read_text().splitlines():
            request = json.loads(text)
            schema = request["body"]["response_format"]["json_schema"]["schema"]
            codes = schema["properties"]["codes"]
            content = {"codes": codes["items"]["enum"][: codes["maxItems"]]}
            body = {"model": "m", "usage": {"prompt_tokens": 10, "completion_tokens": 5},
                    "choices": [{"message": {"role": "assistant", "content": json.dumps(content)},
                                 "finish_reason": "stop"}]}  # fmt: skip
            lines.append({"custom_id": request["custom_id"], "error": None,
                          "response": {"status_code": 200, "body": body}})  # fmt: skip
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (batch / f"results-{number}.jsonl").write_text(text)


def test_a_model_needs_the_records_method(toy, tmp_path):
    found = CliRunner().invoke(
        command, [str(toy), "-n", "5", "--seed", "1", "-o", str(tmp_path / "o"), "--dry-run"]
    )
    assert found.exit_code == 2 and "--method records" in found.output


def test_numbers_out_of_range_are_refused(study, tmp_path):
    model = FunctionModel(silent)
    for wrong, said in (({"n": 0}, "-n 0"), ({"over": 0.5}, "0.5 proposals")):
        with pytest.raises(InputError, match=said):
            generate_records(study, **{"n": 5, "seed": 1, "out": tmp_path / "o", "model": model,
                                       **wrong})  # fmt: skip


def test_the_default_is_the_paper_s():
    assert records.DEFAULT_N == 1500
