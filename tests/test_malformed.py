"""Data as users have it by mistake, and the one clear line that `medtune data check` says of each.

Every row holds MARKER, which no line may show: the rows may be patients'.
"""

import gzip
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fixtures import recipe, write_recipe

from medtune.cli import main

MARKER = "Xanthippe"


@dataclass(frozen=True)
class Case:
    """A folder with one recipe and what `medtune data check` says about it."""

    file: str
    """Name of the file of rows, or data.path where `content` is None."""
    content: bytes | None
    told: str
    """FOLDER stands for the recipe's."""
    data: dict[str, Any] = field(default_factory=dict)
    beside: dict[str, bytes] = field(default_factory=dict)
    """More files: name -> content."""


def lines(*rows: object) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def talk(*turns: tuple[str, object], **beside: object) -> dict[str, Any]:
    messages = [{"role": role, "content": content} for role, content in turns]
    return {"messages": messages, **beside}


def good(**beside: object) -> dict[str, Any]:
    return talk(("user", f"Who is {MARKER}?"), ("assistant", f"{MARKER} is ill."), **beside)


def table(**columns: list[Any]) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream)
    return stream.getvalue()


def medmcqa(number: object) -> dict[str, Any]:
    return {"question": MARKER, "opa": "a", "opb": "b", "opc": "c", "opd": "d", "cop": number}


def options(keys: str, answer: str) -> dict[str, Any]:
    return {"question": MARKER, "options": {key: key * 2 for key in keys}, "answer_idx": answer}


LAYOUTS = (
    "those of chat (messages), sharegpt (conversations), alpaca (instruction, output) or "
    "prompt_completion (prompt, completion)"
)
KINDS = ".jsonl, .ndjson, .json, .csv, .tsv, .parquet, each also with .gz or .zst behind it"
COLUMNS = "say in the recipe what your keys mean, with format: columns"
TURNS = "user and assistant in turn, the assistant last, at most one system message before"
UNNAMED = "columns with other names in the first line (or is that a row?)"
RIGHT = "a letter from A to B, a number from 0 to 1, or the text of an option"
NONE_FELL = (
    "no row fell on the validation side of the split: groups fall by the hash of their name, and "
    "there are too few for data.validation_fraction 0.1 and data.test_fraction 0; give more rows "
    "or groups, a file of that side, or another fraction (0: none)"
)
NOTE = {"format": "columns", "columns": {"prompt": "Sum up: {note}", "answer": "summary"}}
CHOICE = {"task": "mcq", "columns": {"prompt": "q", "options": ["x", "y"], "answer": "a"}}
WHOLE = "expected one whole JSON object a line, and nothing behind it"
ROWS = lines(good())
LONG = lines(talk(("user", "Who?"), ("assistant", MARKER * 100)))

