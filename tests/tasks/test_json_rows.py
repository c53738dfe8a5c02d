"""JSON in its three layouts: each row knows its line, and no message tells what is in it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medtune.errors import DataError
from medtune.tasks import json_rows
from medtune.tasks.rows import Origin, Row

PLANTED = "JOHN DOE 123"


@pytest.fixture
def file(tmp_path):
    return tmp_path / "rows.json"


def json_lines(file: Path) -> Iterator[Row]:
    with file.open("rb") as stream:
        yield from json_rows.json_lines(stream, Origin(file.name, file.stem))


def json_file(file: Path, *, is_keyed: bool = False) -> Iterator[Row]:
    with file.open("rb") as stream:
        yield from json_rows.json_file(stream, Origin(file.name, file.stem), is_keyed=is_keyed)


def json_object_of_rows(file: Path) -> Iterator[Row]:
    return json_rows.json_object_of_rows(file.read_bytes(), Origin(file.name, file.stem))


def json_array(file: Path) -> Iterator[Row]:
    return json_rows.json_array(file.read_bytes(), Origin(file.name, file.stem))


def refusal(read, file, content: str | bytes) -> str:
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError) as caught:
        list(read(file))
    return str(caught.value)


def test_a_row_knows_its_line_and_has_an_id_of_its_own(file):
    file.write_text('{"a": 1}\n{"a": 2}\n')
    rows = list(json_lines(file))
    assert [row.where for row in rows] == ["rows.json:1", "rows.json:2"]
    assert [row.id for row in rows] == ["rows-1", "rows-2"]
    assert [row.values for row in rows] == [{"a": 1}, {"a": 2}]


def test_blank_lines_hold_no_row_and_are_counted_as_lines(file):
    file.write_text('\n{"a": 1}\n  \t\n\n{"a": 2}')
    assert [row.where for row in json_lines(file)] == ["rows.json:2", "rows.json:5"]


def test_a_byte_order_mark_and_windows_line_ends_are_no_fault(file):
    file.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n{"a": 2}\r\n')
    assert [row.values["a"] for row in json_lines(file)] == [1, 2]
    file.write_bytes(b'\xef\xbb\xbf{\r\n"1": {"a": 1}\r\n}')
    assert [row.where for row in json_object_of_rows(file)] == ["rows.json:2"]


def test_an_empty_file_holds_no_line(file):
    file.write_bytes(b"")
    assert list(json_lines(file)) == []


GOOD = '{"a": 1}\n'


@pytest.mark.parametrize(
    ("content", "where", "told"),
    [
        (f'{GOOD}{{"a": "{PLANTED}', ":2", "not JSON at column 7: unterminated string"),
        (f'{GOOD}{{"a": "{PLANTED}"\n{GOOD}', ":2", "not JSON at column"),
        (f'{{"a": "{PLANTED}"}} {{"a": 1}}\n', ":1", "extra data"),
        (f'{{"a": "{PLANTED} \\x"}}\n', ":1", "invalid \\escape"),
        (f'{{"a": "{PLANTED} \t"}}\n', ":1", "invalid control character"),
        (f"{{'a': '{PLANTED}'}}\n", ":1", "not JSON at column 2"),
        (f"{PLANTED}\n", ":1", "not JSON at column 1"),
        (f'[\n{{"a": "{PLANTED}"}}\n]\n', ":1", "a JSON array? It is read from files named .json"),
        (f'[{{"a": "{PLANTED}"}}]', ":1", "found a list of 1; expected one JSON object a line"),
        (f'{GOOD}"{PLANTED}"', ":2", "found a text of 12 characters; expected one JSON object"),
        (f"{GOOD}null", ":2", "found null; expected one JSON object"),
        (f"{GOOD}123123123", ":2", "found an int; expected one JSON object"),
        (
            f'{GOOD}{{"a": "{PLANTED}", "a": 2}}',
            ":2",
            "the key a is given twice in one object",
        ),
        (f'{GOOD}{{"b": {{"a": "{PLANTED}", "a": 2}}}}', ":2", "the key a is given twice"),
        (f'{{"a": {5000 * "9"}}}', ":1", "a number too long"),
        (f'{GOOD}{{"a": {100_000 * "["}', ":2", "nested too deeply"),
        (f'{GOOD}{{"a": "{PLANTED} '.encode() + b'\xe9"}\n', ":2", "not UTF-8 text at byte 21"),
        (f'{{"a": "{PLANTED}"}}\n'.encode("utf-16"), ":1", "not UTF-8 text at byte 1"),
    ],
)
def test_a_line_that_is_no_json_object_is_refused_without_telling_it(file, content, where, told):
    message = refusal(json_lines, file, content)
    assert message.startswith(f"rows.json{where}: ")
    assert told in message
    assert PLANTED not in message
    assert "999" not in message
    assert "123123" not in message


def test_rows_before_the_bad_one_are_handed_out(file):
    file.write_text(GOOD + "torn")
    rows = json_lines(file)
    assert next(rows).values == {"a": 1}
    with pytest.raises(DataError):
        next(rows)


def test_a_record_of_an_object_has_its_key_as_id_and_the_line_of_its_key(file):
    # Keys that also occur as values, that contain another one, and that are not ASCII.
    file.write_text('{"2": {"a": "3"},\n\n "é": {"a": "4"}, "3": {},\n\n  "4"\n: {"2": ","}}')
    rows = list(json_object_of_rows(file))
    assert [(row.id, row.where) for row in rows] == [
        ("2", "rows.json:1"),
        ("é", "rows.json:3"),
        ("3", "rows.json:3"),
        ("4", "rows.json:5"),
    ]
    assert [row.values for row in rows] == [{"a": "3"}, {"a": "4"}, {}, {"2": ","}]


@given(
    st.dictionaries(st.text(), st.dictionaries(st.text(), st.text())),
    st.sampled_from([None, 0, 1]),
    st.booleans(),
)
def test_an_object_of_rows_is_read_as_json_reads_it(tmp_path_factory, values, indent, ascii_only):
    file = tmp_path_factory.getbasetemp() / "any.json"
    text = json.dumps(values, indent=indent, ensure_ascii=ascii_only)
    file.write_text(text, encoding="utf-8")
    rows = list(json_object_of_rows(file))
    assert {row.id: row.values for row in rows} == values
    # Only newlines between tokens are in the text: json.dumps escapes those inside of strings.
    written = text.split("\n")
    for row in rows:
        line = written[int(row.where.rsplit(":", 1)[1]) - 1]
        assert json.dumps(row.id, ensure_ascii=ascii_only) in line


@pytest.mark.parametrize(
    ("content", "where", "told"),
    [
        ("", ":1", "not JSON at column 1"),
        (f'{{"1": {{}},\n"2": {{"a": "{PLANTED}', ":2", "unterminated string"),
        (f'{{"1": {{"a": "{PLANTED}"}},\n}}', ":", "not JSON at column"),
        (f'{{"1": {{}},\n"2": "{PLANTED}"}}', ":2", "found a text of 12 characters; expected a"),
        ('{"1": {},\n\n"2": [1, 2]}', ":3", "found a list of 2; expected a record"),
        (f'["{PLANTED}"]', ":1", "column 1: expected one JSON object: identifier -> rec"),
        (f'\n"{PLANTED}"', ":2", "column 1: expected one JSON object: identifier -> record"),
        (f'{{"{PLANTED}" {{}}}}', ":1", "not JSON at column 17: expected :"),
        (f'{{"1": {{}} "{PLANTED}": {{}}}}', ":1", "not JSON at column 10: expected a comma or }"),
        (f'{{"1": {{}}}}\n"{PLANTED}"', ":2", "not JSON at column 1: extra data"),
        (f'{{"1": {{}}, 2: "{PLANTED}"}}', ":1", "found an int; expected an identifier in quotes"),
        ('{"1": {"a": "\\ud83d"}}', ":1", "half a character"),
        (f'{{"1": {{}},\n"2": {{"a": {5000 * "9"}}}}}', ":2", "a number too long"),
        (
            f'{{"{PLANTED}": {{}},\n"b": {{}},\n"{PLANTED}": {{}}}}',
            ":3",
            "the identifier is also that of line 1",
        ),
        (f'{{"1": {{}},\n"2": {{"a": "{PLANTED}", "a": 1}}}}', ":2", "the key a is given twice"),
        (f'{{"1": {{}},\n"2": "{PLANTED} '.encode() + b'\xe9"}', ":2", "not UTF-8 text at byte 20"),
    ],
)
def test_a_file_that_is_no_object_of_rows_is_refused_without_telling_it(file, content, where, told):
    message = refusal(json_object_of_rows, file, content)
    assert message.startswith(f"rows.json{where}")
    assert told in message
    assert PLANTED not in message
    # The hint at one object a line would send a user of this layout the wrong way.
    assert "one object a line" not in message


@pytest.mark.parametrize("half", [r"\ud83d", r"\ude00", r"\uD83D x"])
def test_half_a_surrogate_pair_is_refused_at_its_line(tmp_path: Path, half: str):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": "\\ud83d\\ude00"}\n{"a": "' + half + '"}\n', encoding="utf-8")
    rows = json_lines(path)
    assert next(rows).values == {"a": "😀"}
    with pytest.raises(DataError, match=r"rows\.jsonl:2: .*half a character"):
        next(rows)
