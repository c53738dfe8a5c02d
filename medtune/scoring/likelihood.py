"""Log-likelihoods of given continuations: what every score and every probe is made of.

Goes in: prompts and the continuations to weigh, as token ids. Comes out: a natural log-probability
for each. Prompts cost no logits: the head runs at the positions that predict a continuation. What
prompts begin with (examples in the prompt, a system message), and what the continuations of one
prompt stand behind, is computed once (``sharing``).
"""

from collections.abc import Iterator, Sequence

import torch

from medtune.digests import sha256_value
from medtune.records import Progress
from medtune.scoring.cache import Kept
from medtune.scoring.conditions import evaluation_mode, float32_head
from medtune.scoring.engine import Question, Weight
from medtune.scoring.runner import Runner
from medtune.scoring.sharing import Row, plan


@torch.no_grad()
def weigh(
    model: torch.nn.Module,
    questions: Sequence[Question],
    *,
    batch_size: int,
    pad_id: int,
    kept: Kept,
    progress: Progress,
) -> list[list[Weight]]:
    """Log-probability of each continuation of each question, summed over its tokens.

    The model is put in evaluation mode and left as it was. Progress advances by ``num_rows``.

    Args:
        model: Decides in its own precision, with float32 logits.
        questions: What is asked.
        batch_size: Sequences in one forward pass.
        pad_id: Stands behind shorter sequences of a batch, where nothing attends to it.
        kept: Batches that were run before.
        progress: Where to report.
    """
    rows = [row for number, question in enumerate(questions) for row in _rows(number, question)]
    totals = [[(0.0, True)] * len(question.continuations) for question in questions]
    with evaluation_mode(model), float32_head(model) as positions:
        runner = Runner(model, positions, pad_id, batch_size)
        shares = {"headers": runner.shares_headers, "stems": runner.shares_stems}
        for batch in plan(rows, batch_size, **shares):
            key = sha256_value(["weigh", batch_size, batch.value()])
            found = kept.get(key)
            if found is None:
                found = runner.run(batch)
                kept.put(key, found)
            for (_, row), values in zip(batch.rows, found, strict=True):
                _add(totals, questions, row, values)
            progress.advance(len(batch.rows))
    return [[Weight(*pair) for pair in pairs] for pairs in totals]


def num_rows(questions: Sequence[Question]) -> int:
    """Sequences that ``weigh`` will run, for a progress bar."""
    return sum(1 for number, question in enumerate(questions) for _ in _rows(number, question))


def _rows(number: int, question: Question) -> Iterator[Row]:
    """One row for all continuations of one token, else a row for each."""
    last = len(question.prompt) - 1
    if all(len(continuation) == 1 for continuation in question.continuations):
        targets = tuple((last, continuation[0]) for continuation in question.continuations)
        yield Row(question.prompt, targets, (number, -1))
        return
    for place, continuation in enumerate(question.continuations):
        targets = tuple((last + step, token) for step, token in enumerate(continuation))
        yield Row(question.prompt + continuation[:-1], targets, (number, place))


def _add(
    totals: list[list[tuple[float, bool]]],
    questions: Sequence[Question],
    row: Row,
    values: Sequence[tuple[float, bool]],
) -> None:
    """Put a row's values to the continuations that they belong to."""
    number, place = row.owner
    places = range(len(questions[number].continuations)) if place < 0 else [place] * len(values)
    for where, (value, is_greedy) in zip(places, values, strict=True):
        total, all_greedy = totals[number][where]
        totals[number][where] = (total + value, all_greedy and bool(is_greedy))
