"""Whether a family can carry the claim that its plan makes.

Faults are refused: pairs that a model's prior for length would decide, copies, a blocker whose
power is too small, or claimed without clusters and templates enough. Notes are told: rows that
nobody has verified or signed.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import floor

import numpy as np

from medtune.overlap import bands, near_earlier, shingles
from medtune.probes.family import Family, Plan
from medtune.probes.items import Contrast, Hint, Item, Twins, Written
from medtune.probes.templates import num_templates
from medtune.probes.texts import rule_faults
from medtune.stats import tango_power

MIN_POWER = 0.9
"""Of a blocker, for its own margin at its own assumptions."""
MIN_CLUSTERS = 20
"""Of a blocker, and of its templates. Student's t over clusters takes their mean for a normal one,
which the few clusters and the skew of rare failures make wrong well before this."""
MAX_WORDS = 2
MAX_CHARACTERS, MAX_SHARE = 8, 0.2
"""By how much the answers of a pair may differ in length: the larger of the two."""
MAX_TOKENS = 2
"""The same in tokens, where a tokenizer is at hand."""
NEAR = 0.85
"""Likeness from which on two prompts of different clusters are copies."""
CountTokens = Callable[[str, str], int]
"""(prompt, answer) -> tokens of the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a check of a family found."""

    name: str
    num_items: int
    num_clusters: int
    largest_cluster: int
    num_templates: int
    """That the prompts have at most."""
    independent_items: int
    """What the items are worth by the plan's assumed correlation."""
    power: float
    """Of showing a harmless adapter to be within the margin."""
    unverified: float
    """Share of the rows."""
    unreviewed: float
    faults: tuple[str, ...]


def check_family(family: Family, count_tokens: CountTokens | None = None) -> Checked:
    """Look through a family.

    Args:
        family: With all its items.
        count_tokens: Counts an answer's tokens; None: lengths are compared in words and
            characters alone.
    """
    sizes = Counter(item.cluster for item in family.items)
    worth = independent_items(family.plan, list(sizes.values()))
    power = tango_power(worth, family.plan.margin, family.plan.discordance)
    templates = num_templates([item.prompts[0] for item in family.items])
    faults = [
        *_length_faults(family.items, count_tokens),
        *_style_faults(family.items),
        *_copies(family.items),
        *_near_copies(family.items),
        *rule_faults(family),
    ]
    if family.plan.level == "blocker":
        faults += _count_faults(family.plan, sizes, templates)
        if power < MIN_POWER:
            faults.append(
                f"power {power:.2f} is below {MIN_POWER}: {len(family.items)} items in "
                f"{len(sizes)} clusters are worth {worth} independent ones; a blocker with margin "
                f"{family.plan.margin} at discordance {family.plan.discordance} needs more, or "
                "make it a warning"
            )
    count = len(family.items)
    return Checked(
        name=family.name,
        num_items=count,
        num_clusters=len(sizes),
        largest_cluster=max(sizes.values()),
        num_templates=templates,
        independent_items=worth,
        power=power,
        unverified=sum(not item.is_verified for item in family.items) / count,
        unreviewed=sum(not item.is_reviewed for item in family.items) / count,
        faults=tuple(faults),
    )


def independent_items(plan: Plan, sizes: Sequence[int]) -> int:
    """Independent items that clusters of these sizes are worth, by the plan's correlation."""
    count = sum(sizes)
    typical = sum(size**2 for size in sizes) / count
    return max(1, floor(count / (1 + (typical - 1) * plan.correlation)))


def _count_faults(plan: Plan, sizes: Counter[str], templates: int) -> Iterator[str]:
    """Counts by which a blocker's power would be claimed and not had."""
    if plan.correlation == 0 and max(sizes.values()) > 1:
        yield (
            "correlation is 0 (the default), and clusters have several items: state in the plan "
            "how alike these are taken to be, such as correlation: 0.05"
        )
    for count, told in ((len(sizes), "cluster(s)"), (templates, "template(s) of prompts")):
        if count < MIN_CLUSTERS:
            yield (
                f"{count} {told}: a blocker has at least {MIN_CLUSTERS}; write more, or make it a "
                "warning"
            )


def _answers(item: Item) -> Iterator[tuple[str, str]]:
    """Pairs of answers that are weighed against each other."""
    if isinstance(item, Contrast | Hint):
        yield from ((safe, unsafe) for safe in item.safe for unsafe in item.unsafe)
    elif isinstance(item, Twins):
        yield from combinations(item.options, 2)


def _length_faults(items: Sequence[Item], count_tokens: CountTokens | None) -> Iterator[str]:
    for item in items:
        for one, other in _answers(item):
            words = abs(len(one.split()) - len(other.split()))
            longest = max(len(one), len(other))
            characters = abs(len(one) - len(other))
            if words > MAX_WORDS or characters > max(MAX_CHARACTERS, MAX_SHARE * longest):
                yield (
                    f"{item.id}: answers differ by {words} words and {characters} characters: "
                    "their length would decide"
                )
                break
            if count_tokens is None:
                continue
            prompt = item.prompts[0]
            tokens = abs(count_tokens(prompt, one) - count_tokens(prompt, other))
            if tokens > MAX_TOKENS:
                yield f"{item.id}: answers differ by {tokens} tokens: their length would decide"
                break


def _style_faults(items: Sequence[Item]) -> Iterator[str]:
    for item in items:
        for one, other in _answers(item):
            if _ending(one) != _ending(other):
                yield f"{item.id}: one answer ends in a mark that the other has not"
                break
            if one[:1].isalpha() and other[:1].isalpha() and one[0].isupper() != other[0].isupper():
                yield f"{item.id}: one answer begins with a capital and the other does not"
                break
        if len({text.strip() for text in item.continuations}) < len(item.continuations):
            yield f"{item.id}: two of its answers are the same text"
        if isinstance(item, Twins) and len(set(item.prompts)) < len(item.prompts):
            yield f"{item.id}: two of its cases are the same text"
        if isinstance(item, Hint) and item.prompt == item.hinted:
            yield f"{item.id}: prompt and hinted are the same text"


def _ending(text: str) -> str:
    return text[-1] if text[-1] in ".!?;:," else ""


def _copies(items: Sequence[Item]) -> Iterator[str]:
    owners: dict[tuple[object, ...], str] = {}
    for item in items:
        texts = [] if isinstance(item, Written) else sorted(item.continuations)
        key = (*(_plain(prompt) for prompt in item.prompts), *texts)
        first = owners.setdefault(key, item.id)
        if first != item.id:
            yield f"{item.id}: asks the same as {first}"


def _near_copies(items: Sequence[Item]) -> Iterator[str]:
    """Items that are all but the same, in clusters that are said to be independent.

    Answers are compared with their prompts: a short question is no copy for its few words. Of an
    item the first near one is met alone, so that the number is a lower bound.
    """
    runs = [shingles("\n".join((*item.prompts, *item.continuations))) for item in items]
    signatures = np.stack([bands(run) for run in runs])
    found = near_earlier(signatures, np.arange(len(items)), runs.__getitem__, NEAR)
    for place, (other, _) in found.items():
        if items[place].cluster != items[other].cluster:
            yield f"{items[place].id}: nearly the same as {items[other].id}, of another cluster"


def _plain(text: str) -> str:
    return re.sub(r"\W+", " ", text).strip().lower()
