"""How one arm answers the items, and what each answer is worth by the metric.

Answers with options are weighed: the likelihood of each option as the model would write it behind
the prompt, which for letters and for yes / no / maybe, single tokens in the usual tokenizers, is
the top token among the options. Free text is weighed too (the reference with its stop token), or
is written by the model and compared with the reference.
"""

from collections.abc import Sequence

import numpy as np
from peft import PeftModel

from medtune.data import Encoder
from medtune.digests import sha256_value
from medtune.errors import DataError
from medtune.evaluation.rouge import has_words, rouge_l
from medtune.metrics import MetricName
from medtune.recipe import Evaluate
from medtune.records import Example, ItemScore, Progress
from medtune.scoring import Generated, Question, generate, log_likelihoods, num_rows

NOTE_WRITING = frozenset({"mts_dialog", "aci_bench"})
"""Tasks whose answers are scored as they are written, unless the recipe says otherwise."""


def choose_metric(task: str, examples: Sequence[Example], section: Evaluate) -> MetricName:
    """The metric for these rows: accuracy where they have options, else what the recipe says."""
    if examples and examples[0].options:
        return "accuracy"
    if section.metric == "rouge_l" or (section.metric == "auto" and task in NOTE_WRITING):
        return "rouge_l"
    return "answer_nll_per_token"


def make_questions(
    examples: Sequence[Example], prompts: Sequence[tuple[int, ...]], encoder: Encoder
) -> list[Question]:
    """Each prompt with its options, or with the reference answer and its stop token."""
    return [
        Question(
            prompt=prompt,
            continuations=tuple(
                encoder.continuation(prompt, text)
                for text in example.options or (example.answer + encoder.template.stop_token,)
            ),
        )
        for example, prompt in zip(examples, prompts, strict=True)
    ]


def weigh(
    model: PeftModel,
    examples: Sequence[Example],
    questions: Sequence[Question],
    *,
    batch_size: int,
    pad_id: int,
    step: str,
    progress: Progress,
) -> list[ItemScore]:
    """Score by the likelihood of given answers; progress calls it ``step``."""
    progress.start(step, num_rows(questions), "prompts")
    found = log_likelihoods(
        model, questions, batch_size=batch_size, pad_id=pad_id, progress=progress
    )
    progress.finish()
    return [
        _weighed(example, question, values)
        for example, question, values in zip(examples, questions, found, strict=True)
    ]


def write(
    model: PeftModel,
    examples: Sequence[Example],
    questions: Sequence[Question],
    encoder: Encoder,
    section: Evaluate,
    *,
    pad_id: int,
    step: str,
    progress: Progress,
) -> list[ItemScore]:
    """Score by ROUGE-L what the model writes by itself; progress calls it ``step``."""
    template = encoder.template
    # A base that was never taught the template's stop token ends with its own.
    stops = {template.stop_token_id, encoder.tokenizer.eos_token_id} - {None}
    progress.start(step, len(questions), "prompts")
    found = generate(
        model,
        [question.prompt for question in questions],
        stop_ids=frozenset(stops),
        max_new_tokens=section.max_new_tokens,
        batch_size=section.batch_size,
        pad_id=pad_id,
        progress=progress,
    )
    progress.finish()
    return [
        _written(example, question, generated, encoder)
        for example, question, generated in zip(examples, questions, found, strict=True)
    ]


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


def _weighed(example: Example, question: Question, values: list[float]) -> ItemScore:
    if example.options:
        predicted = example.options[int(np.argmax(values))]
        tokens = question.continuations[example.options.index(example.answer)]
        value = float(predicted == example.answer)
    else:
        predicted, tokens = "", question.continuations[0]
        value = -values[0] / len(tokens)
    return ItemScore(
        id=example.id,
        group=example.group,
        prompt_digest=sha256_value(list(question.prompt)),
        log_likelihoods=tuple(values),
        num_answer_tokens=len(tokens),
        predicted=predicted,
        answer=example.answer if example.options else "",
        value=value,
    )


def _written(
    example: Example, question: Question, generated: Generated, encoder: Encoder
) -> ItemScore:
    text = encoder.decode(generated.ids)
    return ItemScore(
        id=example.id,
        group=example.group,
        prompt_digest=sha256_value(list(question.prompt)),
        log_likelihoods=(),
        num_answer_tokens=len(question.continuations[0]),
        predicted="",
        answer="",
        value=rouge_l(example.answer, text),
        text=text,
        is_complete=generated.is_complete,
    )
