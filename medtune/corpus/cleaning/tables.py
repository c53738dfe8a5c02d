"""Tables as Markdown: every cell in its column, spans repeated, several header rows as one.

A dose says nothing without its column, so nothing is lost: a cell that spans rows or columns is
written in each of them. A line that is one cell is a heading inside the table, and written once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAX_SPAN = 1000
"""HTML's own limit of a colspan; wrong files claim millions."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell as the markup has it."""

    text: str
    columns: int = 1
    rows: int = 1


def span(value: str | None) -> int:
    """A colspan or rowspan attribute as a number; 1 where it is none."""
    if value is None or not value.isdecimal():
        return 1
    return min(max(int(value), 1), MAX_SPAN)


def to_markdown(header: Sequence[Sequence[Cell]], body: Sequence[Sequence[Cell]]) -> str:
    """Write a table; without a header its first row becomes one, as Markdown asks for.

    Returns:
        Lines of ``| a | b |``; the empty string for a table without text.
    """
    rows = _grid([*header, *body])
    if not any(text for row in rows for text in row):
        return ""
    width = max(map(len, rows))
    rows = [[*row, *[""] * (width - len(row))] for row in rows]
    depth = max(len(header), 1)
    head = [" / ".join(_distinct(column)) for column in zip(*rows[:depth], strict=True)]
    lines = [head, ["---"] * width, *(row for row in rows[depth:] if any(row))]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _grid(rows: Iterable[Sequence[Cell]]) -> list[list[str]]:
    grid: list[list[str]] = []
    hanging: dict[int, tuple[int, str]] = {}  # column -> rows still to fill, text
    for row in rows:
        line: list[str] = []
        _fill(line, hanging)
        if len(row) == 1 and not line and not hanging:
            grid.append([row[0].text.replace("|", "\\|")])
            continue
        for cell in row:
            text = cell.text.replace("|", "\\|")
            for _ in range(cell.columns):
                if cell.rows > 1:
                    hanging[len(line)] = (cell.rows - 1, text)
                line.append(text)
            _fill(line, hanging)
        while hanging and max(hanging) >= len(line):  # the row is short, a span is not
            line.append("")
            _fill(line, hanging)
        grid.append(line)
    return grid


def _fill(line: list[str], hanging: dict[int, tuple[int, str]]) -> None:
    """Write the cells that reach down from the rows above, as far as they come next."""
    while len(line) in hanging:
        left, text = hanging.pop(len(line))
        if left > 1:
            hanging[len(line)] = (left - 1, text)
        line.append(text)


def _distinct(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(text for text in texts if text))
