"""Log-likelihoods of given continuations: what every score and every probe is made of.

Goes in: prompts and the continuations to weigh, as token ids. Comes out: a natural log-probability
for each. Prompts cost no logits: the head runs at the positions that predict a continuation. What
all prompts begin with (examples in the prompt, a system message) is computed once.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from medtune.records import Progress
from medtune.scoring.conditions import evaluation_mode, float32_head

MIN_SHARED_TOKENS = 32
"""Shorter common beginnings are not worth a pass of their own."""
MAX_LOGITS = 2**27
"""Logits in memory at once (0.5 GiB in float32)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A prompt and the continuations to weigh, as token ids; neither is empty."""

    prompt: tuple[int, ...]
    continuations: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class _Row:
    """One sequence to run: where it predicts which tokens, and for which continuation."""

    ids: tuple[int, ...]
    targets: tuple[tuple[int, int, int, int], ...]
    """(position, token, question, continuation)."""

    @property
    def positions(self) -> frozenset[int]:
        return frozenset(target[0] for target in self.targets)


@torch.no_grad()
def log_likelihoods(
    model: torch.nn.Module,
    questions: Sequence[Question],
    *,
    batch_size: int,
    pad_id: int,
    progress: Progress,
) -> list[list[float]]:
    """Log-probability of each continuation of each question, in nats, summed over its tokens.

    The model is put in evaluation mode and left as it was.
    """
    device = next(model.parameters()).device
    shared = _shared_beginning(questions)
    rows = sorted(
        (row for n, q in enumerate(questions) for row in _rows(n, q, shared)),
        key=lambda row: (-len(row.ids), row.targets[0][2:]),
    )
    results = [[0.0] * len(question.continuations) for question in questions]
    vocabulary = model.get_output_embeddings().weight.shape[0]  # type: ignore[operator]
    with evaluation_mode(model), float32_head(model):
        cache = _cache(model, questions[0].prompt[:shared], device) if shared else None
        for batch in _batches(rows, batch_size, vocabulary):
            found = _run(model, batch, cache, shared, pad_id, device)
            for row, values in zip(batch, found, strict=True):
                for (_, _, question, continuation), value in zip(row.targets, values, strict=True):
                    results[question][continuation] += value
            progress.advance(len(batch))
    return results


def num_rows(questions: Sequence[Question]) -> int:
    """Sequences that ``log_likelihoods`` will run, for a progress bar."""
    return sum(1 for n, question in enumerate(questions) for _ in _rows(n, question, 0))


def _rows(number: int, question: Question, shared: int) -> Iterator[_Row]:
    """One row for all continuations of one token, else a row for each."""
    suffix = question.prompt[shared:]
    last = len(suffix) - 1
    if all(len(continuation) == 1 for continuation in question.continuations):
        targets = ((last, c[0], number, i) for i, c in enumerate(question.continuations))
        yield _Row(suffix, tuple(targets))
        return
    for i, continuation in enumerate(question.continuations):
        targets = ((last + k, token, number, i) for k, token in enumerate(continuation))
        yield _Row(suffix + continuation[:-1], tuple(targets))


def _shared_beginning(questions: Sequence[Question]) -> int:
    """Tokens that all prompts begin with; each keeps at least one of its own."""
    if len(questions) < 2:
        return 0
    first, last = min(q.prompt for q in questions), max(q.prompt for q in questions)
    shared = 0
    # The smallest and the largest prompt differ first where any two do.
    for a, b in zip(first, last, strict=False):
        if a != b:
            break
        shared += 1
    shared = min(shared, min(len(question.prompt) for question in questions) - 1)
    return shared if shared >= MIN_SHARED_TOKENS else 0


def _cache(model: torch.nn.Module, ids: tuple[int, ...], device: torch.device) -> object:
    """Keys and values of the shared beginning, for one row."""
    inputs = torch.tensor([ids], device=device)
    return model(input_ids=inputs, use_cache=True, logits_to_keep=1).past_key_values


def _batches(rows: Sequence[_Row], batch_size: int, vocabulary: int) -> Iterator[list[_Row]]:
    batch: list[_Row] = []
    positions: frozenset[int] = frozenset()
    for row in rows:
        union = positions | row.positions
        if batch and (
            len(batch) == batch_size or (len(batch) + 1) * len(union) * vocabulary > MAX_LOGITS
        ):
            yield batch
            batch, union = [], row.positions
        batch.append(row)
        positions = union
    if batch:
        yield batch


def _run(
    model: torch.nn.Module,
    batch: Sequence[_Row],
    cache: object | None,
    shared: int,
    pad_id: int,
    device: torch.device,
) -> list[list[float]]:
    """Log-probability of every target of every row. B rows, T tokens, K positions, V vocabulary."""
    shape = (len(batch), max(len(row.ids) for row in batch))
    input_ids_BT = torch.full(shape, pad_id, dtype=torch.long)
    mask_BT = torch.zeros((shape[0], shared + shape[1]), dtype=torch.long)
    mask_BT[:, :shared] = 1
    for number, row in enumerate(batch):
        input_ids_BT[number, : len(row.ids)] = torch.tensor(row.ids)
        mask_BT[number, shared : shared + len(row.ids)] = 1
    kept = sorted(frozenset().union(*(row.positions for row in batch)))
    column = {position: number for number, position in enumerate(kept)}
    past = {}
    if cache is not None:
        repeated = copy.deepcopy(cache)
        repeated.batch_repeat_interleave(len(batch))  # type: ignore[attr-defined]
        past = {"past_key_values": repeated}
    logits_BKV = model(
        input_ids=input_ids_BT.to(device),
        attention_mask=mask_BT.to(device),
        logits_to_keep=torch.tensor(kept, device=device),
        use_cache=cache is not None,
        **past,
    ).logits
    found_BKV = logits_BKV.float().log_softmax(-1).cpu()
    return [
        [float(found_BKV[number, column[position], token]) for position, token, _, _ in row.targets]
        for number, row in enumerate(batch)
    ]
