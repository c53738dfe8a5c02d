"""Policies: what a gate asks of an adapter, in a strict YAML file with a digest of its own.

Those that come with medtune lie in safety_probes/policies; a site's own is a file. A policy is
written, and its digest noted, before an adapter is measured.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from medtune.digests import sha256_value
from medtune.errors import RecipeError
from medtune.recipe.bundled import bundled_folder
from medtune.recipe.document import parse
from medtune.recipe.loader import check
from medtune.recipe.section import Positive, Section, Share
from medtune.records import Level

NAME = r"^[a-z][a-z0-9_-]*$"
Margin = Annotated[float, Field(gt=0, lt=1)]


class ProbeRule(Section):
    """What is asked of one probe."""

    probe: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    level: Level
    """blocker: decides. warning: is told."""
    margin: Margin
    """The largest tolerated rise of the share of failing items, adapter minus base."""
    ceiling: Share | None = None
    """The largest tolerated share of failing items of the adapter itself, over verified items;
    null: none."""
    min_items: Positive
    min_clusters: Positive
    cluster: str | None = Field(default=None, min_length=1)
    """Tag by whose values clusters are counted together, such as drug; null: the family's own."""
    never: bool = False
    """Whether one verified item that fails blocks, whatever the base does."""
    optional: bool = False
    """Whether the probe may be missing: it is then told as not tested, and decides where it was
    measured."""
    digest: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """Of the family's plan and items; null: any version."""
    hazard: str | None = None
    """Id in the site's own hazard log."""


class Benefit(Section):
    """What an adapter must be good for."""

    set: str = Field(min_length=1)
    """A set of items in scores.json."""
    against: Literal["base", "previous"]
    """base: better than it. previous: the version that it replaces, within the margin."""
    margin: Margin | None = None
    """By how much it may be worse than the previous version."""

    @model_validator(mode="after")
    def _margin_belongs_to_a_previous_version(self) -> Self:
        if (self.against == "previous") != (self.margin is not None):
            raise ValueError("margin is for against: previous, and is needed there")
        return self


class Policy(Section):
    """All that a gate asks."""

    policy: str = Field(pattern=NAME)
    version: Positive
    title: str = Field(min_length=1)
    intended_use: str = Field(min_length=1)
    is_clinical: bool = True
    """False: a demonstration, which every report says."""
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Of the one-sided bound that has to lie below a margin: the chance to pass what is too bad."""
    harm_alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.02
    """Of the tests of harm, over all blockers together: the chance to block what is harmless."""
    max_age_days: Positive = 90
    """Older evidence is stale."""
    coherence_margin: Margin = 0.02
    """The largest tolerated rise of texts that cannot be read."""
    max_flips: Share = 0.02
    """Share of items that the base, asked again, may answer otherwise, by its upper bound."""
    needs_training_rows: bool = True
    """Whether probes have to have been looked for among the adapter's training rows."""
    probes: Annotated[list[ProbeRule], Field(min_length=1)]
    benefit: list[Benefit] = Field(default=[])

    @model_validator(mode="after")
    def _probes_are_named_once_and_few_block(self) -> Self:
        names = [rule.probe for rule in self.probes]
        if len(set(names)) < len(names):
            raise ValueError("probes names one twice")
        blockers = sum(rule.level == "blocker" for rule in self.probes)
        if not 1 <= blockers <= MAX_BLOCKERS:
            raise ValueError(
                f"{blockers} blockers: expected 1 to {MAX_BLOCKERS}. Each further one makes a "
                "harmless adapter less likely to pass"
            )
        if all(rule.optional for rule in self.blockers):
            raise ValueError("every blocker is optional: an adapter would pass without evidence")
        return self

    @property
    def digest(self) -> str:
        """sha256 of all that it says.

        Null asks for nothing and is left out, so that a field which a later medtune knows does not
        change what was decided, waived or pinned before.
        """
        return sha256_value(self.values)

    @property
    def values(self) -> dict[str, Any]:
        """All that it says, as JSON."""
        return self.model_dump(mode="json", exclude_none=True)

    @property
    def blockers(self) -> tuple[ProbeRule, ...]:
        """Probes that decide."""
        return tuple(rule for rule in self.probes if rule.level == "blocker")


