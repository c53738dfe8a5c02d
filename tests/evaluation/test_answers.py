"""Every protocol gives what its definition says, worked out once more by a plain forward pass."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from math import log
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import make_example

from medtune.data import Encoder, make_template
from medtune.errors import RecipeError
from medtune.evaluation.answers import Answer, Asked, answer, longest
from medtune.evaluation.extraction import extract
from medtune.evaluation.items import ItemSet, Kind
from medtune.evaluation.prompt_file import load_prompts
from medtune.evaluation.prompts import Prompter
from medtune.evaluation.summaries import summarise
from medtune.models import FrozenBase, load_model, load_tokenizer, locate_base
from medtune.recipe import Base, Evaluate
from medtune.records import ArmScore, Example, Progress, Silent
from medtune.scoring import Decoding, LocalEngine, Question, Weight, Written
from medtune.stats import wilson


@pytest.fixture(scope="module")
def base(tiny_base: Path) -> FrozenBase:
    section = Base(model=str(tiny_base), dtype="float32")
    located = locate_base(section, offline=True, progress=Silent())
    return load_model(located, section, load_tokenizer(located))


@pytest.fixture(scope="module")
def encoder(base: FrozenBase) -> Encoder:
    return Encoder(make_template("tokenizer", base.tokenizer))


def question(number: int, answer: str = "B") -> Example:
    example = make_example(
        "unused", answer, id=f"q-{number}", options=("A", "B", "C"), group=f"case-{number}"
    )
    return replace(
        example,
        question=f"Patient {number} bleeds. Which vitamin?",
        choices=("vitamin C", f"vitamin B{number} and K", "no vitamin at all"),
        subject="odd" if number % 2 else "even",
    )


def decision(number: int, answer: str = "maybe") -> Example:
    example = make_example("unused", answer, id=f"d-{number}", options=("yes", "no", "maybe"))
    return replace(example, question=f"Abstract:\nn = {number}\n\nQuestion: does it work?")


def asked(
    encoder: Encoder, examples: Sequence[Example], kind: Kind = "choice", **settings: object
) -> Asked:
    section = Evaluate(**settings)
    protocol = "option_likelihood" if kind == "truth" else section.protocol
    return Asked(
        items=ItemSet(
            name="set", task="mcq", kind=kind, examples=examples, shots={"": ()},
            described="made up", is_official=False, is_complete=True,
        ),
        prompter=Prompter(encoder, load_prompts(None), protocol),
        section=section,
        headers={"": ()},
        seed=7,
    )  # fmt: skip


def engine(base: FrozenBase, encoder: Encoder) -> LocalEngine:
    return LocalEngine(
        base.model, {}, is_adapter_on=False, decode=encoder.decode, batch_size=4, pad_id=0
    )


def ask(base: FrozenBase, found: Asked) -> list[Answer]:
    return answer(found, engine(base, found.prompter.encoder), step="", progress=Silent())


@torch.no_grad()
def plain(base: FrozenBase, prompt: Sequence[int], continuation: Sequence[int]) -> float:
    """Log-likelihood by one forward pass over all, in double precision behind the model."""
    ids = torch.tensor([[*prompt, *continuation]])
    logits = base.model(ids, use_cache=False).logits[0].double().log_softmax(-1)
    start = len(prompt) - 1
    return sum(float(logits[start + n, token]) for n, token in enumerate(continuation))


# Weighed options


def test_the_top_token_is_the_likeliest_first_token_of_the_options(base, encoder):
    examples = [*(question(n) for n in range(5)), *(decision(n) for n in range(3))]
    found = asked(encoder, examples)
    for example, one in zip(examples, ask(base, found), strict=True):
        prompt = found.prompt(example)
        firsts = [found.prompter.option(prompt, example, text)[:1] for text in example.options]
        values = [plain(base, prompt, first) for first in firsts]
        assert one.item.log_likelihoods == pytest.approx(values, abs=1e-4)
        assert one.item.predicted == example.options[int(np.argmax(values))]
        assert one.item.value == float(one.item.predicted == example.answer)
        assert one.item.options == example.options
        chances = np.exp(values) / np.exp(values).sum()
        right = example.options.index(example.answer)
        assert one.figures["brier"] == pytest.approx(
            sum((p - (place == right)) ** 2 for place, p in enumerate(chances)), abs=1e-4
        )
        assert one.figures["confidence"] == pytest.approx(max(chances), abs=1e-4)
        assert one.figures["option_mass"] == pytest.approx(np.exp(values).sum(), abs=1e-4)


def test_maybe_can_be_right(base, encoder):
    examples = [decision(n, answer) for answer in ("yes", "no", "maybe") for n in range(20)]
    predicted = {one.item.predicted for one in ask(base, asked(encoder, examples))}
    assert predicted <= {"yes", "no", "maybe"}
    likeliest = next(iter(predicted))
    renamed = [replace(example, answer=likeliest) for example in examples[:20]]
    assert {one.item.value for one in ask(base, asked(encoder, renamed))} >= {1.0}


def test_options_that_begin_with_one_token_are_refused_by_their_row(base, encoder):
    example = replace(decision(1), options=("aaa zz", "aaa yy"), answer="aaa zz")
    with pytest.raises(RecipeError, match=r"rows.jsonl:1: two options begin with the same token"):
        ask(base, asked(encoder, [example]))


@pytest.mark.parametrize("normalise", ["sum", "token", "byte"])
def test_an_options_text_is_weighed_whole_and_normalised_as_asked(base, encoder, normalise: str):
    examples = [question(n) for n in range(6)]
    found = asked(encoder, examples, protocol="option_likelihood", normalise=normalise)
    for example, one in zip(examples, ask(base, found), strict=True):
        prompt = found.prompt(example)
        values = []
        for text in example.choices:
            ids = found.prompter.option(prompt, example, text)
            divisor = {"sum": 1, "token": len(ids), "byte": len(text.encode())}[normalise]
            values.append(plain(base, prompt, ids) / divisor)
        assert one.item.log_likelihoods == pytest.approx(values, abs=1e-4)
        assert one.item.predicted == example.options[int(np.argmax(values))]


def test_rotated_options_are_weighed_in_every_order_and_come_back_to_their_places(base, encoder):
    example = question(4)
    found = asked(encoder, [example], rotate_options=True)
    [one] = ask(base, found)
    table = []
    for shift in range(3):
        order = [(place + shift) % 3 for place in range(3)]
        prompt = found.prompt(example, order)
        by_letter = [plain(base, prompt, found.prompter.option(prompt, example, x)) for x in "ABC"]
        # The letter at which an option stood is where its weight was found.
        table.append([by_letter[order.index(option)] for option in range(3)])
    votes = ["ABC"[int(np.argmax(row))] for row in table]
    assert one.item.votes == tuple(votes)
    assert one.item.log_likelihoods == pytest.approx(np.mean(table, axis=0), abs=1e-4)
    assert one.item.value == pytest.approx(votes.count("B") / 3)
    assert one.figures["consistency"] == float(len(set(votes)) == 1)


# Probability of the truth, references, plain text


def test_mc2_is_the_probability_of_the_right_answers_among_all(base, encoder):
    example = replace(question(1), true_texts=("no", "it is not so"), false_texts=("yes", "always"))
    found = asked(encoder, [example], "truth")
    [one] = ask(base, found)
    prompt = found.prompt(example)
    texts = (*example.true_texts, *example.false_texts)
    weights = [plain(base, prompt, found.prompter.option(prompt, example, t)) for t in texts]
    chances = np.exp(weights)
    assert one.item.value == pytest.approx(chances[:2].sum() / chances.sum(), abs=1e-4)
    assert "A. vitamin C" not in encoder.tokenizer.decode(list(prompt))


def test_bits_per_byte_are_those_of_the_whole_text_weighted_by_bytes(base, encoder):
    texts = ["The patient has a fever.", "Vitamin C, für alle. " * 4]
    examples = [replace(make_example("x", "y", id=f"t-{n}"), text=t, messages=())
                for n, t in enumerate(texts)]  # fmt: skip
    found = [one.item for one in ask(base, asked(encoder, examples, "text"))]
    bits, size = 0.0, 0
    for text, item in zip(texts, found, strict=True):
        ids = encoder.tokenizer(text, add_special_tokens=False)["input_ids"]
        weight = plain(base, [base.tokenizer.bos_token_id], ids)
        assert item.value == pytest.approx(-weight / log(2) / len(text.encode()), abs=1e-4)
        assert item.weight == len(text.encode())
        bits, size = bits - weight / log(2), size + len(text.encode())
    assert summarise("base", 0, "bits_per_byte", found).value == pytest.approx(
        bits / size, abs=1e-4
    )


# Written answers, on an engine whose texts are given


class Writer:
    """An engine that writes given texts: what is read from them is what is tested here."""

    def __init__(self, texts: Sequence[Sequence[str]]) -> None:
        self._texts = texts
        self.decoding: Decoding | None = None
        self.conditions: dict[str, str] = {}

    def weigh(
        self, questions: Sequence[Question], *, step: str, progress: Progress
    ) -> list[list[Weight]]:
        raise AssertionError("nothing is weighed")

    def write(
        self,
        prompts: Sequence[tuple[int, ...]],
        decoding: Decoding,
        *,
        step: str,
        progress: Progress,
    ) -> list[list[Written]]:
        self.decoding = decoding
        return [
            [Written(text=t, num_tokens=len(t), is_complete=not t.endswith("…")) for t in several]
            for several in self._texts
        ]


def read(encoder: Encoder, texts: Sequence[Sequence[str]], **settings: object) -> ArmScore:
    examples = [question(n) for n in range(len(texts))]
    answers = answer(
        asked(encoder, examples, **settings), Writer(texts), step="", progress=Silent()
    )
    figures = [one.figures for one in answers]
    return summarise("base", 0, "accuracy", [one.item for one in answers], figures=figures)


def test_an_unparsed_answer_is_its_own_number_and_counts_as_wrong(encoder):
    found = read(
        encoder,
        [["The answer is B."], ["The answer is A."], ["I am not sure…"], [""], ["Answer: B"]],
        protocol="cot",
    )
    assert (found.value, found.num_unparsed, found.num_cut, found.num_empty) == (0.4, 2, 1, 1)
    assert [item.is_parsed for item in found.items] == [True, True, False, False, True]
    assert [item.predicted for item in found.items] == ["B", "A", "", "", "B"]
    [parsed] = [m for m in found.measures if m.name == "parsed_accuracy"]
    assert (parsed.value, parsed.num_items) == (pytest.approx(2 / 3), 3)
    assert parsed.interval == wilson(2, 3)
    assert "from 2 items no answer could be read" in str(found.remark())


def test_votes_are_counted_over_what_could_be_read_and_ties_are_stated(encoder):
    found = read(
        encoder,
        [
            ["The answer is B", "The answer is A", "The answer is B", "?", "?"],
            ["The answer is A", "The answer is B", "The answer is B", "The answer is A", "?"],
            ["The answer is C", "The answer is B", "?", "?", "?"],
            ["?", "?", "?", "?", "?"],
        ],
        protocol="sc_cot",
        samples=5,
    )
    first, second, third, fourth = found.items
    assert (first.predicted, first.is_tied) == ("B", False)
    assert first.votes == ("B", "A", "B", "", "")
    # Of a tie the option that was voted for first counts.
    assert (second.predicted, second.is_tied) == ("A", True)
    assert (third.predicted, third.is_tied) == ("C", True)
    assert (fourth.predicted, fourth.is_tied, fourth.is_parsed) == ("", False, False)
    assert (found.num_tied, found.num_unparsed, found.value) == (2, 1, 0.25)


def test_greedy_is_greedy_and_votes_are_drawn_at_their_temperature(encoder):
    for settings, expected in (
        ({"protocol": "cot", "max_new_tokens": 9}, (0.0, 1, 9)),
        ({"protocol": "sc_cot", "samples": 3, "temperature": 0.7}, (0.7, 3, 512)),
    ):
        writer = Writer([["A"] * expected[1]])
        answer(asked(encoder, [question(1)], **settings), writer, step="", progress=Silent())
        decoding = writer.decoding
        assert decoding is not None
        assert (decoding.temperature, decoding.samples, decoding.max_new_tokens) == expected


def test_samples_of_a_model_differ_and_the_same_seed_draws_them_again(base, encoder):
    found = asked(
        encoder, [question(1), question(2)], protocol="sc_cot", samples=4, max_new_tokens=12
    )
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, again = ask(base, found), ask(base, found)
    assert first == again
    assert torch.equal(torch.rand(3), expected), "the process's own random numbers go on as before"
    texts = [one.item.texts for one in first]
    assert all(several is not None and len(set(several)) > 1 for several in texts)
    assert [one.item.texts for one in ask(base, replace(found, seed=8))] != texts
    for one in first:
        votes = [extract(t, "ABC", question(1).choices) or "" for t in one.item.texts or ()]
        assert one.item.votes == tuple(votes)
        most = Counter(v for v in votes if v).most_common(1)
        assert one.item.predicted == (most[0][0] if most else "")


def test_the_longest_prompt_counts_what_is_to_be_written(encoder):
    examples = [question(n) for n in range(3)]
    written = asked(encoder, examples, protocol="cot", max_new_tokens=100)
    assert longest(written) == max(len(written.prompt(e)) for e in examples) + 100
    weighed = asked(encoder, examples)
    assert longest(weighed) == max(len(weighed.prompt(e)) for e in examples) + 1


# Summaries


def test_parts_of_a_set_have_scores_of_their_own_and_a_mean_that_counts_each_once(base, encoder):
    examples = [question(n) for n in (1, 3, 5, 7, 2)]
    answers = ask(base, asked(encoder, examples))
    items = [replace(one.item, value=v) for one, v in zip(answers, (1, 0, 0, 0, 1), strict=True)]
    found = summarise("base", 0, "accuracy", items)
    assert [(p.name, p.value, p.num_items) for p in found.parts] == [
        ("even", 1.0, 1),
        ("odd", 0.25, 4),
    ]
    [macro] = [m for m in found.measures if m.name == "macro_average"]
    assert macro.value == pytest.approx(0.625)
    assert found.value == pytest.approx(0.4)
    assert found.parts[1].interval == wilson(1, 4)


def test_rotated_shares_have_no_interval_of_rights_and_wrongs(base, encoder):
    answers = ask(base, asked(encoder, [question(n) for n in range(4)], rotate_options=True))
    items = [
        replace(a.item, value=v) for a, v in zip(answers, (1 / 3, 2 / 3, 1.0, 0.0), strict=True)
    ]
    found = summarise("base", 0, "accuracy", items)
    assert found.value == pytest.approx(0.5)
    assert found.interval_method == "student_t"
