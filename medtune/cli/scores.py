"""Scores on the terminal: never a figure without its interval and the number of items."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from medtune.metrics import METRICS, Metric
from medtune.records import ArmScore, Comparison, Measure, ScoreReport


def print_reports(console: Console, reports: Sequence[ScoreReport]) -> None:
    """Every set's scores, comparisons and what a reader has to know about them."""
    for number, report in enumerate(reports):
        if number:
            console.print()
        print_report(console, report)


def print_report(console: Console, report: ScoreReport) -> None:
    """One set's scores."""
    console.print(f"{report.name}: scored on {report.test_set}", soft_wrap=True)
    metric = METRICS[report.arms[0].metric]
    console.print(_scores(report, metric))
    for comparison in report.comparisons:
        console.print(difference_sentence(comparison, metric), soft_wrap=True)
    for spread in report.spreads:
        values = spread.score
        console.print(
            f"{spread.arm}, {spread.few_shot} examples in the prompt, {len(values.values)} draws: "
            f"{metric.figure(values.mean)} ± {metric.number(values.sd)} (standard deviation)",
            soft_wrap=True,
        )
    if any(arm.measures for arm in report.arms):
        console.print(_measures(report.arms))
    if report.arms[-1].parts:
        console.print(_parts(report.arms, metric))
    for line in remarks(report, metric):
        console.print(line, soft_wrap=True)
    console.print(f"protocol {report.protocol}", soft_wrap=True)


def remarks(report: ScoreReport, metric: Metric) -> list[str]:
    """What stands beside a score: unread, cut and contaminated items, and notes."""
    lines = [remark for arm in report.arms if (remark := arm.remark())]
    found = report.contamination
    if found is not None:
        told = f"{len(found.hits)} of {report.arms[0].num_items} items"
        rows = f"the {found.training_rows} training rows"
        lines.append(f"{told} hold text of {rows} ({found.ngram}-word runs)")
        if found.hits:
            without = "; ".join(
                f"{measure.name} {_figure(measure, metric)}" for measure in found.without
            )
            lines.append(f"without them: {without or 'no item is left'}")
    return [*lines, *report.notes]


def difference_sentence(comparison: Comparison, metric: Metric, who: str = "adapter") -> str:
    """One comparison with its verdict."""
    low, high = (metric.number(bound, sign="+") for bound in comparison.interval)
    # Shown only where the whole interval is on one side of no difference.
    better = all(metric.is_better(bound) for bound in comparison.interval)
    worse = all(metric.is_better(-bound) for bound in comparison.interval)
    verdict = "improved" if better else "worse" if worse else "no difference shown"
    p_value = "" if comparison.p_value is None else f", McNemar p = {comparison.p_value:.2g}"
    return (
        f"{who} against {comparison.against}: "
        f"{metric.figure(comparison.difference, sign='+')} (95 % {low} to {high}{p_value}): "
        f"{verdict}; {comparison.gained} items gained, {comparison.lost} lost"
    )


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column)
    return table


def _scores(report: ScoreReport, metric: Metric) -> Table:
    has_seeds = any(arm.shot_seed is not None for arm in report.arms)
    seed_column = ["seed"] if has_seeds else []
    table = _table("", "examples in prompt", *seed_column, metric.label, "95 % interval", "items")
    for arm in report.arms:
        seed = ["" if arm.shot_seed is None else str(arm.shot_seed)] if has_seeds else []
        table.add_row(arm.arm, str(arm.few_shot), *seed, *figures(arm), str(arm.num_items))
    return table


def figures(arm: ArmScore) -> tuple[str, str]:
    """An arm's score and its interval."""
    value, low, high = map(METRICS[arm.metric].number, (arm.value, *arm.interval))
    return value, f"{low} to {high}"


def _short(arm: ArmScore) -> str:
    seed = "" if arm.shot_seed is None else f", seed {arm.shot_seed}"
    return f"{arm.arm} {arm.few_shot}-shot{seed}"


def _measures(arms: Sequence[ArmScore]) -> Table:
    table = _table("", *map(_short, arms))
    names = dict.fromkeys(measure.name for arm in arms for measure in arm.measures)
    for name in names:
        found = [{m.name: m for m in arm.measures}.get(name) for arm in arms]
        cells = ("" if m is None else _figure(m, METRICS[name]) for m in found)
        table.add_row(METRICS[name].label, *cells)
    return table


def _parts(arms: Sequence[ArmScore], metric: Metric) -> Table:
    table = _table("part", "items", *map(_short, arms))
    for row in zip(*(arm.parts for arm in arms), strict=True):
        table.add_row(row[0].name, str(row[0].num_items), *(_figure(m, metric) for m in row))
    return table


def _figure(measure: Measure, metric: Metric) -> str:
    value, low, high = map(metric.number, (measure.value, *measure.interval))
    return f"{value} ({low} to {high})"
