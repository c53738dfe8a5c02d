"""One file of rows: its ending decides, packed or not, and no part of it is lost in silence."""

import gzip
import io
import json
import os
from collections import Counter
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medtune.digests import sha256_bytes
from medtune.errors import DataError
from medtune.tasks.files import KINDS, DataFile, split_name
from medtune.tasks.rows import Origin
from medtune.tasks.streams import unreadable

PLANTED = "JOHN DOE 123"
ENDINGS = [kind + packing for kind in KINDS for packing in ("", ".gz", ".zst")]
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


def zstd(raw: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(raw)
    return sink.getvalue().to_pybytes()


PACK = {"": bytes, ".gz": gzip.compress, ".zst": zstd}


def content(rows: list[dict[str, str]], ending: str) -> bytes:
    """A file of rows, written by other libraries than those that medtune reads with."""
    kind, _, packing = ending[1:].partition(".")
    file = io.BytesIO()
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), file)
    elif kind == "json":
        file.write(json.dumps(rows, indent=1).encode())
    elif kind in ("jsonl", "ndjson"):
        file.writelines(json.dumps(row).encode() + b"\n" for row in rows)
    else:
        import pandas as pd

        pd.DataFrame(rows).to_csv(
            file, sep="\t" if kind == "tsv" else ",", index=False, lineterminator="\r\n"
        )
    return PACK[f".{packing}" if packing else ""](file.getvalue())


def at(path: Path | str) -> DataFile:
    name = Path(path).name
    parts = split_name(name)
    return DataFile(str(path), Origin(name, parts[0] if parts else name))


def write(path: Path, raw: bytes) -> DataFile:
    path.write_bytes(raw)
    return at(path)


def refusal(file: DataFile, **options: bool) -> str:
    with pytest.raises(DataError) as caught:
        list(file.rows(**options))
    message = str(caught.value)
    assert PLANTED not in message
    assert "\n" not in message
    return message


@pytest.mark.parametrize("ending", ENDINGS)
@given(texts=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=8))
def test_rows_come_back_from_every_kind_of_file(tmp_path_factory, ending, texts):
    rows = [{"a": a, "b": b} for a, b in texts]
    file = write(tmp_path_factory.getbasetemp() / f"any{ending}", content(rows, ending))
    found = list(file.rows())
    assert [dict(row.values) for row in found] == rows
    assert len({row.id for row in found}) == len(rows)
    assert all(row.where.startswith(f"any{ending}:") for row in found)
    assert all(row.id.startswith("any-") for row in found)


@pytest.mark.parametrize("kind", [".jsonl", ".csv", ".parquet"])
@pytest.mark.parametrize("packing", [".gz", ".zst"])
@given(data=st.data())
def test_a_packed_file_that_is_cut_anywhere_is_refused(tmp_path_factory, kind, packing, data):
    raw = content([{"a": f"{PLANTED} {number}"} for number in range(40)], kind + packing)
    cut = data.draw(st.integers(0, len(raw) - 1))
    file = write(tmp_path_factory.getbasetemp() / f"cut{kind}{packing}", raw[:cut])
    assert f"cut{kind}{packing}: " in refusal(file)


@given(data=st.data())
def test_a_changed_byte_in_a_gzip_file_is_refused_or_changes_no_row(tmp_path_factory, data):
    rows = [{"a": f"{PLANTED} {number}"} for number in range(40)]
    raw = bytearray(content(rows, ".jsonl.gz"))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    file = write(tmp_path_factory.getbasetemp() / "changed.jsonl.gz", bytes(raw))
    try:
        found = [dict(row.values) for row in file.rows()]
    except DataError:
        return
    assert found == rows


@pytest.mark.parametrize("packing", [".gz", ".zst"])
def test_an_archive_of_several_parts_is_read_to_its_end(tmp_path, packing):
    parts = [content([{"a": text}], f".jsonl{packing}") for text in "xyz"]
    rows = write(tmp_path / f"rows.jsonl{packing}", b"".join(parts)).rows()
    assert [row.values["a"] for row in rows] == ["x", "y", "z"]


