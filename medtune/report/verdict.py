"""The first screen: by how much the adapter differs from its base, and whether that is shown."""

from collections.abc import Iterator, Sequence

from medtune.metrics import METRICS, Metric, MetricName
from medtune.pages import Axis, Html, Interval, heading, intervals, paragraph, span, text
from medtune.records import Comparison, ScoreReport
from medtune.report.files import RunFiles, Scored

BETTER, WORSE, UNCLEAR = "better", "worse", "no difference shown"
KINDS = {BETTER: "good", WORSE: "bad", UNCLEAR: ""}
MOST_SETS = 30
"""Named in one sentence."""
SIGNS = {BETTER: "▲", WORSE: "▼", UNCLEAR: "○"}


def verdict(comparison: Comparison, metric: Metric) -> str:
    """Better or worse only where the whole interval is on one side of no difference."""
    if all(metric.is_better(bound) for bound in comparison.interval):
        return BETTER
    if all(metric.is_better(-bound) for bound in comparison.interval):
        return WORSE
    return UNCLEAR


def headline(files: RunFiles) -> Iterator[Html]:
    """The verdict as a sentence, and every difference with its interval, drawn."""
    compared = [(set_name(files, scored, report), report) for scored, report in _sets(files)]
    yield heading("Adapter against base")
    if not compared:
        yield paragraph(_why_nothing(files))
        return
    yield _verdicts(compared)
    for name in dict.fromkeys(report.arms[0].metric for _, report in compared):
        yield _forest(files, name)
    yield paragraph(
        "Better and worse are said only where the whole 95 % interval lies on one side of zero. "
        "Intervals and p-values are of each comparison alone, not corrected for their number.",
        faint=True,
    )


def _sets(files: RunFiles) -> Iterator[tuple[Scored, ScoreReport]]:
    """Those on which something is compared."""
    for scored in files.scored:
        for report in scored.evaluation.reports:
            if report.comparisons:
                yield scored, report


def _verdicts(compared: Sequence[tuple[str, ScoreReport]]) -> Html:
    """How many comparisons came out how, and on which sets."""
    found: dict[str, list[str]] = {told: [] for told in KINDS}
    for name, report in compared:
        metric = METRICS[report.arms[0].metric]
        for comparison in report.comparisons:
            found[verdict(comparison, metric)].append(name)
    total = sum(map(len, found.values()))
    lines = []
    for told, names in found.items():
        if names:
            where = f" in {len(names)} of {total}: {first(list(dict.fromkeys(names)), MOST_SETS)}"
            lines.append(f"<li>{span(f'{SIGNS[told]} {told}', KINDS[told])}{text(where)}</li>")
    return Html(f'<ul class="verdicts">{"".join(lines)}</ul>\n')


def _why_nothing(files: RunFiles) -> str:
    if any(scored.evaluation.reports for scored in files.scored):
        return "Nothing is compared here: the adapter and its base were not scored on one set."
    return (
        "Nothing was scored: there is no scores.json. The data may have had no test rows (see "
        "data.test_fraction), or the run is not finished; medtune eval scores an adapter later."
    )


def _forest(files: RunFiles, name: MetricName) -> Html:
    metric = METRICS[name]
    groups, bounds = [], [0.0]
    for scored, report in _sets(files):
        if report.arms[0].metric == name:
            rows = [_row(comparison, metric) for comparison in report.comparisons]
            bounds += [value for row in rows for value in (row.low, row.value, row.high)]
            groups.append((set_name(files, scored, report) + size(report), rows))
    side = "right" if metric.higher_is_better else "left"
    caption = f"adapter minus base, {unit(metric)}; {side} of 0: adapter better"
    chart = intervals(groups, Axis.over(bounds, signed=True), caption, zero=True)
    return Html(heading(f"Difference in {metric.label}", level=3) + chart)


def _row(comparison: Comparison, metric: Metric) -> Interval:
    values = (comparison.difference, *comparison.interval)
    shown, low, high = (displayed_difference(value, metric) for value in values)
    told = verdict(comparison, metric)
    p_value = "" if comparison.p_value is None else f", {_p(comparison.p_value)}"
    scale = _factor(metric)
    return Interval(
        label=f"against {comparison.against}",
        value=scale * values[0],
        low=scale * values[1],
        high=scale * values[2],
        figures=f"{shown} ({low} to {high})",
        verdict=f"{SIGNS[told]} {told}",
        kind=KINDS[told],
        remark=f"{comparison.gained} items gained, {comparison.lost} lost{p_value}; "
        f"{comparison.interval_method}",
    )


def _p(value: float) -> str:
    return "exact McNemar p < 0.001" if value < 0.001 else f"exact McNemar p = {value:.3f}"


def set_name(files: RunFiles, scored: Scored, report: ScoreReport) -> str:
    """A set's name, with its suite's where there are several suites."""
    several = len(files.scored) > 1 and report.name != scored.evaluation.suite
    return f"{scored.evaluation.suite}: {report.name}" if several else report.name


def size(report: ScoreReport) -> str:
    """What a reader must know of a set at once: how large, and whether it is whole."""
    whole = "" if report.is_complete else ", INCOMPLETE"
    return f" ({report.arms[0].num_items} items{whole})"


def first(names: Sequence[str], most: int) -> str:
    """Names in a row; of too many the first, which it then says."""
    if len(names) <= most:
        return ", ".join(names)
    return f"first {most} of {len(names)}: {', '.join(names[:most])}"


def displayed_difference(value: float, metric: Metric) -> str:
    """A difference of scores as a number in the unit that ``unit`` names."""
    form = metric.shown_as.replace("%", "f")
    shown = format(_factor(metric) * value, f"+{form}")
    return shown if float(shown) else format(0.0, form)  # neither +0.0 nor -0.0


def displayed(value: float, metric: Metric) -> float:
    """A score as a number on an axis."""
    return _factor(metric) * value


def unit(metric: Metric) -> str:
    """What differences are counted in; a share differs by percentage points, never by per cent."""
    if metric.shown_as.endswith("%"):
        return "percentage points"
    return metric.phrase.format("").strip() or metric.label


def _factor(metric: Metric) -> float:
    return 100.0 if metric.shown_as.endswith("%") else metric.scale
