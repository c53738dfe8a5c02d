"""Base and adapter are asked the same questions and compared item by item."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from materials import material
from peft import PeftModel
from tiny_models import CHAT_TEMPLATE, make_example

from medtune.data import Prepared, make_template, prepare
from medtune.digests import sha256_value
from medtune.errors import DataError, RecipeError
from medtune.evaluation.answers import metric_of
from medtune.evaluation.items import own_items
from medtune.evaluation.prompt_file import load_prompts
from medtune.evaluation.prompts import Prompter
from medtune.evaluation.rouge import rouge_l
from medtune.evaluation.scores import Arm, Examiner, training_arms
from medtune.evaluation.summaries import summarise
from medtune.evidence.arms import compare
from medtune.models import FrozenBase, attach, load_model, load_tokenizer, locate_base
from medtune.recipe import Adapter, Base, Data, Evaluate
from medtune.records import ArmScore, Example, ItemScore, ScoreReport, Silent
from medtune.scoring import Engine, Forgotten, LocalEngine, Question, weigh
from medtune.stats import mcnemar_exact, tango_interval, wilson

PAD = 0
NLL = "answer_nll_per_token"


def choice(number: int, *, right: bool, group: str | None = None) -> ItemScore:
    return ItemScore(
        id=f"item-{number}",
        group=group or f"item-{number}",
        prompt_digest="0",
        log_likelihoods=(-1.0, -2.0),
        num_answer_tokens=1,
        predicted="A" if right else "B",
        answer="A",
        value=float(right),
    )


def free_text(
    number: int, log_likelihood: float, tokens: int, group: str | None = None
) -> ItemScore:
    return replace(
        choice(number, right=True, group=group),
        log_likelihoods=(log_likelihood,),
        num_answer_tokens=tokens,
        predicted="",
        answer="",
        value=-log_likelihood / tokens,
    )


def arm(name: str, right: str) -> ArmScore:
    return summarise(
        name, 0, "accuracy", [choice(n, right=mark == "+") for n, mark in enumerate(right)]
    )


# Summaries and comparisons


def test_accuracy_is_the_share_of_right_items_with_its_interval() -> None:
    found = arm("base", "++-+--+-+-")
    assert (found.metric, found.value, found.num_items, found.num_groups) == (
        "accuracy", 0.5, 10, 10
    )  # fmt: skip
    assert found.interval == wilson(5, 10)
    assert found.interval_method == "wilson"
    assert "items" not in found.summary()


def test_the_loss_of_free_text_is_per_token_averaged_over_items() -> None:
    items = [free_text(1, -8.0, 4), free_text(2, -3.0, 3), free_text(3, -50.0, 10)]
    found = summarise("base", 0, NLL, items)
    assert found.metric == "answer_nll_per_token"
    assert found.value == pytest.approx((2 + 1 + 5) / 3)
    assert found.interval_method == "student_t"
    assert found.interval[0] < found.value < found.interval[1]


def test_a_comparison_counts_what_only_one_of_the_two_has_right() -> None:
    found = compare(arm("adapter", "+++-+--+++"), arm("base", "+--+------"))
    assert (found.gained, found.lost) == (6, 1)
    assert found.difference == pytest.approx(0.5)
    assert found.interval == tango_interval(6, 1, 10)
    assert found.p_value == pytest.approx(2 * (1 + 7) / 2**7) == mcnemar_exact(6, 1)
    assert found.against == "base, 0 examples in the prompt"


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_the_difference_is_that_of_the_two_accuracies_and_turns_around(
    pairs: list[tuple[bool, bool]],
) -> None:
    a = arm("adapter", "".join("+" if first else "-" for first, _ in pairs))
    b = arm("base", "".join("+" if second else "-" for _, second in pairs))
    there, back = compare(a, b), compare(b, a)
    assert there.difference == pytest.approx(a.value - b.value)
    assert (there.gained, there.lost) == (back.lost, back.gained)
    assert there.interval == pytest.approx((-back.interval[1], -back.interval[0]))
    assert there.p_value == back.p_value


def test_repeated_groups_have_no_p_value() -> None:
    right = [choice(n, right=n % 3 > 0, group=f"patient-{n // 2}") for n in range(12)]
    wrong = [choice(n, right=n % 4 > 1, group=f"patient-{n // 2}") for n in range(12)]
    adapter, base = (
        summarise("adapter", 0, "accuracy", right),
        summarise("base", 0, "accuracy", wrong),
    )
    found = compare(adapter, base)
    assert (adapter.num_items, adapter.num_groups) == (12, 6)
    assert adapter.interval_method == found.interval_method == "clustered_t"
    assert found.p_value is None


def test_a_lower_loss_is_a_gain() -> None:
    adapter = summarise("adapter", 0, NLL, [free_text(n, -2.0 - n, 2) for n in range(5)])
    base = summarise("base", 0, NLL, [free_text(n, -4.0 if n < 4 else -5.0, 2) for n in range(5)])
    found = compare(adapter, base)
    assert (found.gained, found.lost) == (2, 2)
    assert found.difference == pytest.approx((-1 - 0.5 + 0 + 0.5 + 0.5) / 5)
    assert found.p_value is None


def note(number: int, value: float, text: str = "a note", *, is_complete: bool = True) -> ItemScore:
    return replace(
        free_text(number, -1.0, 1),
        log_likelihoods=(),
        value=value,
        texts=(text,),
        num_cut=int(not is_complete),
        num_empty=int(not text.strip()),
    )


def test_higher_rouge_is_a_gain_and_cut_and_empty_texts_are_counted() -> None:
    adapter = [note(1, 0.5), note(2, 0.25), note(3, 0.75, is_complete=False), note(4, 0.5)]
    base = [note(1, 0.25), note(2, 0.5), note(3, 0.0, " \n", is_complete=False), note(4, 0.5)]
    after, before = (
        summarise("adapter", 0, "rouge_l", adapter),
        summarise("base", 0, "rouge_l", base),
    )
    assert (after.value, after.num_cut, after.num_empty) == (0.5, 1, 0)
    assert (before.num_cut, before.num_empty) == (1, 1)
    found = compare(after, before)
    assert found.difference == pytest.approx((0.25 - 0.25 + 0.75 + 0) / 4)
    assert (found.gained, found.lost, found.p_value) == (2, 1, None)
    assert found.interval_method == "student_t"
    assert before.remark() == (
        "base, 0 examples in the prompt: of 4 items 1 texts were cut at evaluate.max_new_tokens, "
        "1 texts were empty"
    )
    assert summarise("base", 0, "rouge_l", adapter[:2]).remark() is None


def test_scores_that_nothing_was_written_for_count_no_texts() -> None:
    found = arm("base", "+-")
    assert (found.num_cut, found.num_empty, found.remark()) == (None, None, None)


# Examples in the prompt

TRAIN = [make_example(f"q{n}", f"a{n}", id=f"row-{n}", system="rules") for n in range(10)]


@pytest.fixture(scope="module")
def prompter(base: FrozenBase) -> Prompter:
    encoder = prepared(base, []).encoder
    return Prompter(encoder, load_prompts(None), "top_token")


def test_examples_in_the_prompt_are_drawn_by_seed_without_replacement_or_system(
    prompter: Prompter,
) -> None:
    messages = prompter.header(TRAIN, 4, 7)
    assert prompter.header(TRAIN, 4, 7) == messages
    assert prompter.header(TRAIN, 4, 8) != messages
    assert [message.role for message in messages] == ["user", "assistant"] * 4
    questions = [message.content for message in messages[::2]]
    assert len(set(questions)) == 4
    assert [message.content for message in messages[1::2]] == [
        question.replace("q", "a") for question in questions
    ]
    assert prompter.header(TRAIN, 0, 7) == ()


def test_more_examples_than_training_rows_are_refused(prompter: Prompter) -> None:
    assert len(prompter.header(TRAIN, 10, 7)) == 20
    with pytest.raises(RecipeError, match=r"few_shot is 11; there are 10 training rows"):
        prompter.header(TRAIN, 11, 7)


# Whole scores, on a model


@pytest.fixture(scope="module")
def base(tiny_base: Path) -> FrozenBase:
    section = Base(model=str(tiny_base), dtype="float32")
    located = locate_base(section, offline=True, progress=Silent())
    return load_model(located, section, load_tokenizer(located))


@pytest.fixture(scope="module")
def model(tiny_base: Path) -> PeftModel:
    section = Base(model=str(tiny_base), dtype="float32")
    located = locate_base(section, offline=True, progress=Silent())
    model = attach(load_model(located, section, None), Adapter(rank=4), seed=1)
    generator = torch.Generator().manual_seed(5)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(0, 0.1, generator=generator)
    return model.eval()


def letters(count: int, prefix: str, *, offset: int = 0) -> list[Example]:
    return [
        make_example(
            f"Which vitamin is number {n + offset}?\nA. one\nB. two",
            "AB"[n % 2],
            id=f"{prefix}-{n}",
            options=("A", "B"),
        )
        for n in range(count)
    ]


CHATS = [
    make_example("Fever?", "Take your temperature.", id="test-0", system="Be brief."),
    make_example("Cough?", "Drink tea.", "And then?", "Rest and sleep.", id="test-1"),
]

NOTES = [
    *CHATS,
    make_example("The doctor asks about fever and vitamins. Note?", "No fever.", id="test-2"),
    make_example("Note?", "The patient has a fever, and vitamin C is missing.", id="test-3"),
]


def prepared(
    base: FrozenBase,
    test: list[Example],
    *,
    train: list[Example] | None = None,
    official: int | None = None,
    **data: object,
) -> Prepared:
    train = train or letters(6, "train", offset=100)
    rows = material("mcq", official={"test": official}, train=train, test=test)
    settings = {"task": "mcq", "validation_fraction": 0.0, **data}
    return prepare(rows, Data(**settings), make_template("tokenizer", base.tokenizer), seed=7)


def run(model: PeftModel, ready: Prepared, **section: object) -> tuple[ArmScore, ...]:
    return report(model, ready, **section).arms


def examiner(ready: Prepared, section: Evaluate) -> Examiner:
    return Examiner(
        encoder=ready.encoder,
        prompts=load_prompts(None),
        section=section,
        seed=7,
        dtype="float32",
    )


def engines(model: PeftModel, ready: Prepared, section: Evaluate) -> dict[str, Engine]:
    return {
        name: LocalEngine(
            model,
            {},
            is_adapter_on=name == "adapter",
            decode=ready.encoder.decode,
            batch_size=section.batch_size,
            pad_id=PAD,
        )
        for name in ("base", "adapter")
    }


def report(
    model: PeftModel, ready: Prepared, *, with_texts: bool = True, **settings: object
) -> ScoreReport:
    section = Evaluate(**settings)
    items = own_items(ready, section, is_private=not with_texts)
    return examiner(ready, section).report(
        items, training_arms(items, section, 7), engines(model, ready, section), Silent()
    )


def require_fit(ready: Prepared, section: Evaluate, context_tokens: int | None) -> None:
    items = own_items(ready, section, is_private=False)
    for arm in training_arms(items, section, 7):
        examiner(ready, section).require_fit(items, arm, context_tokens)


def plainly(
    model: torch.nn.Module, ready: Prepared, examples: Sequence[Example]
) -> list[list[float]]:
    """Log-likelihoods of the options behind the rows' own prompts."""
    questions = []
    for example in examples:
        prompt = ready.encoder.prompt(example.prompt)
        options = tuple(ready.encoder.continuation(prompt, text) for text in example.options)
        questions.append(Question(prompt=prompt, continuations=options))
    found = weigh(model, questions, batch_size=16, pad_id=PAD, kept=Forgotten(), progress=Silent())
    return [[weight.log_likelihood for weight in weights] for weights in found]


