"""How one arm answers the items, and what each answer is worth.

choice   weighed: the likeliest option, by its first token (top_token) or its text
(option_likelihood); or written: reasoning, once (cot) or several times (sc_cot), from
which the option is read
truth    the probability of the right answers among all published ones (MC2)
note     written and compared with the reference
answer   the reference is weighed, per token
text     weighed as it stands, per byte
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import log

import numpy as np

from medtune.digests import sha256_value
from medtune.errors import DataError, RecipeError
from medtune.evaluation.extraction import extract
from medtune.evaluation.items import ItemSet, is_written
from medtune.evaluation.note_checks import number_support, section_f1
from medtune.evaluation.prompts import Header, Prompter, rotations
from medtune.evaluation.rouge import has_words, rouge_l
from medtune.metrics import MetricName
from medtune.recipe import Evaluate
from medtune.records import Example, ItemScore, Progress
from medtune.scoring import Decoding, Engine, Question, Written


@dataclass(frozen=True, slots=True)
class Answer:
    """One item's score, and what else was found out about it."""

    item: ItemScore
    figures: Mapping[str, float] = field(default_factory=dict)
    """Key of ``METRICS`` -> the item's value of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A set of items as one arm is asked them."""

    items: ItemSet
    prompter: Prompter
    section: Evaluate
    headers: Mapping[str, Header]
    """The examples before the questions of each subject."""
    seed: int
    """Of what is drawn at a temperature."""

    def prompt(self, example: Example, order: Sequence[int] | None = None) -> tuple[int, ...]:
        """What stands before the answer."""
        return self.prompter.prompt(example, self.headers[self.items.shots_for(example)], order)


def answer(asked: Asked, engine: Engine, *, step: str, progress: Progress) -> list[Answer]:
    """Ask an engine all items; progress calls it ``step``."""
    return _method(asked)(asked, engine, step, progress)


def metric_of(asked: Asked) -> MetricName:
    """What items are scored by."""
    metrics: dict[str, MetricName] = {
        "choice": "accuracy",
        "truth": "mc2",
        "note": "rouge_l",
        "answer": "answer_nll_per_token",
        "text": "bits_per_byte",
    }
    return metrics[asked.items.kind]


def longest(asked: Asked) -> int:
    """Tokens of the longest prompt with what stands behind it.

    Raises:
        RecipeError: An item cannot be asked in this way.
        DataError: A reference has no word that ROUGE-L counts.
    """
    if asked.items.kind == "note":
        require_words(asked.items.examples)
    if is_written(asked.items.kind, asked.section):
        longest_prompt = max(len(asked.prompt(example)) for example in asked.items.examples)
        return longest_prompt + asked.section.max_new_tokens
    make = _QUESTIONS[_weighing(asked)]
    questions = [q for example in asked.items.examples for q in make(asked, example)]
    return max(len(q.prompt) + max(map(len, q.continuations)) for q in questions)


def require_words(examples: Sequence[Example]) -> None:
    """Refuse references that no text could match.

    Raises:
        DataError: A reference has no word that ROUGE-L counts.
    """
    for example in examples:
        if not has_words(example.answer):
            raise DataError(
                f"{example.where}: the reference answer of {len(example.answer)} characters has no "
                "word of a-z or 0-9, and ROUGE-L compares no others; remove the row, or set "
                "evaluate.metric: answer_nll"
            )


_Method = Callable[[Asked, Engine, str, Progress], list[Answer]]


def _method(asked: Asked) -> _Method:
    if asked.items.kind == "note":
        return _written_notes
    return _reasoned if is_written(asked.items.kind, asked.section) else _weighed


def _weighing(asked: Asked) -> str:
    return asked.section.protocol if asked.items.kind == "choice" else asked.items.kind


# Weighed answers


def _weighed(asked: Asked, engine: Engine, step: str, progress: Progress) -> list[Answer]:
    kind = _weighing(asked)
    questions = [_QUESTIONS[kind](asked, example) for example in asked.items.examples]
    flat = [question for several in questions for question in several]
    weights = iter(engine.weigh(flat, step=step, progress=progress))
    answers = []
    for example, several in zip(asked.items.examples, questions, strict=True):
        found = [[weight.log_likelihood for weight in next(weights)] for _ in several]
        answers.append(_READERS[kind](asked, example, several, found))
    return answers