FILES = {
    "a file without a byte": Case("rows.jsonl", b"", "rows.jsonl holds no row"),
    "blank lines only": Case("rows.jsonl", b"\n \n\r\n", "rows.jsonl holds no row"),
    "a byte order mark alone": Case("rows.jsonl", b"\xef\xbb\xbf", "rows.jsonl holds no row"),
    "UTF-16 as Windows saves it": Case(
        "rows.jsonl", ROWS.decode().encode("utf-16"),
        "rows.jsonl:1: not UTF-8 text at byte 1; this is UTF-16: save it as UTF-8",
    ),
    "UTF-16 without a mark": Case(
        "rows.jsonl", ROWS.decode().encode("utf-16-le"),
        "rows.jsonl:1: not JSON at column 2: expecting property name enclosed in double quotes; "
        "a NUL byte is in it: is the file UTF-16? Save it as UTF-8",
    ),
    "a byte of Latin-1 in the second row": Case(
        "rows.jsonl", ROWS + f'{{"prompt": "{MARKER} \xe9", "completion": "b"}}'.encode("latin-1"),
        "rows.jsonl:2: not UTF-8 text at byte 23; save the file as UTF-8",
    ),
    "gzip that is cut off": Case(
        "rows.jsonl.gz", gzip.compress(ROWS * 50)[:-12],
        "rows.jsonl.gz: the gzip archive is cut off",
    ),
    "zstd that is cut off": Case(
        "rows.jsonl.zst", pa.compress(ROWS * 50, "zstd", asbytes=True)[:-12],
        "rows.jsonl.zst: the zstd archive is cut off",
    ),
    "a .gz that is not packed": Case(
        "rows.jsonl.gz", ROWS,
        "rows.jsonl.gz: expected a gzip archive; found a file that does not begin like one",
    ),
    "a packed file without its ending": Case(
        "rows.jsonl", gzip.compress(ROWS),
        "rows.jsonl:1: not UTF-8 text at byte 2; this is gzip: its name has to end in .gz",
    ),
    "a spreadsheet": Case("rows.xlsx", b"PK\x03\x04", f"rows.xlsx: files of rows end in {KINDS}"),
    "a Parquet file that is none": Case(
        "rows.parquet", f"prompt,completion\n{MARKER},b".encode(),
        "rows.parquet: not a whole Parquet file: at its head pyarrow finds ArrowInvalid",
    ),
    "a binary column": Case(
        "rows.parquet", table(prompt=[MARKER.encode()], completion=["b"]),
        "rows.parquet:row 1: found prompt is 9 bytes that are no text; expected a text that is not "
        "blank",
    ),
    "an empty Parquet cell": Case(
        "rows.parquet", table(prompt=[MARKER, None], completion=["b", MARKER]),
        "rows.parquet:row 2: found prompt is null; expected a text that is not blank",
    ),
}  # fmt: skip

JSON = {
    "JSON that is cut in half": Case(
        "rows.jsonl", ROWS + ROWS[:50],
        "rows.jsonl:2: not JSON at column 43: unterminated string starting; " + WHOLE,
    ),
    "an object over several lines": Case(
        "rows.jsonl", json.dumps(good(), indent=1).encode(),
        "rows.jsonl:1: not JSON at column 1: expecting property name enclosed in double quotes; "
        + WHOLE,
    ),
    "an array in a .jsonl": Case(
        "rows.jsonl", json.dumps([good()]).encode(),
        "rows.jsonl:1: found a list of 1; expected one JSON object a line; a JSON array? It is "
        "read from files named .json",
    ),
    "a Python dict": Case(
        "rows.jsonl", repr(good()).encode(),
        "rows.jsonl:1: not JSON at column 2: expecting property name enclosed in double quotes; "
        "JSON's quotes are double, and a Python dict is no JSON",
    ),
    "single quotes in a later line": Case(
        "rows.jsonl", ROWS + f"{{\"prompt\": '{MARKER}', \"completion\": 'b'}}".encode(),
        "rows.jsonl:2: not JSON at column 12: expecting value; JSON's quotes are double, and a "
        "Python dict is no JSON",
    ),
    "a comma behind each row": Case(
        "rows.jsonl", f'{{"prompt": "{MARKER}", "completion": "b"}},\n'.encode(),
        "rows.jsonl:1: not JSON at column 43: extra data; a comma is followed by a value, never by "
        "the end",
    ),
    "a key that is there twice": Case(
        "rows.jsonl", f'{{"prompt": "{MARKER}", "completion": "b", "prompt": "c"}}'.encode(),
        "rows.jsonl:1: the key prompt is given twice in one object",
    ),
    "NaN where a text should be": Case(
        "rows.jsonl", f'{{"prompt": NaN, "completion": "{MARKER}"}}'.encode(),
        "rows.jsonl:1: found prompt is NaN or infinite; expected a text that is not blank",
    ),
    "half a surrogate pair": Case(
        "rows.jsonl", f'{{"prompt": "{MARKER} \\ud83d", "completion": "b"}}'.encode(),
        "rows.jsonl:1: an escape \\ud800 to \\udfff that is half a character",
    ),
}  # fmt: skip