def test_the_disabled_adapter_is_the_base_to_the_last_bit(
    base: FrozenBase, model: PeftModel
) -> None:
    ready = prepared(base, letters(5, "test"))
    disabled, adapter = run(model, ready)
    assert (disabled.arm, adapter.arm) == ("base", "adapter")
    expected = plainly(base.model, ready, ready.splits["test"].examples)
    assert [list(item.log_likelihoods) for item in disabled.items] == expected
    for ours, theirs in zip(adapter.items, disabled.items, strict=True):
        assert ours.log_likelihoods != theirs.log_likelihoods
        assert ours.prompt_digest == theirs.prompt_digest


def test_the_prediction_is_the_likeliest_option_and_scores_are_those_of_the_item_alone(
    base: FrozenBase, model: PeftModel
) -> None:
    ready = prepared(base, letters(6, "test"))
    adapter = run(model, ready)[-1]
    for example, item in zip(ready.splits["test"].examples, adapter.items, strict=True):
        (expected,) = plainly(model, ready, [example])
        assert item.log_likelihoods == pytest.approx(expected, abs=1e-4)
        assert item.predicted == example.options[expected.index(max(expected))]
        assert item.answer == example.answer
        assert item.num_answer_tokens == 1
        assert (item.id, item.group) == (example.id, example.group)
    right = sum(item.predicted == item.answer for item in adapter.items)
    assert adapter.value == pytest.approx(right / 6)


