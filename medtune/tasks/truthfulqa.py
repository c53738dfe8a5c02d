"""TruthfulQA with one right answer (MC1), as lettered options.

    mc_task.json    {"question": ..., "mc1_targets": {answer: 0 or 1, ...}, ...}
    TruthfulQA.csv  Question, Best Answer, Incorrect Answers (separated by semicolons), ...
    hub             {"question": ..., "mc1_targets": {"choices": [...], "labels": [...]}, ...}

The right answer stands first in all of them. Here the options are sorted by a digest of question
and option: mixed, and the same in every run and whatever the order in the file.
"""

from collections.abc import Iterable, Iterator, Mapping
from string import ascii_uppercase

from medtune.digests import sha256_value
from medtune.records import Example
from medtune.tasks.conversation import labels_beside
from medtune.tasks.multiple_choice import multiple_choice
from medtune.tasks.rows import Row, kind


def read_truthfulqa(rows: Iterable[Row]) -> Iterator[Example]:
    """Reader of the three schemas; a wrong answer that is given twice is one option.

    Raises:
        DataError: A row is of none of them.
    """
    for row in rows:
        if "Best Answer" in row.values:
            question, right = row.text("Question").strip(), row.text("Best Answer").strip()
            wrong = _parts(row.text("Incorrect Answers"))
        else:
            question = row.text("question").strip()
            right, wrong = _targets(row)
        if right in wrong:
            raise row.fault("an answer that is both right and wrong", "one or the other")
        if not 1 <= len(set(wrong)) < len(ascii_uppercase):
            raise row.fault(f"{len(set(wrong))} wrong answers", "1 to 25")
        texts = sorted({right, *wrong}, key=lambda text: sha256_value([question, text]))
        options = dict(zip(ascii_uppercase, texts, strict=False))
        labels = labels_beside(row, "TruthfulQA", "Apache-2.0")
        letter = ascii_uppercase[texts.index(right)]
        yield multiple_choice(row, question, options, letter, labels)


def _parts(answers: str) -> list[str]:
    return [part.strip() for part in answers.split(";") if part.strip()]


def _targets(row: Row) -> tuple[str, list[str]]:
    targets = row.value("mc1_targets")
    if isinstance(targets, Mapping) and set(targets) == {"choices", "labels"}:
        choices, labels = targets["choices"], targets["labels"]
    elif isinstance(targets, Mapping):
        choices, labels = list(targets), list(targets.values())
    else:
        raise row.fault(f"mc1_targets is {kind(targets)}", "an object: answer -> 0 or 1")
    # The keys are answers, and so are not told.
    if not all(isinstance(side, list) for side in (choices, labels)) or len(choices) != len(labels):
        raise row.fault("mc1_targets with choices and labels that do not pair", "a label for each")
    if not all(isinstance(text, str) and text.strip() for text in choices):
        raise row.fault("mc1_targets with an answer that is blank or no text", "texts")
    if any(type(label) is not int or label not in (0, 1) for label in labels):
        raise row.fault("mc1_targets with a label that is neither 0 nor 1", "0 or 1 for each")
    if sum(labels) != 1:
        raise row.fault(f"mc1_targets with {sum(labels)} right answers", "exactly one")
    wrong = [text.strip() for text, label in zip(choices, labels, strict=True) if not label]
    return choices[labels.index(1)].strip(), wrong
