"""Base and adapter on the same held-out items, with intervals, item by item.

Multiple choice is scored by the likelihood of each option as the model would write it behind the
prompt: for letters and for yes / no / maybe, which are single tokens in the usual tokenizers, that
is the top token among the options. Free text is scored by the negative log-likelihood of the
reference answer with its stop token, per token, averaged over items.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
from peft import PeftModel

from medtune.data import Encoder, Prepared
from medtune.digests import sha256_value
from medtune.errors import RecipeError
from medtune.evaluation.intervals import change_interval, loss_interval, share_interval
from medtune.recipe import Evaluate
from medtune.records import ArmScore, Comparison, Example, ItemScore, Message, Progress, ScoreReport
from medtune.scoring import Question, log_likelihoods, num_rows
from medtune.stats import mcnemar_exact

FEW_SHOT_STREAM = 1
"""Keeps the draw of the examples in the prompt apart from other draws with the recipe's seed."""
PROTOCOLS = {
    True: "option_likelihood: arg-max log-likelihood over the options behind the prompt",
    False: "answer_nll_per_token: negative log-likelihood of the reference answer per token",
}


def score(
    model: PeftModel,
    prepared: Prepared,
    section: Evaluate,
    *,
    seed: int,
    pad_id: int,
    dtype: str,
    progress: Progress,
) -> ScoreReport:
    """Score the base (the model with its adapter disabled) and the adapter on the test rows."""
    part = prepared.splits["test"]
    examples = part.examples[: section.limit]
    arms = [("base", 0), ("base", section.few_shot), ("adapter", 0)]
    if not section.few_shot:
        del arms[1]
    scored = []
    for arm, shots in arms:
        questions = _questions(prepared, section, shots, seed)
        progress.start(f"scoring {arm} {shots}-shot", num_rows(questions), "prompts")
        with _arm(model, arm):
            found = log_likelihoods(
                model, questions, batch_size=section.batch_size, pad_id=pad_id, progress=progress
            )
        progress.finish()
        items = [
            _item(example, question, values)
            for example, question, values in zip(examples, questions, found, strict=True)
        ]
        scored.append(summarise(arm, shots, items))
    test_file = prepared.files.get("test")
    is_complete = len(examples) == len(part.examples) and not part.dropped
    is_official = bool(
        test_file and test_file.is_official(prepared.splits["test"].num_read) and is_complete
    )
    return ScoreReport(
        task=prepared.task,
        test_set=_describe(prepared, len(examples)),
        is_official=is_official,
        is_complete=is_complete,
        protocol=PROTOCOLS[bool(examples[0].options)],
        dtype=dtype,
        arms=tuple(scored),
        comparisons=tuple(compare(scored[-1], base) for base in scored[:-1]),
    )


def require_prompts_fit(
    prepared: Prepared, section: Evaluate, *, seed: int, context_tokens: int | None
) -> None:
    """Refuse, before anything is trained, what could not be scored afterwards.

    Raises:
        RecipeError: There are fewer training examples than are to stand in the prompt, or the
            longest prompt with them is over the base's context.
    """
    questions = _questions(prepared, section, section.few_shot, seed)
    longest = max((len(q.prompt) + max(map(len, q.continuations)) for q in questions), default=0)
    if context_tokens is not None and longest > context_tokens:
        raise RecipeError(
            f"evaluate: the longest prompt with {section.few_shot} examples has {longest} tokens, "
            f"and this base reads {context_tokens}; lower evaluate.few_shot or data.max_tokens"
        )


def few_shot_messages(examples: Sequence[Example], count: int, seed: int) -> tuple[Message, ...]:
    """Messages of ``count`` training examples, drawn without replacement; the same for all items.

    Raises:
        RecipeError: There are fewer training examples than that.
    """
    if count > len(examples):
        raise RecipeError(f"evaluate.few_shot is {count}; there are {len(examples)} training rows")
    generator = np.random.default_rng([seed, FEW_SHOT_STREAM])
    drawn = generator.choice(len(examples), size=count, replace=False)
    return tuple(m for i in drawn for m in examples[int(i)].messages if m.role != "system")


