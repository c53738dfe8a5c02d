"""What is exported is lm-evaluation-harness' sample schema, with nothing made up and no patient."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from medtune.evaluation.harness import sample, write_samples
from medtune.records import ArmScore, Evaluation, ItemScore, ScoreReport

# lm_eval 0.4.13, result_schema.SampleResult, in the order in which evaluator.py writes the keys;
# all other keys are names of metrics and have numbers.
FIXED_KEYS = {
    "doc_id": int,
    "doc": dict,
    "target": str,
    "arguments": dict,
    "resps": list,
    "filtered_resps": list,
    "filter": str,
    "metrics": list,
    "doc_hash": str,
    "prompt_hash": str,
    "target_hash": str,
}


def require_schema(row: dict[str, Any]) -> None:
    """Refuse what lm-eval's own typed schema does not allow, or what its writer never writes."""
    assert list(row)[: len(FIXED_KEYS)] == list(FIXED_KEYS)
    for key, kind in FIXED_KEYS.items():
        assert type(row[key]) is kind, key
    assert list(row)[len(FIXED_KEYS) :] == row["metrics"]
    assert all(type(row[metric]) is float for metric in row["metrics"])
    requests = row["arguments"]
    assert list(requests) == [f"gen_args_{place}" for place in range(len(requests))]
    assert all("arg_0" in request for request in requests.values())
    assert len(row["resps"]) == len(row["filtered_resps"]) == len(requests)
    for repeats, chosen in zip(row["resps"], row["filtered_resps"], strict=True):
        for response in (*repeats, chosen):
            pair = response if isinstance(response, list) else ["", response]
            assert len(pair) == 2
            assert all(isinstance(part, str) for part in pair)
    # utils.hash_string, and how evaluator.py makes its texts.
    doc = json.dumps(row["doc"], indent=2, ensure_ascii=False)
    assert row["doc_hash"] == hashlib.sha256(doc.encode()).hexdigest()
    first = requests["gen_args_0"]["arg_0"]
    assert row["prompt_hash"] == hashlib.sha256(first.encode()).hexdigest()
    assert row["target_hash"] == hashlib.sha256(row["target"].encode()).hexdigest()


WEIGHED = ItemScore(
    id="q1",
    group="case-1",
    part="anatomy",
    prompt_digest="d" * 64,
    question="Which vitamin prevents scurvy? \u00e9",
    options=("A", "B"),
    log_likelihoods=(-1.5, -0.25),
    num_answer_tokens=1,
    predicted="B",
    answer="B",
    value=1.0,
)
REASONED = replace(
    WEIGHED,
    log_likelihoods=(),
    texts=("Gums bleed. The answer is B.", "A", "Unclear."),
    num_cut=0,
    num_empty=0,
    is_parsed=True,
    votes=("B", "A", ""),
)
NOTE = replace(
    WEIGHED,
    options=(),
    log_likelihoods=(),
    predicted="",
    answer="",
    value=0.4,
    texts=("PLAN\nRest",),
)
TRUTH = replace(WEIGHED, options=(), predicted="", answer="", value=0.8)
PLAIN_TEXT = replace(TRUTH, log_likelihoods=(-812.5,), value=1.1, weight=900.0)
KINDS = [
    (WEIGHED, "accuracy"),
    (REASONED, "accuracy"),
    (NOTE, "rouge_l"),
    (TRUTH, "mc2"),
    (PLAIN_TEXT, "bits_per_byte"),
]


def private(item: ItemScore) -> ItemScore:
    return replace(item, question="", prompt_digest="", texts=None)


def arm(*items: ItemScore, metric: str = "accuracy", **changes: Any) -> ArmScore:
    standard: dict[str, Any] = {
        "arm": "base",
        "few_shot": 0,
        "metric": metric,
        "value": 1.0,
        "interval": (0.2, 1.0),
        "interval_method": "wilson",
        "num_items": len(items),
        "num_groups": len(items),
        "items": items,
    }
    return ArmScore(**(standard | changes))


def report(*arms: ArmScore, name: str = "medqa", **settings: Any) -> ScoreReport:
    return ScoreReport(
        name=name,
        task="medqa",
        test_set="2 rows",
        is_official=False,
        is_complete=True,
        protocol="top_token",
        settings=settings,
        dtype="float32",
        arms=arms,
        comparisons=(),
    )


