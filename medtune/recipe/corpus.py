"""The recipe of a corpus: sources in, token shards and the order they are read in out."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from medtune.errors import RecipeError
from medtune.recipe import document
from medtune.recipe.data import Rows, TaskName
from medtune.recipe.loader import Overrides, apply, check
from medtune.recipe.section import NO_EFFECT, PATH, Fraction, Positive, Section, Seed, Share

Part = Literal["guidelines", "abstracts", "papers", "replay"]
Format = Literal[
    "guidelines_jsonl", "ngc_xml", "medquad_jsonl", "html", "markdown",
    "pubmed_xml", "s2orc_abstracts", "abstracts_jsonl",
    "jats", "s2orc",
    "redpajama_jsonl", "text", "datasets",
]  # fmt: skip
PersonalIdentifier = Literal[
    "ssn", "mrn", "birth_date", "health_plan", "account", "phone", "fax", "email", "address", "zip",
    "licence", "vehicle", "device", "ip",
]  # fmt: skip
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class Source(Section):
    """Where documents come from: one published format, read by one reader."""

    name: Name
    """Stands in ids, statistics and drops; unlike that of any other source."""
    part: Part
    format: Format
    """Which reader reads it; see the README's table."""
    path: str = Field(json_schema_extra=PATH)
    """File or folder of the raw files."""
    licence: str | None = None
    """Licence of all its documents, where the format carries none."""
    begins: str | None = None
    """For ``text``: regular expression of a line that begins a document; null: a file is one."""
    sample: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of its documents that are taken, drawn by seed and document id."""


class Pii(Section):
    """What identifies a person, found by the guard's patterns; a last net, and no anonymiser."""

    kinds: Annotated[list[PersonalIdentifier], Field(min_length=1)] = Field(
        default=["ssn", "mrn", "birth_date", "health_plan", "account", "phone", "email"]
    )
    """Those that no published text needs. Dates and names are not among them: papers have both."""
    action: Literal["mask", "drop"] = "mask"
    """mask writes [email] in its place; drop leaves the document out."""


class Cleaning(Section):
    """How a raw document becomes Markdown, and what is not worth keeping."""

    citations: Literal["drop", "text", "tokens"] = "drop"
    """tokens: the original's [bib_ref] ... [/bib_ref]."""
    figures: Literal["drop", "text", "tokens"] = "text"
    """References to figures and tables, and captions."""
    tables: Literal["markdown", "captions"] = "markdown"
    languages: list[str] = Field(default_factory=lambda: ["en"])
    """Languages that are kept; an empty list keeps all."""
    min_words: Annotated[int, Field(ge=0)] = 20
    quality: bool = False
    """Leave out what Gopher's rules call no prose (Rae et al. 2021, arXiv:2112.11446, table A1)."""
    pii: Pii | None = None
    """null: nothing is looked for."""


class Licences(Section):
    """Which licences a document may have."""

    allow: list[str] = Field(min_length=1)
    """As documents carry them: cc-by, cc-by-sa, cc0, public-domain, cc-by-nc, none, ..."""


class Deduplication(Section):
    """Which documents are one: of several the first stays.

    Guidelines come before papers, papers before abstracts, abstracts before replay, and within a
    part the sources in the recipe's order.
    """

    exact: bool = True
    """The same words in the same order."""
    near: Annotated[float, Field(ge=0.5, le=1)] | None = 0.8
    """Lowest Jaccard similarity of runs of five words; null: near-duplicates stay."""
    identifiers: bool = True
    """The same PubMed, PMC, DOI or corpus id; and an abstract whose paper is there, by these, by
    its title, or by its text (with ``near``)."""


class Decontamination(Section):
    """Which documents hold text of what a model will be evaluated on."""

    against: list[TaskName] = Field(default=[])
    """Tasks whose published rows count, of all splits: below $MEDTUNE_DATA or on the hub."""
    rows: list[Rows] = Field(default=[])
    """More evaluation rows, wherever they are; all splits count."""
    ngram: Annotated[int, Field(ge=4)] = 8
    """Words of a run of text that counts as shared."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.4
    """Share of the item's runs of words, or of the document's, that has to be shared."""

    @model_validator(mode="after")
    def _something_to_compare(self) -> Self:
        if not self.against and not self.rows:
            raise ValueError("name tasks in against:, or rows:")
        return self


class Splits(Section):
    """Share of each part's documents that is held out, drawn by seed and document id."""

    guidelines: Fraction = 0.05
    abstracts: Fraction = 0.03
    papers: Fraction = 0.03
    replay: Fraction = 0.0


