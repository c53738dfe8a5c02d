"""What the stages hand on to each other: frozen values, written to disk as they are in memory."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol, get_args

from medtune.metrics import MetricName

Role = Literal["system", "user", "assistant"]
Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)


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
    prompt_digest: str
    """sha256 over the token ids of the prompt."""
    log_likelihoods: tuple[float, ...]
    """Natural log-probability per option, in the task's order; of the answer for free text; empty
    where the model wrote an answer itself."""
    num_answer_tokens: int
    """Tokens of the right answer, stop token excluded for options and included for free text."""
    predicted: str
    """The most likely option; empty for free text."""
    answer: str
    """The right option; empty for free text."""
    value: float
    """What the item counts for: 1 (right) or 0, nats per token, or ROUGE-L from 0 to 1."""
    text: str | None = None
    """What the model wrote; None where nothing was to be written, or where rows are private."""
    is_complete: bool | None = None
    """False where the text was cut at evaluate.max_new_tokens; None as above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmScore:
    """One arm (base or adapter, with a number of examples in the prompt) on one set of items."""

    arm: str
    few_shot: int
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
    items: tuple[ItemScore, ...]

    def remark(self) -> str | None:
        """How many texts were cut or empty, as a sentence; None where none was."""
        if not (self.num_cut or self.num_empty):
            return None
        return (
            f"{self.arm}, {self.few_shot} examples in the prompt: of {self.num_items} texts "
            f"{self.num_cut} were cut at evaluate.max_new_tokens, {self.num_empty} were empty"
        )

    def summary(self) -> dict[str, Any]:
        """Everything but the items, for ``scores.json``."""
        return {k: v for k, v in asdict(self).items() if k != "items"}


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
class ScoreReport:
    """``scores.json``: what base and adapter score on the same items."""

    task: str
    test_set: str
    """Says whether it is the published test set, in words that can be quoted."""
    is_official: bool
    is_complete: bool
    """False where ``evaluate.limit`` left items out."""
    protocol: str
    dtype: str
    arms: tuple[ArmScore, ...]
    comparisons: tuple[Comparison, ...]


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