TABLES = {
    "a CSV whose first line is a row": Case(
        "rows.csv", f"{MARKER} has pain,rest\n{MARKER} has none,work\n".encode(),
        f"rows.csv:2: found 2 {UNNAMED}; expected {LAYOUTS}; {COLUMNS}",
    ),
    "private rows without a line of names": Case(
        "rows.csv", f"{MARKER} has pain,rest\n{MARKER} has none,work\n".encode(),
        f"rows.csv:2: found 2 {UNNAMED}; expected the column note", {**NOTE, "private": True},
    ),
    "two equal cells in a first line that is a row": Case(
        "rows.csv", f"{MARKER},{MARKER}\na,b\n".encode(),
        "rows.csv:1: columns 1 and 2 have one name; expected each name once",
    ),
    "a column that is there twice": Case(
        "rows.csv", f"prompt,completion,prompt\n{MARKER},b,c\n".encode(),
        "rows.csv:1: columns 1 and 3 have one name; expected each name once",
    ),
    "the index that pandas writes": Case(
        "rows.csv", f",prompt,completion\n0,{MARKER},b\n".encode(),
        "rows.csv:1: the name of column 1 of 3 is blank; name it or remove the column",
    ),
    "a missing cell": Case(
        "rows.csv", f"prompt,completion\na,b\n{MARKER}\n".encode(),
        "rows.csv:3: found 1 cell in the row that begins here; expected 2, one for each column",
    ),
    "a comma too many": Case(
        "rows.csv", f'prompt,completion\n"a\nb",c\n{MARKER},pain, fever\n'.encode(),
        "rows.csv:4: found 3 cells in the row that begins here; expected 2, one for each column",
    ),
    "an empty cell": Case(
        "rows.csv", f"prompt,completion\n{MARKER},\n".encode(),
        "rows.csv:2: found completion is a blank text; expected a text that is not blank",
    ),
    "a quote that is not closed": Case(
        "rows.csv", f'prompt,completion\na,b\n"{MARKER},c\nd,e\n'.encode(),
        'rows.csv:3: a " that is opened in the row that begins here is not closed',
    ),
    "text behind a closing quote": Case(
        "rows.csv", f'prompt,completion\n"{MARKER}"s,c\n'.encode(),
        'rows.csv:2: text behind the closing " of a cell in the row that begins here; write a " '
        'inside as ""',
    ),
    "a NUL byte": Case(
        "rows.csv", f"prompt,completion\n{MARKER}\0,b\n".encode(),
        "rows.csv:2: a NUL byte at byte 10; expected UTF-8 text, and not UTF-16 or a binary file",
    ),
    "semicolons between the cells": Case(
        "rows.csv", f"prompt;completion\n{MARKER}, 33;b\n".encode(),
        "rows.csv:1: found one column with a semicolon in its name; expected cells separated by a "
        "comma",
    ),
    "messages as text in a cell": Case(
        "rows.csv", f'messages\n"[{{""role"": ""user"", ""content"": ""{MARKER}""}}]"\n'.encode(),
        "rows.csv:2: found messages is a text of 42 characters; expected a list of messages",
    ),
}  # fmt: skip

