"""Rows in, encoded examples out, with an account of every row that was kept, cut or dropped."""

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from medtune.data.build import MAX_ROWS_BESIDE_OTHERS, Job, RawRow, alone_in, build
from medtune.data.cache import Key, finish, open_prepared, why_not
from medtune.data.canaries import FILE_NAME as CANARIES
from medtune.data.canaries import Planted
from medtune.data.encoding import Encoded, Encoder
from medtune.data.material import SALT_FILE, Material, Names
from medtune.data.plan import Plan, make_plan
from medtune.data.report import record
from medtune.data.split import Rows, share_of
from medtune.data.store import Joined, Store, Stored
from medtune.data.template import ChatTemplate
from medtune.errors import DataError, MedtuneError
from medtune.overlap import NgramIndex
from medtune.recipe import Data
from medtune.records import Example, Progress, Silent, Split, SplitFile


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedSplit:
    """The usable examples of one split: a row of the disk is read when it is asked for."""

    examples: Sequence[Example]
    encoded: Sequence[Encoded]
    lengths: Sequence[int]
    """Tokens of each example."""
    num_supervised: int
    """Tokens of all examples that the loss is taken on."""
    num_own: int
    """Examples of the recipe's own task, which come first; behind them those of sources, perhaps
    several times, and canaries."""
    num_read: int
    """Rows of the own task that were read, before any was left out."""
    dropped: tuple[str, ...] = ()
    """Ids of rows longer than max_tokens that were left out."""
    truncated: tuple[str, ...] = ()
    """Ids of rows whose prompt was cut."""
    leaked: tuple[str, ...] = ()
    """Ids of rows that were left out because a split above knows their group or prompt."""
    contaminated: tuple[str, ...] = ()
    """Ids of training rows that were left out because they hold evaluation items."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """All examples of a run."""

    task: str
    splits: dict[Split, PreparedSplit]
    files: dict[Split, SplitFile]
    held_out: tuple[Split, ...]
    """Splits that were taken out of the training file by the hash of the group."""
    encoder: Encoder
    record: dict[str, Any]
    """What ``data.json`` says of what was read and what became of it."""
    text_files: tuple[str, ...] = ()
    """Where rows lie as text, below the run; only of private data."""

    def warnings(self) -> list[str]:
        """What a user should know before training on this."""
        lines = []
        for split, part in self.splits.items():
            if part.leaked:
                lines.append(
                    f"{len(part.leaked)} {split} rows are left out: their group or prompt stands "
                    "on another side of the split (data.leaks; data.json names them)"
                )
            if part.contaminated:
                lines.append(
                    f"{len(part.contaminated)} {split} rows are left out: they hold evaluation "
                    "items (data.decontaminate; data.json has both texts)"
                )
        kept = sum(map(len, (self.record["leaks"][split] for split in ("train", "validation"))))
        if kept and self.record["leaks"]["action"] == "keep":
            lines.append(
                f"{kept} rows whose group or prompt stands on another side of the split are kept "
                "(data.leaks: keep): scores show memory"
            )
        return lines

    def account(self) -> dict[str, Any]:
        """What ``data.json`` says: files, counts, lengths, and ids of dropped and cut rows."""
        return self.record | {
            "files": {
                split: asdict(file)
                | {
                    "num_rows": self.splits[split].num_read,
                    "is_official": file.is_official(self.splits[split].num_read),
                }
                for split, file in self.files.items()
            },
            "held_out_by_group": list(self.held_out),
            "splits": {split: _account(part) for split, part in self.splits.items()},
            "files_with_text": list(self.text_files),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """Where and how rows are prepared."""

    key: Key
    parent: Path
    """Folder of prepared rows."""
    workers: int = 0
    """Processes beside this one."""
    is_one_of_several: bool = False
    """Whether other processes of the same run prepare them too."""


def prepare(
    material: Material,
    data: Data,
    template: ChatTemplate,
    *,
    seed: int,
    workshop: Workshop | None = None,
    canaries: Planted | None = None,
    progress: Progress | None = None,
) -> Prepared:
    """Encode and check every row, hold out, and leave out what leaks.

    Args:
        material: The rows.
        data: The recipe's section.
        template: How a conversation is written.
        seed: The recipe's: of held-out splits and of what is drawn from sources.
        workshop: Where prepared rows are kept; None: nowhere once this process ends.
        canaries: Secrets to plant.
        progress: Where to report.

    Raises:
        DataError: A row is bad, or longer than ``max_tokens`` under ``on_overlength: error``, or
            two have one id; no training row is left, or a held-out split came out empty; or rows
            leak and the recipe says ``error``.
        TemplateError: The mask of a row could not be proven right.
    """
    progress = progress or Silent()
    with scratch_folder() if workshop is None else nullcontext(workshop.parent) as parent:
        # Files stay readable though a scratch folder goes: they are mapped.
        try:
            store = _store(material, data, template, seed, parent, workshop, progress)
        except OSError as error:  # what is read tells its own errors
            reason = error.strerror or type(error).__name__
            raise MedtuneError(f"{parent}: prepared rows cannot be kept there: {reason}") from error
    plan = make_plan(store, material, data, seed)
    encoder = Encoder(template)
    prepared = Prepared(
        task=material.task,
        splits=_splits(store, plan, encoder, canaries),
        files={part.split: part.file for part in material.parts if not part.is_source},
        held_out=plan.held_out,
        encoder=encoder,
        record=record(store, plan, material, data, template)
        | {"canaries": canaries.account() if canaries else None},
        text_files=_text_files(workshop, canaries) if data.private else (),
    )
    _require_rows(prepared, data)
    return prepared


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for this process alone, gone at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="medtune-") as folder:
        yield Path(folder)


def _store(
    material: Material,
    data: Data,
    template: ChatTemplate,
    seed: int,
    parent: Path,
    workshop: Workshop | None,
    progress: Progress,
) -> Store:
    """The prepared rows: found as they are, or made."""
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    own = parent if workshop is None else workshop.key.folder(parent)
    with alone_in(own):
        if workshop is not None:
            if (found := open_prepared(own)) is not None:
                progress.say(f"rows prepared before are used: {own.name[:12]}")
                return found
            progress.say(f"preparing the rows: {why_not(parent, workshop.key)}")
        job = Job(
            template=template,
            data=data,
            index=_index(material, data),
            compared=frozenset(n for n, p in enumerate(material.parts) if p.split == "train"),
        )
        several = workshop is not None and workshop.is_one_of_several
        build(
            own,
            _raw_rows(material, Names(parent if data.private else None), seed),
            job,
            workers=workshop.workers if workshop else 0,
            max_rows=MAX_ROWS_BESIDE_OTHERS if several else None,
            progress=progress,
        )
        return finish(own, workshop.key) if workshop else Store(own)


def _raw_rows(material: Material, names: Names, seed: int) -> Iterator[RawRow]:
    for number, part in enumerate(material.parts):
        for example in part:
            named = _of_source(example, part.name) if part.is_source else example
            # By the group's own name: salted ones would make another split of every run.
            yield RawRow(number, share_of(named.group, seed), names.hide(named))


def _of_source(example: Example, name: str) -> Example:
    """The example under a name of its own: rows of two data sets may be called the same by chance.

    A group that the row itself names stays: a patient may well be in two data sets.
    """
    identifier = f"{name}/{example.id}"
    group = example.group if example.is_grouped else identifier
    return replace(example, id=identifier, group=group)


def _index(material: Material, data: Data) -> NgramIndex | None:
    if data.decontaminate is None:
        return None
    index = NgramIndex(data.decontaminate.ngram)
    for name, part in material.evaluation.items():
        for example in part:
            # An id of a row of patients is a value of it; file and line are none.
            item = example.where if data.private else example.id
            index.add(f"{name}: {item}", example.own_text)
    return index


def _splits(
    store: Store, plan: Plan, encoder: Encoder, canaries: Planted | None
) -> dict[Split, PreparedSplit]:
    splits: dict[Split, PreparedSplit] = {}
    for split, side in plan.sides.items():
        examples: Sequence[Example] = Stored(store.example, side.used)
        encoded: Sequence[Encoded] = Stored(store.encoded, side.used)
        lengths: list[int] = store.numbers("length")[side.used].tolist()
        supervised = int(store.numbers("supervised")[side.used].sum())
        if canaries is not None and split == "train":
            planted = canaries.examples()
            examples = Joined(examples, planted)
            secrets = [encoder.example(canary) for canary in planted]
            encoded = Joined(encoded, secrets)
            lengths += map(len, secrets)
            supervised += sum(secret.num_supervised for secret in secrets)
        splits[split] = PreparedSplit(
            examples=examples,
            encoded=encoded,
            lengths=lengths,
            num_supervised=supervised,
            num_own=side.num_own,
            num_read=len(side.read),
            dropped=_ids(store, side.dropped),
            truncated=_ids(store, side.truncated),
            leaked=_ids(store, side.left_out_as_leaks),
            contaminated=_ids(store, side.left_out_as_contaminated),
        )
    return splits


def _ids(store: Store, rows: Rows) -> tuple[str, ...]:
    return tuple(str(store.text(int(row), "id")) for row in rows)


def _require_rows(prepared: Prepared, data: Data) -> None:
    for split in ("train", *prepared.held_out):
        part = prepared.splits[split]
        if not part.num_own and not part.num_read:
            raise DataError(
                f"no row fell on the {split} side of the split: groups fall by the hash of their "
                f"name, and there are too few for data.validation_fraction "
                f"{data.validation_fraction:g} and data.test_fraction {data.test_fraction:g}; "
                "give more rows or groups, a file of that side, or another fraction (0: none)"
            )
        if not part.num_own:
            raise DataError(
                f"no {split} row is left of {part.num_read}: {len(part.dropped)} over "
                f"data.max_tokens {data.max_tokens}, {len(part.leaked)} left out by data.leaks, "
                f"{len(part.contaminated)} by data.decontaminate"
            )


def _text_files(workshop: Workshop | None, canaries: Planted | None) -> tuple[str, ...]:
    """Below the run: prepared rows, what tells rows by their names, and secrets."""
    if workshop is None:
        return ()
    rows = f"{workshop.parent.name}/{workshop.key.folder(workshop.parent).name}/rows-*.arrow"
    secrets = (CANARIES,) if canaries else ()
    return (rows, f"{workshop.parent.name}/{SALT_FILE}", *secrets)


def _account(part: PreparedSplit) -> dict[str, Any]:
    labels: Counter[str] = Counter()
    sources: Counter[str] = Counter()
    licences: Counter[str] = Counter()
    groups: set[str] = set()
    for example in part.examples:
        if example.options:
            labels[example.answer] += 1
        sources[example.source] += 1
        licences[example.licence] += 1
        groups.add(example.group)
    return {
        "read": part.num_read,
        "kept": len(part.lengths),
        "dropped": list(part.dropped),
        "truncated": list(part.truncated),
        "leaked": list(part.leaked),
        "contaminated": list(part.contaminated),
        "groups": len(groups),
        "tokens": sum(part.lengths),
        "supervised_tokens": part.num_supervised,
        "length_quantiles": _quantiles(part.lengths),
        "answers": dict(sorted(labels.items())),
        "sources": dict(sorted(sources.items())),
        "licences": dict(sorted(licences.items())),
    }


def _quantiles(lengths: Sequence[int]) -> dict[str, int]:
    if not lengths:
        return {}
    points = {"min": 0.0, "median": 0.5, "p95": 0.95, "max": 1.0}
    values = np.quantile(lengths, list(points.values()), method="inverted_cdf")
    return {name: int(value) for name, value in zip(points, values, strict=True)}
