"""Suites: which sets of items a model is scored on. A suite is a YAML file.

    name: mine
    title: Our exam, and MMLU's anatomy
    sets:
      exam:                       # the name of a set
        kind: choice
        rows: {task: mcq, path: ./exam.jsonl}
      anatomy:
        kind: choice
        rows: {task: mmlu}
        subjects: {anatomy: 135}  # its published number of rows; null where none is

Suites that come with medtune are such files too, in ``suite_files``. Paths are relative to the
file. What is read from the rows that a suite names is in ``sets``.
"""

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from medtune.digests import sha256_value
from medtune.errors import RecipeError
from medtune.recipe import Rows
from medtune.recipe.document import Document, parse
from medtune.recipe.loader import check
from medtune.recipe.section import PATH, Positive, Section
from medtune.tasks import TASKS

FOLDER = Path(__file__).parent / "suite_files"
FREE_TEXT = frozenset({"mts_dialog", "aci_bench", "chat"})
"""Tasks whose answers are written."""
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
LIKE = 0.6
"""Likeness, from 0 to 1, from which on a name is taken for another one misspelt."""


class SuiteSection(Section):
    """One set of items of a suite."""

    name: str = Field(pattern=NAME)
    kind: Literal["choice", "truth", "note", "text"]
    """choice: one right option. truth: TruthfulQA's MC2, the probability of its right answers
    among all. note: a written note. text: bits per byte of plain text."""
    rows: Rows | None = None
    """Which rows: the test rows there, or all rows of a path that names one file."""
    subjects: Annotated[dict[str, Positive | None], Field(min_length=1)] | None = None
    """The subjects, categories or sections that count, each with its published number of test
    rows; null: all rows."""
    shots: Rows | None = None
    """Where examples in the prompt come from; null: the rows that are published for it (MMLU's dev
    rows of the same subject), or else the training rows beside the test rows."""
    text: str | None = Field(default=None, json_schema_extra=PATH)
    """A UTF-8 text file, for kind: text; null: WikiText-2's below $MEDTUNE_DATA."""

    @model_validator(mode="after")
    def _kind_fits_the_rows(self) -> Self:
        if self.kind == "text":
            if self.rows or self.subjects or self.shots:
                raise ValueError("kind: text has text: ./file.txt, and no rows, subjects or shots")
            return self
        if self.text is not None:
            raise ValueError(f"text belongs to kind: text; found kind: {self.kind}")
        if self.rows is None:
            raise ValueError(f"kind: {self.kind} needs rows: {{task: ..., path: ...}}")
        for rows in filter(None, (self.rows, self.shots)):
            _require_fit(self.kind, rows.task)
        return self


def _require_fit(kind: str, task: str) -> None:
    if kind == "truth" and task != "truthfulqa":
        raise ValueError(f"kind: truth is for task: truthfulqa, found task: {task}")
    if (kind == "note") != (task in FREE_TEXT):
        has = "answers in free text" if task in FREE_TEXT else "options"
        fitting = "note" if task in FREE_TEXT else "choice"
        raise ValueError(f"task: {task} has {has}: that is kind: {fitting}, found kind: {kind}")


class Suite(Section):
    """Sets of items that are scored together."""

    name: str = Field(pattern=NAME)
    title: str = Field(min_length=1)
    """What it measures, in a line."""
    sets: Annotated[list[SuiteSection], Field(min_length=1)]

    @property
    def digest(self) -> str:
        """sha256 of all that it says, but for paths: what lies there has digests of its own."""
        told = self.model_dump(
            mode="json",
            exclude={
                "sets": {"__all__": {"text": True, "rows": {"path": True}, "shots": {"path": True}}}
            },
        )
        return sha256_value(told)


def list_suites() -> dict[str, str]:
    """Name of each suite that comes with medtune -> its title."""
    return {path.stem: load_suite(path).title for path in sorted(FOLDER.glob("*.yaml"))}


def load_suite(name_or_path: str | Path) -> Suite:
    """Read and check a suite.

    Args:
        name_or_path: The name of one that comes with medtune; or a file: a text is one where it has
            a slash or ends in .yaml or .yml.

    Raises:
        RecipeError: There is none of that name, or the file is no suite; the message lists every
            fault with file, line and column.
    """
    document = parse(_file(name_or_path))
    names = _name_the_sets(document)
    try:
        suite = check(document, Suite, "suite")
    except RecipeError as error:
        # Sets are numbered while they are checked, and have names in the file.
        told = re.sub(r"(?<= sets\.)\d+", lambda found: names[int(found[0])], str(error))
        raise RecipeError(told) from None
    if faults := _unknown_subjects(document, suite):
        raise RecipeError("\n".join(faults))
    return suite


def suite_text(name: str) -> str:
    """The file of a suite, as it is.

    Raises:
        RecipeError: There is none of that name.
    """
    return _file(name).read_text(encoding="utf-8")


def _file(name_or_path: str | Path) -> Path:
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or "/" in text or text.endswith((".yaml", ".yml")):
        path = Path(name_or_path).expanduser()
        if not path.is_file():
            raise RecipeError(f"there is no suite file {text}")
        return path
    path = FOLDER / f"{text}.yaml"
    if not path.is_file():
        names = sorted(known.stem for known in FOLDER.glob("*.yaml"))
        raise RecipeError(
            f"there is no suite {text}{_did_you_mean(text, names)} There are {', '.join(names)}; "
            "a suite of your own is a file: ./my_suite.yaml"
        )
    return path


def _name_the_sets(document: Document) -> list[str]:
    """Turn the mapping name -> set into a list of sets that know their names; those names.

    Raises:
        RecipeError: It is no such mapping.
    """
    if "sets" not in document.values:
        return []  # which the check tells
    sets = document.values["sets"]
    if not isinstance(sets, dict):
        raise RecipeError(
            f"{document.origin(('sets',)).text} sets: expected names of sets, each with its keys "
            "below it, name: {kind: ..., rows: ...}"
        )
    for name, section in sets.items():
        keys = ("sets", name)
        if not isinstance(section, dict):
            raise RecipeError(
                f"{document.origin(keys).text} {'.'.join(keys)}: keys of a set are expected here, "
                "such as kind and rows"
            )
        if "name" in section:
            raise RecipeError(
                f"{document.origin((*keys, 'name')).text} {'.'.join(keys)}.name: the set is called "
                f"{name} already; remove the key"
            )
    names = list(sets)
    document.values["sets"] = [{"name": name} | section for name, section in sets.items()]
    for written, origin in list(document.origins.items()):
        if written[:1] == ("sets",) and written[1:]:
            document.origins["sets", str(names.index(written[1])), *written[2:]] = origin
    return names


def _unknown_subjects(document: Document, suite: Suite) -> list[str]:
    faults = []
    for section in suite.sets:
        if section.rows is None:
            continue
        task = TASKS[section.rows.task]
        for subject in section.subjects or ():
            keys = ("sets", section.name, "subjects", subject)
            told = f"{document.origin(keys).text} {'.'.join(keys)}: "
            if not task.subjects:
                faults.append(f"{told}rows of task: {task.name} have no subjects")
            elif subject not in task.subjects:
                hint = _did_you_mean(subject, task.subjects)
                known = ", ".join(task.subjects)
                faults.append(f"{told}not a subject of {task.name}{hint} There are {known}")
    return faults


def _did_you_mean(found: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(found, known, n=1, cutoff=LIKE)
    return f". Did you mean {close[0]}?" if close else "."