def export(folder: Path, *reports: ScoreReport) -> dict[str, list[dict[str, Any]]]:
    evaluation = Evaluation(suite="mine", conditions={}, reports=reports)
    return {
        path.name: [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for path in write_samples(evaluation, folder)
    }


def one(item: ItemScore, metric: str = "accuracy", **settings: Any) -> dict[str, Any]:
    scored = arm(item, metric=metric)
    return sample(0, item, scored, report(scored, **settings))


def test_every_kind_of_item_is_of_the_schema():
    for item, metric in KINDS:
        for shown in (item, private(item)):
            require_schema(one(shown, metric, max_new_tokens=64))


def test_there_is_a_file_for_each_set_and_arm_with_a_line_for_each_item(tmp_path: Path):
    other = replace(WEIGHED, id="q2")
    found = export(
        tmp_path / "new" / "folder",
        report(
            arm(WEIGHED, other),
            arm(WEIGHED, other, few_shot=5, shot_seed=1),
            arm(WEIGHED, other, few_shot=5, shot_seed=2),
            arm(WEIGHED, other, arm="adapter"),
        ),
        report(arm(NOTE, metric="rouge_l"), name="mts_dialog"),
    )
    assert list(found) == [
        "samples_medqa_base-0-shot.jsonl",
        "samples_medqa_base-5-shot-seed-1.jsonl",
        "samples_medqa_base-5-shot-seed-2.jsonl",
        "samples_medqa_adapter-0-shot.jsonl",
        "samples_mts_dialog_base-0-shot.jsonl",
    ]
    for name, rows in found.items():
        assert [row["doc_id"] for row in rows] == list(range(len(rows)))
        # lm_eval.utils.get_file_task_name
        assert name[name.find("_") + 1 : name.rfind("_")] in ("medqa", "mts_dialog")
    assert [row["doc"]["id"] for row in found["samples_medqa_adapter-0-shot.jsonl"]] == ["q1", "q2"]


def test_hashes_are_those_that_lm_eval_writes_for_the_same_document():
    # Written by lm_eval 0.4.13 for a task whose document, prompt and target are these.
    row = one(WEIGHED)
    assert row["doc_hash"] == "1335a340634c1aaa3ed883eb7a933405f90ab00581bd994928d81209e00fa1c6"
    assert row["prompt_hash"] == "54a746a62dfc64819da56461675f96fa12141391fe0c8c4750c854e39221f77b"
    assert row["target_hash"] == "df7e70e5021544f4834bbee64a9e3789febc4be81470df629cad6ddb03320a5c"


def test_an_item_that_was_weighed_has_a_request_for_each_option():
    row = one(WEIGHED)
    assert row["arguments"] == {
        "gen_args_0": {"arg_0": WEIGHED.question, "arg_1": "A", "prompt_digest": "d" * 64},
        "gen_args_1": {"arg_0": WEIGHED.question, "arg_1": "B", "prompt_digest": "d" * 64},
    }
    assert row["resps"] == [[["-1.5", "None"]], [["-0.25", "None"]]]
    assert row["filtered_resps"] == [["-1.5", "None"], ["-0.25", "None"]]
    assert (row["target"], row["filter"], row["metrics"], row["acc"]) == ("B", "none", ["acc"], 1.0)


def test_written_answers_are_the_repeats_of_one_request_and_the_filter_is_what_was_read():
    row = one(REASONED, protocol="sc_cot", max_new_tokens=64, temperature=0.8, samples=3)
    how = row["arguments"]["gen_args_0"]["arg_1"]
    assert how == {"max_gen_toks": 64, "temperature": 0.8, "do_sample": True}
    assert row["resps"] == [list(REASONED.texts or ())]
    assert (row["filtered_resps"], row["filter"]) == (["B"], "extract")
    unread = one(replace(REASONED, predicted="", is_parsed=False, value=0.0))
    assert (unread["filtered_resps"], unread["acc"]) == ([""], 0.0)


def test_a_note_is_its_own_response_and_is_written_greedily():
    row = one(NOTE, "rouge_l", max_new_tokens=512)
    assert row["resps"] == [["PLAN\nRest"]]
    assert (row["filtered_resps"], row["filter"], row["rouge_l"]) == (["PLAN\nRest"], "none", 0.4)
    how = row["arguments"]["gen_args_0"]["arg_1"]
    assert how == {"max_gen_toks": 512, "do_sample": False}


def test_texts_that_are_not_kept_are_left_out_and_not_made_up():
    truth = one(TRUTH, "mc2")
    assert [set(request) for request in truth["arguments"].values()] == [
        {"arg_0", "prompt_digest"}
    ] * 2
    assert (truth["target"], truth["mc2"]) == ("", 0.8)
    plain = one(PLAIN_TEXT, "bits_per_byte")
    assert (plain["resps"], plain["filtered_resps"]) == ([["-812.5"]], ["-812.5"])


def test_of_private_rows_nothing_is_written_but_what_the_model_made_of_them(tmp_path: Path):
    secret = replace(
        WEIGHED, id="patient-77", group="ward-9", part="oncology", options=("sepsis", "no"),
        answer="sepsis", predicted="sepsis",
    )  # fmt: skip
    items = [private(secret), private(replace(secret, log_likelihoods=(), is_parsed=True))]
    [rows] = export(tmp_path, report(arm(*items))).values()
    for row in rows:
        require_schema(row)
        assert row["doc"] == {}
    [path] = tmp_path.iterdir()
    text = path.read_text(encoding="utf-8")
    for word in ("patient-77", "ward-9", "oncology", "sepsis", "scurvy", "dddd"):
        assert word not in text
    assert rows[0]["resps"] == [[["-1.5", "None"]], [["-0.25", "None"]]]


def test_arms_share_the_hashes_of_their_documents_and_not_their_prompts_digests(tmp_path: Path):
    shown = replace(WEIGHED, prompt_digest="e" * 64, log_likelihoods=(-0.5, -2.0))
    plain, few = export(tmp_path, report(arm(WEIGHED), arm(shown, few_shot=5))).values()
    for key in ("doc_hash", "prompt_hash", "target_hash"):
        assert plain[0][key] == few[0][key]
    assert plain[0]["arguments"] != few[0]["arguments"]


@given(st.text(), st.lists(st.floats(-1e4, 0), min_size=1, max_size=6), st.floats(0, 1))
def test_any_item_is_of_the_schema_and_keeps_its_numbers(text: str, weights: list, value: float):
    options = tuple("ABCDEF"[: len(weights)])
    item = replace(
        WEIGHED, question=text, options=options, log_likelihoods=tuple(weights), value=value,
        answer="A", predicted="A",
    )  # fmt: skip
    row = json.loads(json.dumps(one(item)))
    require_schema(row)
    assert [float(number) for number, _ in row["filtered_resps"]] == weights
    assert row["acc"] == value