def _top_token_questions(asked: Asked, example: Example) -> list[Question]:
    """One question for each order of the options; of each option only its first token."""
    orders = rotations(example) if asked.section.rotate_options else [None]
    questions = []
    for order in orders:
        prompt = asked.prompt(example, order)
        options = [asked.prompter.option(prompt, example, option) for option in example.options]
        firsts = [option[:1] for option in options]
        if len(set(firsts)) < len(firsts):
            raise RecipeError(
                f"{example.where}: two options begin with the same token in this tokenizer, so the "
                "top token cannot tell them apart; use protocol: option_likelihood"
            )
        questions.append(Question(prompt=prompt, continuations=tuple(firsts)))
    return questions


def _option_questions(asked: Asked, example: Example) -> list[Question]:
    prompt = asked.prompt(example)
    texts = example.choices or example.options
    options = (asked.prompter.option(prompt, example, text) for text in texts)
    return [Question(prompt=prompt, continuations=tuple(options))]


def _truth_questions(asked: Asked, example: Example) -> list[Question]:
    prompt = asked.prompt(example)
    texts = (*example.true_texts, *example.false_texts)
    options = (asked.prompter.option(prompt, example, text) for text in texts)
    return [Question(prompt=prompt, continuations=tuple(options))]


def _answer_questions(asked: Asked, example: Example) -> list[Question]:
    prompt = asked.prompt(example)
    text = example.answer + asked.prompter.encoder.template.stop_token
    reference = asked.prompter.encoder.continuation(prompt, text)
    return [Question(prompt=prompt, continuations=(reference,))]


def _text_questions(asked: Asked, example: Example) -> list[Question]:
    encoder = asked.prompter.encoder
    return [Question(prompt=encoder.beginning, continuations=(encoder.text(example.text),))]


def _read_choice(
    asked: Asked, example: Example, questions: list[Question], found: list[list[float]]
) -> Answer:
    scores = np.array(found)
    section = asked.section
    if section.protocol == "option_likelihood":
        scores = scores / _divisors(example, questions[0], section.normalise)
    if section.rotate_options:
        # Letter i of order r stands for option order[i]: back to the options' own places.
        scores = np.array(
            [row[np.argsort(order)] for row, order in zip(scores, rotations(example), strict=True)]
        )
    votes = [example.options[int(place)] for place in scores.argmax(axis=1)]
    means = scores.mean(axis=0)
    right = example.options.index(example.answer)
    chances = np.exp(means - means.max())
    chances /= chances.sum()
    figures = {
        "brier": float(((chances - np.eye(len(chances))[right]) ** 2).sum()),
        "confidence": float(chances.max()),
    }
    if section.protocol == "top_token":
        figures["option_mass"] = float(np.exp(np.array(found)).sum(axis=1).mean())
    if section.rotate_options:
        figures["consistency"] = float(len(set(votes)) == 1)
    item = _item(
        asked,
        example,
        questions[0].prompt,
        log_likelihoods=tuple(map(float, means)),
        num_answer_tokens=len(questions[0].continuations[right]),
        predicted=example.options[int(means.argmax())],
        value=float(np.mean([vote == example.answer for vote in votes])),
        votes=tuple(votes) if section.rotate_options else (),
    )
    return Answer(item, figures)


def _divisors(example: Example, question: Question, normalise: str) -> list[int]:
    if normalise == "token":
        return [len(continuation) for continuation in question.continuations]
    if normalise == "byte":
        return [len(text.encode()) for text in example.choices or example.options]
    return [1] * len(question.continuations)


def _read_truth(
    asked: Asked, example: Example, questions: list[Question], found: list[list[float]]
) -> Answer:
    [weights] = found
    chances = np.exp(np.array(weights) - max(weights))
    count = len(example.true_texts)
    item = _item(
        asked,
        example,
        questions[0].prompt,
        options=(),
        log_likelihoods=tuple(weights),
        num_answer_tokens=sum(map(len, questions[0].continuations[:count])),
        predicted="",
        answer="",
        value=float(chances[:count].sum() / chances.sum()),
    )
    return Answer(item)


def _read_answer(
    asked: Asked, example: Example, questions: list[Question], found: list[list[float]]
) -> Answer:
    [[weight]] = found
    num_tokens = len(questions[0].continuations[0])
    item = _item(
        asked, example, questions[0].prompt, log_likelihoods=(weight,), predicted="",
        num_answer_tokens=num_tokens, answer="", value=-weight / num_tokens,
    )  # fmt: skip
    return Answer(item)


def _read_text(
    asked: Asked, example: Example, questions: list[Question], found: list[list[float]]
) -> Answer:
    [[weight]] = found
    num_bytes = len(example.text.encode())
    item = _item(
        asked, example, questions[0].prompt, log_likelihoods=(weight,), predicted="", answer="",
        num_answer_tokens=len(questions[0].continuations[0]),
        value=-weight / log(2) / num_bytes, weight=float(num_bytes),
    )  # fmt: skip
    return Answer(item)