def summarise(arm: str, few_shot: int, items: Sequence[ItemScore]) -> ArmScore:
    """One arm's metric with its 95 % interval."""
    groups = [item.group for item in items]
    num_groups = len(set(groups))
    is_choice = _is_choice(items)
    values = [float(item.is_correct) if is_choice else _loss(item) for item in items]
    interval = share_interval(values, groups) if is_choice else loss_interval(values, groups)
    return ArmScore(
        arm=arm,
        few_shot=few_shot,
        metric="accuracy" if is_choice else "answer_nll_per_token",
        value=sum(values) / len(values),
        interval=(interval.low, interval.high),
        interval_method=interval.method,
        num_items=len(items),
        num_groups=num_groups,
        items=tuple(items),
    )


def compare(adapter: ArmScore, base: ArmScore) -> Comparison:
    """The adapter against one arm of its base, on the same items."""
    pairs = list(zip(adapter.items, base.items, strict=True))
    assert all(a.id == b.id for a, b in pairs), "arms are scored on the same items in one order"
    groups = [a.group for a, _ in pairs]
    p_value = None
    if _is_choice(adapter.items):
        changes = [float(a.is_correct) - float(b.is_correct) for a, b in pairs]
        gained, lost = changes.count(1.0), changes.count(-1.0)
        interval = change_interval(changes, groups)
        if len(set(groups)) == len(pairs):
            p_value = mcnemar_exact(gained, lost)
    else:
        changes = [_loss(a) - _loss(b) for a, b in pairs]
        gained, lost = sum(c < 0 for c in changes), sum(c > 0 for c in changes)
        interval = loss_interval(changes, groups)
    return Comparison(
        against=f"{base.arm}, {base.few_shot} examples in the prompt",
        difference=sum(changes) / len(changes),
        interval=(interval.low, interval.high),
        interval_method=interval.method,
        p_value=p_value,
        gained=gained,
        lost=lost,
    )


def _arm(model: PeftModel, arm: str) -> AbstractContextManager[object]:
    context: AbstractContextManager[object] = (
        model.disable_adapter() if arm == "base" else nullcontext()
    )
    return context


def _questions(prepared: Prepared, section: Evaluate, few_shot: int, seed: int) -> list[Question]:
    header = few_shot_messages(_own_examples(prepared), few_shot, seed)
    examples = prepared.splits["test"].examples[: section.limit]
    return [_question(example, header, prepared.encoder) for example in examples]


def _own_examples(prepared: Prepared) -> Sequence[Example]:
    """Training examples of the task that is scored: not those of other sources, nor canaries."""
    part = prepared.splits["train"]
    return part.examples[: part.num_own]


def _question(example: Example, header: tuple[Message, ...], encoder: Encoder) -> Question:
    messages = example.prompt
    # A system message stays first; the examples come between it and the conversation.
    systems = tuple(message for message in messages if message.role == "system")
    prompt = encoder.prompt((*systems, *header, *messages[len(systems) :]))
    texts = example.options or (example.answer + encoder.template.stop_token,)
    return Question(
        prompt=prompt, continuations=tuple(encoder.continuation(prompt, text) for text in texts)
    )


def _item(example: Example, question: Question, values: list[float]) -> ItemScore:
    if example.options:
        predicted = example.options[int(np.argmax(values))]
        tokens = question.continuations[example.options.index(example.answer)]
    else:
        predicted, tokens = "", question.continuations[0]
    return ItemScore(
        id=example.id,
        group=example.group,
        prompt_digest=sha256_value(list(question.prompt)),
        log_likelihoods=tuple(values),
        num_answer_tokens=len(tokens),
        predicted=predicted,
        answer=example.answer if example.options else "",
    )


def _is_choice(items: Sequence[ItemScore]) -> bool:
    return bool(items[0].answer)


def _loss(item: ItemScore) -> float:
    return -item.log_likelihoods[0] / item.num_answer_tokens


def _describe(prepared: Prepared, num_items: int) -> str:
    """What the score was made on, in words that cannot be mistaken for the published test set."""
    file = prepared.files.get("test")
    if file is None:
        train = prepared.files["train"]
        return f"{num_items} rows held out of {train.file} by group: no published test set"
    if file.official_rows is None:
        return f"{num_items} rows of {file.file}"
    if (
        file.is_official(prepared.splits["test"].num_read)
        and num_items == prepared.splits["test"].num_read
    ):
        return f"all {num_items} rows of {file.file}, the size of the published test set"
    return (
        f"{num_items} rows of {file.file}: NOT the published test set, which has "
        f"{file.official_rows} rows"
    )
