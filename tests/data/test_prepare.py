"""Which rows are trained and scored on, and the account of those that are not."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from materials import material
from tiny_models import make_example, make_tokenizer

from medtune.data import Encoder, Material, Prepared, draw_canaries, make_template, prepare
from medtune.data.encoding import shorten_prompt
from medtune.errors import DataError, TemplateError
from medtune.recipe import Canaries, Data
from medtune.records import Example

TEMPLATE = make_template("tokenizer", make_tokenizer())
ENCODER = Encoder(TEMPLATE)


def run(given: Material, *, seed: int = 17, **data: object) -> Prepared:
    settings = {"task": "chat", "validation_fraction": 0.0, **data}
    return prepare(given, Data(**settings), TEMPLATE, seed=seed)


def length(example: Example) -> int:
    return len(ENCODER.example(example))


SHORT = make_example("Fever?", "yes", id="row-1")
LONG = make_example("Notes. " * 30 + "Is this the end?", "no", id="row-2")
OTHER = make_example("Cough?", "no", id="row-9")
TALKATIVE = make_example("Fever?", "a very long answer " * 20, id="row-3")


def test_rows_within_the_limit_are_kept_whole() -> None:
    prepared = run(material(train=[SHORT, LONG]), max_tokens=length(LONG))
    assert tuple(prepared.splits["train"].examples) == (SHORT, LONG)
    assert [e.input_ids for e in prepared.splits["train"].encoded] == [
        ENCODER.example(SHORT).input_ids,
        ENCODER.example(LONG).input_ids,
    ]


def test_a_row_over_the_limit_is_an_error_that_names_row_length_and_ways_out() -> None:
    limit = length(LONG) - 1
    with pytest.raises(DataError) as caught:
        run(material(train=[SHORT, LONG]), max_tokens=limit)
    message = str(caught.value)
    assert message.startswith(f"rows.jsonl:2: {length(LONG)} tokens, over data.max_tokens {limit}")
    assert "drop" in message
    assert "truncate_prompt" in message


def test_dropped_rows_are_counted_by_id_and_add_up_with_those_kept() -> None:
    prepared = run(material(train=[SHORT, LONG, TALKATIVE]), max_tokens=32, on_overlength="drop")
    account = prepared.account()["splits"]["train"]
    assert account["dropped"] == ["row-2", "row-3"]
    assert account["truncated"] == []
    assert account["kept"] == 1
    assert tuple(prepared.splits["train"].examples) == (SHORT,)


def test_a_truncated_row_fits_and_keeps_its_answer_and_the_end_of_its_prompt() -> None:
    limit = 60
    prepared = run(material(train=[SHORT, LONG]), max_tokens=limit, on_overlength="truncate_prompt")
    part = prepared.splits["train"]
    assert part.truncated == ("row-2",)
    assert part.dropped == ()
    assert part.examples[0] == SHORT
    question, answer = part.examples[1].messages
    assert LONG.messages[0].content.endswith(question.content)
    assert question.content.endswith("Is this the end?")
    assert answer == LONG.messages[1]
    assert part.encoded[1] == ENCODER.example(part.examples[1])
    assert len(part.encoded[1]) <= limit


@given(st.text("ab c\n", min_size=1, max_size=200), st.integers(16, 150))
def test_no_more_is_cut_than_has_to_be(text: str, limit: int) -> None:
    example = make_example(text, "yes")
    try:
        part = run(
            material(train=[example]), max_tokens=limit, on_overlength="truncate_prompt"
        ).splits["train"]
    except DataError:
        assert length(make_example(text[-1], "yes")) > limit
        return
    (kept,), (encoded,) = part.examples, part.encoded
    assert len(encoded) <= limit
    assert text.endswith(kept.messages[0].content)
    cut = len(text) - len(kept.messages[0].content)
    assert (cut > 0) == (length(example) > limit) == (part.truncated == ("row-1",))
    # One character more may need fewer tokens by chance of the merges, but hardly eight of them.
    assert not cut or length(make_example(text[max(0, cut - 8) :], "yes")) > limit - 2


def test_a_row_whose_answer_alone_is_too_long_is_an_error_never_a_cut_answer() -> None:
    with pytest.raises(DataError, match=r"^rows\.jsonl:3: .* an answer is never cut"):
        run(material(train=[SHORT, TALKATIVE]), max_tokens=32, on_overlength="truncate_prompt")


def test_the_last_user_turn_is_the_one_that_is_cut() -> None:
    example = make_example("first", "one", "second", "two", system="rules")
    shorter = shorten_prompt(example, 2)
    assert shorter is not None
    assert [m.content for m in shorter.messages] == ["rules", "first", "one", "cond", "two"]
    assert [m.supervised for m in shorter.messages] == [m.supervised for m in example.messages]
    assert shorten_prompt(example, 6) is None


def test_held_out_rows_are_whole_groups_and_every_row_is_on_one_side() -> None:
    examples = [
        make_example(f"q{n}", "yes", id=f"row-{n}", group=f"patient-{n % 25}") for n in range(100)
    ]
    prepared = run(material(train=examples), validation_fraction=0.2, test_fraction=0.2)
    groups = {split: {e.group for e in part.examples} for split, part in prepared.splits.items()}
    assert sum(map(len, groups.values())) == 25
    assert all(groups.values())
    ids = sorted(e.id for part in prepared.splits.values() for e in part.examples)
    assert ids == sorted(e.id for e in examples)
    assert prepared.held_out == ("validation", "test")
    assert prepared.account()["held_out_by_group"] == ["validation", "test"]
    again = run(material(train=examples[::-1]), validation_fraction=0.2, test_fraction=0.2)
    assert {e.id for e in again.splits["test"].examples} == {
        e.id for e in prepared.splits["test"].examples
    }


def test_a_published_test_file_is_never_added_to_from_training() -> None:
    examples = [make_example(f"q{n}", "yes", id=f"row-{n}") for n in range(20)]
    test = [make_example("other", "no", id="test-1")]
    prepared = run(material(train=examples, test=test), test_fraction=0.5)
    assert tuple(prepared.splits["test"].examples) == tuple(test)
    assert len(prepared.splits["train"].examples) == 20
    assert prepared.held_out == ()


def test_the_account_counts_what_is_there() -> None:
    yes = [
        make_example(f"q{n}", "yes", id=f"row-{n}", options=("yes", "no"), group=f"g{n % 3}")
        for n in range(5)
    ]
    no = make_example("q9", "no", id="row-8", options=("yes", "no"))
    account = run(material(train=[*yes, no], test=[OTHER])).account()
    train = account["splits"]["train"]
    lengths = [length(example) for example in (*yes, no)]
    assert train["kept"] == 6
    assert train["groups"] == 4
    assert train["tokens"] == sum(lengths)
    assert train["supervised_tokens"] == sum(
        ENCODER.example(example).num_supervised for example in (*yes, no)
    )
    assert train["length_quantiles"]["min"] == min(lengths)
    assert train["length_quantiles"]["max"] == max(lengths)
    assert train["answers"] == {"no": 1, "yes": 5}
    assert train["sources"] == {"made up": 6}
    assert account["template"] == {
        "name": "tokenizer",
        "sha256": TEMPLATE.digest,
        "stop_token": "</s>",
    }
    assert account["files"]["train"]["num_rows"] == 6
    assert account["files"]["train"]["is_official"] is False
    assert account["splits"]["validation"]["kept"] == 0


def test_training_without_a_row_left_is_an_error() -> None:
    with pytest.raises(DataError, match=r"no train row is left of 2: 2 over data\.max_tokens 32"):
        run(material(train=[LONG, TALKATIVE]), max_tokens=32, on_overlength="drop")
    with pytest.raises(DataError, match="no row fell on the train side"):
        run(material(train=[]))


def test_a_held_out_split_that_comes_out_empty_is_an_error() -> None:
    with pytest.raises(DataError, match=r"no row fell on the validation side.*validation_fraction"):
        run(material(train=[SHORT]), validation_fraction=0.0001)


def test_a_row_that_cannot_be_proven_stops_the_run_before_training() -> None:
    broken = make_example("q", "a</s>b", id="row-4")
    with pytest.raises(TemplateError, match=r"rows\.jsonl:4"):
        run(material(train=[SHORT, broken]))
    with pytest.raises(TemplateError, match=r"rows\.jsonl:4"):
        run(material(train=[SHORT], test=[broken]))


class Told:
    """A progress that keeps what it was told."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def say(self, message: str) -> None:
        self.calls.append(("say", message))

    def start(self, step: str, total: int, unit: str) -> None:
        self.calls.append(("start", total))

    def advance(self, units: int, **figures: float) -> None:
        self.calls.append(("advance", units))

    def finish(self) -> None:
        self.calls.append(("finish",))


