"""Prompts without answers: of a file's rows, a column or text with columns in braces."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from medtune.errors import DataError
from medtune.tasks.catalogue import TASKS
from medtune.tasks.columns import Template
from medtune.tasks.conversation import labels_beside
from medtune.tasks.finding import find


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What is asked, and which row it is of."""

    id: str
    """The row's; behind it a number from the second wording on."""
    group: str
    """The row's patient or document; its id where it names none."""
    text: str


def read_prompts(path: str, wordings: Sequence[str], *, offline: bool = False) -> Iterator[Prompt]:
    """Each row in each wording; of a folder, of the training rows alone.

    Args:
        path: A file, folder, glob or URL, as in a recipe.
        wordings: Columns, or texts with columns in braces, as ``columns.prompt`` of a recipe.
        offline: Whether no other machine may be asked.

    Raises:
        DataError: There are no training rows, or one has no such column or nothing in it.
    """
    templates = [Template("prompt", wording) for wording in wordings]
    files = find(TASKS["chat"], path, offline=offline).files.get("train", ())
    if not files:
        raise DataError(f"{path}: no training rows are there; name a file, folder, glob or URL")
    for file in files:
        for row in file.rows():
            labels = labels_beside(row, "", "unstated")
            for number, template in enumerate(templates, 1):
                id = labels.id if number == 1 else f"{labels.id}-{number}"
                yield Prompt(id=id, group=labels.group, text=template.fill(row))
