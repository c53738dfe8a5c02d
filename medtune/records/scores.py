"""Scores of a base and its adapter, item by item."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean, stdev
from typing import Any

from medtune.metrics import MetricName

SCORES_VERSION = 2
"""Of the form of ``scores.json`` and ``items.jsonl``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemScore:
    """How one arm answered one item."""

    id: str
    group: str
    part: str = ""
    """The part of its set that the item belongs to; empty where a set has no parts."""
    prompt_digest: str
    """sha256 over the token ids of the prompt."""
    question: str = ""
    """The item's own text, for people to read; empty of private rows."""
    options: tuple[str, ...] = ()
    """What was to be chosen from, as the model would write it; empty for free text."""
    log_likelihoods: tuple[float, ...]
    """Natural log-probability per option, in the order of ``options``, where the protocol weighs
    them (the mean over the orders, where options were rotated); of the answer for free text; empty
    where the model wrote an answer itself."""
    num_answer_tokens: int
    """Tokens of the right answer, stop token excluded for options and included for free text."""
    predicted: str
    """The chosen option; empty for free text, and where no option could be read from the text."""
    answer: str
    """The right option; empty for free text."""
    value: float
    """What the item counts for in the metric, unscaled: 1 (right) or 0, nats per token, ROUGE-L
    from 0 to 1, ..."""
    weight: float = 1.0
    """What its value is weighted by in the mean: bytes, for bits per byte."""
    texts: tuple[str, ...] | None = None
    """What the model wrote, a text for each sample; None where nothing was to be written, or where
    rows are private."""
    num_cut: int | None = None
    """Texts cut at evaluate.max_new_tokens; None as above."""
    num_empty: int | None = None
    """Texts of blanks alone; None as above."""
    is_parsed: bool | None = None
    """Whether an option could be read from what was written; None where none was to be."""
    is_tied: bool | None = None
    """Whether two options had most votes of the samples; None where there was no vote."""
    votes: tuple[str, ...] = ()
    """The option of each sample, empty where none could be read; of each order, where options were
    rotated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A figure with its 95 % interval."""

    name: str
    """A key of ``metrics.METRICS``, or the name of a part of a set."""
    value: float
    interval: tuple[float, float]
    interval_method: str
    num_items: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmScore:
    """One arm (base or adapter, with a number of examples in the prompt) on one set of items."""

    arm: str
    few_shot: int
    shot_seed: int | None = None
    """By which the examples in the prompt were drawn; None without examples."""
    metric: MetricName
    value: float
    interval: tuple[float, float]
    """95 % confidence."""
    interval_method: str
    """Items of one group (patient, document, scenario) are not independent: where groups have
    more than one item, the interval is clustered; see ``stats.intervals``."""
    num_items: int
    num_groups: int
    num_cut: int | None = None
    """Texts cut at evaluate.max_new_tokens; None where nothing was written."""
    num_empty: int | None = None
    """Texts of blanks alone, which score 0; None where nothing was written."""
    num_unparsed: int | None = None
    """Items from whose texts no option could be read, which count as wrong; None where none was to
    be read."""
    num_tied: int | None = None
    """Items on which samples gave two options equally often; None where there was no vote."""
    measures: tuple[Measure, ...] = ()
    """Further figures on the same items."""
    parts: tuple[Measure, ...] = ()
    """The metric on each part of the set; empty where it has none."""
    items: tuple[ItemScore, ...]

    @property
    def label(self) -> str:
        """The arm in words that tell it from the report's others."""
        seed = "" if self.shot_seed is None else f" (seed {self.shot_seed})"
        return f"{self.arm}, {self.few_shot} examples in the prompt{seed}"

    def remark(self) -> str | None:
        """How many texts were cut, empty or unreadable, as a sentence; None where none was."""
        found = [
            told.format(number)
            for number, told in (
                (self.num_cut, "{} texts were cut at evaluate.max_new_tokens"),
                (self.num_empty, "{} texts were empty"),
                (self.num_unparsed, "from {} items no answer could be read: they count as wrong"),
                (self.num_tied, "{} votes were tied: the option voted for first counts"),
            )
            if number
        ]
        return f"{self.label}: of {self.num_items} items " + ", ".join(found) if found else None

    def summary(self) -> dict[str, Any]:
        """Everything but the items, for ``scores.json``."""
        return {k: v for k, v in asdict(replace(self, items=())).items() if k != "items"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The adapter against one arm of its base, item by item."""

    against: str
    difference: float
    """Adapter minus base, in the metric's unit."""
    interval: tuple[float, float]
    """95 % confidence."""
    interval_method: str
    p_value: float | None
    """Two-sided exact McNemar; None where items are no independent rights and wrongs."""
    gained: int
    lost: int
    """Items that only the adapter, only the base has right; of other metrics: better, worse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A figure over several draws or runs, in their order."""

    values: tuple[float, ...]
    mean: float
    sd: float
    """Sample standard deviation (n - 1)."""

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of two values or more."""
        return cls(values=tuple(values), mean=fmean(values), sd=stdev(values))


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmSpread:
    """One arm's score over several draws of examples, or over several training seeds."""

    arm: str
    few_shot: int
    metric: str
    score: Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Contamination:
    """Items whose text stands in what an adapter was trained on."""

    training_rows: int
    """Rows that were looked through."""
    ngram: int
    """Words of a run of text that counts as shared."""
    share: float
    """Share of an item's runs, or of a row's, that makes a hit."""
    hits: tuple[str, ...]
    """Ids of the items."""
    without: tuple[Measure, ...]
    """Each arm's metric on the other items, in the order of the arms; empty where none is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreReport:
    """What base and adapter score on one set of items."""

    name: str
    """Of the set; unique in its file."""
    task: str
    test_set: str
    """Says whether it is the published test set, in words that can be quoted."""
    is_official: bool
    is_complete: bool
    """False where ``evaluate.limit`` left items out."""
    protocol: str
    """How scores were found, in words that can be quoted."""
    settings: Mapping[str, Any]
    """The same for programs: protocol, its numbers, and the digest of the prompt."""
    dtype: str
    arms: tuple[ArmScore, ...]
    comparisons: tuple[Comparison, ...]
    spreads: tuple[ArmSpread, ...] = ()
    """Where examples were drawn more than once."""
    contamination: Contamination | None = None
    """None where it was not looked for, or could not be; the notes say why."""
    notes: tuple[str, ...] = ()
    """What a reader of the score should know."""

    def summary(self) -> dict[str, Any]:
        """Everything but the items, for ``scores.json``."""
        return asdict(replace(self, arms=())) | {"arms": [arm.summary() for arm in self.arms]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """``scores.json``: all that one command or run has scored."""

    schema_version: int = SCORES_VERSION
    """Of the two files."""
    suite: str
    """Name of the suite, or of the recipe whose test rows these are."""
    conditions: Mapping[str, Any]
    """Under which answers were given: digests of base, adapter ("none": there is none), tokenizer
    and template, engine, device and packages. The base's are the same with no adapter."""
    reports: tuple[ScoreReport, ...]

    def summary(self) -> dict[str, Any]:
        """Everything but the items, for ``scores.json``."""
        told = [report.summary() for report in self.reports]
        return asdict(replace(self, reports=())) | {"reports": told}