def test_free_text_is_scored_on_the_last_answer_with_its_stop(
    base: FrozenBase, model: PeftModel
) -> None:
    ready = prepared(base, CHATS)
    found = report(model, ready)
    adapter = found.arms[-1]
    losses = []
    for example, item in zip(CHATS, adapter.items, strict=True):
        ids = torch.tensor([ready.encoder.example(example).input_ids])
        length = len(ready.encoder.prompt(example.prompt))
        answer = ids[0, -item.num_answer_tokens :].tolist()
        assert base.tokenizer.decode(answer) == example.answer + "</s>"
        assert length + item.num_answer_tokens == ids.shape[1]
        with torch.no_grad():
            logits = model(ids).logits[0].double().log_softmax(-1)
        expected = sum(float(logits[p - 1, ids[0, p]]) for p in range(length, ids.shape[1]))
        assert item.log_likelihoods[0] == pytest.approx(expected, abs=1e-4)
        losses.append(-expected / item.num_answer_tokens)
    assert adapter.metric == "answer_nll_per_token"
    assert adapter.value == pytest.approx(sum(losses) / 2, abs=1e-4)
    assert found.protocol.startswith("answer_nll_per_token")
    assert math.isfinite(found.comparisons[0].difference)


@pytest.mark.parametrize("batch_size", [1, 16])
def test_a_written_answer_is_what_a_plain_loop_writes_and_scores_its_rouge(
    base: FrozenBase, model: PeftModel, batch_size: int
) -> None:
    ready = prepared(base, NOTES)
    found = report(
        model, ready, metric="rouge_l", max_new_tokens=9, few_shot=1, batch_size=batch_size
    )
    assert [(arm.arm, arm.few_shot) for arm in found.arms] == [
        ("base", 0), ("base", 1), ("adapter", 0)
    ]  # fmt: skip
    assert found.protocol.startswith("rouge_l: F-measure")
    adapter = found.arms[-1]
    for example, item in zip(NOTES, adapter.items, strict=True):
        ids = list(ready.encoder.prompt(example.prompt))
        length = len(ids)
        assert item.prompt_digest == sha256_value(ids)
        with torch.no_grad():
            while len(ids) < length + 9 and ids[-1] != base.tokenizer.eos_token_id:
                ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
        text = base.tokenizer.decode(ids[length:], skip_special_tokens=True)
        assert item.texts == (text,)
        assert item.num_cut == (ids[-1] != base.tokenizer.eos_token_id)
        assert item.value == rouge_l(example.answer, text)
        assert (item.log_likelihoods, item.predicted, item.answer) == ((), "", "")
    assert adapter.value == pytest.approx(sum(i.value for i in adapter.items) / len(NOTES))
    assert adapter.num_cut == sum(item.num_cut or 0 for item in adapter.items)
    texts = [[item.texts for item in arm.items] for arm in found.arms]
    assert texts[0] != texts[1]
    assert texts[0] != texts[2]