def test_a_zstd_file_may_begin_with_a_frame_that_holds_no_text(tmp_path):
    raw = b"\x50\x2a\x4d\x18\x04\0\0\0" + b"abcd" + content([{"a": "x"}], ".jsonl.zst")
    assert [row.values["a"] for row in write(tmp_path / "rows.jsonl.zst", raw).rows()] == ["x"]


LINE = f'{{"a": "{PLANTED}"}}\n'.encode()
BAD = {
    "plain text named gz": ("x.jsonl.gz", LINE, "expected a gzip archive; found a file that does"),
    "plain text named zst": ("x.jsonl.zst", LINE, "expected a zstd archive; found a file that doe"),
    "zstd named gz": ("x.csv.gz", zstd(LINE), "expected a gzip archive; found a file that does"),
    "gzip named zst": ("x.csv.zst", gzip.compress(LINE), "expected a zstd archive; found a file"),
    "an empty gz": ("x.csv.gz", b"", "expected a gzip archive; found an empty file"),
    "an empty zst": ("x.csv.zst", b"", "expected a zstd archive; found an empty file"),
    "a cut gz": ("x.jsonl.gz", gzip.compress(LINE)[:-1], "the gzip archive is cut off"),
    "a cut zst": ("x.jsonl.zst", zstd(LINE)[:-1], "the zstd archive is cut off"),
    "rubbish behind gz": ("x.jsonl.gz", gzip.compress(LINE) + LINE, "the gzip archive is damaged"),
    "rubbish behind zst": ("x.jsonl.zst", zstd(LINE) + LINE, "the zstd archive is damaged"),
    "a wrong checksum": (
        "x.jsonl.gz", gzip.compress(LINE)[:-8] + bytes(4) + gzip.compress(LINE)[-4:],
        "the gzip archive is damaged",
    ),
    "an unknown ending": ("x.xlsx", LINE, "files of rows end in .jsonl, .ndjson, .json, .csv"),
    "no ending": ("rows", LINE, "end in .jsonl, .ndjson, .json, .csv, .tsv, .parquet, each also"),
    "an unknown packing": ("x.jsonl.bz2", LINE, "each also with .gz or .zst behind it"),
    "only a packing": ("x.gz", gzip.compress(LINE), "files of rows end in"),
    "text named parquet": ("x.parquet", LINE, "not a whole Parquet file: at its head"),
    "a torn array": ("x.json", b"[\n" + LINE, ""),
    "an object over lines": ("x.json", b'{\n"a": 1\n}', "expected one whole JSON object a line"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_a_file_that_is_not_what_its_name_says_is_refused(tmp_path, what):
    name, raw, told = BAD[what]
    message = refusal(write(tmp_path / name, raw))
    assert message.startswith(name)
    assert told in message
    assert str(tmp_path) not in message


def test_endings_may_be_written_in_capitals(tmp_path):
    (row,) = write(tmp_path / "NOTES.CSV.GZ", gzip.compress(b"a\nx\n")).rows()
    assert (row.id, row.where) == ("NOTES-2", "NOTES.CSV.GZ:2")


def test_a_json_file_is_lines_or_an_array_or_records_by_identifier(tmp_path):
    lines = write(tmp_path / "lines.json", b'\n{"a": 1}\n{"a": 2}\n')
    array = write(tmp_path / "array.json", b'\xef\xbb\xbf\n [{"a": 1},\n\n  {"a":\n 2}]\n')
    keyed = write(tmp_path / "keyed.json", b'{"7": {"a": 1},\n "8": {"a": 2}}')
    assert [(row.id, row.values["a"]) for row in lines.rows()] == [("lines-2", 1), ("lines-3", 2)]
    assert [(row.id, row.values["a"]) for row in array.rows()] == [("array-2", 1), ("array-4", 2)]
    assert [row.id for row in array.rows(is_keyed=True)] == ["array-2", "array-4"]
    assert [(row.id, row.values["a"]) for row in keyed.rows(is_keyed=True)] == [("7", 1), ("8", 2)]
    assert list(write(tmp_path / "blank.json", b"\n \n").rows()) == []


def test_a_folder_a_missing_file_and_a_link_to_nothing_are_told(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "dangling.csv").symlink_to(tmp_path / "nothing")
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    told = {
        "folder.csv": "folder.csv: this is a folder; expected a file",
        "missing.csv": "missing.csv: there is no such file",
        "dangling.csv": "dangling.csv: a link to a file that is not there",
        "loop.csv": "loop.csv: a link to a file that is not there",
        "pipe.csv": "pipe.csv: a device or pipe; expected a file",
    }
    assert {name: refusal(at(tmp_path / name)) for name in told} == told


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_told(tmp_path):
    file = write(tmp_path / "rows.csv", b"a\n1\n")
    (tmp_path / "rows.csv").chmod(0)
    assert refusal(file) == "rows.csv: no permission to read it"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (PermissionError(13, "Permission denied", "/secret/x"), "x: no permission to read it"),
        (OSError(5, "Input/output error", "/secret/x"), "x: could not be read: Input/output error"),
        (RuntimeError("https://u:pw@host/?token=secret"), "x: could not be read: RuntimeError"),
    ],
)
def test_what_a_file_system_says_is_told_without_its_words(error, told):
    assert str(unreadable("x", error)) == told


