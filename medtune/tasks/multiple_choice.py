"""Questions with lettered options: MedQA's schema, MedMCQA's, and columns that you name.

    MedQA    {"question": ..., "options": {"A": ..., ...}, "answer_idx": "B", ...}
    MedMCQA  {"question": ..., "opa": ..., "opb": ..., "opc": ..., "opd": ..., "cop": 2, ...}

All tasks with lettered options share one prompt, which is medtune's own. MEDITRON's instructions
are not repeated here: published figures are compared under their own protocols (medtune's
evaluation says which differ).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from string import ascii_uppercase

from medtune.errors import DataError
from medtune.recipe import Columns, Rows
from medtune.records import Example
from medtune.tasks.columns import ColumnsReader, cell
from medtune.tasks.conversation import Labels, exchange, labels_beside
from medtune.tasks.rows import Row, kind

MEDQA_KEYS = ("question", "options", "answer_idx")
UNSTATED = "see the data set's card"
"""Licence of rows that do not state theirs."""


def mcq_reader(section: Rows) -> Callable[[Iterable[Row]], Iterator[Example]]:
    """Reader of your own multiple choice: in MedQA's schema, or in columns that you name.

    Raises:
        DataError: `columns` of the recipe is not usable; and in the reader, a row is not.
    """
    if section.columns:
        return _columns_reader(section.columns)
    read_medqa = medqa_reader(None)

    def read(rows: Iterable[Row]) -> Iterator[Example]:
        for row in rows:
            if any(key not in row.values for key in MEDQA_KEYS):
                raise row.fault(
                    row.keys(),
                    f"{', '.join(MEDQA_KEYS)}, as MedQA has them; or say in the recipe what your "
                    "keys mean, with columns: {prompt: ..., options: ..., answer: ...}",
                )
            yield from read_medqa((row,))

    return read


def medqa_reader(num_options: Set[int] | None) -> Callable[[Iterable[Row]], Iterator[Example]]:
    """Reader of MedQA's schema.

    Args:
        num_options: How many options a row may have; None: two to 26.
    """

    def read(rows: Iterable[Row]) -> Iterator[Example]:
        for row in rows:
            options = _medqa_options(row, num_options)
            letter = row.text("answer_idx")
            if letter not in options:
                raise row.fault(
                    f"answer_idx is {kind(letter)}", f"one of the letters {', '.join(options)}"
                )
            labels = labels_beside(row, "MedQA's schema", UNSTATED)
            yield multiple_choice(row, row.text("question"), options, letter, labels)

    return read


def read_medmcqa(rows: Iterable[Row]) -> Iterator[Example]:
    """Reader of MedMCQA's schema; the rows are gone through twice.

    The published files count ``cop`` from 1, the hub's copy from 0. All rows are gone through
    first: a 0 and a 4 tell which it is, and both or neither are an error, because a wrong guess
    would train on wrong answers without any sign of it.

    Raises:
        DataError: A row is not of the schema, or the counting cannot be told.
    """
    assert iter(rows) is not rows, "rows that can be gone through only once"
    first = _first_option(rows)
    for row in rows:
        options = {letter: row.text(f"op{letter.lower()}") for letter in "ABCD"}
        letter = "ABCD"[row.value("cop") - first]
        labels = labels_beside(row, "MedMCQA", UNSTATED)
        yield multiple_choice(row, row.text("question"), options, letter, labels)


def _medqa_options(row: Row, num_options: Set[int] | None) -> dict[str, str]:
    options = row.value("options")
    if not isinstance(options, Mapping) or not 2 <= len(options) <= len(ascii_uppercase):
        raise row.fault(f"options is {kind(options)}", "an object of two or more: letter -> text")
    letters = ascii_uppercase[: len(options)]
    if list(options) != list(letters):
        # Other keys than letters may be the options themselves: they are not told.
        are_letters = set(options) <= set(ascii_uppercase)
        found = f"the keys {', '.join(options)}" if are_letters else "keys that are no letters"
        raise row.fault(f"options with {found}", f"the letters {', '.join(letters)} in order")
    if num_options is not None and len(options) not in num_options:
        allowed = " or ".join(map(str, sorted(num_options)))
        raise row.fault(f"{len(options)} options", f"{allowed} options")
    for letter, text in options.items():
        if not isinstance(text, str) or not text.strip():
            raise row.fault(f"option {letter} is {kind(text)}", "a text that is not blank")
    return dict(options)


def _first_option(rows: Iterable[Row]) -> int:
    """The number that MedMCQA's ``cop`` gives to the first option: 0 or 1."""
    seen: dict[int, Row] = {}
    first_row, num_rows = None, 0
    for row in rows:
        first_row = first_row or row
        num_rows += 1
        number = row.value("cop")
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= 4:
            found = f"{kind(number)}, and not from 0 to 4" if type(number) is int else kind(number)
            raise row.fault(f"cop is {found}", "the number of the right option")
        seen.setdefault(number, row)
    if 0 in seen and 4 in seen:
        raise seen[0].fault(
            f"cop counted from 0 here and from 1 in {seen[4].where}", "one way of counting"
        )
    if first_row and 0 not in seen and 4 not in seen:
        raise DataError(
            f"{first_row.where}: cop is counted from 0 on the hub and from 1 in the published "
            f"files, and none of the {num_rows} rows has a 0 or a 4 to tell which; "
            "use the whole file, or convert the rows to MedQA's schema (data.task: mcq)"
        )
    return 0 if 0 in seen else 1


