"""Which tasks there are, which files each is published in, and how many rows those have."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from medtune.recipe import Rows
from medtune.records import Example, Split
from medtune.tasks.chat import read_chat
from medtune.tasks.multiple_choice import medqa_reader, read_medmcqa
from medtune.tasks.pubmedqa import read_pubmedqa
from medtune.tasks.rows import Row

Reader = Callable[[Iterable[Row]], Iterator[Example]]
"""Rows of one split in, examples out, one by one; what is bad is a DataError. The rows can be gone
through again and again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSource:
    """Where the hub has a task's rows."""

    repository: str
    configuration: str | None = None
    splits: Mapping[Split, str]
    """Our split -> the hub's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One kind of rows: where they are found and how they are read."""

    name: str
    folder: str
    """Folder below $MEDTUNE_DATA."""
    files: Mapping[Split, tuple[str, ...]]
    """File names or globs of each split; the first of which there is a file is taken."""
    make_reader: Callable[[Rows], Reader]
    """The reader for what the recipe says about the rows."""
    explain: Callable[[Rows, Row], str | None] = lambda section, first: None
    """What the first row of a file tells about how its rows are read, for the user to know."""
    header: tuple[str, ...] | None = None
    """Names of the columns, where the published CSV has no line that names them."""
    is_keyed: bool = False
    """Whether a .json file is one object: identifier -> record."""
    num_test_options: int | None = None
    """Options that every test row must have; training rows may have others."""
    official_rows: Mapping[Split, int] = field(default_factory=dict)
    hub: HubSource | None = None


def _always(reader: Reader) -> Callable[[Rows], Reader]:
    return lambda rows: reader


_OWN_FILES: Mapping[Split, tuple[str, ...]] = {
    "train": ("train.jsonl",),
    "validation": ("validation.jsonl", "dev.jsonl"),
    "test": ("test.jsonl",),
}

TASKS: Mapping[str, Task] = {
    task.name: task
    for task in (
        Task(
            name="medqa",
            folder="qa/medqa",
            files={
                "train": (
                    "phrases_no_exclude_train.jsonl",
                    "train.jsonl",
                    "train_from_official_dev.jsonl",
                ),
                "validation": ("phrases_no_exclude_dev.jsonl", "dev.jsonl"),
                "test": ("phrases_no_exclude_test.jsonl", "test.jsonl", "test_a.jsonl"),
            },
            make_reader=_always(medqa_reader({4})),
            num_test_options=4,
            # Jin et al. 2020, arXiv:2009.13081, table 1 (US).
            official_rows={"train": 10_178, "validation": 1_272, "test": 1_273},
            hub=HubSource(
                repository="GBaker/MedQA-USMLE-4-options",
                splits={"train": "train", "test": "test"},
            ),
        ),
        Task(
            name="medqa_5opt",
            folder="qa/medqa",
            files={
                "train": ("train.jsonl", "train_from_official_dev.jsonl"),
                "validation": ("dev.jsonl",),
                "test": ("test.jsonl", "test_a_5opt.jsonl"),
            },
            make_reader=_always(medqa_reader({4, 5})),
            num_test_options=5,
            official_rows={"train": 10_178, "validation": 1_272, "test": 1_273},
        ),
        Task(
            name="medmcqa",
            folder="qa/medmcqa",
            # The published test.json has no answers; the field reports dev.json (4,183 rows).
            files={
                "train": ("train.json",),
                "validation": ("dev.json",),
                "test": ("test.json",),
            },
            make_reader=_always(read_medmcqa),
            # Pal et al. 2022, arXiv:2203.14371, table 2; "test" is its dev set, see above.
            official_rows={"train": 182_822, "test": 4_183},
            hub=HubSource(
                repository="openlifescienceai/medmcqa",
                splits={"train": "train", "test": "validation"},
            ),
        ),
        Task(
            name="pubmedqa",
            folder="qa/pubmedqa",
            files={
                "train": ("pqal_fold0/train_set.json", "train_set.json", "train.json"),
                "validation": ("pqal_fold0/dev_set.json", "dev_set.json", "dev.json"),
                "test": ("test_set.json", "test.json", "test_a.json"),
            },
            is_keyed=True,
            make_reader=_always(read_pubmedqa),
            # Jin et al. 2019, arXiv:1909.06146, section 3: fold 0 of PQA-L.
            official_rows={"train": 450, "validation": 50, "test": 500},
            hub=HubSource(
                repository="qiaojin/PubMedQA",
                configuration="pqa_labeled",
                splits={"train": "train"},
            ),
        ),
        Task(
            name="mcq", folder="qa/mcq", files=_OWN_FILES, make_reader=_always(medqa_reader(None))
        ),
        Task(name="chat", folder="qa/chat", files=_OWN_FILES, make_reader=_always(read_chat)),
    )
}
