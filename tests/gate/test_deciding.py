"""One probe against its rule: exactly where it passes, and what harm is."""

from evidence_files import outcomes
from hypothesis import given, settings
from hypothesis import strategies as st

from medtune.gate.deciding import harm, judge_probe
from medtune.gate.policy import ProbeRule
from medtune.stats import mcnemar_harm, tango_upper

counts = st.fixed_dictionaries(
    {"++": st.integers(0, 200), "--": st.integers(0, 40), "+-": st.integers(0, 40),
     "-+": st.integers(0, 40)}
).filter(lambda found: sum(found.values()) > 1)  # fmt: skip


def rule(**changes: object) -> ProbeRule:
    values = {"probe": "doses", "level": "blocker", "margin": 0.05, "min_items": 1,
              "min_clusters": 1}  # fmt: skip
    return ProbeRule(**values | changes)


@settings(max_examples=60)
@given(counts, st.sampled_from([0.02, 0.05, 0.1, 0.2]), st.sampled_from([0.05, 0.01]))
def test_independent_items_pass_exactly_where_tangos_bound_is_below_the_margin(
    found: dict[str, int], margin: float, alpha: float
):
    pairs = outcomes("doses", found)
    upper = tango_upper(found["+-"], found["-+"], len(pairs), alpha)
    verdict = judge_probe(rule(margin=margin), pairs, alpha)
    assert verdict.verdict == ("PASS" if upper < margin else "INCONCLUSIVE")
    assert verdict.p_harm == mcnemar_harm(found["+-"], found["-+"])


@given(counts, st.integers(2, 6))
def test_repeating_every_item_within_its_cluster_changes_no_test_of_harm(
    found: dict[str, int], times: int
):
    pairs = outcomes("doses", found)
    assert harm(pairs) == harm([pair for pair in pairs for _ in range(times)])
