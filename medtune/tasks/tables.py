"""Rows of tables: CSV and TSV, whose cells stay text, and Parquet."""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from medtune.errors import DataError
from medtune.tasks.rows import Origin, Row, decode

_BATCH_ROWS = 256
"""Rows of a Parquet file that stand in memory as Python values at one time."""

_DELIMITERS = {",": "comma", "\t": "tab", ";": "semicolon"}


def delimited(
    stream: BinaryIO, origin: Origin, *, delimiter: str, header: Sequence[str] | None = None
) -> Iterator[Row]:
    """Rows of a CSV or TSV file as RFC 4180 has it; blank lines hold no row.

    Args:
        stream: The file, from its start.
        origin: How the file is called.
        delimiter: What stands between two cells.
        header: Names of the columns; None: the first row has them.

    Raises:
        DataError: The file is not UTF-8, has no usable header, or a row does not fit it.
    """
    records = csv.reader(_text_lines(stream, origin), delimiter=delimiter, strict=True)
    names = header
    while True:
        line = records.line_num + 1
        where = f"{origin.name}:{line}"
        try:
            cells = next(records, None)
        except csv.Error as error:
            raise DataError(f"{where}: {_csv_problem(error)}") from None
        if cells is None:
            return
        if _is_blank(cells, names):
            continue
        if names is None:
            names = cells
            _require_names(names, where)
            _require_delimiter(names, where, delimiter)
        elif len(cells) != len(names):
            raise DataError(
                f"{where}: found {len(cells)} cell{'s' * (len(cells) != 1)} in the row that begins "
                f"here; expected {len(names)}, one for each column"
            )
        else:
            values = dict(zip(names, cells, strict=True))
            yield origin.row(values, line, is_below_header=header is None)


def parquet(stream: BinaryIO, origin: Origin) -> Iterator[Row]:
    """Rows of a Parquet file, some at a time; a null cell is None.

    Raises:
        DataError: The file is damaged or cut off, or two columns have one name.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    place = "at its head"
    try:
        file = pq.ParquetFile(stream)
        _require_names(file.schema_arrow.names, origin.name)
        number = 0
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, use_threads=False):
            for values in batch.to_pylist():
                number += 1
                yield Row(values, f"{origin.name}:row {number}", f"{origin.stem}-{number}")
            place = f"behind row {number}"
    except (pa.ArrowException, OSError, ValueError) as error:
        # What pyarrow says may hold values.
        raise DataError(
            f"{origin.name}: not a whole Parquet file: {place} pyarrow finds {type(error).__name__}"
        ) from None


def _text_lines(stream: BinaryIO, origin: Origin) -> Iterator[str]:
    for number, raw in enumerate(stream, 1):
        text = decode(raw, origin.name, number)
        if "\0" in text:
            raise DataError(
                f"{origin.name}:{number}: a NUL byte at byte {raw.index(0) + 1}; expected UTF-8 "
                "text, and not UTF-16 or a binary file"
            )
        yield text


def _is_blank(cells: Sequence[str], names: Sequence[str] | None) -> bool:
    if not cells:
        return True
    can_be_a_cell = names is not None and len(names) == 1
    return len(cells) == 1 and not cells[0].strip() and not can_be_a_cell


def _require_names(names: Sequence[str], where: str) -> None:
    for number, name in enumerate(names, 1):
        if not name.strip():
            raise DataError(
                f"{where}: the name of column {number} of {len(names)} is blank; name it or "
                "remove the column"
            )
    # The name is not told: in a file that lacks this line it is a value of a row.
    name, count = Counter(names).most_common(1)[0] if names else ("", 0)
    if count > 1:
        places = " and ".join(str(place) for place, one in enumerate(names, 1) if one == name)
        raise DataError(f"{where}: columns {places} have one name; expected each name once")


def _require_delimiter(names: Sequence[str], where: str, delimiter: str) -> None:
    """One column whose name holds another delimiter: a table that is separated by that one."""
    for other, told in _DELIMITERS.items():
        if len(names) == 1 and other != delimiter and other in names[0]:
            raise DataError(
                f"{where}: found one column with a {told} in its name; expected cells separated "
                f"by a {_DELIMITERS[delimiter]}"
            )


def _csv_problem(error: csv.Error) -> str:
    """What is wrong with the record; the words of the csv module stay out of messages."""
    told = str(error)
    if "unexpected end of data" in told:
        return 'a " that is opened in the row that begins here is not closed'
    if "field limit" in told:
        return (
            f"a cell of over {csv.field_size_limit():,} characters in the row that begins here, "
            'or a " that is not closed'
        )
    if "new-line" in told:
        return 'a carriage return in a cell without "; expected lines that end with a line feed'
    return 'text behind the closing " of a cell in the row that begins here; write a " inside as ""'
