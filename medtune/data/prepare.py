"""Rows in, encoded examples out, with an account of every row that was kept, cut or dropped."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from medtune.data.encoding import Encoded, Encoder, shorten_prompt
from medtune.data.split import hold_out
from medtune.data.template import ChatTemplate
from medtune.errors import DataError
from medtune.recipe import Data
from medtune.records import Example, Progress, Silent, Split, SplitFile, TaskRows


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedSplit:
    """The usable examples of one split."""

    examples: tuple[Example, ...]
    encoded: tuple[Encoded, ...]
    dropped: tuple[str, ...]
    """Ids of rows longer than max_tokens that were left out."""
    truncated: tuple[str, ...]
    """Ids of rows whose prompt was cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """All examples of a run."""

    task: str
    splits: dict[Split, PreparedSplit]
    files: dict[Split, SplitFile]
    num_rows: dict[Split, int]
    """Rows that each file has, before any was held out or dropped."""
    held_out: tuple[Split, ...]
    """Splits that were taken out of the training file by the hash of the group."""
    encoder: Encoder

    def account(self) -> dict[str, Any]:
        """What ``data.json`` says: files, counts, lengths, and ids of dropped and cut rows."""
        return {
            "task": self.task,
            "template": {
                "name": self.encoder.template.name,
                "sha256": self.encoder.template.digest,
                "stop_token": self.encoder.template.stop_token,
            },
            "files": {
                split: asdict(file)
                | {
                    "num_rows": self.num_rows[split],
                    "is_official": file.is_official(self.num_rows[split]),
                }
                for split, file in self.files.items()
            },
            "held_out_by_group": list(self.held_out),
            "splits": {split: _account(part) for split, part in self.splits.items()},
            "prompts_also_in_train": self.prompts_also_in_train(),
        }

    def prompts_also_in_train(self) -> dict[str, list[str]]:
        """Ids of validation and test rows whose prompt stands word for word in training."""
        seen = {example.prompt for example in self.splits["train"].examples}
        return {
            split: [example.id for example in part.examples if example.prompt in seen]
            for split, part in self.splits.items()
            if split != "train"
        }


def prepare(
    rows: TaskRows,
    data: Data,
    template: ChatTemplate,
    *,
    seed: int,
    progress: Progress | None = None,
) -> Prepared:
    """Hold out, encode and check every row.

    Raises:
        DataError: A row is longer than ``max_tokens`` under ``on_overlength: error``, no training
            row is left, or a held-out split came out empty.
        TemplateError: The mask of a row could not be proven right.
    """
    progress = progress or Silent()
    read = {split: list(examples) for split, examples in rows.splits.items()}
    sides, held_out = _sides(read, data, seed)
    encoder = Encoder(template)
    progress.start("encoding", sum(map(len, sides.values())), "rows")
    try:
        splits = {
            split: _fit(examples, data, encoder, progress) for split, examples in sides.items()
        }
    finally:
        progress.finish()
    for split in ("train", *held_out):
        if not splits[split].encoded:
            raise DataError(
                f"no {split} row is left of {len(sides[split])}: {data.on_overlength} on rows over "
                f"{data.max_tokens} tokens, and held-out shares by group; see data.max_tokens, "
                "data.validation_fraction and data.test_fraction"
            )
    return Prepared(
        task=rows.task,
        splits=splits,
        files=dict(rows.files),
        num_rows={split: len(examples) for split, examples in read.items()},
        held_out=held_out,
        encoder=encoder,
    )


def _sides(
    read: dict[Split, list[Example]], data: Data, seed: int
) -> tuple[dict[Split, list[Example]], tuple[Split, ...]]:
    test = 0.0 if "test" in read else data.test_fraction
    validation = 0.0 if "validation" in read else data.validation_fraction
    sides = hold_out(read["train"], seed, test, validation)
    sides |= {split: examples for split, examples in read.items() if split != "train"}
    held_out: list[Split] = []
    if validation:
        held_out.append("validation")
    if test:
        held_out.append("test")
    return sides, tuple(held_out)


def _fit(
    examples: Sequence[Example], data: Data, encoder: Encoder, progress: Progress
) -> PreparedSplit:
    kept: list[tuple[Example, Encoded]] = []
    dropped: list[str] = []
    truncated: list[str] = []
    for example in examples:
        encoded = encoder.example(example)
        if len(encoded) <= data.max_tokens:
            kept.append((example, encoded))
        elif data.on_overlength == "error":
            raise DataError(
                f"{example.where}: {len(encoded)} tokens, over data.max_tokens "
                f"{data.max_tokens}; raise it, or set data.on_overlength to drop or "
                "truncate_prompt"
            )
        elif data.on_overlength == "truncate_prompt":
            kept.append(_truncate(example, data.max_tokens, encoder))
            truncated.append(example.id)
        else:
            dropped.append(example.id)
        progress.advance(1)
    return PreparedSplit(
        examples=tuple(example for example, _ in kept),
        encoded=tuple(encoded for _, encoded in kept),
        dropped=tuple(dropped),
        truncated=tuple(truncated),
    )


def _truncate(example: Example, max_tokens: int, encoder: Encoder) -> tuple[Example, Encoded]:
    """Cut as few characters as bring the row under the limit; never one of an answer."""
    best: tuple[Example, Encoded] | None = None
    low, high = 1, max(len(m.content) for m in example.messages if m.role == "user")
    while low <= high:
        middle = (low + high) // 2
        shorter = shorten_prompt(example, middle)
        encoded = encoder.example(shorter) if shorter else None
        if shorter is None:
            high = middle - 1
        elif encoded is not None and len(encoded) <= max_tokens:
            best = (shorter, encoded)
            high = middle - 1
        else:
            low = middle + 1
    if best is None:
        raise DataError(
            f"{example.where}: does not fit data.max_tokens {max_tokens} even without its last "
            "user turn; an answer is never cut. Raise data.max_tokens or drop the row"
        )
    return best


def _account(part: PreparedSplit) -> dict[str, Any]:
    lengths = [len(encoded) for encoded in part.encoded]
    labels = Counter(example.answer for example in part.examples if example.options)
    return {
        "kept": len(part.encoded),
        "dropped": list(part.dropped),
        "truncated": list(part.truncated),
        "groups": len({example.group for example in part.examples}),
        "tokens": sum(lengths),
        "supervised_tokens": sum(encoded.num_supervised for encoded in part.encoded),
        "length_quantiles": _quantiles(lengths),
        "answers": dict(sorted(labels.items())),
        "sources": dict(sorted(Counter(example.source for example in part.examples).items())),
        "licences": dict(sorted(Counter(example.licence for example in part.examples).items())),
    }


def _quantiles(lengths: list[int]) -> dict[str, int]:
    if not lengths:
        return {}
    points = {"min": 0.0, "median": 0.5, "p95": 0.95, "max": 1.0}
    values = np.quantile(lengths, list(points.values()), method="inverted_cdf")
    return {name: int(value) for name, value in zip(points, values, strict=True)}
