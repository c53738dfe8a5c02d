"""Greedy continuations: what a model writes behind a prompt, one likeliest token after another.

Goes in: prompts as token ids. Comes out: what is written behind each, up to the stop token.
transformers writes; how, is settled here and not by the base's own ``generation_config.json``,
which may ask for sampling or penalties.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from peft import PeftModel
from transformers import GenerationConfig, PreTrainedModel

from medtune.records import Progress
from medtune.scoring.conditions import evaluation_mode, float32_head


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """What was written behind one prompt."""

    ids: tuple[int, ...]
    """Without the stop token; may be empty."""
    is_complete: bool
    """False where it was cut because it had no stop token by then."""


@torch.no_grad()
def generate(
    model: PreTrainedModel | PeftModel,
    prompts: Sequence[Sequence[int]],
    *,
    stop_ids: frozenset[int],
    max_new_tokens: int,
    batch_size: int,
    pad_id: int,
    progress: Progress,
) -> list[Generated]:
    """Continue each prompt with its likeliest tokens; results are in the order of the prompts.

    An adapter that is switched on takes part. The model is put in evaluation mode and left as it
    was. Progress advances by prompts.

    Args:
        model: Decides in its own precision, with float32 logits.
        prompts: Token ids; none is empty.
        stop_ids: Tokens that end a text; at least one.
        max_new_tokens: Longest text, stop token included.
        batch_size: Prompts written behind at once. Changes no text in float32; in bfloat16 rounding
            depends on it, and one token that changes changes all behind it.
        pad_id: Stands before shorter prompts of a batch, where nothing attends to it.
        progress: Where to report.
    """
    # PEFT's own generate would put its settings into the base for good; the base it wraps has the
    # adapter's layers in it.
    writer = model.get_base_model() if isinstance(model, PeftModel) else model
    settings = GenerationConfig(
        do_sample=False,
        num_beams=1,
        max_new_tokens=max_new_tokens,
        eos_token_id=sorted(stop_ids),
        pad_token_id=pad_id,
        use_cache=True,
    )
    # Longest first: what does not fit in memory fails at once, and rows of a batch are alike.
    order = sorted(range(len(prompts)), key=lambda number: (-len(prompts[number]), number))
    found: dict[int, Generated] = {}
    with evaluation_mode(model), float32_head(writer), _without_own_settings(writer):
        for start in range(0, len(order), batch_size):
            numbers = order[start : start + batch_size]
            rows = _continue(writer, [prompts[number] for number in numbers], settings)
            found |= {n: _until_stop(row, stop_ids) for n, row in zip(numbers, rows, strict=True)}
            progress.advance(len(numbers))
    return [found[number] for number in range(len(prompts))]


@contextmanager
def _without_own_settings(model: PreTrainedModel) -> Iterator[None]:
    """Take away the base's generation settings, which would fill whatever is left open."""
    own = model.generation_config
    model.generation_config = GenerationConfig()
    try:
        yield
    finally:
        model.generation_config = own


def _continue(
    model: PreTrainedModel, prompts: Sequence[Sequence[int]], settings: GenerationConfig
) -> list[list[int]]:
    """New tokens of each prompt, padded behind the stop token. B prompts, T tokens."""
    shape = (len(prompts), max(map(len, prompts)))
    input_ids_BT = torch.full(shape, settings.pad_token_id, dtype=torch.long)
    mask_BT = torch.zeros(shape, dtype=torch.long)
    for number, prompt in enumerate(prompts):
        input_ids_BT[number, -len(prompt) :] = torch.tensor(prompt)
        mask_BT[number, -len(prompt) :] = 1
    # transformers counts positions from the mask, so padding moves none.
    written_BT = model.generate(
        input_ids_BT.to(model.device),
        attention_mask=mask_BT.to(model.device),
        generation_config=settings,
    )
    rows: list[list[int]] = written_BT[:, shape[1] :].tolist()
    return rows


def _until_stop(ids: list[int], stop_ids: frozenset[int]) -> Generated:
    end = next((position for position, token in enumerate(ids) if token in stop_ids), None)
    return Generated(ids=tuple(ids[:end]), is_complete=end is not None)
