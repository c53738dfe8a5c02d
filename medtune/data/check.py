"""What there is to know about rows before anything is trained on them, in numbers and row ids.

The rows are gone through once, in order; what stays in memory is about 200 bytes a row.
"""

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from medtune import overlap
from medtune.data.canaries import SOURCE as CANARIES
from medtune.data.encoding import Encoded
from medtune.data.prepare import Prepared, PreparedSplit
from medtune.languages import UNCLEAR, tell_language
from medtune.recipe import Data
from medtune.records import Example, Progress, Silent, Split

QUANTILES = {"min": 0.0, "p5": 0.05, "median": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
BARS = 12
"""Of the histogram of lengths."""
NAMED = 5
"""Rows that a finding names."""
LONG_ANSWER = 1000
"""Tokens from which on an answer is pointed out."""
LANGUAGE_SAMPLE = 2000
"""Training rows whose language is told."""
MOST_LABELS = 26
"""Different answers up to which they are labels that can be out of balance; more are texts."""
LEFT_OUT = {
    "dropped": "longer than data.max_tokens",
    "leaked": "also on a later side of the split (data.leaks)",
    "contaminated": "text of an evaluation set (data.decontaminate)",
}
"""Why rows were left out."""
ORDER: tuple[Split, ...] = ("train", "validation", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Rows of which something is to be known."""

    rows: int
    first: tuple[str, ...]
    """Ids of the first of them; of private rows, where they stand among the kept ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitFigures:
    """One split, as it will be used."""

    rows: int
    groups: int
    tokens: int
    supervised: int
    """Tokens that the loss is taken on."""
    lengths: dict[str, int]
    """Quantiles of the tokens of a row; empty without rows."""
    histogram: tuple[tuple[int, int], ...]
    """(longest length of the bar, rows), in bars of one width."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What was found; shares are of ``rows``."""

    rows: int
    """Of all splits, before any was left out."""
    splits: dict[Split, SplitFigures]
    findings: dict[str, Finding]
    labels: dict[str, int]
    """Training rows with options by right answer; empty where answers are no labels."""
    languages: dict[str, int]
    """Training rows of the sample by ISO 639-1 code; of those with enough text to tell."""
    other_languages: Finding
    """Rows of the sample in a language that ``data.limits`` does not name."""

    def share(self, finding: str) -> float:
        """Share of all rows that a finding is of."""
        return self.findings[finding].rows / self.rows if self.rows else 0.0


def left_out(part: PreparedSplit) -> dict[str, Sequence[str]]:
    """Ids of the rows of a split that were left out, by the reasons of ``LEFT_OUT``."""
    return {"dropped": part.dropped, "leaked": part.leaked, "contaminated": part.contaminated}


def examine(
    prepared: Prepared, data: Data, *, seed: int, progress: Progress | None = None
) -> Examination:
    """Go through all rows of a run.

    Args:
        prepared: The rows as they will be trained on.
        data: The section that they were prepared by.
        seed: Chooses the rows whose language is told.
        progress: Where to report.
    """
    progress = progress or Silent()
    scan = _Scan(prepared, data, seed)
    progress.start("examining", sum(len(p.lengths) for p in prepared.splits.values()), "rows")
    try:
        for split in ORDER:
            if split in prepared.splits:
                scan.read(split, progress)
    finally:
        progress.finish()
    return scan.examination()


class _Scan:
    """Small things about each row, kept while all are read."""

    def __init__(self, prepared: Prepared, data: Data, seed: int) -> None:
        self._prepared, self._data = prepared, data
        self._starts: dict[Split, int] = {}
        self._figures: dict[Split, SplitFigures] = {}
        count = sum(len(part.encoded) for part in prepared.splits.values())
        self._bands: NDArray[np.uint32] = np.zeros((count, overlap.NUM_BANDS), dtype=np.uint32)
        self._whole, self._prompts, self._answers = array("Q"), array("Q"), array("Q")
        self._seen: set[int] = set()
        self._noted: dict[str, list[int]] = {}
        self._counts: Counter[str] = Counter()
        self._labels: Counter[str] = Counter()
        self._languages: Counter[str] = Counter()
        num_train = len(prepared.splits["train"].encoded)
        sample = np.random.default_rng(seed).permutation(num_train)[:LANGUAGE_SAMPLE]
        self._sample = frozenset(sample.tolist())

    def read(self, split: Split, progress: Progress) -> None:
        """Go through the rows of one split."""
        part = self._prepared.splits[split]
        self._starts[split] = len(self._whole)
        lengths, supervised, groups = array("q"), 0, array("Q")
        for example, encoded in zip(part.examples, part.encoded, strict=True):
            row = len(self._whole)
            progress.advance(1)
            lengths.append(len(encoded))
            supervised += encoded.num_supervised
            groups.append(_hash(example.group))
            for name in _oddities(example, encoded):
                self._note(name, row)
            if split == "train":
                self._note_labels(example)
                self._note_language(example, row)
            if self._comes_on_purpose(example):
                self._set_apart(row)
            else:
                self._bands[row] = overlap.bands(overlap.shingles(example.own_text))
                self._note_digests(example)
        self._figures[split] = SplitFigures(
            rows=len(lengths),
            groups=len(np.unique(groups)),
            tokens=sum(lengths),
            supervised=supervised,
            lengths=_quantiles(lengths),
            histogram=_histogram(lengths),
        )

    def examination(self) -> Examination:
        """What was found."""
        parts = self._prepared.splits
        out = {
            name: [(split, row) for split in parts for row in left_out(parts[split]).get(name, ())]
            for name in LEFT_OUT
        }
        findings = {
            name: Finding(rows=len(rows), first=tuple(self._names_left_out(rows)))
            for name, rows in out.items()
        }
        findings["truncated"] = self._truncated()
        for name, rows in (
            ("duplicates", _repeated(self._whole)),
            ("contradictions", _contradicting(self._prompts, self._answers)),
            *self._near_duplicates().items(),
        ):
            findings[name] = Finding(rows=len(rows), first=self._names(rows))
        for name in ODDITIES:
            findings[name] = self._noted_finding(name)
        findings["system"] = self._system()
        kept = sum(figures.rows for figures in self._figures.values())
        labels = dict(sorted(self._labels.items()))
        return Examination(
            rows=kept + sum(map(len, out.values())),
            splits=self._figures,
            findings=findings,
            labels=labels if len(labels) <= MOST_LABELS else {},
            languages=dict(self._languages.most_common()),
            other_languages=self._noted_finding("other language"),
        )

    def _note(self, name: str, row: int) -> None:
        self._counts[name] += 1
        if self._counts[name] <= NAMED:
            self._noted.setdefault(name, []).append(row)

    def _noted_finding(self, name: str) -> Finding:
        return Finding(rows=self._counts[name], first=self._names(self._noted.get(name, ())))

    def _comes_on_purpose(self, example: Example) -> bool:
        """Whether the row is a canary, or one of a source that comes again for its weight."""
        if example.source == CANARIES:
            return True
        if not self._data.sources:
            return False
        identifier = _hash(example.id)
        is_again = identifier in self._seen
        self._seen.add(identifier)
        return is_again

    def _set_apart(self, row: int) -> None:
        """Keep a row out of all comparisons."""
        self._bands[row] = overlap.bands(overlap.shingles(""))
        for digests in (self._whole, self._prompts, self._answers):
            digests.append(_hash(f"row {row}"))

    def _note_digests(self, example: Example) -> None:
        prompt = [(m.role, m.content) for m in example.prompt]
        self._whole.append(_hash(repr((prompt, example.messages[-1].content))))
        plain = [(role, _normalised(content)) for role, content in prompt]
        self._prompts.append(_hash(repr(plain)))
        self._answers.append(_hash(_normalised(example.answer)))

    def _note_labels(self, example: Example) -> None:
        if example.options and len(self._labels) <= MOST_LABELS:
            self._labels.update(dict.fromkeys(example.options, 0))
            self._labels[example.answer] += 1

    def _note_language(self, example: Example, row: int) -> None:
        if row not in self._sample:
            return
        language = tell_language(example.own_text)
        if language is None:
            return
        self._languages[language] += 1
        allowed = self._data.limits.languages if self._data.limits else None
        if allowed is not None and language not in (UNCLEAR, *allowed):
            self._note("other language", row)

    def _near_duplicates(self) -> dict[str, list[int]]:
        threshold, starts = self._data.near_duplicate, list(self._starts.values())

        def shingles_of(row: int) -> overlap.Shingles:
            split, number = self._place(row)
            example = self._prepared.splits[split].examples[number]
            return overlap.shingles(example.own_text)

        train = np.arange(len(self._prepared.splits["train"].encoded))
        within = overlap.near_earlier(self._bands, train, shingles_of, threshold)
        across: list[int] = []
        for start, end in zip(starts[1:], [*starts[2:], len(self._whole)], strict=True):
            own, before = np.arange(start, end), np.arange(start)
            across += overlap.near_pairs(self._bands, own, before, shingles_of, threshold)
        return {"near_duplicates": sorted(within), "near_across": sorted(across)}

    def _truncated(self) -> Finding:
        named = [
            (split, identifier)
            for split, part in self._prepared.splits.items()
            for identifier in part.truncated
        ]
        return Finding(rows=len(named), first=tuple(self._names_left_out(named)))

    def _system(self) -> Finding:
        """The fewer: rows with a system message, or without one."""
        having, lacking = (self._noted_finding(name) for name in ("with system", "without system"))
        return min(having, lacking, key=lambda finding: finding.rows)

    def _names_left_out(self, rows: Sequence[tuple[Split, str]]) -> Iterator[str]:
        """Ids of private rows are nobody's business, and dropped ones have no other name."""
        if not self._data.private:
            yield from (identifier for _, identifier in rows[:NAMED])

    def _names(self, rows: Sequence[int]) -> tuple[str, ...]:
        places = [self._place(row) for row in rows[:NAMED]]
        if self._data.private:
            return tuple(f"{split} row {number + 1}" for split, number in places)
        return tuple(self._prepared.splits[split].encoded[number].id for split, number in places)

    def _place(self, row: int) -> tuple[Split, int]:
        # Where a split is empty, the next one starts at the same row and has it.
        split, start = [(s, at) for s, at in self._starts.items() if at <= row][-1]
        return split, row - start


ODDITIES = ("blank_answers", "spaced_answers", "long_answers", "several_turns")


def _oddities(example: Example, encoded: Encoded) -> Iterator[str]:
    """What a template or an answer of this row has about it."""
    answers = [m.content for m in example.messages if m.supervised]
    if any(not answer.strip() for answer in answers):
        yield "blank_answers"
    elif any(answer != answer.strip() for answer in answers):
        yield "spaced_answers"
    if _longest_answer(encoded) > LONG_ANSWER:
        yield "long_answers"
    if sum(m.role == "user" for m in example.messages) > 1:
        yield "several_turns"
    has_system = example.messages[0].role == "system"
    yield "with system" if has_system else "without system"


def _longest_answer(encoded: Encoded) -> int:
    """Tokens of the longest run of supervised ones."""
    if encoded.num_supervised <= LONG_ANSWER:
        return encoded.num_supervised
    mask = np.array([False, *encoded.supervised, False])
    edges = np.flatnonzero(mask[1:] != mask[:-1])
    return int((edges[1::2] - edges[::2]).max())


def _repeated(digests: "array[int]") -> list[int]:
    """Rows that are not the first of their kind."""
    _, first = np.unique(np.asarray(digests, dtype=np.uint64), return_index=True)
    is_first = np.zeros(len(digests), dtype=bool)
    is_first[first] = True
    return [int(row) for row in np.flatnonzero(~is_first)]


def _contradicting(prompts: "array[int]", answers: "array[int]") -> list[int]:
    """Rows whose prompt has another answer in another row."""
    _, prompt = np.unique(np.asarray(prompts, dtype=np.uint64), return_inverse=True)
    _, answer = np.unique(np.asarray(answers, dtype=np.uint64), return_inverse=True)
    pairs = np.unique(np.stack([prompt, answer], axis=1), axis=0)
    num_answers = np.bincount(pairs[:, 0], minlength=1)
    return [int(row) for row in np.flatnonzero(num_answers[prompt] > 1)]


def _quantiles(lengths: "array[int]") -> dict[str, int]:
    if not lengths:
        return {}
    values = np.quantile(lengths, list(QUANTILES.values()), method="inverted_cdf")
    return {name: int(value) for name, value in zip(QUANTILES, values, strict=True)}


def _histogram(lengths: "array[int]") -> tuple[tuple[int, int], ...]:
    if not lengths:
        return ()
    below = min(lengths) - 1
    width = -(-(max(lengths) - below) // BARS)
    counts = np.bincount((np.asarray(lengths) - below - 1) // width)
    return tuple((below + width * (bar + 1), int(count)) for bar, count in enumerate(counts))


def _normalised(text: str) -> str:
    return " ".join(text.casefold().split())


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8"), digest_size=8).digest(), "little")
