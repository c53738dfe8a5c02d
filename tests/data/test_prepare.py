"""Which rows are trained and scored on, and the account of those that are not."""

from collections.abc import Sequence

import pytest
from conftest import make_example, make_tokenizer
from hypothesis import given
from hypothesis import strategies as st

from medtune.data import Encoder, Prepared, make_template, prepare
from medtune.data.encoding import shorten_prompt
from medtune.errors import DataError, TemplateError
from medtune.recipe import Data
from medtune.records import Example, Split, SplitFile, TaskRows

TEMPLATE = make_template("tokenizer", make_tokenizer())
ENCODER = Encoder(TEMPLATE)


def rows(**splits: Sequence[Example]) -> TaskRows:
    names: dict[Split, Sequence[Example]] = dict(splits)  # type: ignore[arg-type]
    files = {
        name: SplitFile(file=f"{name}.jsonl", sha256="0" * 64, official_rows=3) for name in names
    }
    return TaskRows(task="chat", splits=names, files=files)


def run(given_rows: TaskRows, *, seed: int = 17, **data: object) -> Prepared:
    settings = {"task": "chat", "validation_fraction": 0.0, **data}
    return prepare(given_rows, Data(**settings), TEMPLATE, seed=seed)


def length(example: Example) -> int:
    return len(ENCODER.example(example))


SHORT = make_example("Fever?", "yes", id="row-1")
LONG = make_example("Notes. " * 30 + "Is this the end?", "no", id="row-2")
TALKATIVE = make_example("Fever?", "a very long answer " * 20, id="row-3")


def test_rows_within_the_limit_are_kept_whole() -> None:
    prepared = run(rows(train=[SHORT, LONG]), max_tokens=length(LONG))
    assert prepared.splits["train"].examples == (SHORT, LONG)
    assert [e.input_ids for e in prepared.splits["train"].encoded] == [
        ENCODER.example(SHORT).input_ids,
        ENCODER.example(LONG).input_ids,
    ]


def test_a_row_over_the_limit_is_an_error_that_names_row_length_and_ways_out() -> None:
    limit = length(LONG) - 1
    with pytest.raises(DataError) as caught:
        run(rows(train=[SHORT, LONG]), max_tokens=limit)
    message = str(caught.value)
    assert message.startswith(f"rows.jsonl:2: {length(LONG)} tokens, over data.max_tokens {limit}")
    assert "drop" in message
    assert "truncate_prompt" in message


def test_dropped_rows_are_counted_by_id_and_add_up_with_those_kept() -> None:
    prepared = run(rows(train=[SHORT, LONG, TALKATIVE]), max_tokens=32, on_overlength="drop")
    account = prepared.account()["splits"]["train"]
    assert account["dropped"] == ["row-2", "row-3"]
    assert account["truncated"] == []
    assert account["kept"] == 1
    assert prepared.splits["train"].examples == (SHORT,)


def test_a_truncated_row_fits_and_keeps_its_answer_and_the_end_of_its_prompt() -> None:
    limit = 60
    prepared = run(rows(train=[SHORT, LONG]), max_tokens=limit, on_overlength="truncate_prompt")
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
        part = run(rows(train=[example]), max_tokens=limit, on_overlength="truncate_prompt").splits[
            "train"
        ]
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
        run(rows(train=[SHORT, TALKATIVE]), max_tokens=32, on_overlength="truncate_prompt")


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
    prepared = run(rows(train=examples), validation_fraction=0.2, test_fraction=0.2)
    groups = {split: {e.group for e in part.examples} for split, part in prepared.splits.items()}
    assert sum(map(len, groups.values())) == 25
    assert all(groups.values())
    ids = sorted(e.id for part in prepared.splits.values() for e in part.examples)
    assert ids == sorted(e.id for e in examples)
    assert prepared.held_out == ("validation", "test")
    assert prepared.account()["held_out_by_group"] == ["validation", "test"]
    again = run(rows(train=examples[::-1]), validation_fraction=0.2, test_fraction=0.2)
    assert {e.id for e in again.splits["test"].examples} == {
        e.id for e in prepared.splits["test"].examples
    }


def test_a_published_test_file_is_never_added_to_from_training() -> None:
    examples = [make_example(f"q{n}", "yes", id=f"row-{n}") for n in range(20)]
    test = [make_example("other", "no", id="test-1")]
    prepared = run(rows(train=examples, test=test), test_fraction=0.5)
    assert prepared.splits["test"].examples == tuple(test)
    assert len(prepared.splits["train"].examples) == 20
    assert prepared.held_out == ()


def test_the_account_counts_what_is_there() -> None:
    yes = [
        make_example(f"q{n}", "yes", id=f"row-{n}", options=("yes", "no"), group=f"g{n % 3}")
        for n in range(5)
    ]
    no = make_example("q9", "no", id="row-9", options=("yes", "no"))
    account = run(rows(train=[*yes, no], test=[no])).account()
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


def test_prompts_that_are_also_in_training_are_named() -> None:
    test = [
        make_example("Fever?", "no", id="test-1"),
        make_example("Fever?", "no", id="test-2", system="s"),
        make_example("fever?", "yes", id="test-3"),
    ]
    prepared = run(rows(train=[SHORT, LONG], test=test))
    assert prepared.account()["prompts_also_in_train"] == {"validation": [], "test": ["test-1"]}


def test_training_without_a_row_left_is_an_error() -> None:
    with pytest.raises(DataError, match=r"no train row is left of 2: drop .* data\.max_tokens"):
        run(rows(train=[LONG, TALKATIVE]), max_tokens=32, on_overlength="drop")
    with pytest.raises(DataError, match="no train row is left of 0"):
        run(rows(train=[]))


def test_a_held_out_split_that_comes_out_empty_is_an_error() -> None:
    with pytest.raises(DataError, match=r"no validation row is left of 0.*validation_fraction"):
        run(rows(train=[SHORT]), validation_fraction=0.0001)


def test_a_row_that_cannot_be_proven_stops_the_run_before_training() -> None:
    broken = make_example("q", "a</s>b", id="row-4")
    with pytest.raises(TemplateError, match=r"rows\.jsonl:4"):
        run(rows(train=[SHORT, broken]))
    with pytest.raises(TemplateError, match=r"rows\.jsonl:4"):
        run(rows(train=[SHORT], test=[broken]))


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
    prepare(rows(train=[SHORT], test=[SHORT]), data, TEMPLATE, seed=1, progress=told)
    assert told.calls == [("start", 2), ("advance", 1), ("advance", 1), ("finish",)]
    told = Told()
    with pytest.raises(DataError):
        prepare(rows(train=[SHORT, LONG]), data, TEMPLATE, seed=1, progress=told)
    assert told.calls[-1] == ("finish",)