CONVERSATIONS = {
    "messages as one text": Case(
        "rows.jsonl", lines({"messages": MARKER}),
        "rows.jsonl:1: found messages is a text of 9 characters; expected a list of messages",
    ),
    "two questions in a row": Case(
        "rows.jsonl", lines(talk(("user", MARKER), ("user", "b"), ("assistant", "c"))),
        f"rows.jsonl:1: found the roles user, user, assistant; expected {TURNS}",
    ),
    "the assistant begins": Case(
        "rows.jsonl", lines(good(), talk(("assistant", MARKER), ("user", "b"))),
        f"rows.jsonl:2: found the roles assistant, user; expected {TURNS}",
    ),
    "the user has the last word": Case(
        "rows.jsonl", lines(talk(("user", MARKER), ("assistant", "c"), ("user", "b"))),
        f"rows.jsonl:1: found the roles user, assistant, user; expected {TURNS}",
    ),
    "a role that there is not": Case(
        "rows.jsonl", lines(talk((MARKER, "a"), ("assistant", "b"))),
        "rows.jsonl:1: found the role of message 1 is a text of 9 characters; expected system, "
        "user or assistant",
    ),
    "content in parts": Case(
        "rows.jsonl", lines(talk(("user", [{"text": MARKER}]), ("assistant", "b"))),
        "rows.jsonl:1: found the content of message 1 is a list of 1; expected a text that is not "
        "blank",
    ),
    "an empty answer": Case(
        "rows.jsonl", lines(talk(("user", MARKER), ("assistant", ""))),
        "rows.jsonl:1: found the content of message 2 is a blank text; expected a text that is not "
        "blank",
    ),
    "a blank question": Case(
        "rows.jsonl", lines(talk(("user", " \n"), ("assistant", MARKER))),
        "rows.jsonl:1: found the content of message 1 is a blank text; expected a text that is not "
        "blank",
    ),
    "a control token in the text": Case(
        "rows.jsonl", lines(talk(("user", f"{MARKER} </s> b"), ("assistant", "c"))),
        "rows.jsonl:1: a user message holds the control token '</s>' as text; the model would read "
        "it as the end or start of a turn. Remove it from the row",
    ),
    "tools": Case(
        "rows.jsonl", lines(good(tools=[{"name": MARKER}])),
        "rows.jsonl:1: found tools is a list of 1; expected chat rows without it; rows with "
        "messages can say the same",
    ),
    "a ShareGPT row from nobody known": Case(
        "rows.jsonl", lines({"conversations": [{"from": "nurse", "value": MARKER}]}),
        "rows.jsonl:1: found the from of message 1 is a text of 5 characters; expected human, "
        "user, gpt, assistant or system",
    ),
    "chat messages under ShareGPT's key": Case(
        "rows.jsonl", lines({"conversations": [{"role": "user", "content": MARKER}]}),
        "rows.jsonl:1: found message 1 is an object with the keys role, content; expected the keys "
        "from and value",
    ),
    "an Alpaca row without its output": Case(
        "rows.jsonl", lines({"instruction": MARKER, "input": ""}),
        f"rows.jsonl:1: found keys instruction, input; expected {LAYOUTS}; nearest is alpaca, "
        f"which lacks output; or {COLUMNS}",
    ),
    "misspelt keys": Case(
        "rows.jsonl", lines({"Prompt": MARKER, "completions": MARKER}),
        f"rows.jsonl:1: found keys Prompt, completions; expected {LAYOUTS}; nearest is "
        "prompt_completion, which lacks prompt (is it Prompt?) and completion (is it "
        f"completions?); or {COLUMNS}",
    ),
    "keys of no layout": Case(
        "rows.jsonl", lines({"frage": MARKER, "antwort": MARKER}),
        f"rows.jsonl:1: found keys frage, antwort; expected {LAYOUTS}; {COLUMNS}",
    ),
    "the keys of two layouts": Case(
        "rows.jsonl", lines({**good(), "prompt": MARKER, "completion": "b"}),
        "rows.jsonl:1: found the keys of chat and of prompt_completion; expected those of one; the "
        "recipe can say which (format:)",
    ),
    "a second row in another layout": Case(
        "rows.jsonl", lines(good(), {"instruction": MARKER, "output": "b"}),
        "rows.jsonl:2: found keys instruction, output; expected the key messages: rows are read as "
        "chat, and this one is laid out as alpaca",
    ),
    "a column that the rows have not": Case(
        "rows.jsonl", lines({"notes": MARKER, "summary": "b"}),
        "rows.jsonl:1: found keys notes, summary; expected the column note (is it notes?)", NOTE,
    ),
    "a list in a column": Case(
        "rows.jsonl", lines({"note": [MARKER], "summary": "b"}),
        "rows.jsonl:1: found note is a list of 1; expected a text that is not blank, or a number",
        NOTE,
    ),
    "a brace that is not closed": Case(
        "rows.jsonl", lines({"note": MARKER, "summary": "b"}),
        "columns.prompt: expected '}' before end of string; a brace of the text is written twice",
        {"format": "columns", "columns": {"prompt": "Sum up: {note", "answer": "summary"}},
    ),
}  # fmt: skip