class PartWeights(Section):
    """Shares of a phase's tokens; they sum to one."""

    guidelines: Share = 0.0
    abstracts: Share = 0.0
    papers: Share = 0.0
    replay: Share = 0.0

    @model_validator(mode="after")
    def _sum_to_one(self) -> Self:
        total = self.guidelines + self.abstracts + self.papers + self.replay
        if abs(total - 1) > 1e-9:
            raise ValueError(f"the weights of a phase sum to {total:g}; they have to sum to 1")
        return self


class Phase(Section):
    """A stretch of training with one mixture."""

    name: Name
    tokens: Positive | None = None
    """Its length; null: every medical document that no earlier phase read, once."""
    replay: Fraction | None = None
    """Share of replay by tokens; the other parts keep their natural proportions."""
    weights: PartWeights | None = None
    """Shares of all parts by tokens, instead of ``replay``."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.replay is None) == (self.weights is None):
            raise ValueError("a phase has either replay: or weights:")
        if self.weights is not None and self.tokens is None:
            raise ValueError("a phase with weights: needs tokens:, how long it is")
        return self


class Mixture(Section):
    """In what shares, by tokens, training reads the parts."""

    phases: list[Phase] = Field(min_length=1)


class Slurm(Section):
    """How jobs are asked for."""

    partition: str
    time: Annotated[str, Field(pattern=r"^(\d+-)?\d{1,2}:\d\d:\d\d$")] = "24:00:00"
    """Longest time of a job, [days-]hours:minutes:seconds."""
    cpus_per_task: Positive = 1
    mem_per_cpu_gb: Positive = 2
    tasks_per_job: Positive = 1
    """Units that one job works off, one after the other."""
    options: dict[str, str] = Field(default_factory=dict)
    """Further options of sbatch, such as account."""


class Executor(Section):
    """Where the same blocks run; the bytes that come out do not depend on it."""

    kind: Literal["local", "slurm"] = Field(default="local", json_schema_extra=NO_EFFECT)
    workers: Positive = Field(default=1, json_schema_extra=NO_EFFECT)
    """Processes on this machine, or tasks of an array that run at one time."""
    slurm: Slurm | None = Field(default=None, json_schema_extra=NO_EFFECT)

    @model_validator(mode="after")
    def _slurm_is_told(self) -> Self:
        if self.kind == "slurm" and self.slurm is None:
            raise ValueError("kind: slurm needs a section slurm: with a partition")
        return self


class CorpusRecipe(Section):
    """A corpus, from raw files to shards of tokens."""

    name: Name
    seed: Seed = 0
    tokenizer: str = Field(json_schema_extra=PATH)
    """Base whose tokenizer and document borders are used: alias, hub id, or a folder with a
    tokenizer.json."""
    sources: list[Source] = Field(min_length=1)
    cleaning: Cleaning = Field(default_factory=Cleaning)
    licences: Licences | None = None
    """Absent: documents of all licences are kept, and counted by licence."""
    deduplication: Deduplication = Field(default_factory=Deduplication)
    decontamination: Decontamination | None = None
    splits: Splits = Field(default_factory=Splits)
    upsampling: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """Extra copies of training documents by publication type: 0.5 repeats every second one. Of
    several types the highest counts."""
    mixture: Mixture = Field(
        default_factory=lambda: Mixture(phases=[Phase(name="main", replay=0.05)])
    )
    shard_mb: Positive = 64
    """MiB of raw files whose documents make one unit of work and one shard."""
    executor: Executor = Field(default_factory=Executor)
    keep_dropped: bool = Field(default=False, json_schema_extra=NO_EFFECT)
    """Keep the text of what is not kept, for looking at it."""

    @field_validator("tokenizer")
    @classmethod
    def _named(cls, value: str) -> str:
        if not re.search(r"\S", value):
            raise ValueError("name a base, such as smollm2-135m")
        return value

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [source.name for source in self.sources]
        doubles = sorted({name for name in names if names.count(name) > 1})
        if doubles:
            raise ValueError(f"several sources are called {', '.join(doubles)}")
        return self


def load_corpus(path: Path | str, overrides: Overrides = ()) -> CorpusRecipe:
    """Read and check the recipe of a corpus.

    Args:
        path: A file. Paths in it are relative to it.
        overrides: As :func:`medtune.recipe.load` takes them.

    Raises:
        RecipeError: The file does not describe a corpus; the message lists every fault with file,
            line and column.
    """
    merged = document.read(Path(path))
    apply(merged, overrides)
    return check(merged, CorpusRecipe)


def require_sources(recipe: CorpusRecipe) -> None:
    """Refuse a recipe that names a file or folder which is not there.

    Raises:
        RecipeError: A source's path does not exist.
    """
    for source in recipe.sources:
        if Path(source.path).is_absolute() and not Path(source.path).exists():
            raise RecipeError(f"source {source.name}: there is no file or folder {source.path}")


def is_corpus(path: Path) -> bool:
    """Whether a recipe file describes a corpus, and not a run."""
    return "sources" in document.read(path).values
