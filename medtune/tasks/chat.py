"""Your own conversations: in one of the layouts of `formats`, or in columns that you name.

An optional system message comes first; then user and assistant take turns, and the assistant has
the last word. The loss is taken on every assistant turn that is not part of a given prompt.
"""

from collections.abc import Callable, Iterable, Iterator

from medtune.recipe import Rows
from medtune.records import Example
from medtune.tasks.columns import ColumnsReader
from medtune.tasks.conversation import conversation, labels_beside
from medtune.tasks.formats import LAYOUTS, detect, explain_detection
from medtune.tasks.rows import Row


def chat_reader(section: Rows) -> Callable[[Iterable[Row]], Iterator[Example]]:
    """Reader of conversations, as the recipe says or as the keys of the first row tell.

    Raises:
        DataError: `columns` of the recipe is not usable; and in the reader, a row is in no
            layout or in another than the first, or its messages do not take turns.
    """
    if section.columns:
        return _columns_reader(ColumnsReader(section.columns))
    stated = LAYOUTS.get(section.format)

    def read(rows: Iterable[Row]) -> Iterator[Example]:
        layout = stated
        for row in rows:
            layout = layout or detect(row)
            labels = labels_beside(row, f"{layout.name} rows", "unstated")
            yield conversation(row, layout.messages(row), labels)

    return read


def explain_chat(section: Rows, first: Row) -> str | None:
    """How the rows are laid out and why; None where the recipe says it.

    Raises:
        DataError: The first row is in no layout, or in several.
    """
    return explain_detection(first) if section.format == "auto" else None


def _columns_reader(columns: ColumnsReader) -> Callable[[Iterable[Row]], Iterator[Example]]:
    def read(rows: Iterable[Row]) -> Iterator[Example]:
        return map(columns.conversation, rows)

    return read
