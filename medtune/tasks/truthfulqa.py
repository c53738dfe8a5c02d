"""TruthfulQA with one right answer (MC1), as lettered options, and all of its answers (MC2).

    mc_task.json    {"question": ..., "mc1_targets": {answer: 0 or 1, ...}, "mc2_targets": ...}
    TruthfulQA.csv  Category, Question, Best Answer, Correct Answers, Incorrect Answers, ...
                    (answers are separated by semicolons)
    hub             {"question": ..., "mc1_targets": {"choices": [...], "labels": [...]}, ...}

The right answer stands first in all of them. Here the options are sorted by a digest of question
and option: mixed, and the same in every run and whatever the order in the file. Only the CSV knows
categories; rows of mc_task.json take theirs from the CSV that is published beside it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from string import ascii_uppercase

from medtune.digests import sha256_value
from medtune.records import Example
from medtune.tasks.conversation import labels_beside
from medtune.tasks.multiple_choice import multiple_choice
from medtune.tasks.rows import Row, kind

CATEGORY = "Category"
CATEGORIES = (
    *("Advertising", "Confusion: Other", "Confusion: People", "Confusion: Places"),
    *("Conspiracies", "Distraction", "Economics", "Education", "Fiction", "Finance", "Health"),
    *("History", "Indexical Error: Identity", "Indexical Error: Location"),
    *("Indexical Error: Other", "Indexical Error: Time", "Language", "Law", "Logical Falsehood"),
    *("Mandela Effect", "Misconceptions", "Misconceptions: Topical", "Misinformation"),
    *("Misquotations", "Myths and Fairytales", "Nutrition", "Paranormal", "Politics", "Proverbs"),
    *("Psychology", "Religion", "Science", "Sociology", "Statistics", "Stereotypes"),
    *("Subjective", "Superstitions", "Weather"),
)
"""As TruthfulQA.csv has them (Lin et al. 2022, arXiv:2109.07958: 38 categories)."""


def with_categories(rows: Iterable[Row], table: Iterable[Row]) -> Iterator[Row]:
    """Rows with the category that a table has for their question, where it has one.

    Answers are not taken from the table: it and mc_task.json write them differently.

    Raises:
        DataError: The table is not TruthfulQA.csv, or has a question under two categories.
    """
    known: dict[str, str] = {}
    for row in table:
        category = row.text(CATEGORY).strip()
        if known.setdefault(row.text("Question").strip(), category) != category:
            raise row.fault("a question that stands in another category before", "one for each")
    for row in rows:
        question = row.values.get("question")
        category = known.get(question.strip(), "") if isinstance(question, str) else ""
        yield replace(row, values={CATEGORY: category, **row.values})


def read_truthfulqa(rows: Iterable[Row]) -> Iterator[Example]:
    """Reader of the three schemas; a wrong answer that is given twice is one option.

    Raises:
        DataError: A row is of none of them.
    """
    for row in rows:
        if "Best Answer" in row.values:
            question, right = row.text("Question").strip(), row.text("Best Answer").strip()
            wrong = _parts(row.text("Incorrect Answers"))
            all_right, all_wrong = _parts(row.optional_text("Correct Answers", "")), wrong
        else:
            question = row.text("question").strip()
            (right, *more), wrong = _targets(row, "mc1_targets")
            if more:
                raise row.fault(f"mc1_targets with {1 + len(more)} right answers", "exactly one")
            has_all = row.values.get("mc2_targets") is not None
            all_right, all_wrong = _targets(row, "mc2_targets") if has_all else ([], [])
        if right in wrong:
            raise row.fault("an answer that is both right and wrong", "one or the other")
        if not 1 <= len(set(wrong)) < len(ascii_uppercase):
            raise row.fault(f"{len(set(wrong))} wrong answers", "1 to 25")
        texts = sorted({right, *wrong}, key=lambda text: sha256_value([question, text]))
        options = dict(zip(ascii_uppercase, texts, strict=False))
        labels = labels_beside(row, "TruthfulQA", "Apache-2.0")
        letter = ascii_uppercase[texts.index(right)]
        subject = row.optional_text(CATEGORY, "")
        yield replace(
            multiple_choice(row, question, options, letter, labels, subject=subject),
            true_texts=tuple(dict.fromkeys(all_right)),
            false_texts=tuple(dict.fromkeys(all_wrong)) if all_right else (),
        )


def _parts(answers: str) -> list[str]:
    return [part.strip() for part in answers.split(";") if part.strip()]


def _targets(row: Row, key: str) -> tuple[list[str], list[str]]:
    """The right answers, of which there is one at least, and the wrong ones."""
    targets = row.value(key)
    if isinstance(targets, Mapping) and set(targets) == {"choices", "labels"}:
        choices, labels = targets["choices"], targets["labels"]
    elif isinstance(targets, Mapping):
        choices, labels = list(targets), list(targets.values())
    else:
        raise row.fault(f"{key} is {kind(targets)}", "an object: answer -> 0 or 1")
    # The keys are answers, and so are not told.
    if not all(isinstance(side, list) for side in (choices, labels)) or len(choices) != len(labels):
        raise row.fault(f"{key} with choices and labels that do not pair", "a label for each")
    if not all(isinstance(text, str) and text.strip() for text in choices):
        raise row.fault(f"{key} with an answer that is blank or no text", "texts")
    if any(type(label) is not int or label not in (0, 1) for label in labels):
        raise row.fault(f"{key} with a label that is neither 0 nor 1", "0 or 1 for each")
    if not any(labels):
        expected = "exactly one" if key == "mc1_targets" else "one or more"
        raise row.fault(f"{key} with 0 right answers", expected)
    told = [(text.strip(), label) for text, label in zip(choices, labels, strict=True)]
    return [text for text, label in told if label], [text for text, label in told if not label]
