"""MMLU: one headerless CSV a subject, or the hub's rows.

    published  question, A, B, C, D, letter; the subject is in the file's name
    hub        {"question": ..., "subject": ..., "choices": [...], "answer": 0 to 3}

Some questions stand in it twice, as published.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePath

from medtune.records import Example
from medtune.tasks.conversation import labels_beside
from medtune.tasks.multiple_choice import multiple_choice
from medtune.tasks.rows import Row, kind

HEADER = ("question", "A", "B", "C", "D", "answer")
LETTERS = HEADER[1:5]
SUBJECTS = (
    *("abstract_algebra", "anatomy", "astronomy", "business_ethics", "clinical_knowledge"),
    *("college_biology", "college_chemistry", "college_computer_science", "college_mathematics"),
    *("college_medicine", "college_physics", "computer_security", "conceptual_physics"),
    *("econometrics", "electrical_engineering", "elementary_mathematics", "formal_logic"),
    *("global_facts", "high_school_biology", "high_school_chemistry"),
    *("high_school_computer_science", "high_school_european_history", "high_school_geography"),
    *("high_school_government_and_politics", "high_school_macroeconomics"),
    *("high_school_mathematics", "high_school_microeconomics", "high_school_physics"),
    *("high_school_psychology", "high_school_statistics", "high_school_us_history"),
    *("high_school_world_history", "human_aging", "human_sexuality", "international_law"),
    *("jurisprudence", "logical_fallacies", "machine_learning", "management", "marketing"),
    *("medical_genetics", "miscellaneous", "moral_disputes", "moral_scenarios", "nutrition"),
    *("philosophy", "prehistory", "professional_accounting", "professional_law"),
    *("professional_medicine", "professional_psychology", "public_relations", "security_studies"),
    *("sociology", "us_foreign_policy", "virology", "world_religions"),
)
"""As the published files are called (Hendrycks et al. 2021, arXiv:2009.03300)."""


def read_mmlu(rows: Iterable[Row]) -> Iterator[Example]:
    """Reader of both schemas.

    Raises:
        DataError: A row is of neither.
    """
    for row in rows:
        if "choices" in row.values:
            options, letter, subject = _hub_row(row)
        else:
            options = {letter: row.text(letter) for letter in LETTERS}
            letter, subject = row.text("answer").strip(), _subject(row)
            if letter not in LETTERS:
                raise row.fault(f"answer is {kind(letter)}", "one of the letters A, B, C, D")
        labels = labels_beside(row, f"MMLU {subject}".strip(), "MIT")
        yield multiple_choice(row, row.text("question"), options, letter, labels, subject=subject)


def _hub_row(row: Row) -> tuple[dict[str, str], str, str]:
    choices, answer = row.value("choices"), row.value("answer")
    is_whole = isinstance(choices, list) and len(choices) == len(LETTERS)
    if not is_whole or not all(isinstance(text, str) and text.strip() for text in choices):
        raise row.fault(f"choices is {kind(choices)}", "a list of 4 texts that are not blank")
    if type(answer) is not int or not 0 <= answer < len(LETTERS):
        raise row.fault(f"answer is {kind(answer)}", "the number of the right choice, 0 to 3")
    # The training rows of the hub's copy have no subject.
    subject = row.optional_text("subject", "")
    return dict(zip(LETTERS, choices, strict=True)), LETTERS[answer], subject


def _subject(row: Row) -> str:
    """anatomy, of a row of anatomy_test.csv."""
    name = PurePath(row.where.rpartition(":")[0]).name.partition(".")[0]
    return re.sub(r"_(dev|val|test)$", "", name)
