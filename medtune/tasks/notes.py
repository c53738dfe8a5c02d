r"""Clinical notes from conversations: MTS-Dialog (one section) and ACI-Bench (the whole note).

    MTS-Dialog  ID, section_header, section_text, dialogue
    ACI-Bench   dataset, encounter_id, dialogue, note

Both are free text, without options. Lines end as they may in the files, and with \n here: the
training file of MTS-Dialog has \r\n where its other files have \n.
"""

from collections.abc import Iterable, Iterator

from medtune.records import Example
from medtune.tasks.conversation import Labels, conversation, exchange
from medtune.tasks.rows import Row, kind

SECTIONS = {
    "ALLERGY": "allergies",
    "ASSESSMENT": "assessment",
    "CC": "chief complaint",
    "DIAGNOSIS": "diagnosis",
    "DISPOSITION": "disposition",
    "EDCOURSE": "emergency department course",
    "EXAM": "physical examination",
    "FAM/SOCHX": "family and social history",
    "GENHX": "history of present illness",
    "GYNHX": "gynecologic history",
    "IMAGING": "imaging",
    "IMMUNIZATIONS": "immunizations",
    "LABS": "laboratory results",
    "MEDICATIONS": "medications",
    "OTHER_HISTORY": "other history",
    "PASTMEDICALHX": "past medical history",
    "PASTSURGICAL": "past surgical history",
    "PLAN": "plan",
    "PROCEDURES": "procedures",
    "ROS": "review of systems",
}
"""Header in MTS-Dialog -> section of a note, in words."""


def read_mts_dialog(rows: Iterable[Row]) -> Iterator[Example]:
    """Reader of MTS-Dialog. Its ID counts anew in each file, so rows go by file and line.

    Raises:
        DataError: A row has not its columns, or an unknown section.
    """
    for row in rows:
        header = row.text("section_header").strip().upper()
        if header not in SECTIONS:
            raise row.fault(f"section_header is {kind(header)}", f"one of {', '.join(SECTIONS)}")
        instruction = f"Write the section '{SECTIONS[header]}' of the clinical note on this visit."
        labels = Labels(
            id=row.id, group=row.id, is_grouped=False, source="MTS-Dialog", licence="CC-BY-4.0"
        )
        yield _note(row, instruction, "section_text", labels, subject=header)


def read_aci_bench(rows: Iterable[Row]) -> Iterator[Example]:
    """Reader of ACI-Bench.

    Raises:
        DataError: A row has not its columns.
    """
    for row in rows:
        encounter = row.text("encounter_id").strip()
        source = f"ACI-Bench {row.optional_text('dataset', '')}".strip()
        labels = Labels(
            id=encounter, group=encounter, is_grouped=True, source=source, licence="CC-BY-4.0"
        )
        yield _note(row, "Write the clinical note on this visit.", "note", labels)


def _note(row: Row, instruction: str, key: str, labels: Labels, *, subject: str = "") -> Example:
    dialogue = _lines(row, "dialogue")
    messages = exchange(f"Conversation:\n{dialogue}\n\n{instruction}", _lines(row, key))
    return conversation(row, messages, labels, text=dialogue, subject=subject)


def _lines(row: Row, key: str) -> str:
    return row.text(key).replace("\r\n", "\n").replace("\r", "\n").strip()
