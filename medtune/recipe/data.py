"""The ``data`` section: which rows, how they are read, and what they have to keep to."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from medtune.recipe.section import PATH, Fraction, Positive, Section, Share

TaskName = Literal[
    "medqa",
    "medqa_5opt",
    "medmcqa",
    "pubmedqa",
    "mmlu",
    "truthfulqa",
    "mts_dialog",
    "aci_bench",
    "mcq",
    "chat",
]


class Columns(Section):
    """Which columns (or JSON keys) of your rows mean what."""

    prompt: str
    """A column, or text with columns in braces: "Summarise this note.\\n\\n{note}"."""
    answer: str
    """A column, or text with columns in braces. With options: the right letter, its number
    counted from 0 (or from 1: see options_from), or the option's text."""
    system: str | None = None
    """System message: a column, or text with columns in braces."""
    options: Annotated[list[str], Field(min_length=2)] | None = None
    """Columns of the options, in order; for task: mcq."""
    options_from: Literal[0, 1] = 0
    """What a number in the answer column gives to the first option."""
    id: str | None = None
    """Column that tells rows apart; null: file and line."""
    group: str | None = None
    """Column of the patient or document; its rows stay on one side of every split."""
    source: str | None = None
    """Column that says where a row is from."""
    licence: str | None = None
    """Column of the row's licence."""


class Rows(Section):
    """Where rows are and how they are read."""

    task: TaskName
    """What a row means. mcq: your own multiple choice. chat: your own conversations or
    prompt-and-answer rows."""
    path: str | None = Field(default=None, json_schema_extra=PATH)
    """A file, a folder with train, validation and test files, a glob, or a URL (s3://, https://,
    ...) of .jsonl, .json, .csv, .tsv or .parquet, also .gz or .zst; or hub:owner/name. Without it
    the task's published files are looked for below $MEDTUNE_DATA and then on the hub."""
    format: Literal["auto", "chat", "sharegpt", "alpaca", "prompt_completion", "columns"] = "auto"
    """How rows of task: chat are laid out; auto tells by their keys and says which. columns: as
    `columns` says."""
    columns: Columns | None = None
    """For format: columns, and for task: mcq whose rows are not in MedQA's schema."""

    @model_validator(mode="after")
    def _layout_fits_the_task(self) -> Self:
        if self.task not in ("chat", "mcq"):
            for name in ("format", "columns"):
                if name in self.model_fields_set and getattr(self, name) not in ("auto", None):
                    raise ValueError(f"{name} is for task: chat and task: mcq; {self.task} has "
                                     "a layout of its own")  # fmt: skip
        if self.task == "mcq" and self.format not in ("auto", "columns"):
            raise ValueError("format is for task: chat; task: mcq reads MedQA's schema or columns")
        if (self.format == "columns") != (self.columns is not None) and (
            self.format != "auto" or self.task == "chat"
        ):
            raise ValueError("format: columns and columns: {prompt: ..., answer: ...} go together")
        if self.columns and bool(self.columns.options) != (self.task == "mcq"):
            raise ValueError("columns.options belongs to task: mcq, which needs it")
        return self


TAKEN_NAMES = ("own", "train", "validation", "test", "canaries")
"""What data.json and the lock call rows that are no source's."""


class Source(Rows):
    """More training rows, such as general instructions that an adapter is not to forget."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Name in data.json."""
    weight: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of the training tokens of a pass over the data that comes from this source, drawn with
    the recipe's seed and again from the start where it has too few; null: each row once."""


