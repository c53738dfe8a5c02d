"""Base and adapter on the same held-out items, with intervals, item by item."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from peft import PeftModel

from medtune.data import Prepared
from medtune.errors import RecipeError
from medtune.evaluation.answers import (
    choose_metric,
    make_questions,
    require_words,
    weigh,
    write,
)
from medtune.evaluation.intervals import (
    NamedInterval,
    change_interval,
    fraction_change_interval,
    fraction_interval,
    loss_interval,
    share_interval,
)
from medtune.evaluation.prompts import make_prompts, scored_examples
from medtune.metrics import METRICS, MetricName
from medtune.recipe import Evaluate
from medtune.records import ArmScore, Comparison, ItemScore, Progress, ScoreReport
from medtune.stats import mcnemar_exact

_Interval = Callable[[Sequence[float], Sequence[str]], NamedInterval]
INTERVALS: Mapping[MetricName, tuple[_Interval, _Interval]] = {
    "accuracy": (share_interval, change_interval),
    "answer_nll_per_token": (loss_interval, loss_interval),
    "rouge_l": (fraction_interval, fraction_change_interval),
}
"""Of a mean, and of the mean change."""


def score(
    model: PeftModel,
    prepared: Prepared,
    section: Evaluate,
    *,
    seed: int,
    pad_id: int,
    dtype: str,
    with_texts: bool,
    progress: Progress,
) -> ScoreReport:
    """Score the base (the model with its adapter disabled) and the adapter on the test rows.

    ``with_texts``: whether items keep what was written, which of patients' rows tells too much.
    """
    part = prepared.splits["test"]
    examples = scored_examples(prepared, section)
    metric = choose_metric(prepared.task, examples, section)
    arms = [("base", 0), ("base", section.few_shot), ("adapter", 0)]
    if not section.few_shot:
        del arms[1]
    scored = []
    for arm, shots in arms:
        prompts = make_prompts(prepared, section, shots, seed)
        questions = make_questions(examples, prompts, prepared.encoder)
        step = f"scoring {arm} {shots}-shot"
        with _arm(model, arm):
            if metric == "rouge_l":
                items = write(
                    model, examples, questions, prepared.encoder, section,
                    pad_id=pad_id, step=step, progress=progress,
                )  # fmt: skip
            else:
                items = weigh(
                    model, examples, questions, batch_size=section.batch_size,
                    pad_id=pad_id, step=step, progress=progress,
                )  # fmt: skip
        found = summarise(arm, shots, metric, items)
        scored.append(found if with_texts else _without_texts(found))
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
        protocol=METRICS[metric].protocol,
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
            longest prompt with them and its answer is over the base's context.
        DataError: A reference has no word that ROUGE-L counts.
    """
    examples = scored_examples(prepared, section)
    if not examples:
        return  # nothing is scored
    prompts = make_prompts(prepared, section, section.few_shot, seed)
    shots = f"evaluate: the longest prompt with {section.few_shot} examples"
    if choose_metric(prepared.task, examples, section) == "rouge_l":
        require_words(examples)
        longest = max(map(len, prompts))
        needed = longest + section.max_new_tokens
        told = f"{shots} has {longest} tokens, evaluate.max_new_tokens is {section.max_new_tokens}"
        remedy = "lower evaluate.max_new_tokens, evaluate.few_shot or data.max_tokens"
    else:
        questions = make_questions(examples, prompts, prepared.encoder)
        lengths = [len(q.prompt) + max(map(len, q.continuations)) for q in questions]
        needed = max(lengths, default=0)
        told = f"{shots} has {needed} tokens"
        remedy = "lower evaluate.few_shot or data.max_tokens"
    if context_tokens is not None and needed > context_tokens:
        raise RecipeError(f"{told}, and this base reads {context_tokens}; {remedy}")


def summarise(arm: str, few_shot: int, metric: MetricName, items: Sequence[ItemScore]) -> ArmScore:
    """One arm's metric with its 95 % interval."""
    groups = [item.group for item in items]
    values = [item.value for item in items]
    interval = INTERVALS[metric][0](values, groups)
    texts = [item.text for item in items if item.text is not None]
    return ArmScore(
        arm=arm,
        few_shot=few_shot,
        metric=metric,
        value=sum(values) / len(values),
        interval=(interval.low, interval.high),
        interval_method=interval.method,
        num_items=len(items),
        num_groups=len(set(groups)),
        num_cut=sum(item.is_complete is False for item in items) if texts else None,
        num_empty=sum(not text.strip() for text in texts) if texts else None,
        items=tuple(items),
    )


def compare(adapter: ArmScore, base: ArmScore) -> Comparison:
    """The adapter against one arm of its base, on the same items."""
    pairs = list(zip(adapter.items, base.items, strict=True))
    assert all(a.id == b.id for a, b in pairs), "arms are scored on the same items in one order"
    groups = [a.group for a, _ in pairs]
    changes = [a.value - b.value for a, b in pairs]
    is_better = METRICS[adapter.metric].is_better
    gained, lost = sum(map(is_better, changes)), sum(is_better(-change) for change in changes)
    interval = INTERVALS[adapter.metric][1](changes, groups)
    is_paired_test = adapter.metric == "accuracy" and len(set(groups)) == len(pairs)
    return Comparison(
        against=f"{base.arm}, {base.few_shot} examples in the prompt",
        difference=sum(changes) / len(changes),
        interval=(interval.low, interval.high),
        interval_method=interval.method,
        p_value=mcnemar_exact(gained, lost) if is_paired_test else None,
        gained=gained,
        lost=lost,
    )


def _arm(model: PeftModel, arm: str) -> AbstractContextManager[object]:
    context: AbstractContextManager[object] = (
        model.disable_adapter() if arm == "base" else nullcontext()
    )
    return context


def _without_texts(arm: ArmScore) -> ArmScore:
    return replace(
        arm, items=tuple(replace(item, text=None, prompt_digest="") for item in arm.items)
    )


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
