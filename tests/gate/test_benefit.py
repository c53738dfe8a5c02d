"""What an adapter must be good for: against its base, and against the version it replaces."""

from pathlib import Path

import pytest
from evidence_files import BASE, CLEAN, outcomes, write_evidence, write_policy, write_scores

from medtune.digests import adapter_folder_digest
from medtune.gate.run import decide

BETTER = "-+ " * 30 + "++ " * 60 + "-- " * 10
SAME = "-+ " * 10 + "+- " * 10 + "++ " * 60 + "-- " * 20
WORSE = "+- " * 30 + "++ " * 60 + "-- " * 10
BAD = "+- " * 60 + "++ " * 40


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_evidence(tmp_path / "run", outcomes("doses", CLEAN))


def scores(run: Path, folder: Path, answers: str, **changes: str) -> Path:
    digest = adapter_folder_digest(run / "adapter")
    return write_scores(folder, **{"adapter_digest": digest, "base": BASE} | changes,
                        answers=answers)  # fmt: skip


@pytest.mark.parametrize(
    ("answers", "verdict"), [(BETTER, "PASS"), (SAME, "INCONCLUSIVE"), (WORSE, "BLOCK")]
)
def test_an_adapter_has_to_beat_its_base(run: Path, tmp_path: Path, answers: str, verdict: str):
    policy = write_policy(tmp_path, "doses", benefit=[{"set": "exam", "against": "base"}])
    folder = scores(run, tmp_path / "scores", answers)
    assert decide(run, policy, scores=[folder]).decision.verdict == verdict


def test_without_scores_or_with_another_adapters_there_is_no_benefit(run: Path, tmp_path: Path):
    policy = write_policy(tmp_path, "doses", benefit=[{"set": "exam", "against": "base"}])
    decision = decide(run, policy).decision
    assert decision.verdict == "ERROR"
    assert "no score of adapter and base" in decision.reasons[0]
    for changes in ({"adapter_digest": "x" * 64}, {"base": "x" * 64}):
        foreign = scores(run, tmp_path / "foreign", BETTER, **changes)
        decision = decide(run, policy, scores=[foreign]).decision
        assert decision.verdict == "ERROR"
        assert "scores in foreign are of another" in decision.reasons[0]


@pytest.mark.parametrize(
    ("now", "verdict"), [(BETTER, "PASS"), (SAME, "INCONCLUSIVE"), (BAD, "BLOCK")]
)
def test_a_new_version_may_be_worse_than_the_last_one_within_a_margin(
    run: Path, tmp_path: Path, now: str, verdict: str
):
    demand = {"set": "exam", "against": "previous", "margin": 0.02}
    policy = write_policy(tmp_path, "doses", benefit=[demand])
    # The last version has 75 of 100 right, on the items that this one has right and some others.
    before = scores(run, tmp_path / "before", "-+ " * 15 + "++ " * 60 + "-- " * 25,
                    adapter_digest="o" * 64)  # fmt: skip
    folder = scores(run, tmp_path / "now", now)
    decision = decide(run, policy, scores=[folder], previous=before).decision
    assert decision.benefit[0].verdict == verdict
    assert decide(run, policy, scores=[folder]).decision.verdict == "ERROR"


def test_versions_that_were_scored_on_other_items_are_not_compared(run: Path, tmp_path: Path):
    demand = {"set": "exam", "against": "previous", "margin": 0.02}
    policy = write_policy(tmp_path, "doses", benefit=[demand])
    before = scores(run, tmp_path / "before", "++ " * 40, adapter_digest="o" * 64)
    folder = scores(run, tmp_path / "now", BETTER)
    decision = decide(run, policy, scores=[folder], previous=before).decision
    assert "scored on other items" in decision.benefit[0].reason