def _columns_reader(columns: Columns) -> Callable[[Iterable[Row]], Iterator[Example]]:
    names = columns.options or []
    if len(names) > len(ascii_uppercase):
        raise DataError(f"columns.options: found {len(names)} options; expected at most 26")
    reader = ColumnsReader(columns)

    def read(rows: Iterable[Row]) -> Iterator[Example]:
        for row in rows:
            texts = [cell(row, name) for name in names]
            options = dict(zip(ascii_uppercase, texts, strict=False))
            letter = _right_option(row, reader.answer.fill(row), options, columns.options_from)
            yield multiple_choice(
                row,
                reader.prompt.fill(row),
                options,
                letter,
                reader.labels(row, "multiple choice rows"),
                system=reader.system_text(row),
            )

    return read


def _right_option(row: Row, answer: str, options: Mapping[str, str], first: int) -> str:
    """The letter that a letter, a number counted from ``first``, or an option's text means."""
    answer = answer.strip()
    meant: dict[str, str] = {}
    for number, (letter, text) in enumerate(options.items(), first):
        for what, value in (("letter", letter), ("number", str(number)), ("text", text.strip())):
            if answer == value:
                meant.setdefault(letter, what)
    if not meant:
        letters, last = list(options), first + len(options) - 1
        raise row.fault(
            f"an answer that is {kind(answer)}",
            f"a letter from A to {letters[-1]}, a number from {first} to {last}, or the text of "
            "an option",
        )
    if len(meant) > 1:
        found = " and ".join(f"the {what} of option {letter}" for letter, what in meant.items())
        raise row.fault(f"an answer that is {found}", "an answer that means one option")
    return next(iter(meant))


def multiple_choice(
    row: Row,
    question: str,
    options: Mapping[str, str],
    letter: str,
    labels: Labels,
    *,
    system: str | None = None,
    subject: str = "",
) -> Example:
    """The example of a question with lettered options, whose answer is a letter.

    Args:
        row: Where the question stands.
        question: The question.
        options: Letter -> text.
        letter: The right one.
        labels: What stands beside the question.
        system: System message.
        subject: The part of its set that the question belongs to.
    """
    question = question.strip()
    choices = tuple(text.strip() for text in options.values())
    listed = "\n".join(f"{key}. {text}" for key, text in zip(options, choices, strict=True))
    prompt = f"Question: {question}\n\n{listed}\n\nAnswer with the letter of the best option."
    return Example(
        id=labels.id,
        where=row.where,
        messages=tuple(exchange(prompt, letter, system=system)),
        options=tuple(options),
        answer=letter,
        text=f"{question}\n{listed}",
        question=question,
        choices=choices,
        subject=subject,
        group=labels.group,
        is_grouped=labels.is_grouped,
        source=labels.source,
        licence=labels.licence,
    )