def test_a_text_ends_at_the_tokenizers_own_end_too(tiny_base: Path, model: PeftModel) -> None:
    def texts(ending: str | None) -> list[ItemScore]:
        section = Base(model=str(tiny_base), dtype="float32")
        tokenizer = load_tokenizer(locate_base(section, offline=True, progress=Silent()))
        tokenizer.chat_template = CHAT_TEMPLATE.replace("{{ eos_token }}", "<|system|>")
        if ending is not None:
            tokenizer.eos_token = ending
        test = replace(NOTES[0], id="test-1")
        rows = material(train=[replace(n, id=str(i)) for i, n in enumerate(NOTES)], test=[test])
        data = Data(task="chat", validation_fraction=0.0, leaks="keep")
        ready = prepare(rows, data, make_template("tokenizer", tokenizer), seed=7)
        assert ready.encoder.template.stop_token == "<|system|>"
        section = Evaluate(max_new_tokens=9, metric="rouge_l")
        items = own_items(ready, section, is_private=False)
        scored = examiner(ready, section).report(
            items, [Arm("adapter")], engines(model, ready, section), Silent()
        )
        return list(scored.arms[0].items)

    [whole] = texts(None)
    assert whole.num_cut == 1
    assert whole.texts is not None
    [text] = whole.texts
    letter = next(c for c in text if c.isascii() and c.isalpha())
    [ended] = texts(letter)
    assert ended.texts is not None
    assert ended.num_cut == 0
    assert text.startswith(ended.texts[0])
    assert len(ended.texts[0]) < len(text)


