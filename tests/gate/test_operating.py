"""How often the default policy decides what, by simulation over the shipped families' own sizes.

    pytest -m slow -s tests/gate/test_operating.py

prints the table of safety_probes/README.md.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from medtune.gate.deciding import decide
from medtune.gate.policy import load_policy
from medtune.probes.family import families_folder, load_family
from medtune.records import Outcome, PairedOutcome
from medtune.stats import wilson

from evidence_files import integrity  # isort: skip

pytestmark = pytest.mark.slow
OK, FAIL = Outcome(verdict="ok"), Outcome(verdict="fail")
REPETITIONS = 300
CORRELATION = 0.05
PLANNED = None
"""Each family's own discordance, as its plan assumes it: 10 to 25 %."""
UNREADABLE = 0.02
"""Share of written texts of which only one arm's can be read, as the coherence probe plans it."""
SCENARIOS = {
    "clean, as planned": (PLANNED, 0.0),
    "+5 points on one probe, as planned": (PLANNED, 0.05),
    "+10 points on one probe, as planned": (PLANNED, 0.10),
    "clean, 25 % differ": (0.25, 0.0),
    "+10 points on one probe, 25 % differ": (0.25, 0.10),
}
"""Title -> share of items on which base and adapter differ, and the rise on one probe."""


def families() -> dict[str, tuple[float, list[str]]]:
    """Of each blocker the planned discordance, and the cluster of each item."""
    found = {}
    for rule in load_policy("default").blockers:
        if rule.optional:
            continue
        family = load_family(families_folder() / rule.probe)
        names = [item.cluster for item in family.items]
        found[rule.probe] = (family.plan.discordance, names)
    return found


def drawn(
    probe: str, names: Sequence[str], discordance: float, harm: float, random: np.random.Generator
) -> list[PairedOutcome]:
    """Pairs whose changes are alike within a cluster.

    With probability sqrt(CORRELATION) an item takes its cluster's own draw, so that two items of a
    cluster have changes correlated by CORRELATION.
    """
    of_cluster = {name: random.random() for name in dict.fromkeys(names)}
    worse, better = (discordance + harm) / 2, (discordance - harm) / 2
    draws = random.random(len(names))
    follows = random.random(len(names)) < CORRELATION**0.5
    fails = random.random(len(names)) < 0.3
    pairs = []
    for number, name in enumerate(names):
        value = of_cluster[name] if follows[number] else draws[number]
        if value < worse:
            base, adapter = OK, FAIL
        elif value < worse + better:
            base, adapter = FAIL, OK
        else:
            base = adapter = FAIL if fails[number] else OK
        pairs.append(
            PairedOutcome(
                probe=probe, id=str(number), cluster=name, severity="S3", is_verified=False,
                is_reviewed=False, tags={}, prompt_digest="", base=base, adapter=adapter,
                again=base if number < 64 else None,
            )
        )  # fmt: skip
    return pairs


def written(random: np.random.Generator) -> list[PairedOutcome]:
    """Of the family that is a warning; whether its texts can be read is a blocker."""
    names = [item.cluster for item in load_family(families_folder() / "free_text").items]
    judged = drawn("free_text", names, 0.05, 0.0, random)
    read = drawn("free_text", names, UNREADABLE, 0.0, random)
    return [
        replace(
            pair,
            base=replace(pair.base, is_coherent=not other.base.is_failing),
            adapter=replace(pair.adapter, is_coherent=not other.adapter.is_failing),
        )
        for pair, other in zip(judged, read, strict=True)
    ]


@pytest.fixture(scope="module")
def table() -> dict[str, Counter[str]]:
    policy, sizes = load_policy("default"), families()
    found = {}
    for title, (discordance, harm) in SCENARIOS.items():
        random, counts = np.random.default_rng(11), Counter()
        for repetition in range(REPETITIONS):
            harmed = list(sizes)[repetition % len(sizes)]
            outcomes = [
                pair
                for probe, (planned, names) in sizes.items()
                for pair in drawn(
                    probe, names, discordance or planned, harm if probe == harmed else 0.0, random
                )
            ]
            decision = decide(
                policy, [*outcomes, *written(random)], faults=(),
                integrity=integrity(), scores=(), previous=(), not_tested=(), waived={},
                waiver_notes=(),
            )  # fmt: skip
            counts[decision.verdict] += 1
        found[title] = counts
        print(f"| {title} | {' | '.join(shown(counts[v]) for v in VERDICTS)} |", flush=True)
    return found


VERDICTS = ("PASS", "BLOCK", "INCONCLUSIVE")


def shown(count: int) -> str:
    low, high = wilson(count, REPETITIONS)
    return f"{count / REPETITIONS:.1%} ({low:.1%} to {high:.1%})"


def test_a_harmless_adapter_passes_where_the_plans_hold(table):
    assert table["clean, as planned"]["PASS"] / REPETITIONS >= 0.9


@pytest.mark.parametrize("title", [title for title in SCENARIOS if title.startswith("clean")])
def test_a_harmless_adapter_is_hardly_ever_blocked(table, title: str):
    assert table[title]["BLOCK"] / REPETITIONS <= 0.02


@pytest.mark.parametrize("title", [title for title in SCENARIOS if title.startswith("+10")])
def test_ten_points_on_one_probe_are_blocked(table, title: str):
    assert table[title]["BLOCK"] / REPETITIONS >= 0.9
    assert table[title]["PASS"] == 0


def test_a_rise_of_the_margin_itself_passes_at_most_as_often_as_alpha_allows(table):
    # Binomial noise of the simulation on top of 5 %.
    assert table["+5 points on one probe, as planned"]["PASS"] / REPETITIONS <= 0.08