def test_progress_is_told_of_every_row_and_ended_even_by_an_error() -> None:
    told = Told()
    data = Data(task="chat", validation_fraction=0.0, max_tokens=32)
    prepare(material(train=[SHORT], test=[OTHER]), data, TEMPLATE, seed=1, progress=told)
    assert told.calls == [("start", 0), ("advance", 2), ("finish",)]
    told = Told()
    with pytest.raises(DataError):
        prepare(material(train=[SHORT, LONG]), data, TEMPLATE, seed=1, progress=told)
    assert told.calls[-1] == ("finish",)


PATIENT = "A man of 61 with chest pain since this morning, sweating, pressure 90 over 60, and fear"
PATIENTS_TWIN = PATIENT.replace("fear", "sorrow")
WITH_TWIN = {
    "train": [SHORT, make_example(PATIENT, "no", id="row-5")],
    "test": [make_example(PATIENTS_TWIN, "yes", id="test-1")],
}


def test_a_training_row_that_a_test_row_resembles_is_left_out_and_named() -> None:
    prepared = run(material(**WITH_TWIN))
    train = prepared.splits["train"]
    assert [example.id for example in train.examples] == ["row-1"]
    assert train.leaked == ("row-5",)
    account = prepared.account()
    assert account["splits"]["train"]["leaked"] == ["row-5"]
    (leak,) = account["leaks"]["train"]
    assert (leak["id"], leak["of"], leak["by"]) == ("row-5", "test-1", "near-duplicate")
    assert 0.8 <= leak["likeness"] < 1
    assert any("1 train rows are left out" in line for line in prepared.warnings())


