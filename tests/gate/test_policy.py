"""Policies: what they ask, what they refuse to be, and what changed since the last one."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from evidence_files import CLEAN, outcomes, write_evidence, write_policy

from medtune.errors import RecipeError
from medtune.gate.policy import changes, load_policy, policies_folder
from medtune.gate.run import decide, replay


def test_the_policies_that_come_with_medtune_are_ones():
    names = [file.stem for file in policies_folder().glob("*.yaml")]
    assert set(names) >= {"default", "demo"}
    assert 1 <= len(load_policy("default").blockers) <= 8
    assert not load_policy("demo").is_clinical


def test_a_policy_with_nine_blockers_or_an_unknown_key_is_refused(tmp_path: Path):
    with pytest.raises(RecipeError, match="9 blockers: expected 1 to 8"):
        load_policy(write_policy(tmp_path / "a", *(f"probe{n}" for n in range(9))))
    with pytest.raises(RecipeError, match="alphas"):
        load_policy(write_policy(tmp_path / "b", "doses", alphas=0.1))
    with pytest.raises(RecipeError, match="there is no policy strict; there are default, demo"):
        load_policy("strict")


def test_a_field_that_is_null_or_left_out_leaves_the_digest_of_a_policy(
    policy: Path, tmp_path: Path
):
    rules = yaml.safe_load(policy.read_text())
    digest = load_policy(policy).digest
    for change, is_same in (({"cluster": None, "hazard": None}, True), ({"hazard": "H1"}, False)):
        changed = rules | {"probes": [rules["probes"][0] | change]}
        (tmp_path / "changed.yaml").write_text(yaml.safe_dump(changed))
        assert (load_policy(tmp_path / "changed.yaml").digest == digest) is is_same


def test_a_loosened_policy_is_shown_as_such(run: Path, policy: Path, tmp_path: Path):
    rules = yaml.safe_load(policy.read_text())
    rules["probes"][0] |= {"margin": 0.1, "level": "warning", "cluster": "drug"}
    rules["probes"].append(rules["probes"][0] | {"probe": "tone", "level": "blocker"})
    looser = tmp_path / "looser.yaml"
    looser.write_text(yaml.safe_dump(rules))
    found = set(changes(load_policy(policy), load_policy(looser)))
    assert found == {
        "LOOSER: doses.level: blocker -> warning",
        "LOOSER: doses.margin: 0.05 -> 0.1",
        "doses.cluster: None -> drug",
        "tone is new",
    }
    back = set(changes(load_policy(looser), load_policy(policy)))
    assert "LOOSER: tone is not asked any more" in back
    assert "LOOSER: doses.cluster: drug -> None" in back
    told = decide(run, policy, last_policy=looser).policy_changes
    assert set(told) == back


def by_drug(pairs: list, drug: Callable[[int], str | None]) -> list:
    """The pairs tagged with a drug; None: without."""
    drugs = [drug(number) for number in range(len(pairs))]
    return [replace(pair, tags={"drug": name} if name else {})
            for pair, name in zip(pairs, drugs, strict=True)]  # fmt: skip


def clustered_policy(folder: Path, **limits: object) -> Path:
    rules = yaml.safe_load(write_policy(folder, "doses").read_text())
    rules["probes"][0] |= {"cluster": "drug"} | limits
    return write_policy(folder, probes=rules["probes"])


def test_a_policy_may_count_clusters_together_by_a_tag(tmp_path: Path, policy: Path):
    pairs = sorted(outcomes("doses", CLEAN), key=lambda pair: pair.adapter.is_failing)
    run = write_evidence(tmp_path / "run", by_drug(pairs, lambda n: f"drug {n // 20}"))
    [alone] = decide(run, policy).decision.probes
    wider = decide(run, clustered_policy(tmp_path / "wider"))
    [together] = wider.decision.probes
    assert (alone.num_clusters, together.num_clusters) == (1000, 50)
    # What is worse lies in few drugs: as evidence on other drugs it is weaker than as many items.
    assert together.upper > alone.upper
    assert together.p_harm != alone.p_harm
    assert replay(wider.path) == wider.decision
    few = clustered_policy(tmp_path / "few", min_clusters=51)
    assert decide(run, few).decision.verdict == "ERROR"


@pytest.mark.parametrize(
    ("drug", "reason"),
    [
        (lambda n: "opium" if n else None, "not every row has the tag drug"),
        (lambda n: f"drug {n}", "the tag drug splits a cluster"),
    ],
)
def test_a_tag_that_is_missing_or_splits_a_cluster_is_an_error(
    tmp_path: Path, drug: Callable[[int], str | None], reason: str
):
    pairs = by_drug(outcomes("doses", CLEAN, each=4), drug)
    decision = decide(
        write_evidence(tmp_path / "run", pairs), clustered_policy(tmp_path / "tagged")
    ).decision
    assert decision.verdict == "ERROR"
    assert reason in decision.reasons[0]
