"""Rows whose columns (or JSON keys) the recipe gives a meaning."""

import math
from string import Formatter

from medtune.errors import DataError
from medtune.recipe import Columns
from medtune.records import Example
from medtune.tasks.conversation import Labels, conversation, exchange
from medtune.tasks.formats import like_key
from medtune.tasks.rows import Row, kind


class Template:
    """A column, or text with columns in braces, as `columns` of a recipe has it.

    {{ and }} are braces of the text. What stands in single braces is the name of a column and
    nothing else: no attribute, index, conversion or format.

    Args:
        key: Where in the recipe the text stands, for messages.
        text: The text.

    Raises:
        DataError: The text is no such template.
    """

    def __init__(self, key: str, text: str) -> None:
        self.parts: list[tuple[str, str | None]]
        """Text, and the column that follows it."""
        if "{" not in text and "}" not in text:
            self.parts = [("", text)]
            return
        try:
            parsed = list(Formatter().parse(text))
        except ValueError as error:
            problem = str(error)[0].lower() + str(error)[1:]
            raise DataError(f"{key}: {problem}; a brace of the text is written twice") from None
        for _, column, spec, conversion in parsed:
            if column == "" or spec or conversion:
                raise DataError(f"{key}: found {{}} with no column's name alone in it; expected "
                                "{column}")  # fmt: skip
        self.parts = [(literal, column) for literal, column, _, _ in parsed]
        if not any(column for _, column in self.parts):
            raise DataError(f"{key}: names no column; expected {{column}}, in single braces")

    def fill(self, row: Row) -> str:
        """The text with the row's cells in it.

        Raises:
            DataError: A column is missing, or its cell is blank or neither text nor number.
        """
        return "".join(
            literal + (cell(row, column) if column is not None else "")
            for literal, column in self.parts
        )


def cell(row: Row, column: str) -> str:
    """The text or number in a column, as text.

    Raises:
        DataError: The column is missing, or its cell is blank or neither text nor number.
    """
    if column not in row.values:
        like = like_key(column, row)
        raise row.fault(
            row.keys(),
            f"the column {column}{f' (is it {like}?)' if like else ''}",
        )
    value = row.values[column]
    match value:
        case str():
            is_usable = value.strip() != ""
        case float():
            is_usable = math.isfinite(value)
        case _:
            is_usable = type(value) is int
    if not is_usable:
        raise row.fault(f"{column} is {kind(value)}", "a text that is not blank, or a number")
    return str(value)


class ColumnsReader:
    """Reads rows as `columns` of a recipe says.

    Raises:
        DataError: One of its texts is no template.
    """

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self.prompt = Template("columns.prompt", columns.prompt)
        self.answer = Template("columns.answer", columns.answer)
        self.system = Template("columns.system", columns.system) if columns.system else None

    def system_text(self, row: Row) -> str | None:
        """The row's system message."""
        return self.system.fill(row) if self.system else None

    def labels(self, row: Row, source: str) -> Labels:
        """Labels from the columns that the recipe names; nothing else in the row is looked at."""

        def named(column: str | None, default: str) -> str:
            return default if column is None else cell(row, column).strip()

        identifier = named(self.columns.id, row.id)
        return Labels(
            id=identifier,
            group=named(self.columns.group, identifier),
            is_grouped=self.columns.group is not None,
            source=named(self.columns.source, source),
            licence=named(self.columns.licence, "unstated"),
        )

    def conversation(self, row: Row) -> Example:
        """The row as prompt and answer.

        Raises:
            DataError: A column is missing, or a cell of no use.
        """
        messages = exchange(
            self.prompt.fill(row), self.answer.fill(row), system=self.system_text(row)
        )
        return conversation(row, messages, self.labels(row, "chat rows"))