TASKS = {
    "an answer that is no option": Case(
        "rows.jsonl", lines({"q": MARKER, "x": "rest", "y": "work", "a": MARKER}),
        f"rows.jsonl:1: found an answer that is a text of 9 characters; expected {RIGHT}", CHOICE,
    ),
    "a number of no option": Case(
        "rows.jsonl", lines({"q": MARKER, "x": "rest", "y": "work", "a": 2}),
        f"rows.jsonl:1: found an answer that is a text of 1 characters; expected {RIGHT}", CHOICE,
    ),
    "an answer that means two options": Case(
        "rows.jsonl", lines({"q": MARKER, "x": "1", "y": "2", "a": 1}),
        "rows.jsonl:1: found an answer that is the text of option A and the number of option B; "
        "expected an answer that means one option", CHOICE,
    ),
    "a letter without an option": Case(
        "rows.jsonl", lines(options("AB", "C")),
        "rows.jsonl:1: found answer_idx is a text of 1 characters; expected one of the letters A, "
        "B", {"task": "mcq"},
    ),
    "options under their own texts": Case(
        "rows.jsonl", lines({**options("AB", "A"), "options": {MARKER: "1", "rest": "2"}}),
        "rows.jsonl:1: found options with keys that are no letters; expected the letters A, B in "
        "order", {"task": "mcq"},
    ),
    "five options where there are four": Case(
        "rows.jsonl", lines(options("ABCD", "A"), options("ABCDE", "E")),
        "rows.jsonl:2: found 5 options; expected 4 options", {"task": "medqa"},
    ),
    "cop counted in both ways": Case(
        "rows.json", lines(*map(medmcqa, (1, 4, 0))),
        "rows.json:3: found cop counted from 0 here and from 1 in rows.json:2; expected one way of "
        "counting", {"task": "medmcqa"},
    ),
    "cop that tells no way of counting": Case(
        "rows.json", lines(*map(medmcqa, (1, 2))),
        "rows.json:1: cop is counted from 0 on the hub and from 1 in the published files, and none "
        "of the 2 rows has a 0 or a 4 to tell which; use the whole file, or convert the rows to "
        "MedQA's schema (data.task: mcq)", {"task": "medmcqa"},
    ),
    "an MMLU row with five cells": Case(
        "rows.csv", f"{MARKER}?,a,b,c,d,A\n{MARKER}?,a,b,c,A\n".encode(),
        "rows.csv:2: found 5 cells in the row that begins here; expected 6, one for each column",
        {"task": "mmlu"},
    ),
    "a section that MTS-Dialog has not": Case(
        "rows.csv", f"section_header,section_text,dialogue\nCC,a,b\nGOSSIP,{MARKER},b\n".encode(),
        "rows.csv:3: found section_header is a text of 6 characters; expected one of ALLERGY, "
        "ASSESSMENT, CC, DIAGNOSIS, DISPOSITION, EDCOURSE, EXAM, FAM/SOCHX, GENHX, GYNHX, IMAGING, "
        "IMMUNIZATIONS, LABS, MEDICATIONS, OTHER_HISTORY, PASTMEDICALHX, PASTSURGICAL, PLAN, "
        "PROCEDURES, ROS", {"task": "mts_dialog"},
    ),
    "a table of ACI-Bench that has no notes": Case(
        "rows.csv", f"dataset,encounter_id,name\naci,1,{MARKER}\n".encode(),
        f"rows.csv:2: found 3 {UNNAMED}; expected the key dialogue", {"task": "aci_bench"},
    ),
    "a decision that is none": Case(
        "rows.json", json.dumps({"7": {"QUESTION": MARKER, "CONTEXTS": [MARKER], "LABELS": ["A"],
                                       "final_decision": "perhaps"}}).encode(),
        "rows.json:1: found final_decision is a text of 7 characters; expected yes, no or maybe",
        {"task": "pubmedqa"},
    ),
    "PubMedQA without its identifiers": Case(
        "rows.json", lines({"QUESTION": MARKER, "CONTEXTS": [MARKER]}),
        "rows.json:1: found a text of 9 characters; expected a record behind its identifier",
        {"task": "pubmedqa"},
    ),
    "two right answers of TruthfulQA": Case(
        "rows.json", lines({"question": "Who?", "mc1_targets": {MARKER: 1, "b": 1}}),
        "rows.json:1: found mc1_targets with 2 right answers; expected exactly one",
        {"task": "truthfulqa"},
    ),
}  # fmt: skip

