"""Whether a merged model answers as the adapter on its base does (R11).

Both read the same prompts, and then the words that the adapter's model wrote behind them. At the
end of each prompt and behind each of these words the two next-token distributions are compared.

Weights stay as they are stored, and everything is computed in float32: what is found is what
merging and rounding did to the weights. The noise of bfloat16 arithmetic, which differs between any
two batch sizes, would hide a module that was not merged.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftModel
from transformers import PreTrainedModel

from medtune.data import Encoder
from medtune.errors import AdapterError, EvaluationError, VerificationError
from medtune.models.adapter import MIN_EFFECT
from medtune.pairing import own_batch_size
from medtune.records import Example, Message, Progress
from medtune.scoring import Decoding, Forgotten, generate
from medtune.scoring.conditions import evaluation_mode
from medtune.subject import Subject
from medtune.training_rows import read_training_rows

NUM_ROWS = 16
"""Held-out rows of a run that are asked."""
NUM_WRITTEN = 32
"""Tokens that are written behind each prompt."""
BOUNDS = {"float32": 1e-7, "float16": 3e-4, "bfloat16": 3e-2}
"""Largest divergence between adapter and merged model, in nats, by the merged model's precision.

In 16 bits about ten, in float32 a thousand times the largest that rounding alone did to
smollm2-135m and to tiny random bases: 3.5e-3, 3.1e-5 and 8e-11 nats (tests/bench/RESULTS.md)."""
MAX_LOST = 0.1
"""Largest share of the adapter's effect that rounding may take."""
MAX_BEYOND_ROUNDING = 3.0
"""Largest ratio of the mean divergence to that of the exact weights, rounded once. A merge that
rounds base, update and sum apart, as other tools do in 16 bits, adds up as much noise."""
FLOAT32_NOISE = 1e-9
"""Mean divergence in nats that is left to another order of sums in float32."""
NEUTRAL = (
    "What is the normal range of the resting heart rate in adults?",
    "Name three causes of a low serum potassium.",
    "Explain in one sentence what an antibody is.",
    "Which organ makes insulin?",
    "Is the common cold caused by a bacterium? Answer yes, no or maybe.",
    "Write a short note to a colleague that the meeting is moved to Friday.",
    "What does a blood pressure of 120/80 mmHg mean?",
    "List the four chambers of the heart.",
    "Summarise: The patient came with a cough of two weeks and no fever.",
    "Which vitamin is made in the skin under sunlight?\n\nA. A\nB. B12\nC. D\nD. K",
    "What is 17 plus 25?",
    "Tell the difference between a vein and an artery.",
)
"""Prompts for an adapter whose run is not at hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    """What both models are asked."""

    source: str
    ids: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What the adapter on its base answers."""

    prompts: Prompts
    texts: tuple[tuple[int, ...], ...]
    """Greedy text behind each prompt, without the stop token."""
    logits_TV: tuple[torch.Tensor, ...]
    """For each prompt, at its end and behind each token of its text; float32, on the CPU."""
    mean_effect: float
    """Mean KL(adapter || base) over all positions, in nats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How far a merged model is from its adapter on its base."""

    prompts: str
    """What was asked."""
    num_prompts: int
    num_positions: int
    """Next-token distributions that were compared."""
    mean_kl: float
    """Mean KL(adapter || merged) over all positions, in nats."""
    max_kl: float
    max_logit_difference: float
    mean_effect: float
    """Mean KL(adapter || base) over the same positions, in nats: what there was to merge."""
    mean_rounding: float | None
    """Mean KL(adapter || exact weights, rounded once), in nats: what no merge can avoid; None: not
    measured, where the adapter's own base is rounded."""
    identical_texts: float
    """Share of prompts behind which both write the same 32 tokens, or stop at the same one."""
    first_difference: int | None
    """Tokens that are the same before the earliest difference of two texts; None: there is none."""


