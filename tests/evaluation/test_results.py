"""What is written is what is read back, and what was changed on disk is not read as if it were."""

import json
from dataclasses import replace
from math import inf
from pathlib import Path

import pytest

from medtune.data.contamination import contaminated
from medtune.errors import EvaluationError
from medtune.evaluation.comparing import compare_evaluations
from medtune.evaluation.contamination import without_hits
from medtune.evaluation.summaries import spreads, summarise
from medtune.evidence.arms import compare
from medtune.evidence.scores import read_evaluation, write_evaluation
from medtune.records import ArmScore, Evaluation, Example, ItemScore, Message, ScoreReport
from medtune.stats import mcnemar_exact, tango_interval

from tiny_models import make_example  # isort: skip


def item(number: int, *, right: bool, **changes: object) -> ItemScore:
    found = ItemScore(
        id=f"item-{number}", group=f"item-{number}", prompt_digest="0", question=f"Why {number}?",
        options=("A", "B"), log_likelihoods=(-1.0, -2.0), num_answer_tokens=1,
        predicted="A" if right else "B", answer="A", value=float(right),
    )  # fmt: skip
    return replace(found, **changes)


def arm(name: str, marks: str, **settings: object) -> ArmScore:
    items = [item(n, right=mark == "+") for n, mark in enumerate(marks)]
    figures = [{"brier": 0.1, "confidence": 0.7} for _ in items]
    return summarise(name, 0, "accuracy", items, figures=figures, **settings)


def report(*arms: ArmScore, name: str = "set", **changes: object) -> ScoreReport:
    comparisons = [compare(arms[-1], base) for base in arms[:-1]]
    found = ScoreReport(
        name=name, task="mcq", test_set="made up", is_official=False, is_complete=True,
        protocol="top_token", settings={"protocol": "top_token", "seed": 7}, dtype="float32",
        arms=arms, comparisons=tuple(comparisons), spreads=spreads(arms),
    )  # fmt: skip
    return replace(found, **changes)


def evaluation(*reports: ScoreReport, device: str = "cpu") -> Evaluation:
    return Evaluation(suite="mine", conditions={"engine": "x", "device": device}, reports=reports)


def test_an_evaluation_is_read_back_as_it_was_written(tmp_path: Path):
    several = [replace(arm("base", "+-+-"), few_shot=2, shot_seed=seed) for seed in (1, 2)]
    first = report(*several, arm("adapter", "++++"))
    hits = without_hits(first.arms, frozenset({"item-1"}), 30)
    second = report(arm("base", "--++"), arm("adapter", "-+++"), name="other", contamination=hits)
    found = evaluation(first, second)
    write_evaluation(found, tmp_path)
    assert read_evaluation(tmp_path) == found
    assert [s.score.mean for s in first.spreads] == [0.5]
    before = (tmp_path / "scores.json").read_bytes(), (tmp_path / "items.jsonl").read_bytes()
    write_evaluation(found, tmp_path)
    assert before == (
        (tmp_path / "scores.json").read_bytes(),
        (tmp_path / "items.jsonl").read_bytes(),
    )


def test_an_interval_without_bounds_is_null_in_the_file_and_read_back(tmp_path: Path):
    one = summarise("base", 0, "answer_nll_per_token", [item(1, right=True, value=2.5)])
    assert one.interval == (-inf, inf)
    write_evaluation(evaluation(report(one)), tmp_path)
    written = json.loads((tmp_path / "scores.json").read_text())
    assert written["reports"][0]["arms"][0]["interval"] == [None, None]
    assert read_evaluation(tmp_path).reports[0].arms[0].interval == (-inf, inf)


def edit(path: Path, old: str, new: str) -> None:
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new, 1))


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("scores.json", '"schema_version": 2', '"schema_version": 1', "schema version 1; this"),
        ("scores.json", '"suite": "mine"', '"sweet": "mine"', "not as medtune wrote them"),
        ("scores.json", '"num_groups": 4,\n          "num_items": 4', '"num_items": 3', "not as"),
        ("items.jsonl", '"arm": "base"', '"arm": "adapter"', "an item of another arm"),
        ("items.jsonl", '"value"', '"valu"', "not as medtune wrote them"),
        ("items.jsonl", "{", "", "could not be read"),
    ],
)
def test_files_that_were_changed_or_torn_are_refused(
    tmp_path: Path, file: str, old: str, new: str, message: str
):
    write_evaluation(evaluation(report(arm("base", "+-+-"))), tmp_path)
    edit(tmp_path / file, old, new)
    with pytest.raises(EvaluationError, match=message):
        read_evaluation(tmp_path)