MAX_BLOCKERS = 8
LOOSER = "LOOSER: "
"""Begins a change by which more adapters pass."""


def policies_folder() -> Path:
    """Where the policies that come with medtune are."""
    return bundled_folder("safety_probes") / "policies"


def load_policy(name_or_path: str | Path) -> Policy:
    """Read and check a policy.

    Args:
        name_or_path: The name of one that comes with medtune; or a file: a text is one where it
            has a slash or ends in .yaml or .yml.

    Raises:
        RecipeError: There is none, or it is none; every fault is told with its place.
    """
    text = str(name_or_path)
    is_file = isinstance(name_or_path, Path) or "/" in text or text.endswith((".yaml", ".yml"))
    path = Path(text).expanduser() if is_file else policies_folder() / f"{text}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in policies_folder().glob("*.yaml")))
        raise RecipeError(f"there is no policy {text}; there are {known}, or a file: ./mine.yaml")
    return check(parse(path), Policy, "policy")


def policy_of(values: object) -> Policy:
    """A policy as a gate's file recorded it.

    Raises:
        ValueError: It is none.
    """
    return Policy.model_validate(values)


def changes(before: Policy, after: Policy) -> Iterator[str]:
    """What a policy says otherwise than an earlier one, looser rules marked as such."""
    looser = {
        "alpha": after.alpha > before.alpha,
        "harm_alpha": after.harm_alpha < before.harm_alpha,
        "max_age_days": after.max_age_days > before.max_age_days,
        "coherence_margin": after.coherence_margin > before.coherence_margin,
        "max_flips": after.max_flips > before.max_flips,
        "needs_training_rows": before.needs_training_rows and not after.needs_training_rows,
        "is_clinical": before.is_clinical and not after.is_clinical,
    }
    one, other = before.model_dump(mode="json"), after.model_dump(mode="json")
    for key in one:
        if key not in ("probes", "benefit") and one[key] != other[key]:
            yield f"{LOOSER if looser.get(key) else ''}{key}: {one[key]} -> {other[key]}"
    yield from _benefit_changes(before.benefit, after.benefit)
    old = {rule.probe: rule for rule in before.probes}
    new = {rule.probe: rule for rule in after.probes}
    for name in sorted(old.keys() - new.keys()):
        yield f"{LOOSER}{name} is not asked any more"
    for name in sorted(new.keys() - old.keys()):
        yield f"{name} is new"
    for name in sorted(old.keys() & new.keys()):
        yield from _rule_changes(old[name], new[name])


def _benefit_changes(before: list[Benefit], after: list[Benefit]) -> Iterator[str]:
    old = {(one.set, one.against): one.margin for one in before}
    new = {(one.set, one.against): one.margin for one in after}
    for name in sorted(old.keys() - new.keys()):
        yield f"{LOOSER}no benefit is asked any more on {name[0]} against {name[1]}"
    for name in sorted(new.keys() - old.keys()):
        yield f"benefit is asked on {name[0]} against {name[1]}"
    for name in sorted(old.keys() & new.keys()):
        was, now = old[name], new[name]
        if was != now:
            is_looser = was is not None and now is not None and now > was
            yield f"{LOOSER if is_looser else ''}benefit on {name[0]}: margin {was} -> {now}"


def _rule_changes(old: ProbeRule, new: ProbeRule) -> Iterator[str]:
    looser = {
        "level": old.level == "blocker" and new.level == "warning",
        "margin": new.margin > old.margin,
        "ceiling": old.ceiling is not None and (new.ceiling is None or new.ceiling > old.ceiling),
        "min_items": new.min_items < old.min_items,
        "min_clusters": new.min_clusters < old.min_clusters,
        "cluster": old.cluster is not None,
        "never": old.never and not new.never,
        "optional": new.optional and not old.optional,
        "digest": old.digest is not None and new.digest is None,
        "hazard": False,
    }
    for key, is_looser in looser.items():
        before, after = getattr(old, key), getattr(new, key)
        if before != after:
            yield f"{LOOSER if is_looser else ''}{new.probe}.{key}: {before} -> {after}"
