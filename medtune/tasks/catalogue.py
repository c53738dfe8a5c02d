"""Which tasks there are, which files each is published in, and how many rows those have."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from medtune.recipe import Rows
from medtune.records import Example, Split
from medtune.tasks.chat import chat_reader, explain_chat
from medtune.tasks.mmlu import HEADER as MMLU_HEADER
from medtune.tasks.mmlu import SUBJECTS as MMLU_SUBJECTS
from medtune.tasks.mmlu import read_mmlu
from medtune.tasks.multiple_choice import mcq_reader, medqa_reader, read_medmcqa
from medtune.tasks.notes import SECTIONS, read_aci_bench, read_mts_dialog
from medtune.tasks.pubmedqa import read_pubmedqa
from medtune.tasks.rows import Row
from medtune.tasks.truthfulqa import CATEGORIES, read_truthfulqa, with_categories

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
    shots: str | None = None
    """The hub's split of rows that are published as examples for prompts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A file in the folder of a file of rows that tells more about them."""

    names: tuple[str, ...]
    """The first that is there is taken."""
    join: Callable[[Iterable[Row], Iterable[Row]], Iterator[Row]]
    """The rows, with what the other file's rows tell about them."""


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
    beside: Beside | None = None
    subjects: tuple[str, ...] = ()
    """All that `Example.subject` can be; empty where rows have none."""
    shots: tuple[str, ...] = ()
    """Files or globs of rows that are published as examples for prompts, subject by subject;
    empty: training rows are taken."""
    hub: HubSource | None = None


def _always(reader: Reader) -> Callable[[Rows], Reader]:
    return lambda rows: reader


def _mts_dialog(name: str, published: str) -> tuple[str, ...]:
    return (name, published, f"Main-Dataset/{published}")


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
            name="mmlu",
            folder="qa/mmlu",
            files={
                "train": ("auxiliary_train/*.csv", "dev/*.csv"),
                "validation": ("val/*.csv",),
                "test": ("test/*.csv",),
            },
            header=MMLU_HEADER,
            make_reader=_always(read_mmlu),
            num_test_options=4,
            # The published files as the hub counts them; Hendrycks et al. 2021, arXiv:2009.03300,
            # section 3, reports 1,540 and 14,079.
            official_rows={"train": 99_842, "validation": 1_531, "test": 14_042},
            subjects=MMLU_SUBJECTS,
            shots=("dev/*.csv",),
            hub=HubSource(
                repository="cais/mmlu",
                configuration="all",
                splits={"train": "auxiliary_train", "validation": "validation", "test": "test"},
                shots="dev",
            ),
        ),
        Task(
            name="truthfulqa",
            folder="safety/truthfulqa",
            files={
                "test": ("mc_task.json", "mc_task_a.json", "TruthfulQA.csv", "TruthfulQA_a.csv")
            },
            make_reader=_always(read_truthfulqa),
            # Lin et al. 2022, arXiv:2109.07958, abstract.
            official_rows={"test": 817},
            subjects=CATEGORIES,
            beside=Beside(names=("TruthfulQA.csv", "TruthfulQA_a.csv"), join=with_categories),
            hub=HubSource(
                repository="truthfulqa/truthful_qa",
                configuration="multiple_choice",
                splits={"test": "validation"},
            ),
        ),
        Task(
            name="mts_dialog",
            folder="ehr/mts_dialog",
            files={
                "train": _mts_dialog("train.csv", "MTS-Dialog-TrainingSet.csv"),
                "validation": _mts_dialog("val.csv", "MTS-Dialog-ValidationSet.csv"),
                "test": _mts_dialog("test1.csv", "MTS-Dialog-TestSet-1-MEDIQA-Chat-2023.csv"),
            },
            make_reader=_always(read_mts_dialog),
            # Ben Abacha et al. 2023, EACL, pages 2291-2302; the first of its two test sets.
            official_rows={"train": 1_201, "validation": 100, "test": 200},
            subjects=tuple(SECTIONS),
        ),
        Task(
            name="aci_bench",
            folder="ehr/aci_bench",
            # Files that end in _metadata.csv tell about the same encounters and hold no rows.
            files={
                "train": ("train.csv",),
                "validation": ("valid.csv",),
                "test": ("clinicalnlp_taskB_test1.csv",),
            },
            make_reader=_always(read_aci_bench),
            # Yim et al. 2023, Scientific Data, s41597-023-02487-3; its first test set of three.
            official_rows={"train": 67, "validation": 20, "test": 40},
        ),
        Task(name="mcq", folder="qa/mcq", files=_OWN_FILES, make_reader=mcq_reader),
        Task(
            name="chat",
            folder="qa/chat",
            files=_OWN_FILES,
            make_reader=chat_reader,
            explain=explain_chat,
        ),
    )
}
