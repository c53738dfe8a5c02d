"""Families of probes: folders that anybody can add to.

    safety_probes/dose_range/
      probe.yaml     what it measures, and its statistical plan
      items.jsonl    what is asked
      rules.yaml     what written texts are held against, where there are written items
      CARD.md        for people

Those that come with medtune lie in its safety_probes/; a site's own in folders that it names.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from medtune.digests import sha256_file, sha256_named
from medtune.errors import DataError, RecipeError
from medtune.probes.items import Item, parse_items
from medtune.recipe.bundled import bundled_folder
from medtune.recipe.document import parse
from medtune.recipe.loader import check
from medtune.recipe.section import Fraction, Positive, Section
from medtune.records import Level

PLAN, ITEMS, RULES, CARD = "probe.yaml", "items.jsonl", "rules.yaml", "CARD.md"
RESERVED = frozenset(
    {"coherence", "general_text", "privacy_canaries", "privacy_membership", "privacy_verbatim"}
)
"""Names of results that every run has by itself: a family of that name would be taken for them."""


class Plan(Section):
    """``probe.yaml``."""

    probe: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    """The folder's name."""
    version: Positive
    """Raised whenever items or plan change."""
    title: str = Field(min_length=1)
    measures: str = Field(min_length=1)
    """What it measures, and what it does not, in a few sentences."""
    level: Level
    """What a gate makes of it by default."""
    margin: Annotated[float, Field(gt=0, lt=1)]
    """The largest tolerated rise of the share of failing items, adapter minus base."""
    discordance: Annotated[float, Field(gt=0, le=1)]
    """Assumed share of items on which base and adapter differ, for planning."""
    correlation: Fraction = 0.0
    """Assumed correlation of the differences within a cluster, for planning."""
    clusters: str = Field(min_length=1)
    """What a cluster is, in a word or two."""
    quick: Positive | None = None
    """Items of the quick suite; null: the family is not in it."""
    licence: str = Field(min_length=1)
    hazard: str | None = None
    """Id in the site's own hazard log."""
    confirm_sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """Of a sealed file of further items, which is opened once for each adapter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A probe with its items."""

    plan: Plan
    items: tuple[Item, ...]
    digest: str
    """sha256 over the plan's, the items' and the rules' own."""
    folder: Path | None = None
    """None: it was made from a published set."""
    total: int | None = None
    """Items that the whole family has, where some were left out; None: these are all."""

    @property
    def name(self) -> str:
        """Of the probe."""
        return self.plan.probe

    @property
    def clusters(self) -> frozenset[str]:
        """Names of all clusters."""
        return frozenset(item.cluster for item in self.items)

    @property
    def rules_file(self) -> Path | None:
        """Its rules, where it has some."""
        file = self.folder / RULES if self.folder else None
        return file if file and file.is_file() else None


def families_folder() -> Path:
    """The families that come with medtune."""
    return bundled_folder("safety_probes")


def find_families(folders: Sequence[Path] = ()) -> dict[str, Path]:
    """Name -> folder of every family: medtune's, and those in other folders.

    Args:
        folders: Families, or folders of families.

    Raises:
        RecipeError: A folder has no family, or a name is there twice.
    """
    found = {path.parent.name: path.parent for path in sorted(families_folder().glob(f"*/{PLAN}"))}
    for folder in folders:
        plans = [folder / PLAN] if (folder / PLAN).is_file() else sorted(folder.glob(f"*/{PLAN}"))
        if not plans:
            raise RecipeError(f"{folder}: there is no {PLAN} in it or in a folder of it")
        for plan in plans:
            name = plan.parent.name
            if name in found and found[name].resolve() != plan.parent.resolve():
                raise RecipeError(
                    f"{plan.parent}: there is another probe {name} already; rename the folder and "
                    f"its {PLAN}"
                )
            found[name] = plan.parent
    return found


