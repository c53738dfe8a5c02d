"""MTS-Dialog and ACI-Bench: a conversation in, a section of a note or the note out."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from medtune.errors import DataError
from medtune.records import Example
from medtune.tasks import TASKS
from medtune.tasks.notes import SECTIONS, read_aci_bench, read_mts_dialog
from medtune.tasks.rows import Row

PLANTED = "JOHN DOE 123"


def mts(**changes: object) -> Row:
    values = {"ID": "0", "section_header": "GENHX", "section_text": "Cough.", "dialogue": "Hi."}
    return Row(values | changes, "train.csv:2", "train-2")


def aci(**changes: object) -> Row:
    values = {"dataset": "aci", "encounter_id": "D2N1", "dialogue": "Hi.", "note": "Cough."}
    return Row(values | changes, "train.csv:2", "train-2")


def test_an_mts_dialog_row_asks_for_a_section_by_its_name():
    (example,) = read_mts_dialog([mts()])
    user, assistant = example.messages
    assert user.content == (
        "Conversation:\nHi.\n\n"
        "Write the section 'history of present illness' of the clinical note on this visit."
    )
    assert (assistant.content, assistant.supervised, user.supervised) == ("Cough.", True, False)
    assert (example.answer, example.options) == ("Cough.", ())
    assert (example.id, example.group, example.source) == ("train-2", "train-2", "MTS-Dialog")
    assert example.licence == "CC-BY-4.0"
    assert (example.subject, example.question, example.choices) == ("GENHX", "", ())


def test_an_aci_bench_row_asks_for_the_note_and_goes_by_its_encounter():
    (example,) = read_aci_bench([aci()])
    assert example.messages[0].content == (
        "Conversation:\nHi.\n\nWrite the clinical note on this visit."
    )
    assert (example.id, example.group, example.answer) == ("D2N1", "D2N1", "Cough.")
    assert (example.source, example.licence) == ("ACI-Bench aci", "CC-BY-4.0")


def test_lines_end_alike_whatever_the_file_ends_them_with():
    (windows,) = read_mts_dialog([mts(dialogue=" Hi.\r\nYes.\r\n", section_text="a\r\n\r\nb ")])
    (unix,) = read_mts_dialog([mts(dialogue="Hi.\nYes.", section_text="a\n\nb")])
    assert windows == unix


@pytest.mark.parametrize("header", sorted(SECTIONS))
def test_every_section_is_asked_for_in_words_of_its_own(header):
    (example,) = read_mts_dialog([mts(section_header=header.lower())])
    assert f"'{SECTIONS[header]}'" in example.messages[0].content
    assert SECTIONS[header].islower()
    assert Counter(SECTIONS.values())[SECTIONS[header]] == 1


BAD_MTS = {
    "an unknown section": (
        mts(section_header=PLANTED),
        "section_header is a text of 12 characters; expected one of ALLERGY, ASSESSMENT, CC,",
    ),
    "a blank text": (mts(section_text=" "), "section_text is a blank text; expected a text that"),
    "a blank dialogue": (mts(dialogue=""), "dialogue is a blank text; expected a text that is not"),
    "no section": (
        Row({"dialogue": PLANTED}, "train.csv:2", "train-2"),
        "keys dialogue; expected the key section_header",
    ),
}


@pytest.mark.parametrize("what", BAD_MTS)
def test_a_bad_row_is_refused_with_its_line_and_without_its_text(what):
    row, told = BAD_MTS[what]
    with pytest.raises(DataError) as caught:
        list(read_mts_dialog([row]))
    assert str(caught.value).startswith(f"train.csv:2: found {told}")
    assert PLANTED not in str(caught.value)


def test_the_metadata_of_aci_bench_are_no_rows_of_it():
    metadata = {"dataset": "aci", "encounter_id": PLANTED, "patient_firstname": PLANTED}
    with pytest.raises(DataError) as caught:
        list(read_aci_bench([Row(metadata, "train_metadata.csv:2", "train_metadata-2")]))
    assert str(caught.value) == (
        "train_metadata.csv:2: found keys dataset, encounter_id, patient_firstname; expected the "
        "key dialogue"
    )
    names = [name for names in TASKS["aci_bench"].files.values() for name in names]
    assert not any("metadata" in name or "*" in name for name in names)


def real(folder: Path, task: str) -> dict[str, list[Example]]:
    """Examples of each split of the real files, opened without our own reading of files."""
    read = {"mts_dialog": read_mts_dialog, "aci_bench": read_aci_bench}[task]
    splits = {}
    for split, names in TASKS[task].files.items():
        path = next(folder / name for name in names if (folder / name).is_file())
        with path.open(newline="", encoding="utf-8") as file:
            rows = [
                Row(values, f"{path.name}:{n}", f"{path.stem}-{n}")
                for n, values in enumerate(csv.DictReader(file), 2)
            ]
        splits[split] = list(read(rows))
    return splits


@pytest.mark.parametrize("task", ["mts_dialog", "aci_bench"])
def test_all_real_rows_are_read_and_are_as_many_as_were_published(medtune_data, task):
    splits = real(medtune_data / TASKS[task].folder, task)
    counts = {split: len(examples) for split, examples in splits.items()}
    assert counts == TASKS[task].official_rows
    examples = [example for split in splits.values() for example in split]
    assert len({example.id for example in examples}) == len(examples)
    assert not any("\r" in m.content for example in examples for m in example.messages)
    if task == "mts_dialog":
        # Each of the twenty sections is asked for, in each of the files.
        for split in splits.values():
            asked = Counter(example.messages[0].content.split("\n")[-1] for example in split)
            assert len(asked) == 20