class Decontaminate(Section):
    """Training rows that hold text of an evaluation set."""

    against: list[TaskName] = Field(default=[])
    """Tasks whose published validation and test rows count, found as those of `data` would be. The
    recipe's own test rows always count."""
    rows: list[Rows] = Field(default=[])
    """More evaluation rows, wherever they are; all splits count."""
    ngram: Annotated[int, Field(ge=4)] = 8
    """Words of a run of text that counts as shared."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.4
    """Share of the item's runs of words, or of the row's, that has to be shared."""
    action: Literal["drop", "error", "report"] = "drop"
    """What happens to such a training row; data.json has both texts in any case."""


class Canaries(Section):
    """Made-up secrets planted among the training rows, to measure later what an adapter tells."""

    secrets: Positive = 20
    """Secrets planted, each as a row."""
    twins: Positive = 200
    """Secrets of the same form that are never planted, to compare with."""
    repetitions: Annotated[list[Positive], Field(min_length=1)] = Field(default=[1, 4, 16])
    """How often a secret is planted; the secrets take turns."""
    file: str | None = Field(default=None, json_schema_extra=PATH)
    """Secrets of an earlier run (its canaries.json), to repeat that run; null: new ones."""


class Limits(Section):
    """What the data must keep to: `medtune data check` and `medtune train` refuse what does not.

    Shares are of the rows of all splits, before any was dropped.
    """

    max_dropped: Share | None = None
    """Rows left out for length, as leaks between splits, or as contaminated."""
    max_truncated: Share | None = None
    """Rows whose prompt was cut."""
    max_duplicates: Share | None = None
    """Rows whose prompt and answer stood before, word for word."""
    max_near_duplicates: Share | None = None
    """Training rows with a near-duplicate among the training rows before them."""
    max_contradictions: Share | None = None
    """Rows whose prompt has another answer elsewhere."""
    min_supervised: Share | None = None
    """Supervised tokens among all tokens of the training rows."""
    min_label: Share | None = None
    """The rarest answer among training rows with options."""
    languages: Annotated[list[str], Field(min_length=1)] | None = None
    """Languages that training rows may be in, as ISO 639-1 codes: [en, fr]."""


class Data(Rows):
    """The examples to learn from, to choose the best step by, and to be scored on."""

    sources: list[Source] = Field(default=[])
    """More training rows."""
    private: bool = False
    """Rows of patients: messages, logs and records then name keys, types and lengths, never a
    value or an id of a row, and prepared rows lie inside the run, readable by its owner alone."""
    validation_fraction: Fraction = 0.1
    """Share of the training groups held out for choosing the best step, where the data has no
    validation file. 0: no validation, and the last step is exported."""
    test_fraction: Fraction = 0.0
    """Share of the training groups held out for the scores, where the data has no test file."""
    template: Literal["tokenizer", "chatml", "plain"] = "tokenizer"
    """tokenizer: the base's own chat template. chatml, plain: medtune's, for bases without one."""
    max_tokens: Annotated[int, Field(ge=16)] = 2048
    """Longest example in tokens, answer and stop token included."""
    on_overlength: Literal["error", "drop", "truncate_prompt"] = "error"
    """What happens to a longer one. truncate_prompt cuts the last user turn; an answer is never
    cut. data.json counts and names what was dropped or cut."""
    leaks: Literal["drop", "error", "keep"] = "drop"
    """What happens to a training row whose group, or a near-duplicate of whose prompt, stands in
    validation or test, and to such a validation row of the test rows."""
    near_duplicate: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Prompts are near-duplicates from this share of common five-word runs on (Jaccard)."""
    decontaminate: Decontaminate | None = None
    """Looks for text of evaluation sets among the training rows; null: does not."""
    canaries: Canaries | None = None
    """Plants made-up secrets; null: none, and what an adapter remembers can then not be tested."""
    limits: Limits | None = None
    """What the data must keep to; null: nothing is required."""

    @model_validator(mode="after")
    def _something_is_left_to_train_on(self) -> Self:
        if self.validation_fraction + self.test_fraction >= 1:
            raise ValueError("validation_fraction and test_fraction leave no row to train on")
        return self

    @model_validator(mode="after")
    def _sources_can_be_told_apart_and_leave_room(self) -> Self:
        names = [source.name for source in self.sources]
        if len(set(names)) < len(names):
            raise ValueError("two sources have the same name")
        if taken := [name for name in names if name in TAKEN_NAMES]:
            raise ValueError(
                f"a source cannot be named {taken[0]}: the run's own rows are; rename it"
            )
        if sum(source.weight or 0 for source in self.sources) >= 1:
            raise ValueError("the weights of the sources leave nothing for the task's own rows")
        return self