def load_family(folder: Path) -> Family:
    """Read a family and check its form; ``check_family`` checks what it says.

    Raises:
        RecipeError: The plan is none; every fault is told with its place.
        DataError: The items are none.
    """
    plan = load_plan(folder)
    file = folder / ITEMS
    return Family(
        plan=plan,
        items=parse_items(_read(file), f"{folder.name}/{ITEMS}"),
        digest=family_digest(folder),
        folder=folder,
    )


def load_plan(folder: Path) -> Plan:
    """Read ``probe.yaml`` alone.

    Raises:
        RecipeError: It is missing or no plan, or its name is that of a result of medtune's own.
    """
    file = folder / PLAN
    if not file.is_file():
        raise RecipeError(f"{folder}: there is no {PLAN}; medtune probe new writes one")
    form = "the plan of a probe is a mapping (probe:, version:, title:, ...)"
    plan = check(parse(file, form=form), Plan, "probe")
    if plan.probe != folder.resolve().name:
        raise RecipeError(f"{file}: probe: {plan.probe} lies in a folder called {folder.name}")
    if plan.probe in RESERVED:
        raise RecipeError(f"{file}: {plan.probe} is a result of medtune's own; rename the family")
    return plan


def family_digest(folder: Path) -> str:
    """sha256 over all files that decide what is asked and how it is judged."""
    names = [name for name in (PLAN, ITEMS, RULES) if (folder / name).is_file()]
    return sha256_named({name: sha256_file(folder / name) for name in names})


def taken(family: Family, count: int | None) -> Family:
    """The family with so many of its items: clusters in turn, so that as many as can be are heard.

    Which, follows from ids alone. None: all.
    """
    if count is None or count >= len(family.items):
        return family
    ranks: dict[str, int] = {}
    keyed = []
    for item in sorted(family.items, key=lambda item: _draw(item.id)):
        turn = ranks[item.cluster] = ranks.get(item.cluster, -1) + 1
        keyed.append((turn, _draw(item.cluster), item.id))
    chosen = {identifier for _, _, identifier in sorted(keyed)[:count]}
    items = tuple(item for item in family.items if item.id in chosen)
    return Family(
        plan=family.plan,
        items=items,
        digest=family.digest,
        folder=family.folder,
        total=len(family.items),
    )


def sealed_family(folder: Path, sealed: Path) -> Family:
    """A family with the items of its sealed file in place of its own.

    Raises:
        RecipeError: The family has no sealed items.
        DataError: The file is missing, or not the one that the plan names by its digest.
    """
    plan = load_plan(folder)
    if plan.confirm_sha256 is None:
        raise RecipeError(f"{folder / PLAN}: confirm_sha256 is not set: no items are sealed")
    file = sealed / f"{plan.probe}.jsonl"
    content = _read(file)
    digest = hashlib.sha256(content.encode()).hexdigest()
    if digest != plan.confirm_sha256:
        raise DataError(
            f"{file} has sha256 {digest[:16]}…; the plan seals {plan.confirm_sha256[:16]}…"
        )
    parts = {PLAN: sha256_file(folder / PLAN), file.name: digest}
    if (folder / RULES).is_file():
        parts[RULES] = sha256_file(folder / RULES)
    items = parse_items(content, file.name)
    return Family(plan=plan, items=items, digest=sha256_named(parts), folder=folder)


def choose(names: Iterable[str], known: Sequence[str]) -> list[str]:
    """Names in their order, each once.

    Raises:
        RecipeError: One is not known.
    """
    chosen = list(dict.fromkeys(names))
    for name in chosen:
        if name not in known:
            raise RecipeError(f"there is no probe {name}; there are {', '.join(known)}")
    return chosen


def _draw(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def read_card(folder: Path) -> str:
    """What a family's CARD.md says.

    Raises:
        DataError: There is none, or it is no text.
    """
    return _read(folder / CARD)


def _read(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise DataError(f"{file} is not there") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: cannot be read as UTF-8 text ({type(error).__name__})") from None
