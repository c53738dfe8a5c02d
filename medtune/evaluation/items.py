"""The items of one set and how they are to be scored, wherever their rows come from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from medtune.data import Prepared
from medtune.evaluation.sets import SuiteSet, Text
from medtune.recipe import Evaluate
from medtune.records import Example

Kind = Literal["choice", "truth", "note", "answer", "text"]
"""choice: one right option. truth: TruthfulQA's MC2. note: a text is written and compared with the
reference. answer: the reference itself is weighed. text: bits per byte of plain text."""
NOTE_WRITING = frozenset({"mts_dialog", "aci_bench"})
"""Tasks whose answers are scored as they are written, unless the recipe says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemSet:
    """Items that are scored together."""

    name: str
    task: str
    kind: Kind
    examples: Sequence[Example]
    shots: Mapping[str, Sequence[Example]]
    """Training examples to put before a question, by the question's subject; under "" for those
    of all other subjects."""
    described: str
    """What the items are, in words that can be quoted and never mistaken."""
    is_official: bool
    """Whether they are all rows of the published test set."""
    is_complete: bool
    """False where a limit left rows out."""
    is_private: bool = False
    """Whether they are rows of patients, or texts of an adapter that learned such rows: no text is
    written down."""
    notes: tuple[str, ...] = ()

    def shots_for(self, example: Example) -> str:
        """The key of ``shots`` for a question."""
        return example.subject if example.subject in self.shots else ""


def own_items(prepared: Prepared, section: Evaluate, *, is_private: bool) -> ItemSet:
    """The test rows of a recipe; no item where its data has no test rows."""
    part = prepared.splits["test"]
    examples = part.examples[: section.limit]
    train = prepared.splits["train"]
    file = prepared.files.get("test")
    is_complete = len(examples) == len(part.examples) and not part.dropped
    num_read = part.num_read
    return ItemSet(
        name=prepared.task,
        task=prepared.task,
        kind=own_kind(prepared.task, examples, section),
        examples=examples,
        # Examples of the task that is scored: not those of other sources, nor canaries.
        shots={"": train.examples[: train.num_own]},
        described=_describe(prepared, len(examples)),
        is_official=bool(file and file.is_official(num_read) and is_complete),
        is_complete=is_complete,
        is_private=is_private,
    )


def suite_items(found: SuiteSet, section: Evaluate, *, is_private: bool = False) -> ItemSet:
    """The items of a suite's set, the first of them where the evaluation has a limit.

    Args:
        found: The set.
        section: How it is asked.
        is_private: An adapter is asked that learned rows of patients. What it writes may hold them;
            what it weighs does not.

    Raises:
        DataError: Examples for prompts are wanted, and there are none.
    """
    rows = found.examples or tuple(_piece(piece, found.file) for piece in found.texts)
    examples = rows[: section.limit]
    is_complete = len(examples) == len(rows)
    described = found.described()
    if not is_complete:
        described = f"the first {len(examples)} (evaluate.limit) of {described}"
    return ItemSet(
        name=found.name,
        task=found.task or "text",
        kind=found.kind,
        examples=examples,
        shots=_shots(found) if section.few_shot and shows_examples(found.kind) else {"": ()},
        described=described,
        is_official=is_complete and found.is_official,
        is_complete=is_complete,
        is_private=is_private and is_written(found.kind, section),
        notes=found.notes,
    )


def is_written(kind: Kind, section: Evaluate) -> bool:
    """Whether texts are written, and not weighed."""
    return kind == "note" or (kind == "choice" and section.protocol in ("cot", "sc_cot"))


def shows_examples(kind: Kind) -> bool:
    """Whether questions of this kind can stand behind examples."""
    return kind in ("choice", "note", "answer")


def _piece(piece: Text, file: str) -> Example:
    return Example(
        id=piece.id, where=f"{file}:{piece.id}", messages=(), text=piece.text, group=piece.id,
        source=file, licence="see the text's own",
    )  # fmt: skip


def _shots(found: SuiteSet) -> dict[str, list[Example]]:
    by_subject: dict[str, list[Example]] = {}
    for example in found.shots:
        key = example.subject if found.is_shot_by_subject else ""
        by_subject.setdefault(key, []).append(example)
    return by_subject


def own_kind(task: str, examples: Sequence[Example], section: Evaluate) -> Kind:
    """How a recipe's own rows are scored: by their options, else as the recipe says."""
    if examples and examples[0].options:
        return "choice"
    if section.metric == "rouge_l" or (section.metric == "auto" and task in NOTE_WRITING):
        return "note"
    return "answer"


def _describe(prepared: Prepared, num_items: int) -> str:
    """What the score was made on, in words that cannot be mistaken for the published test set."""
    file = prepared.files.get("test")
    if file is None:
        train = prepared.files["train"]
        return f"{num_items} rows held out of {train.file} by group: no published test set"
    if file.official_rows is None:
        return f"{num_items} rows of {file.file}"
    num_read = prepared.splits["test"].num_read
    if file.is_official(num_read) and num_items == num_read:
        return f"all {num_items} rows of {file.file}, the size of the published test set"
    return (
        f"{num_items} rows of {file.file}: NOT the published test set, which has "
        f"{file.official_rows} rows"
    )
