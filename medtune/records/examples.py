"""Rows of a task, as they are read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

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