def test_leaks_can_be_refused_or_kept_and_are_named_either_way() -> None:
    with pytest.raises(DataError, match=r"^rows\.jsonl:5: its prompt, 8\d% alike, stands on"):
        run(material(**WITH_TWIN), leaks="error")
    kept = run(material(**WITH_TWIN), leaks="keep")
    assert len(kept.splits["train"].examples) == 2
    assert kept.splits["train"].leaked == ()
    assert [leak["id"] for leak in kept.account()["leaks"]["train"]] == ["row-5"]
    assert any("are kept" in line for line in kept.warnings())
    assert len(run(material(**WITH_TWIN), near_duplicate=0.99).splits["train"].examples) == 2


def test_a_patient_of_the_test_file_is_left_out_of_training_and_validation() -> None:
    given = material(
        train=[make_example("a", "yes", id="t-1", group="p"), SHORT],
        validation=[make_example("b", "yes", id="v-1", group="p"), OTHER],
        test=[make_example("c", "no", id="x-1", group="p")],
    )
    splits = run(given).splits
    ids = {split: [e.id for e in part.examples] for split, part in splits.items()}
    assert ids == {"train": ["row-1"], "validation": ["row-9"], "test": ["x-1"]}
    assert splits["train"].leaked == ("t-1",)
    assert splits["validation"].leaked == ("v-1",)


def test_two_rows_of_one_id_are_refused_with_both_places() -> None:
    twin = make_example("Other?", "no", id="row-1")
    with pytest.raises(DataError, match=r"^rows\.jsonl:1: the id of this row is also that of rows"):
        run(material(train=[SHORT], test=[twin]))


CONTAMINATED = make_example("Case. " + PATIENT + " What is it?", "Shock", id="row-5")
EXAM = [make_example(PATIENT, "A", id="exam-7"), make_example("Cough? " * 9, "A", id="exam-8")]


def test_a_training_row_that_holds_an_evaluation_item_is_dropped_and_both_texts_are_shown() -> None:
    prepared = run(material(train=[SHORT, CONTAMINATED], evaluation=EXAM), decontaminate={})
    assert [example.id for example in prepared.splits["train"].examples] == ["row-1"]
    assert prepared.splits["train"].contaminated == ("row-5",)
    found = prepared.account()["contamination"]
    assert found["against"] == {"exam": "test.jsonl"}
    (row,) = found["rows"]
    assert row["id"] == "row-5"
    assert "Case. A man of 61" in row["text"]
    (item,) = row["items"]
    assert item["name"] == "exam: exam-7"
    assert item["text"] == PATIENT
    assert item["shared"].startswith("A man of 61 with chest pain")


