"""Each set: how it was scored, on what, every arm with its interval, and what stands beside it."""

from collections.abc import Iterable, Iterator, Mapping

from medtune.metrics import METRICS, Metric
from medtune.pages import (
    Axis,
    Html,
    Interval,
    bullets,
    details,
    heading,
    intervals,
    paragraph,
    span,
    table,
)
from medtune.records import ArmScore, Contamination, Measure, ScoreReport
from medtune.report.files import RunFiles, Scored
from medtune.report.verdict import displayed, first, size, unit

MOST_ROWS = 200
"""Of one table."""
MOST_IDS = 50
SHARES = Axis(ticks=(0.0, 20.0, 40.0, 60.0, 80.0, 100.0))
"""Of scores that are shares: always whole, so that a small difference looks small."""


def score_sections(files: RunFiles) -> Iterator[Html]:
    """All sets of all evaluations."""
    for scored in files.scored:
        suite = scored.evaluation.suite
        place = f" (eval/{scored.folder})" if scored.folder else ""
        yield heading(f"Scores: {suite}{place}")
        yield from _other_adapter(files, scored)
        if not scored.evaluation.reports:
            yield paragraph("This evaluation has no set of items: nothing was scored in it.")
        for report in scored.evaluation.reports:
            yield from _set(report)


def _other_adapter(files: RunFiles, scored: Scored) -> Iterator[Html]:
    """A warning where an evaluation in this folder is of another adapter than the folder's."""
    own = files.provenance and files.provenance.adapter_digest
    found = scored.evaluation.conditions.get("adapter")
    if own and isinstance(found, str) and found != own:
        yield paragraph(
            f"These scores are of another adapter: they were made with {found[:12]} and this run "
            f"exported {own[:12]}."
        )


def _set(report: ScoreReport) -> Iterator[Html]:
    yield heading(report.name + size(report), level=3)
    yield Html(f"<p>{_badges(report)} {span(f'On {report.test_set}.', '')}</p>\n")
    yield paragraph(
        f"Protocol: {report.protocol}. Task {report.task}, computed in {report.dtype}.", faint=True
    )
    yield _arms(report)
    yield bullets(remark for arm in report.arms if (remark := arm.remark()))
    yield bullets(report.notes)
    yield from _measures(report)
    yield from _spreads(report)
    yield from _contamination(report)
    yield from _parts(report)


def _badges(report: ScoreReport) -> Html:
    told = [
        ("official: the whole published test set", "badge good")
        if report.is_official
        else ("not an official score", "badge")
    ]
    if not report.is_complete:
        told.append(("incomplete: items were left out", "badge bad"))
    return Html(" ".join(span(words, kind) for words, kind in told))


def _arms(report: ScoreReport) -> Html:
    metric = METRICS[report.arms[0].metric]
    rows = [_arm(arm, metric) for arm in report.arms]
    bounds = [value for row in rows for value in (row.low, row.value, row.high)]
    # Every metric of which more is better is a share of 1.
    axis = SHARES if metric.higher_is_better else Axis.over(bounds)
    better = "more" if metric.higher_is_better else "less"
    scale = "%" if metric.shown_as.endswith("%") else unit(metric)
    named = metric.label if scale == metric.label else f"{metric.label}, {scale}"
    caption = f"{named}, with 95 % intervals; {better} is better"
    return intervals([("", rows)], axis, caption, zero=False)


def _arm(arm: ArmScore, metric: Metric) -> Interval:
    low, high = map(metric.number, arm.interval)
    groups = "" if arm.num_groups == arm.num_items else f" in {arm.num_groups} groups"
    return Interval(
        label=arm.label,
        value=displayed(arm.value, metric),
        low=displayed(arm.interval[0], metric),
        high=displayed(arm.interval[1], metric),
        figures=f"{metric.number(arm.value)} ({low} to {high})",
        remark=f"{arm.num_items} items{groups}; {arm.interval_method}",
        is_hollow=arm.arm == "base",
    )


def _cell(measure: Measure | None, metric: Metric, num_items: int) -> str:
    if measure is None:
        return "not measured"
    low, high = map(metric.number, measure.interval)
    of = "" if measure.num_items == num_items else f", n = {measure.num_items}"
    return f"{metric.number(measure.value)} ({low} to {high}{of})"


