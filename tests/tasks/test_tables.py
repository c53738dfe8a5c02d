"""CSV, TSV and Parquet: cells as they were written, each row with its line, faults without text."""

import csv
import io
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medtune.errors import DataError
from medtune.tasks import tables
from medtune.tasks.rows import Origin, Row

PLANTED = "JOHN DOE 123"
CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


def read(content: str | bytes, name: str = "rows.csv", **options: object) -> Iterator[Row]:
    raw = content if isinstance(content, bytes) else content.encode()
    delimiter = "\t" if name.endswith(".tsv") else ","
    return tables.delimited(
        io.BytesIO(raw), Origin(name, "rows"), delimiter=delimiter, **options  # type: ignore[arg-type]
    )  # fmt: skip


def read_parquet(raw: bytes) -> list[Row]:
    return list(tables.parquet(io.BytesIO(raw), Origin("rows.parquet", "rows")))


def written(rows: Iterable[Iterable[str]], delimiter: str, end: str) -> str:
    file = io.StringIO(newline="")
    # Where lines end in a line feed alone, a cell with a carriage return is not quoted by itself.
    quoting = csv.QUOTE_ALL if end == "\n" else csv.QUOTE_MINIMAL
    csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(rows)
    return file.getvalue()


def as_parquet(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


@given(
    st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(CELLS, min_size=n, max_size=n))),
    st.sampled_from(["rows.csv", "rows.tsv"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_the_csv_module_writes_is_read_with_the_line_that_each_row_begins_at(rows, name, end):
    header = [f"column {number}" for number in range(len(rows[0]) if rows else 1)]
    text = written([header, *rows], "\t" if name.endswith("tsv") else ",", end)
    found = list(read(text, name))
    assert [list(row.values.values()) for row in found] == rows
    starts, line = [], 2
    for row in rows:
        starts.append(line)
        line += 1 + sum(cell.count("\n") for cell in row)
    assert [row.where for row in found] == [f"{name}:{start}" for start in starts]
    assert [row.id for row in found] == [f"rows-{start}" for start in starts]


def test_a_number_in_a_cell_stays_the_text_that_it_is():
    (row,) = read('id,dose,note\n07,1.50,"2e3"\n')
    assert row.values == {"id": "07", "dose": "1.50", "note": "2e3"}


def test_blank_lines_hold_no_row_and_are_counted_as_lines():
    rows = list(read("\n  \na,b\n\n1,2\n\t\n3,4\n\n"))
    assert [row.where for row in rows] == ["rows.csv:5", "rows.csv:7"]
    assert [row.values["b"] for row in rows] == ["2", "4"]


def test_an_empty_cell_of_a_table_with_one_column_is_a_row():
    assert [row.values["a"] for row in read('a\n""\n\n"\n"\n')] == ["", "\n"]


def test_a_byte_order_mark_is_no_part_of_the_first_column():
    (row,) = read(b'\xef\xbb\xbfa,b\n1,"\n\xef\xbb\xbf2"\n')
    assert row.values == {"a": "1", "b": "\n\ufeff2"}


def test_a_task_may_know_the_columns_of_a_file_without_a_header():
    rows = list(read("1,2\n3,4\n", header=("a", "b")))
    assert [row.values for row in rows] == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]
    assert rows[0].where == "rows.csv:1"


BAD = {
    "too few cells": (f"a,b\n1,2\n{PLANTED}\n", ":3: found 1 cell in the row that begins here; ex"),
    "too many cells": (f'a,b\n"1\n{PLANTED}",2\n1,2,{PLANTED}\n', ":4: found 3 cells in the row"),
    "a column twice": ("note,x,note\n1,2,3\n", ":1: columns 1 and 3 have one name; expected"),
    "a column without a name": ("a,,c\n1,2,3\n", ":1: the name of column 2 of 3 is blank"),
    "an index of pandas": (",a\n0,1\n", ":1: the name of column 1 of 2 is blank"),
    "a quote left open": (f'a,b\n1,2\n3,"{PLANTED}\n4,5\n', ':3: a " that is opened in the row'),
    "text behind a quote": (f'a,b\n"{PLANTED}"x,2\n', ':2: text behind the closing " of a cell'),
    "a bare carriage return": (f"a,b\n1,{PLANTED}\r3,4\n", ":2: a carriage return in a cell"),
    "a NUL": (f"a,b\n1,2\n{PLANTED}\0,2\n", ":3: a NUL byte at byte 13; expected UTF-8 text"),
    "latin-1": (f"a,b\n1,{PLANTED} ".encode() + b"\xe9\n", ":2: not UTF-8 text at byte 16"),
    "latin-1 behind a mark": (b"\xef\xbb\xbfa,\xe9\n", ":1: not UTF-8 text at byte 6"),
    "UTF-16": (f"a,b\n1,{PLANTED}\n".encode("utf-16"), ":1: not UTF-8 text at byte 1; this is"),
    "UTF-16 without a mark": (f"a\n{PLANTED}\n".encode("utf-16-le"), ":1: a NUL byte at byte 2"),
    "a huge cell": (f"a,b\n1,{PLANTED * 20_000}\n", ":2: a cell of over 131,072 characters"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_a_bad_table_is_refused_at_its_line_without_its_text(what):
    content, told = BAD[what]
    with pytest.raises(DataError) as caught:
        list(read(content))
    message = str(caught.value)
    assert message.startswith(f"rows.csv{told}")
    assert "JOHN" not in message
    assert len(message) < 250


def test_rows_before_the_bad_one_are_handed_out():
    rows = read("a,b\n1,2\n3\n")
    assert next(rows).values == {"a": "1", "b": "2"}
    with pytest.raises(DataError):
        next(rows)


@given(st.lists(st.tuples(st.none() | CELLS, st.none() | st.integers(-9, 9)), min_size=1))
def test_parquet_keeps_values_and_empty_cells(rows):
    table = pa.table(
        {
            "text": pa.array([text for text, _ in rows], pa.string()),
            "number": pa.array([number for _, number in rows], pa.int64()),
        }
    )
    found = read_parquet(as_parquet(table))
    assert [tuple(row.values.values()) for row in found] == rows
    assert found[-1].where == f"rows.parquet:row {len(rows)}"
    assert found[-1].id == f"rows-{len(rows)}"


def test_parquet_rows_of_all_batches_are_numbered_on():
    number = 3 * tables._BATCH_ROWS + 1
    found = read_parquet(as_parquet(pa.table({"a": list(range(number))})))
    assert [row.values["a"] for row in found] == list(range(number))
    assert [row.id for row in found] == [f"rows-{n}" for n in range(1, number + 1)]


def test_nested_parquet_columns_are_lists_and_objects_and_bytes_are_no_text():
    messages = [{"role": "user", "content": "hi"}]
    (row,) = read_parquet(as_parquet(pa.table({"messages": [messages], "raw": [PLANTED.encode()]})))
    assert row.values["messages"] == messages
    with pytest.raises(DataError) as caught:
        row.text("raw")
    assert str(caught.value) == (
        "rows.parquet:row 1: found raw is 12 bytes that are no text; expected a text that is not "
        "blank"
    )


def test_two_parquet_columns_of_one_name_are_refused():
    table = pa.table([pa.array(["1"]), pa.array(["2"])], names=["note", "note"])
    with pytest.raises(DataError, match=r"^rows\.parquet: columns 1 and 2 have one name"):
        read_parquet(as_parquet(table))


def test_parquet_text_that_is_not_utf_8_is_refused():
    raw = pa.array([f"{PLANTED} ".encode() + b"\xe9"], pa.binary())
    text = pa.Array.from_buffers(pa.string(), 1, raw.buffers())
    with pytest.raises(DataError) as caught:
        read_parquet(as_parquet(pa.table({"note": text})))
    assert "rows.parquet: " in str(caught.value)
    assert PLANTED not in str(caught.value)


@given(st.data())
def test_a_parquet_file_that_is_cut_off_is_refused(data):
    raw = as_parquet(pa.table({"note": [PLANTED] * 20}))
    cut = data.draw(st.integers(0, len(raw) - 1))
    with pytest.raises(DataError, match=r"^rows\.parquet: not a whole Parquet file: at its head"):
        read_parquet(raw[:cut])


def test_a_damaged_parquet_page_is_refused_behind_the_last_whole_row():
    raw = bytearray(as_parquet(pa.table({"note": [f"{PLANTED} {n}" for n in range(5000)]})))
    raw[60:5000] = bytes(4940)
    with pytest.raises(DataError, match=r"^rows\.parquet: not a whole Parquet file: ") as caught:
        read_parquet(bytes(raw))
    assert PLANTED not in str(caught.value)
