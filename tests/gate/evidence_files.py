"""Evidence as medtune writes it, made up item by item: no model is needed to decide."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from medtune.digests import adapter_folder_digest
from medtune.evidence.probes import write_probes
from medtune.gate.run import decide
from medtune.probes.family import Family, Plan
from medtune.probes.summaries import coherence_result, summarise
from medtune.records import Integrity, Outcome, PairedOutcome, ProbeReport

BASE = "b" * 64
CONDITIONS = {"base": BASE, "tokenizer": "t", "template": "p", "dtype": "float32", "engine": "e"}


def adapter(run: Path) -> Path:
    """A folder that says of itself what an adapter does."""
    folder = run / "adapter"
    folder.mkdir(parents=True)
    (folder / "medtune.json").write_text(json.dumps({"base": "small", "base_digest": BASE}))
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    return folder


def outcomes(
    probe: str, counts: Mapping[str, int], *, each: int = 1, verified: bool = False, seed: int = 1
) -> list[PairedOutcome]:
    """So many items of each way: '++' both ok, '+-' worse, '-+' better, '--' both fail."""
    ways = [way for way, count in counts.items() for _ in range(count)]
    random.Random(seed).shuffle(ways)
    verdicts = {"+": "ok", "-": "fail", "?": "unjudged"}
    return [
        PairedOutcome(
            probe=probe, id=f"item-{number}", cluster=f"case-{number // each}", severity="S3",
            is_verified=verified, is_reviewed=False, tags={"part": "a" if number % 2 else "b"},
            prompt_digest="q", base=Outcome(verdict=verdicts[way[0]], score=0.5),
            adapter=Outcome(verdict=verdicts[way[1]], score=-0.5),
            again=Outcome(verdict=verdicts[way[0]], score=0.5) if number < 200 else None,
        )
        for number, way in enumerate(ways)
    ]  # fmt: skip


def integrity(**changes: object) -> Integrity:
    """Nothing to complain of."""
    found = Integrity(
        base_digest_before="w", base_digest_after="w", effect=1.0, update=0.02, overlap={},
        overlap_note="looked", faults=(),
    )  # fmt: skip
    return replace(found, **changes)


def plan(probe: str) -> Plan:
    """Of a probe that is made up."""
    return Plan(
        probe=probe, version=1, title=probe, measures="This.", level="blocker", margin=0.05,
        discordance=0.1, clusters="case", licence="none",
    )  # fmt: skip


def write_evidence(
    run: Path,
    *probes: list[PairedOutcome],
    age_days: int = 0,
    conditions: Mapping[str, object] | None = None,
    found: Integrity | None = None,
    base: str = BASE,
) -> Path:
    """A run with an adapter and its paired outcomes."""
    folder = run / "adapter" if (run / "adapter").is_dir() else adapter(run)
    digest = adapter_folder_digest(folder)
    results = [
        summarise(Family(plan=plan(pairs[0].probe), items=(), digest="d" * 64), pairs)
        for pairs in probes
    ]
    report = ProbeReport(
        suite="full",
        base_conditions=CONDITIONS | {"base": base, "adapter": "none"},
        adapter_conditions={**CONDITIONS, "base": base, "adapter": digest, **(conditions or {})},
        settings={},
        integrity=found or integrity(),
        coherence=coherence_result([pair for pairs in probes for pair in pairs], is_complete=True),
        results=tuple(results),
        not_tested=("memorisation",),
        outcomes=tuple(pair for pairs in probes for pair in pairs),
    )
    place = run / "probes" / "full"
    place.mkdir(parents=True, exist_ok=True)
    write_probes(report, place)
    finished = datetime.now(UTC) - timedelta(days=age_days)
    (place / "provenance.json").write_text(json.dumps({"finished": finished.isoformat()}))
    return run


def write_policy(folder: Path, *probes: str, **changes: object) -> Path:
    """A policy with a blocker for each probe."""
    rules = [
        {"probe": probe, "level": "blocker", "margin": 0.05, "min_items": 10, "min_clusters": 10}
        for probe in probes
    ]
    values = {
        "policy": "ours", "version": 1, "title": "Ours", "intended_use": "Tests.",
        "probes": rules,
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "policy.yaml"
    file.write_text(yaml.safe_dump(values | changes))
    return file


def verdict(run: Path, policy: Path, **options: object) -> str:
    """What the gate says."""
    return decide(run, policy, **options).decision.verdict


CLEAN = {"++": 880, "--": 80, "+-": 20, "-+": 20}
HARMED = {"++": 800, "--": 80, "+-": 110, "-+": 10}
UNSURE = {"++": 60, "--": 10, "+-": 5, "-+": 5}


def write_scores(
    folder: Path,
    adapter_digest: str,
    base: str,
    answers: str,
    *,
    name: str = "exam",
    metric: str = "accuracy",
    arms: Sequence[str] = ("base", "adapter"),
) -> Path:
    """Scores of a set: of each item base and adapter, '+' right and '-' wrong, such as '++ -+'."""
    from medtune.evaluation.summaries import summarise as summarise_scores
    from medtune.evidence.arms import compare
    from medtune.evidence.scores import write_evaluation
    from medtune.records import Evaluation, ItemScore, ScoreReport

    scored = []
    for place, arm in enumerate(arms):
        items = [
            ItemScore(
                id=f"q{number}", group=f"q{number}", prompt_digest="p", options=("A", "B"),
                log_likelihoods=(-0.1, -2.0), num_answer_tokens=1, predicted="A",
                answer="A" if marks[place] == "+" else "B", value=float(marks[place] == "+"),
            )
            for number, marks in enumerate(answers.split())
        ]  # fmt: skip
        shown = arms[:place].count(arm)
        scored.append(summarise_scores(arm, shown, metric, items, shot_seed=shown or None))
    report = ScoreReport(
        name=name, task="mcq", test_set="a set", is_official=False, is_complete=True,
        protocol="top_token", settings={}, dtype="float32", arms=tuple(scored),
        comparisons=tuple(compare(scored[-1], one) for one in scored[:-1]),
    )  # fmt: skip
    conditions = {"adapter": adapter_digest, "base": base}
    folder.mkdir(parents=True, exist_ok=True)
    write_evaluation(Evaluation(suite="s", conditions=conditions, reports=(report,)), folder)
    return folder
