"""What the stages hand on to each other: frozen values, written to disk as they are in memory."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean, stdev
from typing import Any, Literal, Protocol, get_args

from medtune.metrics import MetricName

Role = Literal["system", "user", "assistant"]
Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
SCORES_VERSION = 2
"""Of the form of ``scores.json`` and ``items.jsonl``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str
    supervised: bool = False
    """Whether the loss is taken on this turn; only assistant turns can be supervised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One conversation to learn from or to be scored on."""

    id: str
    where: str
    """File name and line (or key) that the row was read from, for messages about it."""
    messages: tuple[Message, ...]
    options: tuple[str, ...] = ()
    """The answers to choose among, as the model would write them; empty for free text."""
    answer: str = ""
    """The right option; the last assistant turn where there are no options."""
    text: str = ""
    """What is the row's own in its prompt (the case, the question with its options), without the
    instructions that all rows of the task share; empty: all of the prompt."""
    question: str = ""
    """What is asked, with its case or abstract, without options and instructions; empty where a
    row has no options."""
    choices: tuple[str, ...] = ()
    """Texts of the options, where ``options`` are letters for them; empty where the options say
    themselves what they mean, as yes and no do."""
    subject: str = ""
    """The part of its set that a row belongs to: an MMLU subject, a category, a kind of section."""
    true_texts: tuple[str, ...] = ()
    """All published right answers (TruthfulQA's MC2); empty elsewhere."""
    false_texts: tuple[str, ...] = ()
    """All published wrong answers, as above."""
    group: str
    """Patient, document or scenario: rows of one group never stand on two sides of a split."""
    is_grouped: bool = False
    """Whether the row names its group; else it is a group of its own, under its id."""
    source: str
    licence: str

    @property
    def prompt(self) -> tuple[Message, ...]:
        """All messages before the last assistant turn."""
        return self.messages[:-1]

    @property
    def own_text(self) -> str:
        """By which rows are compared: what is asked, without the answers to be learned."""
        asked = (m.content for m in self.messages if not m.supervised and m.role != "system")
        return self.text or "\n".join(asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitFile:
    """Where the rows of one split came from."""

    file: str
    """Name below the source's folder, or hub id with configuration and split."""
    sha256: str
    """Of the file's bytes; of several files: of all names and digests; of the hub: of all rows."""
    official_rows: int | None
    """Rows that the published split has; None where nothing is published under the name."""

    def is_official(self, num_rows: int) -> bool:
        """Whether a file of so many rows can be the published split: it has as many."""
        return self.official_rows == num_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRows:
    """The rows of a task, before any template or tokenizer."""

    task: str
    splits: Mapping[Split, Iterable[Example]]
    """Can be gone through again and again."""
    files: Mapping[Split, SplitFile]
    notes: tuple[str, ...] = ()
    """What was found out about the rows and why, such as their layout: to be told to the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterManifest:
    """``medtune.json`` in an adapter folder: what the adapter needs to mean what it meant."""

    schema_version: int
    base: str
    """Hub id, catalogue alias or folder name of the base; never a path of a machine."""
    base_revision: str | None
    """Commit on the hub, where the base came from there."""
    base_digest: str
    template: str
    template_digest: str
    tokenizer_digest: str
    stop_token: str
    stop_token_id: int
    pad_token_id: int
    quantization: str
    """How the base was stored while the adapter was trained."""
    step: int
    """Optimiser step whose weights were exported."""
    init: str = "default"
    """Where training started, as the recipe names it. A loftq adapter is for the nf4 base only."""


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
    more than one item, the interval is clustered; see ``evaluation.intervals``."""
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


class Progress(Protocol):
    """How a stage tells what it is doing; the command line draws it, a test may record it."""

    def say(self, message: str) -> None:
        """Announce something that the user should know."""

    def start(self, step: str, total: int, unit: str) -> None:
        """Begin a long step of ``total`` units; 0: nobody knows how many."""

    def advance(self, units: int, **figures: float) -> None:
        """Report that units are done, with the figures of the moment."""

    def finish(self) -> None:
        """End the long step, whether or not all units were done."""


class Silent:
    """A progress that says nothing."""

    def say(self, message: str) -> None:
        """Ignore."""

    def start(self, step: str, total: int, unit: str) -> None:
        """Ignore."""

    def advance(self, units: int, **figures: float) -> None:
        """Ignore."""

    def finish(self) -> None:
        """Ignore."""