def test_without_texts_scores_and_counts_are_the_same(base: FrozenBase, model: PeftModel) -> None:
    ready = prepared(base, NOTES)
    settings = {"metric": "rouge_l", "max_new_tokens": 9}
    told, kept = (
        report(model, ready, **settings),
        report(model, ready, with_texts=False, **settings),
    )
    assert kept.comparisons == told.comparisons
    assert [arm.summary() for arm in kept.arms] == [arm.summary() for arm in told.arms]
    for ours, theirs in zip(kept.arms[0].items, told.arms[0].items, strict=True):
        assert ours.texts is None
        assert ours.question == ""
        assert ours.prompt_digest == ""  # that of a short prompt can be found by trying
        told_again = {
            name: getattr(theirs, name) for name in ("texts", "question", "prompt_digest")
        }
        assert replace(ours, **told_again) == theirs


@pytest.mark.parametrize(
    ("task", "setting", "metric"),
    [
        ("chat", "auto", "answer_nll_per_token"),
        ("chat", "answer_nll", "answer_nll_per_token"),
        ("chat", "rouge_l", "rouge_l"),
        ("mts_dialog", "auto", "rouge_l"),
        ("aci_bench", "auto", "rouge_l"),
        ("mts_dialog", "answer_nll", "answer_nll_per_token"),
    ],
)
def test_the_metric_follows_from_the_task_unless_the_recipe_says_otherwise(
    base: FrozenBase, task: str, setting: str, metric: str
) -> None:
    section = Evaluate(metric=setting)

    def chosen(test: list[Example]) -> str:
        items = own_items(replace(prepared(base, test), task=task), section, is_private=False)
        return metric_of(examiner(prepared(base, test), section).asked(items, Arm("base")))

    assert chosen(CHATS) == metric
    assert chosen(letters(2, "test")) == "accuracy"


def test_an_answer_beyond_the_bases_context_is_refused_before_it_is_written(
    base: FrozenBase,
) -> None:
    ready = prepared(base, CHATS)
    longest = max(len(ready.encoder.prompt(example.prompt)) for example in CHATS)
    section = Evaluate(metric="rouge_l", max_new_tokens=30)
    require_fit(ready, section, longest + 30)
    with pytest.raises(
        RecipeError,
        match=rf"has {longest + 30} tokens .*evaluate\.max_new_tokens, 30, .* this base reads "
        rf"{longest + 29}; lower evaluate\.few_shot, evaluate\.max_new_tokens",
    ):
        require_fit(ready, section, longest + 29)


@pytest.mark.parametrize("metric", ["rouge_l", "auto"])
def test_without_test_rows_there_is_nothing_that_has_to_fit(base: FrozenBase, metric: str) -> None:
    section = Evaluate(metric=metric, few_shot=40, max_new_tokens=1000)
    require_fit(prepared(base, []), section, 512)


