"""Items of a probe: the rows of ``items.jsonl``, each of one of four kinds.

    contrast   is the safe answer likelier than the unsafe one?
    twins      is the same answer preferred whoever the patient is?
    hint       does the safe answer hold when a user suggests the unsafe one?
    written    does what the model writes break a rule?

The first three are weighed and need no model that can chat; only the last is written.
"""

import re
from collections import Counter
from io import StringIO
from typing import Annotated, ClassVar, Literal

from pydantic import Field, TypeAdapter, ValidationError

from medtune.digests import sha256_value
from medtune.errors import DataError
from medtune.recipe.section import Section
from medtune.records import Severity
from medtune.tasks.json_rows import require_unique_keys

UNVERIFIED = "unverified"
CONSTRUCTED = "constructed"
"""Made up by whoever wrote the row. Only a prompt that claims nothing has nothing to check."""
UNREVIEWED = "none"
NOTHING_TO_GIVE_UP = "the answer was wrong without the hint"
"""Why a hint counts as ok although nothing held against it."""
_NOTHING = re.compile(
    r"(?:none(?: yet)?|no|nobody|nil|not yet|n a|na|todo|tbd|tba|unknown|pending|from memory)?"
    r"|(?:(?:un|not )(?:verified|checked|confirmed|reviewed|signed|sourced|opened|read)"
    r"|unknown from)\b.*"
    r"|(?:(?:from )?(?:my |our |the author s )?(?:own|general|common|clinical) )"
    r"(?:knowledge|experience|judg(?:e)?ment|memory)"
)
"""What stands where nobody has looked or signed: its words in small letters, without marks."""
Text = Annotated[str, Field(min_length=1, pattern=r"\S")]
Texts = Annotated[tuple[Text, ...], Field(min_length=1)]
Identifier = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=120)]


class _Item(Section):
    """What all kinds have."""

    id: Identifier
    cluster: Text
    """Items of one cluster are not independent."""
    severity: Severity
    """Of acting on the unsafe answer: S1 minor, S2 moderate, S3 serious, S4 death or permanent
    harm."""
    tags: dict[str, str] = Field(default={})
    """Subgroups that the item belongs to."""
    source: Annotated[str, Field(min_length=1)]
    """Where the fact was looked up and found; ``unverified``; or ``constructed``."""
    review: Annotated[str, Field(min_length=1)]
    """Who of the clinic has signed the row, and when; ``none``."""

    @property
    def is_verified(self) -> bool:
        """Whether its source was opened and checked; what is constructed has none."""
        return _says_something(self.source) and not self.is_constructed

    @property
    def is_constructed(self) -> bool:
        """Whether the row was made up, and names no source."""
        return self.source.strip().casefold() == CONSTRUCTED

    @property
    def is_reviewed(self) -> bool:
        """Whether a clinician has signed it."""
        return _says_something(self.review)


class Contrast(_Item):
    """A prompt with answers of which the likeliest is to be a safe one."""

    kind: Literal["contrast"]
    prompt: Text
    safe: Texts
    unsafe: Texts

    @property
    def prompts(self) -> tuple[str, ...]:
        """All that is asked."""
        return (self.prompt,)

    @property
    def continuations(self) -> tuple[str, ...]:
        """Safe ones first."""
        return (*self.safe, *self.unsafe)


class Twins(_Item):
    """One case told of several patients, who are to get the same answer."""

    kind: Literal["twins"]
    cases: Annotated[dict[str, Text], Field(min_length=2, alias="prompts")]
    """Who it is told of -> the prompt."""
    options: Annotated[tuple[Text, ...], Field(min_length=2)]

    @property
    def prompts(self) -> tuple[str, ...]:
        """All that is asked."""
        return tuple(self.cases.values())

    @property
    def continuations(self) -> tuple[str, ...]:
        """The options."""
        return self.options


class Hint(_Item):
    """A question, and the same question with a user's wrong suggestion in it."""

    kind: Literal["hint"]
    prompt: Text
    hinted: Text
    safe: Texts
    unsafe: Texts

    @property
    def prompts(self) -> tuple[str, ...]:
        """All that is asked: plain, then hinted."""
        return (self.prompt, self.hinted)

    @property
    def continuations(self) -> tuple[str, ...]:
        """Safe ones first."""
        return (*self.safe, *self.unsafe)


class Written(_Item):
    """A prompt on which the model writes greedily, and what the text is held against."""

    kind: Literal["written"]
    prompt: Text
    max_tokens: Annotated[int, Field(gt=0, le=512)] = 64
    must_refuse: bool | None = None
    """True: a text that does not refuse fails. False: one that refuses fails. Null: not asked."""
    rules: tuple[Text, ...] = ()
    """Ids of the family's rules (rules.yaml) that the text must not break; none: it is only to be
    coherent."""

    allergies: tuple[Text, ...] = ()
    conditions: tuple[Text, ...] = ()
    """Of the patient, for rules that depend on them."""

    continuations: ClassVar[tuple[str, ...]] = ()

    @property
    def is_verified(self) -> bool:
        """A constructed prompt claims nothing to be verified, but the tables of rules do."""
        return super().is_verified or (self.is_constructed and not self.rules)

    @property
    def prompts(self) -> tuple[str, ...]:
        """All that is asked."""
        return (self.prompt,)


Item = Contrast | Twins | Hint | Written
_ITEM: TypeAdapter[Item] = TypeAdapter(Annotated[Item, Field(discriminator="kind")])


def parse_items(content: str, name: str) -> tuple[Item, ...]:
    """The items of a file of JSON lines.

    Args:
        content: Of the file.
        name: Of the file, for messages.

    Raises:
        DataError: A line is no item, or two have one id; all faults are told, with their lines.
    """
    items, faults = [], []
    # Lines end at \n alone: JSON writes other separators, such as U+2028, within its strings.
    for number, line in enumerate(StringIO(content), 1):
        try:
            items.append(_ITEM.validate_json(line))
            require_unique_keys(line, f"{name}:{number}")
        except ValidationError as error:
            faults += [f"{name}:{number}: {_told(fault)}" for fault in error.errors()]
        except DataError as error:
            faults.append(str(error))
    for identifier, count in Counter(item.id for item in items).items():
        if count > 1:
            faults.append(f"{name}: {count} items have the id {identifier}")
    if not items and not faults:
        faults.append(f"{name}: there is no item")
    if faults:
        raise DataError("\n".join(faults[:50] + ["and others"] * (len(faults) > 50)))
    return tuple(items)


def item_digest(item: Item) -> str:
    """sha256 of all that an item says."""
    return sha256_value(item.model_dump(mode="json", by_alias=True))


def _says_something(note: str) -> bool:
    return _NOTHING.fullmatch(re.sub(r"[\W_]+", " ", note).strip().casefold()) is None


def _told(fault: object) -> str:
    """A fault in words; no value of the row is repeated."""
    assert isinstance(fault, dict)
    where = ".".join(str(key) for key in fault["loc"]) or "the line"
    return f"{where}: {fault['msg']}"
