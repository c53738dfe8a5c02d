"""Texts that a model writes behind a prompt: the likeliest token each time, or drawn ones.

Goes in: prompts as token ids. Comes out: what is written behind each, up to the stop token.
transformers writes; how, is settled here and not by the base's own ``generation_config.json``,
which may ask for sampling or penalties. What prompts begin with is computed once.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from peft import PeftModel
from transformers import GenerationConfig, PreTrainedModel

from medtune.digests import sha256_value
from medtune.records import Progress
from medtune.scoring.cache import Kept
from medtune.scoring.conditions import evaluation_mode, float32_head
from medtune.scoring.engine import Decoding
from medtune.scoring.runner import Runner, picked
from medtune.scoring.sharing import Batch, Row, plan


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
    decoding: Decoding,
    *,
    batch_size: int,
    pad_id: int,
    kept: Kept,
    progress: Progress,
) -> list[list[Generated]]:
    """Continue each prompt ``decoding.samples`` times; results are in the order of the prompts.

    An adapter that is switched on takes part. The model is put in evaluation mode and left as it
    was. Progress advances by texts.

    Args:
        model: Decides in its own precision, with float32 logits.
        prompts: Token ids; none is empty.
        decoding: How to write.
        batch_size: Texts written at once. Changes no greedy text in float32; in bfloat16 rounding
            depends on it, and one token that changes changes all behind it. What is drawn at a
            temperature depends on it.
        pad_id: Stands between header and prompt where a prompt is shorter than others of its batch;
            nothing attends to it.
        kept: Batches that were written before.
        progress: Where to report.
    """
    # PEFT's own generate would put its settings into the base for good; the base it wraps has the
    # adapter's layers in it.
    writer = model.get_base_model() if isinstance(model, PeftModel) else model
    settings = _settings(decoding, pad_id)
    rows = [
        Row(tuple(prompt), (), (number, sample))
        for number, prompt in enumerate(prompts)
        for sample in range(decoding.samples)
    ]
    found: list[list[Generated]] = [[] for _ in prompts]
    with (
        evaluation_mode(model),
        float32_head(writer) as positions,
        _without_own_settings(writer),
    ):
        runner = Runner(writer, positions, pad_id, batch_size)
        # Samples of a prompt come in their order: equal rows are sorted by their owner.
        for batch in plan(rows, batch_size, headers=runner.shares_headers, stems=False):
            # No clock and no process decides what is drawn: the batch itself does.
            key = sha256_value(["write", _settings_value(decoding), batch.value(), _owners(batch)])
            texts = kept.get(key)
            if texts is None:
                texts = _continue(writer, runner, batch, settings, f"{key} {decoding.seed}")
                kept.put(key, texts)
            for (_, row), ids in zip(batch.rows, texts, strict=True):
                found[row.owner[0]].append(_until_stop(ids, decoding.stop_ids))
            progress.advance(len(batch.rows))
    return found


def _settings(decoding: Decoding, pad_id: int) -> GenerationConfig:
    is_drawn = decoding.temperature > 0
    return GenerationConfig(
        do_sample=is_drawn,
        temperature=decoding.temperature if is_drawn else None,
        top_k=0 if is_drawn else None,
        top_p=1.0 if is_drawn else None,
        num_beams=1,
        max_new_tokens=decoding.max_new_tokens,
        eos_token_id=sorted(decoding.stop_ids),
        pad_token_id=pad_id,
        use_cache=True,
    )


def _settings_value(decoding: Decoding) -> list[object]:
    return [
        decoding.max_new_tokens, sorted(decoding.stop_ids), decoding.temperature, decoding.seed,
    ]  # fmt: skip


def _owners(batch: Batch) -> list[int]:
    """Which sample of its prompt each row is: samples of a prompt may fill several batches."""
    return [row.owner[1] for _, row in batch.rows]


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
    model: PreTrainedModel, runner: Runner, batch: Batch, settings: GenerationConfig, seed: str
) -> list[list[int]]:
    """New tokens of each row, padded behind the stop token. B rows, T tokens."""
    header, rests = batch.header, [batch.rest(stem, row) for stem, row in batch.rows]
    past = picked(runner.header_cache(header), [0] * len(rests))
    runner.predict_last()
    shape = (len(rests), len(header) + max(map(len, rests)))
    ids_BT = torch.full(shape, settings.pad_token_id, dtype=torch.long)
    mask_BT = torch.zeros(shape, dtype=torch.long)
    ids_BT[:, : len(header)] = torch.tensor(header, dtype=torch.long)
    mask_BT[:, : len(header)] = 1
    for number, rest in enumerate(rests):
        ids_BT[number, -len(rest) :] = torch.tensor(rest)
        mask_BT[number, -len(rest) :] = 1
    # transformers counts positions from the mask, so padding moves none.
    with torch.random.fork_rng(enabled=settings.do_sample):
        if settings.do_sample:
            torch.manual_seed(int(sha256_value(seed)[:15], 16))
        written_BT = model.generate(
            ids_BT.to(model.device),
            attention_mask=mask_BT.to(model.device),
            generation_config=settings,
            **({} if past is None else {"past_key_values": past}),
        )
    rows: list[list[int]] = written_BT[:, shape[1] :].tolist()
    return rows


def _until_stop(ids: list[int], stop_ids: frozenset[int]) -> Generated:
    end = next((position for position, token in enumerate(ids) if token in stop_ids), None)
    return Generated(ids=tuple(ids[:end]), is_complete=end is not None)
