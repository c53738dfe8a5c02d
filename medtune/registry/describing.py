"""The model card of a version, made from its evidence and from nothing else."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medtune.errors import EvaluationError
from medtune.evidence.scores import read_evaluation
from medtune.metrics import METRICS
from medtune.records import ArmScore
from medtune.registry.layout import Layout
from medtune.registry.manifest import Version
from medtune.registry.replaying import Decided, unpacked_files
from medtune.registry.states import Standing
from medtune.registry.verify import Verified

NO_CLAIM = (
    "Not clinical advice and no medical device. A decision of the gate says that an adapter was "
    "not shown to be worse than its base by more than the policy's margins, on the probes that the "
    "policy names, and nothing else."
)


def write_card(verified: Verified, layout: Layout) -> str:
    """The card as Markdown, with the front matter that the hub reads."""
    version = verified.checked.version
    parts = [
        _front_matter(version),
        f"# {verified.name}:{verified.standing.version}",
        NO_CLAIM,
        "## State\n\n" + "\n".join(f"- {line}" for line in state_lines(verified)),
        "## Identity\n\n" + "\n".join(f"- {line}" for line in identity_lines(version)),
        *(_decision_section(one) for one in verified.checked.decisions),
        *_score_sections(layout, version),
    ]
    return "\n\n".join(parts) + "\n"


def identity_lines(version: Version) -> list[str]:
    """What a version is tied to."""
    pins = version.pins
    return [
        f"version: `sha256:{version.digest}`",
        f"adapter digest: `{pins.adapter_digest}`",
        f"base: {pins.base}, digest `{pins.base_digest}`",
        f"recipe.lock.yaml: sha256 `{pins.lock_digest}`",
        *(f"data, {name}: sha256 `{digest}`" for name, digest in sorted(pins.data.items())),
        f"licences of the training rows: {pins.licences}",
    ]


def state_lines(verified: Verified) -> list[str]:
    """Where a version stands, by whom and on what grounds."""
    standing, signer = verified.standing, verified.checked.signer
    lines = [f"{standing.state}, pushed {standing.pushed}", *override_lines(standing)]
    lines.append(f"signed by {signer.name}" if signer else "UNSIGNED: nobody vouches for it")
    if verified.decided is not None:
        one = verified.decided
        lines.append(f"by the gate's decision of {one.decided:%Y-%m-%d} under {one.policy} "
                     f"(policy `{one.policy_digest[:16]}…`)")  # fmt: skip
    elif not verified.checked.decisions:
        lines.append("no decision of the gate is attached: nothing is known of its safety")
    if verified.without_weights:
        lines.append("its weights are not here: only the evidence was verified")
    return lines


def override_lines(standing: Standing) -> list[str]:
    """What has to stand wherever a version is shown that is in its state by an override."""
    if standing.override is None:
        return []
    return [
        f"OVERRIDE until {standing.override.until}, without the gate's PASS: "
        f"{standing.override.reason}"
    ]


def _front_matter(version: Version) -> str:
    return (
        f"---\nbase_model: {json.dumps(version.pins.base)}\nbase_model_relation: adapter\n"
        "library_name: peft\ntags:\n- medtune\n- lora\n- medical\n---"
    )


def _decision_section(one: Decided) -> str:
    kind = "" if one.is_clinical else ", a demonstration and no clinical policy"
    signed = "signed" if one.signers else "UNSIGNED"
    rows = [
        f"| {p['probe']} | {p['level']} | {p['verdict']} | {p['base_failing']} of {p['num_items']} "
        f"| {p['adapter_failing']} of {p['num_items']} | {_bound(p)} |"
        for p in one.recorded["decision"]["probes"]
    ]
    untold = one.recorded["decision"]["not_tested"]
    waivers = one.recorded["decision"]["waivers"]
    return "\n\n".join([
        f"## Gate: {one.decision.verdict} under {one.policy}{kind}",
        f"Decided {one.decided:%Y-%m-%d}, {signed}, and decided again from its evidence.",
        "| probe | level | verdict | base fails | adapter fails | upper bound / margin |\n"
        "|---|---|---|---|---|---|\n" + "\n".join(rows),
        *("\n".join(f"- {line}" for line in lines) for lines in
          ([f"not tested: {line}" for line in untold], waivers) if lines),
    ])  # fmt: skip


def _bound(probe: dict[str, Any]) -> str:
    upper = "not measured" if probe["upper"] is None else f"{100 * probe['upper']:+.1f}"
    return f"{upper} / {100 * probe['margin']:.0f} points"


def _score_sections(layout: Layout, version: Version) -> Iterator[str]:
    for one in layout.attachments(version.digest):
        if one.kind != "scores":
            continue
        with unpacked_files(layout, one) as folder:
            yield _scores(folder)


def _scores(folder: Path) -> str:
    try:
        evaluation = read_evaluation(folder)
    except EvaluationError as error:
        return f"## Scores\n\nThey cannot be read: {error}"
    parts = ["## Scores"]
    for report in evaluation.reports:
        rows = "\n".join(_arm(arm) for arm in report.arms)
        complete = "" if report.is_complete else ", in part only"
        parts.append(
            f"{report.test_set} ({report.protocol}, {report.dtype}{complete}):\n\n"
            f"| arm | items | value | 95 % interval |\n|---|---|---|---|\n{rows}"
        )
    return "\n\n".join(parts)


def _arm(arm: ArmScore) -> str:
    metric = METRICS[arm.metric]
    low, high = map(metric.number, arm.interval)
    return f"| {arm.arm} | {len(arm.items)} | {metric.figure(arm.value)} | {low} to {high} |"