def _measures(report: ScoreReport) -> Iterator[Html]:
    """Secondary figures, and what could not be read or was tied, arm by arm."""
    names = _names(report.arms)
    counted = [
        (title, numbers)
        for title, numbers in (
            ("no answer read", [arm.num_unparsed for arm in report.arms]),
            ("ties", [arm.num_tied for arm in report.arms]),
            ("cut", [arm.num_cut for arm in report.arms]),
            ("empty", [arm.num_empty for arm in report.arms]),
        )
        if any(number is not None for number in numbers)
    ]
    if not names and not counted:
        return
    yield heading("Further figures", level=4)
    rows = [
        (
            arm.label,
            *(_measured(arm, name) for name in names),
            *(_count(numbers[place], arm.num_items) for _, numbers in counted),
        )
        for place, arm in enumerate(report.arms)
    ]
    titles = [*map(_title, names), *(title for title, _ in counted)]
    yield table(("arm", *titles), rows, numbers=range(1, len(titles) + 1))


def _title(name: str) -> str:
    metric = METRICS[name]
    return f"{metric.label} ({'more' if metric.higher_is_better else 'less'} is better)"


def _measured(arm: ArmScore, name: str) -> str:
    found = next((measure for measure in arm.measures if measure.name == name), None)
    return _cell(found, METRICS[name], arm.num_items)


def _names(arms: Iterable[ArmScore]) -> list[str]:
    return list(dict.fromkeys(measure.name for arm in arms for measure in arm.measures))


def _count(number: int | None, num_items: int) -> str:
    return "-" if number is None else f"{number} of {num_items}"


def _spreads(report: ScoreReport) -> Iterator[Html]:
    if not report.spreads:
        return
    yield heading("Over several draws of the examples in the prompt", level=4)
    rows = []
    for spread in report.spreads:
        metric = METRICS[spread.metric]
        shown = metric.number
        rows.append(
            (
                f"{spread.arm}, {spread.few_shot} examples in the prompt",
                f"{shown(spread.score.mean)} ± {shown(spread.score.sd)}",
                str(len(spread.score.values)),
                ", ".join(map(shown, spread.score.values)),
            )
        )
    label = METRICS[report.spreads[0].metric].label
    yield table(("arm", f"{label}, mean ± sd", "draws", "each"), rows, numbers=(1, 2))


def _contamination(report: ScoreReport) -> Iterator[Html]:
    found = report.contamination
    if found is None:
        told = (
            "Training rows were not searched for these items; a note says why where there is one."
        )
        yield paragraph(told, faint=True)
        return
    yield heading("Items that stand in the training rows", level=4)
    total = report.arms[0].num_items
    yield paragraph(
        f"{len(found.hits)} of {total} items share text with the {found.training_rows} training "
        f"rows that were looked through ({found.share:.0%} of an item's runs of {found.ngram} "
        "words, or of a row's)."
    )
    if found.hits:
        yield from _without_hits(report, found)


def _without_hits(report: ScoreReport, found: Contamination) -> Iterator[Html]:
    metric = METRICS[report.arms[0].metric]
    if found.without:
        rows = [
            (
                arm.label,
                _interval_text(arm.value, arm.interval, metric),
                _interval_text(rest.value, rest.interval, metric),
                str(rest.num_items),
            )
            for arm, rest in zip(report.arms, found.without, strict=False)
        ]
        columns = ("arm", f"{metric.label}, all items", "without these items", "items left")
        yield table(columns, rows, numbers=(1, 2, 3))
    else:
        yield paragraph("No other item is left to score.")
    named = first(found.hits, MOST_IDS)
    yield details(f"Ids of these items ({len(found.hits)})", paragraph(named))


def _interval_text(value: float, interval: tuple[float, float], metric: Metric) -> str:
    low, high = map(metric.number, interval)
    return f"{metric.number(value)} ({low} to {high})"


def _parts(report: ScoreReport) -> Iterator[Html]:
    """The metric on each part, all arms beside each other."""
    arms = [arm for arm in report.arms if arm.parts]
    if not arms:
        return
    metric = METRICS[report.arms[0].metric]
    found: list[Mapping[str, Measure]] = [{part.name: part for part in arm.parts} for arm in arms]
    names = list(dict.fromkeys(part.name for arm in arms for part in arm.parts))
    rows = []
    for name in names[:MOST_ROWS]:
        own = [parts.get(name) for parts in found]
        size = next(part.num_items for part in own if part is not None)
        rows.append((name, str(size), *(_cell(part, metric, size) for part in own)))
    columns = ("part", "items", *(arm.label for arm in arms))
    limit = f", first {MOST_ROWS} of {len(names)}" if len(names) > MOST_ROWS else ""
    title = f"{metric.label} by part of the set ({len(names)} parts{limit})"
    yield details(title, table(columns, rows, numbers=range(1, len(columns))))