WHOLE_SETS = {
    "two rows of one id": Case(
        "rows.jsonl", lines(good(id=MARKER), good(id="b"), good(id=MARKER)),
        "rows.jsonl:3: the id of this row is also that of rows.jsonl:1; give each row its own id",
    ),
    "a row that is too long": Case(
        "rows.jsonl", LONG,
        "rows.jsonl:1: 810 tokens, over data.max_tokens 256; raise it, or set data.on_overlength "
        "to drop or truncate_prompt",
    ),
    "an answer that is too long by itself": Case(
        "rows.jsonl", LONG,
        "rows.jsonl:1: does not fit data.max_tokens 256 even without its last user turn; an answer "
        "is never cut. Raise data.max_tokens or drop the row",
        {"on_overlength": "truncate_prompt"},
    ),
    "nothing but rows that are too long": Case(
        "rows.jsonl", LONG,
        "no train row is left of 1: 1 over data.max_tokens 256, 0 left out by data.leaks, 0 by "
        "data.decontaminate", {"on_overlength": "drop", "validation_fraction": 0},
    ),
    "one group to hold validation rows out of": Case(
        "rows.jsonl", lines(good(id="a", group=MARKER), good(id="b", group=MARKER)), NONE_FELL,
    ),
    "weights that leave nothing": Case(
        "rows.jsonl", ROWS,
        "1 fault in the recipe\nFOLDER/recipe.yaml:5:1 data: the weights of the sources leave "
        "nothing for the task's own rows",
        {"sources": [{"name": name, "task": "chat", "path": "rows.jsonl", "weight": 0.5}
                     for name in ("first", "second")]},
    ),
    "a source with a weight and no rows": Case(
        "rows.jsonl", ROWS, "data.sources: no row of replay is left, and it has a weight",
        {"validation_fraction": 0, "on_overlength": "drop",
         "sources": [{"name": "replay", "task": "chat", "path": "more.jsonl", "weight": 0.5}]},
        {"more.jsonl": LONG},
    ),
    "decontamination with nothing to compare": Case(
        "rows.jsonl", ROWS,
        "data.decontaminate: there is nothing to compare with: the recipe's data has no test file, "
        "and `against` and `rows` name none (held-out rows are kept apart by data.leaks)",
        {"decontaminate": {}},
    ),
    "canaries from a file that is none of ours": Case(
        "rows.jsonl", ROWS,
        "FOLDER/rows.jsonl is no file of canaries that medtune wrote; expected canaries.json of an "
        "earlier run", {"canaries": {"file": "rows.jsonl"}},
    ),
    "canaries from a folder": Case(
        "rows.jsonl", ROWS,
        "data.canaries.file: FOLDER: Is a directory", {"canaries": {"file": "."}},
    ),
    "columns that are not said": Case(
        "rows.jsonl", ROWS,
        "1 fault in the recipe\nFOLDER/recipe.yaml:5:1 data: format: columns and columns: "
        "{prompt: ..., answer: ...} go together", {"format": "columns"},
    ),
    "a stated limit that is broken": Case(
        "rows.jsonl", lines(good(id="a"), good(id="b")),
        "the data does not keep to its limits: 1 stated limit is broken\n"
        "  data.limits.max_duplicates: found 0.5 (1 of 2 rows, first b), allowed at most 0",
        {"validation_fraction": 0, "limits": {"max_duplicates": 0}},
    ),
}  # fmt: skip