def parity_prompts(subject: Subject, *, offline: bool, progress: Progress) -> Prompts:
    """Held-out rows of the adapter's run where they are at hand, or else neutral prompts.

    Rows that leave no room for an answer in the base's context are not taken.
    """
    encoder = Encoder(subject.template)
    rows, notes = read_training_rows(subject, offline=offline, progress=progress)
    # Test rows come last, behind those of validation.
    held_out = list(rows.held_out if rows is not None else ())[-NUM_ROWS:]
    room = (subject.located.context_tokens or 2**31) - NUM_WRITTEN
    asked = [encoder.prompt(_question(example)) for example in held_out]
    if fitting := tuple(ids for ids in asked if len(ids) <= room):
        return Prompts(source="held-out rows of the run", ids=fitting)
    # The notes begin with what a report of scores misses.
    reasons = [note.partition(": ")[2] for note in notes] or ["no held-out row fits the base"]
    progress.say(f"parity is measured on built-in prompts: {'; '.join(reasons)}")
    neutral = [encoder.prompt([Message(role="user", content=text)]) for text in NEUTRAL]
    return Prompts(source="built-in prompts", ids=tuple(neutral))


def _question(example: Example) -> Sequence[Message]:
    """A conversation up to its last answer."""
    last = max(i for i, message in enumerate(example.messages) if message.role == "assistant")
    return example.messages[:last]


def ask_adapter(
    model: PeftModel, prompts: Prompts, subject: Subject, progress: Progress
) -> Reference:
    """What the adapter on its base answers.

    Raises:
        AdapterError: The adapter changes nothing, so there is nothing to merge.
    """
    with float32_arithmetic(model):
        texts = _write(model, prompts, subject, progress)
        adapted = _logits(model, prompts.ids, texts)
        with model.disable_adapter():
            base = _logits(model, prompts.ids, texts)
    effects = _divergences(adapted, base)
    if effects.max() < MIN_EFFECT:
        raise AdapterError(
            "the adapter has no effect, so there is nothing to merge: the base's next-token "
            f"distribution moves by {float(effects.max()):.1e} nats at most over "
            f"{len(effects)} positions"
        )
    return Reference(
        prompts=prompts, texts=texts, logits_TV=adapted, mean_effect=float(effects.mean())
    )


def rounding(reference: Reference, rounded: PreTrainedModel) -> float:
    """Mean KL(adapter || rounded) in nats, of the merged weights before they were written."""
    with float32_arithmetic(rounded):
        found = _logits(rounded, reference.prompts.ids, reference.texts)
    return float(_divergences(reference.logits_TV, found).mean())


def compare(
    reference: Reference,
    merged: PreTrainedModel,
    subject: Subject,
    progress: Progress,
    *,
    mean_rounding: float | None = None,
) -> Parity:
    """How far a merged model is from what the adapter answered.

    Args:
        reference: What it answered.
        merged: The model, reloaded from the disk.
        subject: The adapter and its base.
        progress: Where to report.
        mean_rounding: See ``rounding``.

    Raises:
        EvaluationError: The two have not the same vocabulary, or a logit is no number.
    """
    prompts = reference.prompts
    with float32_arithmetic(merged):
        texts = _write(merged, prompts, subject, progress)
        found = _logits(merged, prompts.ids, reference.texts)
    sizes = {logits.shape[1] for logits in (*found, *reference.logits_TV)}
    if len(sizes) > 1:
        raise EvaluationError(
            f"the merged model predicts {found[0].shape[1]} tokens, the adapter's "
            f"{reference.logits_TV[0].shape[1]}: they are not of one base"
        )
    pairs = list(zip(reference.logits_TV, found, strict=True))
    kl = _divergences(reference.logits_TV, found)
    common = [
        _common(a, b) for a, b in zip(reference.texts, texts, strict=True) if tuple(a) != tuple(b)
    ]
    return Parity(
        prompts=prompts.source,
        num_prompts=len(prompts.ids),
        num_positions=len(kl),
        mean_kl=float(kl.mean()),
        max_kl=float(kl.max()),
        max_logit_difference=max(float((a - b).abs().max()) for a, b in pairs),
        mean_effect=reference.mean_effect,
        mean_rounding=mean_rounding,
        identical_texts=1 - len(common) / len(texts),
        first_difference=min(common, default=None),
    )


