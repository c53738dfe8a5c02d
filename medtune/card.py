"""The model card of an adapter, written from the run's own records and from nothing else."""

from pathlib import Path
from typing import Any

from medtune.digests import write_text
from medtune.metrics import METRICS
from medtune.models.adapter import CARD
from medtune.models.inits import TAKES_FROM_BASE
from medtune.recipe import Adapter, Recipe
from medtune.records import (
    AdapterManifest,
    ArmScore,
    Comparison,
    Evaluation,
    Measure,
    ScoreReport,
)


def write_card(
    adapter: Path,
    *,
    recipe: Recipe,
    manifest: AdapterManifest,
    digest: str,
    data: dict[str, Any],
    evaluation: Evaluation | None,
) -> None:
    """Write ``README.md`` into the adapter's folder, with the front matter that the hub reads."""
    train = data["splits"]["train"]
    licences = "; ".join(f"{name} ({rows} rows)" for name, rows in train["licences"].items())
    sections = [
        _front_matter(manifest),
        f"# {recipe.name}\n\nA {_kind(recipe.adapter)} on {manifest.base}, for the task "
        f"{recipe.data.task}. Made with medtune.\n\n"
        "Not for clinical use: no safety evidence is attached to this adapter. It has been scored "
        "on the benchmark below and on nothing else.",
        "## Identity\n\n"
        f"- adapter digest: `{digest}`\n- base: {manifest.base}"
        + (f" at commit `{manifest.base_revision}`" if manifest.base_revision else "")
        + f"\n- base digest: `{manifest.base_digest}`\n"
        f"- base stored as: {manifest.quantization} / {recipe.base.dtype}\n"
        f"- chat template: {manifest.template} (sha256 `{manifest.template_digest}`), answers end "
        f"with `{manifest.stop_token}`\n- exported step: {manifest.step}",
        "## Data\n\n"
        f"- {train['kept']} rows, {train['tokens']} tokens, {train['supervised_tokens']} "
        f"supervised; {len(train['dropped'])} dropped and {len(train['truncated'])} cut for "
        f"length\n- licences: {licences}",
        *_score_sections(evaluation),
        "## Use\n\n"
        "```python\nimport medtune\n\n"
        'recipe = medtune.load_recipe("recipe.lock.yaml")  # in the run\'s folder\n'
        "base = medtune.load_base(recipe.base)\n"
        'model = medtune.load_adapter(base, "adapter")  # checks the base\'s digest\n```\n\n'
        "It is a plain PEFT adapter: `peft.PeftModel.from_pretrained(base, folder)` loads it too, "
        "without that check.",
    ]
    write_text(adapter / CARD, "\n\n".join(sections) + "\n")


def _kind(section: Adapter) -> str:
    kind = f"{section.method} adapter of rank {section.rank}"
    kind += " (rank-stabilised)" if section.rslora else ""
    if section.init != "default":
        kind += f", started with {section.init}"
    if section.init in TAKES_FROM_BASE:
        kind += f" and exported as plain LoRA of rank {2 * section.rank},"
    return kind


def _front_matter(manifest: AdapterManifest) -> str:
    return (
        f"---\nbase_model: {manifest.base}\nbase_model_relation: adapter\nlibrary_name: peft\n"
        "tags:\n- medtune\n- lora\n- medical\n---"
    )


def _score_sections(evaluation: Evaluation | None) -> list[str]:
    if evaluation is None:
        return ["## Scores\n\nNone: the recipe's data has no test rows."]
    return ["## Scores", *(part for report in evaluation.reports for part in _scored(report))]


def _scored(scores: ScoreReport) -> list[str]:
    lines = [
        f"On {scores.test_set}. Protocol: {scores.protocol}. Computed in {scores.dtype}.",
        "| arm | examples in the prompt | value | 95 % interval |\n|---|---|---|---|\n"
        + "\n".join(arm_row(arm) for arm in scores.arms),
        "\n".join(f"- {comparison_text(c, scores.arms[0].metric)}" for c in scores.comparisons),
        *(remark for arm in scores.arms if (remark := arm.remark())),
    ]
    found = scores.contamination
    if found and found.hits:
        lines.append(
            f"{len(found.hits)} items hold text that stands in the {found.training_rows} training "
            f"rows ({found.ngram}-word runs, share {found.share:g}); without them:\n"
            + "\n".join(f"- {measure_text(m, scores.arms[0].metric)}" for m in found.without)
        )
    return lines


def measure_text(measure: Measure, metric_name: str) -> str:
    """One figure with its interval."""
    metric = METRICS[metric_name]
    low, high = map(metric.number, measure.interval)
    return f"{measure.name}: {metric.figure(measure.value)} ({low} to {high})"


def arm_row(arm: ArmScore) -> str:
    """One arm as a row of a Markdown table."""
    metric = METRICS[arm.metric]
    low, high = map(metric.number, arm.interval)
    value = metric.figure(arm.value)
    return f"| {arm.arm} | {arm.few_shot} | {value} | {low} to {high} ({arm.interval_method}) |"


def comparison_text(comparison: Comparison, metric_name: str) -> str:
    """One comparison as a sentence."""
    metric = METRICS[metric_name]
    low, high = (metric.number(bound, sign="+") for bound in comparison.interval)
    p_value = "" if comparison.p_value is None else f", exact McNemar p = {comparison.p_value:.2g}"
    return (
        f"against {comparison.against}: {metric.figure(comparison.difference, sign='+')} "
        f"(95 % {low} to {high}, {comparison.interval_method}{p_value}); "
        f"{comparison.gained} items gained, {comparison.lost} lost"
    )