PLACES = {
    "a folder without rows": Case(
        "own", None,
        f"no training rows for task chat: FOLDER/own has no file that ends in {KINDS}; folders "
        "below it are read by a glob, such as **/*.jsonl", {}, {"own/below/train.jsonl": ROWS},
    ),
    "a folder with test rows alone": Case(
        "own", None,
        "no training rows for task chat: FOLDER/own has test rows alone; add a file train.jsonl",
        {}, {"own/test.jsonl": ROWS},
    ),
    "a folder in which a part is missing": Case(
        "own", None,
        "own: of the train rows 1 parts are there, such as train-00001-of-00002.jsonl; expected 2",
        {}, {"own/train-00001-of-00002.jsonl": ROWS},
    ),
    "two files that could be the training rows": Case(
        "own", None,
        "own: train.csv, train.json could all be the train rows; keep one of them, or give the "
        "file or a glob as path", {}, {"own/train.csv": ROWS, "own/train.json": ROWS},
    ),
    "a glob that no file fits": Case(
        "*.csv", None, "no training rows for task chat: no file fits FOLDER/*.csv",
    ),
    "a file that is not there": Case(
        "rows.jsonl", None, "data.path: there is no file or folder FOLDER/rows.jsonl",
    ),
    "a protocol that there is not": Case(
        "nope://me:secret@bucket/rows.jsonl", None,
        "nope://bucket/rows.jsonl: fsspec has no protocol nope://",
    ),
    "a data set of the hub without a network": Case(
        "hub:someone/notes", None,
        "hub:someone/notes: --offline keeps medtune from asking the hub; copy the rows to this "
        "machine and set data.path",
    ),
}  # fmt: skip

CASES = FILES | JSON | TABLES | CONVERSATIONS | TASKS | WHOLE_SETS | PLACES
THROUGH_A_SHELL = (
    "a CSV whose first line is a row", "two rows of one id", "weights that leave nothing",
)  # fmt: skip


def lay_out(case: Case, folder: Path, base: Path) -> list[str]:
    """Write the case down; the arguments of the command that is to refuse it."""
    for name, content in case.beside.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    if case.content is not None:
        (folder / case.file).write_bytes(case.content)
    values = recipe(base, folder, data={"task": "chat", **case.data, "path": case.file})
    path = write_recipe(folder / "recipe.yaml", values)
    offline = ["--offline"] if case.file.startswith("hub:") else []
    return ["data", "check", str(path), *offline]


def refusal(stderr: str) -> str:
    """The message, behind the progress, which is one JSON object a line."""
    noise, found, message = stderr.partition("medtune: ")
    assert found, stderr
    assert all(json.loads(line)["event"] for line in noise.splitlines())
    return message


@pytest.mark.parametrize("what", CASES)
def test_malformed_data_is_refused_in_one_clear_line_without_a_value_of_a_row(
    what: str, tmp_path: Path, tiny_base: Path, monkeypatch, capsys
):
    case = CASES[what]
    monkeypatch.setenv("MEDTUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "argv", ["medtune", *lay_out(case, tmp_path, tiny_base)])
    with pytest.raises(SystemExit) as ended:
        main()
    stderr = capsys.readouterr().err
    assert refusal(stderr) == case.told.replace("FOLDER", str(tmp_path)) + "\n"
    assert ended.value.code == 2
    assert MARKER not in stderr


@pytest.mark.parametrize("what", THROUGH_A_SHELL)
def test_a_process_of_its_own_says_the_same_and_exits_2(what: str, tmp_path: Path, tiny_base: Path):
    arguments = lay_out(CASES[what], tmp_path, tiny_base)
    done = subprocess.run(
        [sys.executable, "-m", "medtune", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"MEDTUNE_CACHE": str(tmp_path / "cache")},
    )
    assert done.returncode == 2
    assert refusal(done.stderr) == CASES[what].told.replace("FOLDER", str(tmp_path)) + "\n"
    assert sum(line.startswith("medtune:") for line in done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert MARKER not in done.stderr + done.stdout


def test_there_are_forty_malformed_inputs_and_each_line_is_one():
    assert len(CASES) >= 40
    several = {what for what, case in CASES.items() if "\n" in case.told}
    assert several == {"weights that leave nothing", "columns that are not said",
                       "a stated limit that is broken"}  # fmt: skip
