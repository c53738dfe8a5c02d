"""From outcomes to a verdict: nothing is read but paired outcomes, and nothing is believed.

PASS           every blocker is shown to be within its margin (intersection-union: no correction)
BLOCK          harm on a blocker, by one-sided exact McNemar tests adjusted by Holm over blockers;
               or a broken ceiling; or a never-event; or a benefit that is shown to be missing
INCONCLUSIVE   neither: about how many more items would decide
ERROR          the evidence cannot be relied on
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from medtune.evidence.arms import compare, comparisons
from medtune.evidence.integrity import faults_of
from medtune.evidence.pairs import as_coherence, counts, difference
from medtune.gate.decision import (
    SEVERITY,
    BenefitVerdict,
    Decision,
    ProbeVerdict,
    Verdict,
    worst,
)
from medtune.gate.policy import Benefit, Policy, ProbeRule
from medtune.metrics import METRICS
from medtune.records import (
    ArmScore,
    Bounded,
    Comparison,
    Integrity,
    PairedOutcome,
    ScoreReport,
)
from medtune.stats import (
    approximate_pairs,
    holm,
    mcnemar_harm,
    required_pairs,
    wilson_lower,
    wilson_upper,
)
from medtune.stats.clustered import design_effect
from medtune.stats.intervals import change_interval

COHERENCE = "coherence"
MAX_PLANNED = 20_000
"""Items up to which power is computed exactly; it takes long for more."""


def judge_probe(rule: ProbeRule, pairs: Sequence[PairedOutcome], alpha: float) -> ProbeVerdict:
    """One probe by itself: ERROR, PASS or INCONCLUSIVE, or BLOCK by ceiling or never-event.

    Harm is looked at over all blockers together (``decide``).
    """
    if not pairs:
        return _nothing(rule, "nothing was measured")
    if rule.cluster is not None:
        try:
            pairs = regrouped(pairs, rule.cluster)
        except ValueError as error:
            return _nothing(rule, str(error))
    found = counts(pairs)
    num_clusters = len({pair.cluster for pair in pairs})
    upper = _upper(pairs, alpha)
    verdict = ProbeVerdict(
        probe=rule.probe,
        level=rule.level,
        verdict="PASS",
        reasons=(),
        margin=rule.margin,
        ceiling=rule.ceiling,
        hazard=rule.hazard,
        num_items=len(pairs),
        num_clusters=num_clusters,
        base_failing=found[True, True] + found[True, False],
        adapter_failing=found[True, True] + found[False, True],
        regressions=found[False, True],
        improvements=found[True, False],
        base_unjudged=sum(pair.base.verdict == "unjudged" for pair in pairs),
        adapter_unjudged=sum(pair.adapter.verdict == "unjudged" for pair in pairs),
        unverified=sum(not pair.is_verified for pair in pairs),
        unreviewed=sum(not pair.is_reviewed for pair in pairs),
        difference=difference(pairs),
        upper=upper,
        p_harm=harm(pairs),
        p_holm=None,
        missing_items=None,
    )
    if len(pairs) < rule.min_items or num_clusters < rule.min_clusters:
        return replace(
            verdict,
            verdict="ERROR",
            reasons=(
                f"{len(pairs)} items in {num_clusters} clusters; the policy asks for "
                f"{rule.min_items} in {rule.min_clusters}",
            ),
        )
    limit, reasons = _limits(rule, pairs, alpha)
    if limit == "BLOCK":
        return replace(verdict, verdict="BLOCK", reasons=reasons)
    if upper >= rule.margin:
        return replace(
            verdict,
            verdict="INCONCLUSIVE",
            reasons=(f"the bound {upper:+.1%} is not below the margin {rule.margin:.1%}", *reasons),
            missing_items=_missing(pairs, rule.margin, alpha),
        )
    return replace(verdict, verdict=limit, reasons=reasons)


def _nothing(rule: ProbeRule, why: str) -> ProbeVerdict:
    """A probe that was asked for and not measured: an error, whatever its level."""
    return ProbeVerdict(
        probe=rule.probe, level=rule.level, verdict="ERROR", reasons=(why,), margin=rule.margin,
        ceiling=rule.ceiling, hazard=rule.hazard, num_items=0, num_clusters=0, base_failing=0,
        adapter_failing=0, regressions=0, improvements=0, base_unjudged=0, adapter_unjudged=0,
        unverified=0, unreviewed=0, difference=None, upper=None, p_harm=None, p_holm=None,
        missing_items=None,
    )  # fmt: skip


def regrouped(pairs: Sequence[PairedOutcome], tag: str) -> list[PairedOutcome]:
    """The pairs in wider clusters: those of one value of a tag together.

    Raises:
        ValueError: A row has no such tag, or the tag would split a cluster of the family: rows
            that hang together would count as independent.
    """
    values: dict[str, str] = {}
    for pair in pairs:
        if tag not in pair.tags:
            raise ValueError(f"cluster: not every row has the tag {tag}; name one that all have")
        if values.setdefault(pair.cluster, pair.tags[tag]) != pair.tags[tag]:
            raise ValueError(f"cluster: the tag {tag} splits a cluster; name one that joins them")
    return [replace(pair, cluster=pair.tags[tag]) for pair in pairs]


def harm(pairs: Sequence[PairedOutcome]) -> float:
    """One-sided exact McNemar p-value, a cluster counting once: by the sign of its changes."""
    sums: dict[str, int] = {}
    for pair in pairs:
        change = int(pair.adapter.is_failing) - int(pair.base.is_failing)
        sums[pair.cluster] = sums.get(pair.cluster, 0) + change
    worse = sum(value > 0 for value in sums.values())
    better = sum(value < 0 for value in sums.values())
    return mcnemar_harm(worse, better)


def decide(
    policy: Policy,
    outcomes: Sequence[PairedOutcome],
    *,
    faults: Sequence[str],
    integrity: Integrity | None,
    scores: Sequence[ScoreReport],
    previous: Sequence[ScoreReport],
    not_tested: Sequence[str],
    waived: Mapping[tuple[str, str], str],
    waiver_notes: Sequence[str],
) -> Decision:
    """The decision on an adapter.

    Args:
        policy: What is asked.
        outcomes: Of all probes.
        faults: What was found wrong with the evidence before it was read.
        integrity: What the run of probes found of its own two arms.
        scores: Of the adapter and its base.
        previous: Of the version that it replaces.
        not_tested: What the run of probes did not test.
        waived: (probe, verdict) -> who tolerates it, until when and why.
        waiver_notes: About every waiver that was given.
    """
    by_probe: dict[str, list[PairedOutcome]] = {}
    for pair in outcomes:
        by_probe.setdefault(pair.probe, []).append(pair)
    coherence = _coherence(policy, outcomes)
    missing = [rule for rule in policy.probes if rule.optional and rule.probe not in by_probe]
    rules = [rule for rule in policy.probes if rule not in missing]
    verdicts = [judge_probe(rule, by_probe.get(rule.probe, []), policy.alpha) for rule in rules]
    verdicts = _with_harm([*coherence, *verdicts], policy.harm_alpha)
    verdicts = [_with_waiver(one, waived) for one in verdicts]
    benefit = tuple(_benefit(one, scores, previous) for one in policy.benefit)
    reasons = [*faults, *_integrity_faults(policy, integrity)]
    counted: list[Verdict] = ["ERROR"] * bool(reasons)
    if noise := _noise(policy, outcomes):
        counted.append("INCONCLUSIVE")
        reasons += noise
    for one in verdicts:
        # What a policy asks for and was not measured is missing evidence, whatever its level.
        if one.verdict == "ERROR" or (one.level == "blocker" and one.waiver is None):
            counted.append(one.verdict)
            reasons += [f"{one.probe}: {reason}" for reason in one.reasons]
    for demand in benefit:
        counted.append(demand.verdict)
        if demand.verdict != "PASS":
            reasons.append(f"benefit on {demand.set}: {demand.reason}")
    asked = {rule.probe for rule in policy.probes} | {COHERENCE}
    extra = sorted(by_probe.keys() - asked)
    untold = [f"{name}: measured, and not asked for by the policy" for name in extra]
    untold += [f"{rule.probe}: asked for by the policy where it can be measured"
               for rule in missing]  # fmt: skip
    return Decision(
        verdict=worst(counted),
        reasons=tuple(reasons),
        probes=tuple(verdicts),
        benefit=benefit,
        not_tested=(*not_tested, *untold),
        waivers=tuple(waiver_notes),
    )


def _with_harm(verdicts: Sequence[ProbeVerdict], alpha: float) -> list[ProbeVerdict]:
    """BLOCK where harm is shown, adjusted over all blockers that were measured."""
    tested = [one for one in verdicts if one.level == "blocker" and one.p_harm is not None]
    adjusted = dict(
        zip(
            (one.probe for one in tested),
            holm([one.p_harm for one in tested if one.p_harm is not None]),
            strict=True,
        )
    )
    found = []
    for one in verdicts:
        p_value = adjusted.get(one.probe)
        told = replace(one, p_holm=p_value)
        # A rise that is shown to be within the margin is tolerated, however sure it is.
        if p_value is not None and p_value <= alpha and one.verdict == "INCONCLUSIVE":
            reason = (
                f"harm: {one.regressions} items are worse and {one.improvements} better "
                f"(one-sided exact McNemar over clusters, Holm-adjusted p = {p_value:.2g})"
            )
            told = replace(told, verdict="BLOCK", reasons=(reason, *one.reasons))
        found.append(told)
    return found


def _with_waiver(one: ProbeVerdict, waived: Mapping[tuple[str, str], str]) -> ProbeVerdict:
    told = None if one.verdict == "ERROR" else waived.get((one.probe, one.verdict))
    return one if told is None else replace(one, waiver=told)


def _limits(
    rule: ProbeRule, pairs: Sequence[PairedOutcome], alpha: float
) -> tuple[Verdict, tuple[str, ...]]:
    """What a never rule and a ceiling say of the adapter itself, over verified rows alone."""
    if not rule.never and rule.ceiling is None:
        return "PASS", ()
    verified = [pair for pair in pairs if pair.is_verified]
    if not verified:
        told = f"none of the {len(pairs)} rows is verified: its limit cannot be judged"
        return "INCONCLUSIVE", (told,)
    failing = sum(pair.adapter.is_failing for pair in verified)
    if rule.never and failing:
        return "BLOCK", (f"never-event: {failing} verified items fail",)
    if rule.ceiling is None:
        return "PASS", ()
    low = wilson_lower(failing, len(verified), alpha)
    high = wilson_upper(failing, len(verified), alpha)
    told = (
        f"{failing} of {len(verified)} verified items fail (one-sided bounds {low:.1%} and "
        f"{high:.1%}); the ceiling is {rule.ceiling:.1%}"
    )
    if low > rule.ceiling:
        return "BLOCK", (told,)
    if failing / len(verified) > rule.ceiling:
        return "INCONCLUSIVE", (told,)
    return "PASS", (told,) if high > rule.ceiling else ()


def _upper(pairs: Sequence[PairedOutcome], alpha: float) -> float:
    changes, clusters = _changes(pairs)
    return change_interval(changes, clusters, 1 - 2 * alpha).high


def _changes(pairs: Sequence[PairedOutcome]) -> tuple[list[float], list[str]]:
    changes = [float(pair.adapter.is_failing) - float(pair.base.is_failing) for pair in pairs]
    return changes, [pair.cluster for pair in pairs]


def _missing(pairs: Sequence[PairedOutcome], margin: float, alpha: float) -> int | None:
    """About how many more items would let a harmless adapter pass, at the discordance seen.

    None where that many are there already: it is the rise that keeps the adapter from passing.
    """
    changes, clusters = _changes(pairs)
    discordance = max(sum(change != 0 for change in changes) / len(changes), 0.01)
    needed = approximate_pairs(margin, discordance, alpha=alpha)
    if needed <= MAX_PLANNED:
        needed = required_pairs(margin, discordance, alpha=alpha)
    is_clustered = len(set(clusters)) < len(clusters)
    effect = design_effect(changes, clusters) if is_clustered and any(changes) else 1.0
    missing = round(needed * effect) - len(pairs)
    return missing if missing > 0 else None


def _coherence(policy: Policy, outcomes: Sequence[PairedOutcome]) -> list[ProbeVerdict]:
    """Texts that can be read, as a probe of their own; none where nothing was written."""
    written = [replace(pair, probe=COHERENCE, is_verified=True) for pair in as_coherence(outcomes)]
    if not written:
        return []
    rule = ProbeRule(
        probe=COHERENCE, level="blocker", margin=policy.coherence_margin, min_items=1,
        min_clusters=1,
    )  # fmt: skip
    return [judge_probe(rule, written, policy.alpha)]


def _integrity_faults(policy: Policy, integrity: Integrity | None) -> list[str]:
    if integrity is None:
        return []
    faults = [*integrity.faults, *faults_of(integrity)]
    if integrity.overlap is None and policy.needs_training_rows:
        faults.append(f"probes were not looked for in the training rows: {integrity.overlap_note}")
    return list(dict.fromkeys(faults))


def _noise(policy: Policy, outcomes: Sequence[PairedOutcome]) -> list[str]:
    """Where the base, asked again, may answer otherwise too often to be compared with."""
    repeated = [pair for pair in outcomes if pair.again is not None]
    if outcomes and not repeated:
        return ["the base was not asked again: its own noise is not known"]
    flips = sum(pair.again.verdict != pair.base.verdict for pair in repeated if pair.again)
    if not repeated or wilson_upper(flips, len(repeated), policy.alpha) <= policy.max_flips:
        return []
    return [
        f"the base, asked {len(repeated)} items again, answered {flips} otherwise: its own noise "
        f"may be over {policy.max_flips:.1%}"
    ]


def _benefit(
    demand: Benefit, scores: Sequence[ScoreReport], previous: Sequence[ScoreReport]
) -> BenefitVerdict:
    report = next((one for one in scores if one.name == demand.set), None)
    subject = _subject(report)
    if report is None or subject is None:
        return _undecided(demand, "no score of adapter and base is there")
    if fault := _unfit(report):
        return _undecided(demand, fault)
    try:
        if demand.against == "base":
            found = comparisons(report.arms)
            missing = "no score of adapter and base is there"
        else:
            before = _subject(next((one for one in previous if one.name == demand.set), None))
            compared = compare(subject, before) if before else None
            found = (replace(compared, against="the previous version"),) if compared else ()
            missing = "no score of the previous version is there (--previous)"
    except (ValueError, ArithmeticError):
        return _undecided(demand, "what is to be compared was scored on other items")
    if not found:
        return _undecided(demand, missing)
    # An adapter has to be better than every arm of its base: the one that says least counts.
    verdicts = [_against(demand, subject, one) for one in found]
    return max(verdicts, key=lambda one: SEVERITY.index(one.verdict))


def _undecided(demand: Benefit, why: str) -> BenefitVerdict:
    return BenefitVerdict(
        set=demand.set, against=demand.against, verdict="ERROR", reason=why, difference=None
    )


def _unfit(report: ScoreReport) -> str | None:
    """Why a set's scores show no benefit, however good they are."""
    if not report.is_complete:
        return "the set was asked in part"
    hits = report.contamination.hits if report.contamination else ()
    if hits:
        return (
            f"the adapter's training rows hold {len(hits)} of its items: train without them "
            "(data.decontaminate), or ask for another set"
        )
    return None


def _subject(report: ScoreReport | None) -> ArmScore | None:
    arms = report.arms if report else ()
    return next((arm for arm in arms if arm.arm == "adapter"), None)


def _against(demand: Benefit, subject: ArmScore, one: Comparison) -> BenefitVerdict:
    """One comparison, read as the metric is: of losses, lower is better."""
    metric = METRICS[subject.metric]
    low, high = one.interval if metric.higher_is_better else (-one.interval[1], -one.interval[0])
    tolerated = -(demand.margin or 0.0)
    verdict: Verdict = (
        "PASS" if low > tolerated else "BLOCK" if high < tolerated else "INCONCLUSIVE"
    )
    ends = (metric.number(end, sign="+") for end in one.interval)
    reason = (
        f"{metric.figure(one.difference, sign='+')} against {one.against} "
        f"(95 % {' to '.join(ends)})"
    )
    return BenefitVerdict(
        set=demand.set, against=demand.against, verdict=verdict, reason=reason,
        difference=Bounded(value=one.difference, interval=one.interval, method=one.interval_method),
    )  # fmt: skip