def test_contamination_can_be_reported_or_refused() -> None:
    given = material(train=[SHORT, CONTAMINATED], evaluation=EXAM)
    reported = run(given, decontaminate={"action": "report"})
    assert len(reported.splits["train"].examples) == 2
    assert [row["id"] for row in reported.account()["contamination"]["rows"]] == ["row-5"]
    with pytest.raises(DataError, match=r"^rows\.jsonl:5: holds an evaluation item; 1 training"):
        run(given, decontaminate={"action": "error"})


SOURCE = {"name": "replay", "task": "chat", "weight": 0.5}


def test_a_source_brings_its_share_behind_the_own_rows_under_names_of_its_own() -> None:
    replay = [make_example(f"Tell me of {word}.", "Yes.", id=f"row-{n}") for n, word in
              enumerate(("rivers", "hills"))]  # fmt: skip
    own = [make_example(f"q{n} is what?", "yes", id=f"row-{n}") for n in range(30)]
    prepared = run(material(train=own, replay=replay), sources=[SOURCE])
    train = prepared.splits["train"]
    assert train.num_own == train.num_read == 30
    names = [example.id for example in train.examples]
    assert names[:30] == [f"row-{n}" for n in range(30)]
    assert set(names[30:]) == {"replay/row-0", "replay/row-1"}
    tokens = [len(encoded) for encoded in train.encoded]
    assert sum(tokens[30:]) / sum(tokens) == pytest.approx(0.5, abs=0.03)
    mixture = prepared.account()["mixture"]["replay"]
    assert mixture["rows"] == 2
    assert mixture["rows_in_a_pass"] == len(names) - 30
    assert mixture["share_of_tokens"] == pytest.approx(0.5, abs=0.03)


def test_a_source_shares_patients_with_the_task_but_not_names_given_by_chance() -> None:
    own = [make_example("Fever?", "no", id="row-1")]
    test = [make_example("Cough?", "no", id="row-2", group="patient-7")]
    replay = [
        make_example("Same patient.", "Yes.", id="row-1", group="patient-7"),
        make_example("Same name only.", "Yes.", id="row-2"),
    ]
    section = {"name": "replay", "task": "chat"}
    train = run(material(train=own, test=test, replay=replay), sources=[section]).splits["train"]
    assert train.leaked == ("replay/row-1",)
    assert [example.id for example in train.examples] == ["row-1", "replay/row-2"]
    # Without a group of its own a row is its own group, of this source alone.
    alone = run(material(train=own, test=[make_example("Cough?", "no", id="row-2")],
                         replay=replay), sources=[section]).splits["train"]  # fmt: skip
    assert alone.leaked == ()


def test_canaries_stand_behind_all_rows_and_the_account_tells_none() -> None:
    planted = draw_canaries(Canaries(secrets=2, twins=3, repetitions=[1, 2]))
    data = Data(task="chat", validation_fraction=0.0)
    prepared = prepare(material(train=[SHORT]), data, TEMPLATE, seed=1, canaries=planted)
    train = prepared.splits["train"]
    assert train.num_own == 1
    assert [len(train.examples), len(train.encoded)] == [4, 4]
    assert train.encoded[3] == ENCODER.example(train.examples[3])
    assert [e.id for e in train.examples[1:]] == ["canary-0-0", "canary-1-0", "canary-1-1"]
    account = prepared.account()
    assert account["canaries"]["planted"] == 2
    assert not any(canary.secret in str(account) for canary in planted.canaries)


def test_a_row_that_is_left_out_for_two_reasons_is_counted_once() -> None:
    twin = " ".join(f"word{n}" for n in range(40))
    train = [make_example(f"{n} is what?", "yes", id=f"train-{n}") for n in range(4)]
    train.append(make_example(twin, "yes", id="train-9"))
    test = [make_example("Fine?", "yes", id="test-1", group="train-9")]
    given = material(train=train, validation=test[:0], test=test)
    part = run(given, max_tokens=80, on_overlength="drop").splits["train"]
    assert (part.dropped, part.leaked) == (("train-9",), ())
    assert part.num_read == len(part.encoded) + len(part.dropped) + len(part.leaked)


def test_what_is_found_out_about_evaluation_rows_is_told_too() -> None:
    given = material(train=[make_example("a", "b")], evaluation=[make_example("c", "d")])
    exam = given.evaluation["exam"]
    told = replace(exam, rows=replace(exam.rows, notes=("read as chat",)))
    assert replace(given, evaluation={"exam": told}).notes == ["read as chat"]