def test_a_folder_without_results_is_named(tmp_path: Path):
    with pytest.raises(EvaluationError, match="give the folder of a finished run or evaluation"):
        read_evaluation(tmp_path)


# Two evaluations side by side


def test_two_evaluations_are_compared_item_by_item():
    left = evaluation(report(arm("base", "++-+--+-+-")))
    right = evaluation(
        report(arm("base", "----------"), arm("adapter", "+++++--+++")), device="gpu"
    )
    [found] = compare_evaluations(left, right)
    assert found.first.arm == "base"
    assert found.second.arm == "adapter"
    comparison = found.comparison
    assert (comparison.gained, comparison.lost) == (4, 1)
    assert comparison.difference == pytest.approx(0.3)
    assert comparison.interval == tango_interval(4, 1, 10)
    assert comparison.p_value == mcnemar_exact(4, 1)
    assert found.differences == ("device: cpu and gpu",)
    [back] = compare_evaluations(right, left)
    assert back.comparison.difference == pytest.approx(-0.3)


def test_differences_of_protocol_are_named():
    left = evaluation(report(arm("base", "+-")))
    changed = report(arm("base", "--"), settings={"protocol": "cot", "seed": 7}, dtype="bfloat16")
    [found] = compare_evaluations(left, evaluation(changed))
    assert found.differences == (
        "protocol: top_token and cot", "precision: float32 and bfloat16"
    )  # fmt: skip


def test_other_items_questions_answers_or_sets_are_not_compared():
    left = evaluation(report(arm("base", "+-+")))
    with pytest.raises(EvaluationError, match=r"not the same items \(3 and 2; 1 are in one alone"):
        compare_evaluations(left, evaluation(report(arm("base", "+-"))))
    with pytest.raises(EvaluationError, match="nothing to compare: one has set, the other other"):
        compare_evaluations(left, evaluation(report(arm("base", "+-+"), name="other")))
    for change, message in (
        ({"question": "Else?"}, "item-0 asks something else"),
        ({"answer": "B"}, "item-0 has another right answer"),
    ):
        items = [item(0, right=True, **change), item(1, right=False), item(2, right=True)]
        other = evaluation(report(summarise("base", 0, "accuracy", items)))
        with pytest.raises(EvaluationError, match=message):
            compare_evaluations(left, other)


# Contamination

CASE = (
    "A 40-year-old woman comes to the clinic because of fatigue, weight gain and constipation that "
    "began three months ago after the birth of her second child"
)


def texts(items: list[Example]) -> dict[str, str]:
    return {item.id: item.own_text for item in items}


def test_items_whose_text_stands_in_a_training_row_are_found_and_left_out():
    items = [make_example(f"{CASE}. Which test is best?", "A", id="item-0"),
             make_example("A boy of three limps since yesterday and has no fever at all.", "A",
                          id="item-1")]  # fmt: skip
    training = [make_example("Something else entirely, about knees and hips and ankles.", "B"),
                make_example(f"Write a note. {CASE}, she says.", "Note.")]  # fmt: skip
    found_in, rows = contaminated({"exam": texts(items), "other": texts(items[1:])}, iter(training))
    assert found_in == {"exam": {"item-0"}, "other": frozenset()}
    assert rows == 2
    found = without_hits([arm("base", "+-"), arm("adapter", "++")], found_in["exam"], rows)
    assert found.hits == ("item-0",)
    assert [(m.name, m.value, m.num_items) for m in found.without] == [
        ("base, 0 examples in the prompt", 0.0, 1),
        ("adapter, 0 examples in the prompt", 1.0, 1),
    ]


def test_text_in_a_learned_answer_counts_and_shared_instructions_do_not():
    items = [make_example(CASE, "A", id="item-0")]
    learned = make_example("Describe the case.", f"{CASE}.")
    assert contaminated({"exam": texts(items)}, [learned])[0] == {"exam": {"item-0"}}
    words = "Answer with the letter of the best option, and say nothing else but that letter."
    shared = replace(
        make_example("Knee?", "A"),
        text="Knee?",
        messages=(Message(role="user", content=f"Knee? {words}"),
                  Message(role="assistant", content="A", supervised=True)),
    )  # fmt: skip
    own = [replace(make_example(f"Hip? {words}", "A", id="item-0"), text="Hip?")]
    assert contaminated({"exam": texts(own)}, [shared])[0] == {"exam": frozenset()}


def test_where_all_items_are_hit_there_is_no_score_without_them():
    found = without_hits([arm("base", "+")], frozenset({"item-0"}), 1)
    assert found.without == ()