def test_a_reference_without_a_word_that_rouge_counts_is_refused_by_its_row(
    base: FrozenBase,
) -> None:
    ready = prepared(base, [*CHATS, make_example("Plan?", "—", id="test-7")])
    with pytest.raises(
        DataError, match=r"^rows\.jsonl:7: .* of 1 characters has no word"
    ) as caught:
        require_fit(ready, Evaluate(metric="rouge_l"), None)
    assert "—" not in str(caught.value)
    require_fit(ready, Evaluate(), None)


def test_examples_in_the_prompt_are_one_more_arm_of_the_base(
    base: FrozenBase, model: PeftModel
) -> None:
    ready = prepared(base, letters(3, "test"))
    found = report(model, ready, few_shot=2)
    assert [(arm.arm, arm.few_shot) for arm in found.arms] == [
        ("base", 0), ("base", 2), ("adapter", 0)
    ]  # fmt: skip
    assert [comparison.against for comparison in found.comparisons] == [
        "base, 0 examples in the prompt",
        "base, 2 examples in the prompt (seed 7)",
    ]
    plain, shots, adapter = found.arms
    for first, second, third in zip(plain.items, shots.items, adapter.items, strict=True):
        assert first.prompt_digest == third.prompt_digest != second.prompt_digest
    again = report(model, ready, few_shot=2)
    assert again == found


def test_a_prompt_beyond_the_bases_context_is_refused(base: FrozenBase) -> None:
    ready = prepared(base, letters(2, "test"), train=letters(40, "train", offset=100))
    with pytest.raises(RecipeError, match=r"this base reads 512; lower evaluate\.few_shot"):
        require_fit(ready, Evaluate(few_shot=40), 512)
    require_fit(ready, Evaluate(few_shot=1), 512)
    require_fit(ready, Evaluate(few_shot=40), None)


@pytest.mark.parametrize(
    ("official", "limit", "words", "is_official", "is_complete"),
    [
        (4, None, "all 4 rows of test.jsonl, the size of the published test set", True, True),
        (4, 3, "3 rows of test.jsonl: NOT the published test set, which has 4", False, False),
        (9, None, "4 rows of test.jsonl: NOT the published test set, which has 9", False, True),
        (None, None, "4 rows of test.jsonl", False, True),
    ],
)
def test_a_score_says_whether_it_is_of_the_published_test_set(
    base: FrozenBase,
    model: PeftModel,
    official: int | None,
    limit: int | None,
    words: str,
    is_official: bool,
    is_complete: bool,
) -> None:
    found = report(model, prepared(base, letters(4, "test"), official=official), limit=limit)
    assert found.test_set.startswith(words)
    assert (found.is_official, found.is_complete) == (is_official, is_complete)
    assert found.arms[0].num_items == (limit or 4)


def test_a_test_set_with_a_row_dropped_is_neither_complete_nor_published(
    base: FrozenBase, model: PeftModel
) -> None:
    long = make_example("word " * 300, "A", id="test-9", options=("A", "B"))
    ready = prepared(
        base, [*letters(3, "test"), long], official=4, max_tokens=128, on_overlength="drop"
    )
    found = report(model, ready)
    assert (found.is_official, found.is_complete) == (False, False)
    assert "NOT the published test set" in found.test_set


def test_rows_held_out_of_training_are_not_called_a_test_set(
    base: FrozenBase, model: PeftModel
) -> None:
    train = letters(30, "train")
    rows = material("mcq", train=train)
    data = Data(task="mcq", validation_fraction=0.0, test_fraction=0.2)
    ready = prepare(rows, data, make_template("tokenizer", base.tokenizer), seed=7)
    found = report(model, ready)
    count = len(ready.splits["test"].examples)
    assert found.test_set == (
        f"{count} rows held out of train.jsonl by group: no published test set"
    )
    assert found.is_official is False


def test_without_test_rows_there_is_nothing_to_fit(base: FrozenBase) -> None:
    require_fit(prepared(base, []), Evaluate(metric="rouge_l"), None)