def require_parity(found: Parity, dtype: str, called: str) -> None:
    """Refuse a merged model that is not its adapter on its base.

    Args:
        found: What was measured.
        dtype: In which the merged weights are stored; a key of BOUNDS.
        called: The merged model's name.

    Raises:
        VerificationError: It diverges by more than the bound or than rounding explains, or rounding
            took too much of the adapter's effect.
    """
    assert found.mean_rounding is not None
    if found.max_kl > BOUNDS[dtype]:
        raise VerificationError(
            f"{called} does not answer as the adapter on its base: their next-token distributions "
            f"differ by up to {found.max_kl:.1e} nats over {found.num_positions} positions, and "
            f"by {BOUNDS[dtype]:.0e} at most in {dtype}"
        )
    if found.mean_kl > MAX_BEYOND_ROUNDING * found.mean_rounding + FLOAT32_NOISE:
        raise VerificationError(
            f"{called} does not answer as the adapter on its base: it is {found.mean_kl:.1e} nats "
            f"from it on average, and rounding to {dtype} alone explains {found.mean_rounding:.1e}"
        )
    if found.mean_kl > MAX_LOST * found.mean_effect:
        raise VerificationError(
            f"{called} is {found.mean_kl:.1e} nats from the adapter on its base, whose whole "
            f"effect is {found.mean_effect:.1e}: rounding to {dtype} took more than "
            f"{MAX_LOST:.0%} of it. Merge into float32, or serve the adapter beside its base"
        )


@contextmanager
def float32_arithmetic(model: torch.nn.Module) -> Iterator[None]:
    """Compute in float32 with weights that stay as they are stored.

    Each module's own weights are widened while it runs, so that memory holds the model once and
    one module in float32. Quantised weights are left to their layers.
    """
    stored: dict[torch.nn.Module, list[tuple[torch.nn.Parameter, torch.Tensor]]] = {}

    def widen(module: torch.nn.Module, *_: Any) -> None:  # noqa: ANN401 - a hook's arguments
        own = [p for p in module.parameters(recurse=False) if p.is_floating_point()]
        stored[module] = [(parameter, parameter.data) for parameter in own]
        for parameter in own:
            parameter.data = parameter.data.float()

    def restore(module: torch.nn.Module, *_: Any) -> None:  # noqa: ANN401
        for parameter, data in stored.pop(module):
            parameter.data = data

    handles = []
    for module in model.modules():
        if any(True for _ in module.parameters(recurse=False)):
            handles.append(module.register_forward_pre_hook(widen))
            handles.append(module.register_forward_hook(restore, always_call=True))
    try:
        with evaluation_mode(model), torch.no_grad():
            yield
    finally:
        for handle in handles:
            handle.remove()


def _write(
    model: PreTrainedModel | PeftModel, prompts: Prompts, subject: Subject, progress: Progress
) -> tuple[tuple[int, ...], ...]:
    stops = {subject.template.stop_token_id, subject.tokenizer.eos_token_id} - {None}
    progress.start("parity", len(prompts.ids), "texts")
    written = generate(
        model,
        prompts.ids,
        Decoding(max_new_tokens=NUM_WRITTEN, stop_ids=frozenset(stops)),
        batch_size=own_batch_size(),
        pad_id=subject.pad_id,
        kept=Forgotten(),
        progress=progress,
    )
    progress.finish()
    return tuple(text.ids for (text,) in written)


def _logits(
    model: PreTrainedModel | PeftModel,
    prompts: Sequence[Sequence[int]],
    texts: Sequence[Sequence[int]],
) -> tuple[torch.Tensor, ...]:
    """At the end of each prompt, and behind each token of the text that follows it."""
    found = []
    for prompt, text in zip(prompts, texts, strict=True):
        ids_1T = torch.tensor([[*prompt, *text]], device=model.device)
        logits_TV = model(ids_1T, logits_to_keep=len(text) + 1, use_cache=False).logits[0]
        found.append(logits_TV.float().cpu())
    return tuple(found)


def _divergences(first: Sequence[torch.Tensor], second: Sequence[torch.Tensor]) -> torch.Tensor:
    """KL(first || second) at all positions of all prompts, in nats."""
    found = torch.cat([divergence(a_TV, b_TV) for a_TV, b_TV in zip(first, second, strict=True)])
    if not torch.isfinite(found).all():
        raise EvaluationError("a model gives logits that are no numbers: its weights are damaged")
    return found


def divergence(first_TV: torch.Tensor, second_TV: torch.Tensor) -> torch.Tensor:
    """KL(first || second) at each position, in nats: (T,), float64."""
    first_TV = first_TV.double().log_softmax(-1)
    second_TV = second_TV.double().log_softmax(-1)
    return (first_TV.exp() * (first_TV - second_TV)).sum(-1)


def _common(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens two texts begin with in common."""
    pairs = zip(first, second, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(first), len(second)))