_QUESTIONS: Mapping[str, Callable[[Asked, Example], list[Question]]] = {
    "top_token": _top_token_questions,
    "option_likelihood": _option_questions,
    "truth": _truth_questions,
    "answer": _answer_questions,
    "text": _text_questions,
}
_READERS: Mapping[str, Callable[[Asked, Example, list[Question], list[list[float]]], Answer]] = {
    "top_token": _read_choice,
    "option_likelihood": _read_choice,
    "truth": _read_truth,
    "answer": _read_answer,
    "text": _read_text,
}


# Written answers


def _decoding(asked: Asked) -> Decoding:
    section, encoder = asked.section, asked.prompter.encoder
    # A base that was never taught the template's stop token ends with its own.
    stops = {encoder.template.stop_token_id, encoder.tokenizer.eos_token_id} - {None}
    is_voted = asked.items.kind == "choice" and section.protocol == "sc_cot"
    return Decoding(
        max_new_tokens=section.max_new_tokens,
        stop_ids=frozenset(stops),
        temperature=section.temperature if is_voted else 0.0,
        samples=section.samples if is_voted else 1,
        seed=asked.seed,
    )


def _write(
    asked: Asked, engine: Engine, step: str, progress: Progress
) -> list[tuple[Example, tuple[int, ...], list[Written]]]:
    examples = asked.items.examples
    prompts = [asked.prompt(example) for example in examples]
    texts = engine.write(prompts, _decoding(asked), step=step, progress=progress)
    return list(zip(examples, prompts, texts, strict=True))


def _reasoned(asked: Asked, engine: Engine, step: str, progress: Progress) -> list[Answer]:
    found = _write(asked, engine, step, progress)
    return [_read_reasoned(asked, example, prompt, texts) for example, prompt, texts in found]


def _read_reasoned(
    asked: Asked, example: Example, prompt: tuple[int, ...], texts: Sequence[Written]
) -> Answer:
    lead = _lead(asked, example)
    read = [extract(lead + text.text, example.options, example.choices) for text in texts]
    votes = Counter(vote for vote in read if vote is not None)
    # Of options with equally many votes the one that was voted for first counts.
    predicted, most = next(iter(votes.most_common(1)), ("", 0))
    is_right = float(predicted == example.answer)
    item = _item(
        asked, example, prompt, log_likelihoods=(), num_answer_tokens=0, predicted=predicted,
        value=is_right, is_parsed=bool(votes),
        is_tied=list(votes.values()).count(most) > 1 if len(texts) > 1 else None,
        votes=tuple(vote or "" for vote in read) if len(texts) > 1 else (),
        **_texts(texts),
    )  # fmt: skip
    return Answer(item, {"parsed_accuracy": is_right} if votes else {})


def _lead(asked: Asked, example: Example) -> str:
    """What the prompt begins the answer with: the answer may be its first word behind it."""
    lead = asked.prompter.lead(example)
    return f"{lead} " if lead and not lead[-1].isspace() else lead


def _written_notes(asked: Asked, engine: Engine, step: str, progress: Progress) -> list[Answer]:
    return [
        _read_note(asked, example, prompt, texts)
        for example, prompt, texts in _write(asked, engine, step, progress)
    ]


def _read_note(
    asked: Asked, example: Example, prompt: tuple[int, ...], texts: Sequence[Written]
) -> Answer:
    [written] = texts
    reference = asked.prompter.encoder.continuation(
        prompt, example.answer + asked.prompter.encoder.template.stop_token
    )
    item = _item(
        asked, example, prompt, log_likelihoods=(), num_answer_tokens=len(reference),
        predicted="", answer="", value=rouge_l(example.answer, written.text), **_texts(texts),
    )  # fmt: skip
    checks = {
        "section_f1": section_f1(example.answer, written.text),
        "number_support": number_support(example.own_text, written.text),
    }
    return Answer(item, {name: value for name, value in checks.items() if value is not None})


def _texts(texts: Sequence[Written]) -> dict[str, object]:
    return {
        "texts": tuple(text.text for text in texts),
        "num_cut": sum(not text.is_complete for text in texts),
        "num_empty": sum(not text.text.strip() for text in texts),
    }


def _item(asked: Asked, example: Example, prompt: tuple[int, ...], **values: object) -> ItemScore:
    common: dict[str, object] = {
        "id": example.id,
        "group": example.group,
        "part": example.subject,
        "prompt_digest": sha256_value(list(prompt)),
        "question": example.own_text,
        "options": example.options,
        "answer": example.answer if example.options else "",
    }
    return ItemScore(**(common | values))  # type: ignore[arg-type]
