"""Questions with lettered options: MedQA's schema and MedMCQA's, as published.

    MedQA    {"question": ..., "options": {"A": ..., ...}, "answer_idx": "B", ...}
    MedMCQA  {"question": ..., "opa": ..., "opb": ..., "opc": ..., "opd": ..., "cop": 2, ...}

The prompt is medtune's own. MEDITRON's instructions are not repeated here: published figures are
compared under their own protocols (medtune's evaluation says which differ).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from string import ascii_uppercase

from medtune.errors import DataError
from medtune.records import Example, Message
from medtune.tasks.rows import Row, kind


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
            yield _example(row, options, letter, source="MedQA's schema")

    return read


def read_medmcqa(rows: Iterable[Row]) -> Iterator[Example]:
    """Reader of MedMCQA's schema.

    The published files count ``cop`` from 1, the hub's copy from 0. All rows are looked at first:
    a 0 and a 4 tell which it is, and both or neither are an error, because a wrong guess would
    train on wrong answers without any sign of it.

    Raises:
        DataError: A row is not of the schema, or the counting cannot be told.
    """
    kept = list(rows)
    first = _first_option(kept)
    for row in kept:
        options = {letter: row.text(f"op{letter.lower()}") for letter in "ABCD"}
        yield _example(row, options, "ABCD"[row.value("cop") - first], source="MedMCQA")


def _medqa_options(row: Row, num_options: Set[int] | None) -> dict[str, str]:
    options = row.value("options")
    if not isinstance(options, Mapping) or not 2 <= len(options) <= len(ascii_uppercase):
        raise row.fault(f"options is {kind(options)}", "an object of two or more: letter -> text")
    letters = ascii_uppercase[: len(options)]
    if list(options) != list(letters):
        raise row.fault(f"options with the keys {', '.join(map(str, options))}",
                        f"the letters {', '.join(letters)} in order")  # fmt: skip
    if num_options is not None and len(options) not in num_options:
        allowed = " or ".join(map(str, sorted(num_options)))
        raise row.fault(f"{len(options)} options", f"{allowed} options")
    for letter, text in options.items():
        if not isinstance(text, str) or not text.strip():
            raise row.fault(f"option {letter} is {kind(text)}", "a text that is not blank")
    return dict(options)


def _first_option(rows: list[Row]) -> int:
    """The number that MedMCQA's ``cop`` gives to the first option: 0 or 1."""
    seen: dict[int, Row] = {}
    for row in rows:
        number = row.value("cop")
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= 4:
            found = f"{kind(number)}, and not from 0 to 4" if type(number) is int else kind(number)
            raise row.fault(f"cop is {found}", "the number of the right option")
        seen.setdefault(number, row)
    if 0 in seen and 4 in seen:
        raise seen[0].fault(f"cop 0 here and cop 4 in {seen[4].where}", "one way of counting")
    if rows and 0 not in seen and 4 not in seen:
        raise DataError(
            f"{rows[0].where}: cop is counted from 0 on the hub and from 1 in the published "
            f"files, and none of the {len(rows)} rows has a 0 or a 4 to tell which; "
            "use the whole file, or convert the rows to MedQA's schema (data.task: mcq)"
        )
    return 0 if 0 in seen else 1


def _example(row: Row, options: Mapping[str, str], letter: str, source: str) -> Example:
    listed = "\n".join(f"{key}. {text.strip()}" for key, text in options.items())
    question = row.text("question").strip()
    identifier = row.optional_text("id", row.id)
    return Example(
        id=identifier,
        where=row.where,
        messages=(
            Message(
                role="user",
                content=f"Question: {question}\n\n{listed}\n\n"
                "Answer with the letter of the best option.",
            ),
            Message(role="assistant", content=letter, supervised=True),
        ),
        options=tuple(options),
        answer=letter,
        group=row.optional_text("group", identifier),
        source=row.optional_text("source", source),
        licence=row.optional_text("licence", "see the data set's card"),
    )