def test_a_file_at_a_url_is_read_and_digested_like_one_here(tmp_path):
    for ending in ENDINGS:
        raw = content([{"a": "x", "b": "y"}], ending)
        with fsspec.open(f"memory://files/rows{ending}", "wb") as stream:
            stream.write(raw)
        file = at(f"memory://files/rows{ending}")
        assert [dict(row.values) for row in file.rows()] == [{"a": "x", "b": "y"}]
        assert file.sha256() == sha256_bytes(raw)


def test_files_are_closed_when_nobody_reads_on(tmp_path):
    rows = write(tmp_path / "rows.jsonl.gz", gzip.compress(LINE * 3)).rows()
    next(rows)
    rows.close()  # type: ignore[attr-defined]
    held = [link.resolve() for link in Path("/proc/self/fd").iterdir()]
    assert tmp_path / "rows.jsonl.gz" not in held


def counted_elsewhere(file: Path) -> int:
    """Rows of a real file as other libraries count them."""
    import pandas as pd

    if file.suffix == ".csv":
        header = None if "mmlu" in file.parts else 0
        return len(pd.read_csv(file, header=header, dtype=str, keep_default_na=False))
    try:
        return len(json.loads(file.read_bytes()))
    except json.JSONDecodeError:
        return len(file.read_bytes().splitlines())


def test_every_real_file_gives_as_many_rows_as_it_has(medtune_data):
    folders = ("qa", "ehr/mts_dialog", "ehr/aci_bench")
    files = [path for folder in folders for path in sorted((medtune_data / folder).rglob("*"))]
    files = [path for path in files if path.is_file() and split_name(path.name)]
    header = ("question", "A", "B", "C", "D", "answer")
    found = Counter(
        {
            path: sum(
                1
                for _ in at(path).rows(
                    header=header if "mmlu" in path.parts else None,
                    is_keyed="pubmedqa" in path.parts,
                )
            )
            for path in files
        }
    )
    assert found == Counter({path: counted_elsewhere(path) for path in files})
    notes = {path.name: count for path, count in found.items() if path.parent.name == "mts_dialog"}
    assert sorted(notes.values()) == [100, 200, 1201]
    visits = [found[path] for path in files if path.parent.name == "aci_bench"]
    assert sorted(visits) == [20, 20, 40, 40, 67, 67]
