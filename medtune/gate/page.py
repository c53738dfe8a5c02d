"""The decision for a review board: one HTML file without network or script.

Verdict, forest of differences with margins, probes, reliability, flips with filters, subgroups,
what was not tested, waivers, and what none of this claims. Filters are radio buttons and style
sheets.
"""

from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from medtune import pages
from medtune.gate.decision import ProbeVerdict
from medtune.gate.words import (
    NO_CLAIM,
    bound,
    change,
    headline,
    identity,
    noise,
    provenance_of_rows,
    remarks,
    share,
)
from medtune.pages import Axis, Html, Interval, Trace, text
from medtune.records import Outcome, PairedOutcome, ScoreReport
from medtune.stats import wilson

if TYPE_CHECKING:
    from medtune.gate.run import Gated

KINDS = {"PASS": "good", "BLOCK": "bad", "ERROR": "bad", "INCONCLUSIVE": ""}
SIGNS = {"PASS": "✓", "BLOCK": "✕", "ERROR": "!", "INCONCLUSIVE": "?"}
MAX_FLIPS = 400
"""Items shown in the browser of flips: the others are in outcomes.jsonl."""
BINS = 10
STYLE = """
.verdict { font-size: 1.3rem; font-weight: 600; border-left: 0.5rem solid currentColor;
  padding-left: 0.8rem; margin: 1rem 0; }
.flip { border-left: 3px solid var(--line); padding-left: 0.9rem; margin: 1rem 0; }
.flip h4 { margin: 0 0 0.3rem; font-size: 0.95rem; overflow-wrap: anywhere; }
.beside { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 1rem; }
.beside p { margin: 0.2rem 0; overflow-wrap: anywhere; white-space: pre-wrap; }
.filters label { display: inline-block; border: 1px solid var(--line); border-radius: 3px;
  padding: 0.15rem 0.6rem; margin: 0 0.4rem 0.4rem 0; cursor: pointer; }
.filters input { position: absolute; opacity: 0; }
.filters input:checked + label { background: var(--mark); color: var(--back); }
.filters input:focus-visible + label { outline: 2px solid var(--text); }
@media (max-width: 40rem) { .beside { grid-template-columns: minmax(0, 1fr); } }
@media print { .filters { display: none; } }
"""


def page(gated: "Gated") -> str:
    """The whole file."""
    decision = gated.decision
    parts = [
        Html(f'<p class="verdict {KINDS[decision.verdict]}">{text(headline(gated))}</p>\n'),
        pages.bullets(decision.reasons),
        pages.paragraph(NO_CLAIM),
        pages.facts(identity(gated)),
        *_changes(gated),
        pages.heading("Differences and margins"),
        *_forest(decision.probes),
        pages.heading("Probes"),
        _probes(decision.probes),
        *_remarks(decision.probes),
        *_benefit(gated),
        *_reliability(gated.evidence.scores),
        pages.heading("Subgroups"),
        *_subgroups(gated),
        *_flips(gated.evidence.report.outcomes),
        pages.heading("Not tested"),
        pages.bullets(decision.not_tested or ("Nothing that was asked for is missing.",)),
        pages.heading("Waivers"),
        pages.bullets(decision.waivers or ("None was given.",)),
        pages.heading("What was read"),
        pages.facts(sorted(gated.evidence.digests().items())),
        pages.paragraph(f"{provenance_of_rows(gated)} {noise(gated)}"),
    ]
    rules = _filter_style(gated.evidence.report.outcomes)
    return pages.page("Gate decision", *parts, style=pages.CHARTS + STYLE + rules)


def _changes(gated: "Gated") -> Iterator[Html]:
    if gated.policy_changes:
        yield pages.heading("The policy since the last promotion")
        yield pages.bullets(gated.policy_changes)


def _forest(probes: Sequence[ProbeVerdict]) -> Iterator[Html]:
    """Every difference with its interval, and the margin that it stands beside."""
    rows, ends = [], [0.0]
    for one in probes:
        if one.difference is None:
            continue
        low, high = (100 * value for value in one.difference.interval)
        margin = 100 * one.margin
        ends += [low, high, margin]
        rows.append(
            Interval(
                label=f"{one.probe} ({one.level})",
                value=100 * one.difference.value,
                low=low,
                high=high,
                figures=change(one.difference),
                verdict=f"{SIGNS[one.verdict]} {one.verdict}",
                kind=KINDS[one.verdict],
                remark=f"one-sided bound / margin {bound(one)} points",
                is_hollow=one.verdict == "INCONCLUSIVE",
                limit=margin,
            )
        )
    if rows:
        caption = "failing items, adapter minus base, in points; dashed: the margin"
        yield pages.intervals([("", rows)], Axis.over(ends, signed=True), caption, zero=True)
    else:
        yield pages.paragraph("Nothing was measured.")


def _probes(probes: Sequence[ProbeVerdict]) -> Html:
    columns = ("probe", "level", "verdict", "items (clusters)", "base fails", "adapter fails",
               "worse", "better", "bound / margin", "harm p, Holm", "hazard")  # fmt: skip
    return pages.table(columns, (_row(one) for one in probes), numbers=(6, 7))


def _row(one: ProbeVerdict) -> list[str]:
    p_value = "" if one.p_holm is None else f"{one.p_holm:.2g}"
    return [
        one.probe,
        one.level,
        f"{one.verdict}, waived" if one.waiver else one.verdict,
        f"{one.num_items} ({one.num_clusters})",
        share(one.base_failing, one.num_items),
        share(one.adapter_failing, one.num_items),
        str(one.regressions),
        str(one.improvements),
        bound(one),
        p_value,
        one.hazard or "",
    ]


def _remarks(probes: Sequence[ProbeVerdict]) -> Iterator[Html]:
    yield pages.bullets(f"{one.probe}: {line}" for one in probes for line in remarks(one))


def _benefit(gated: "Gated") -> Iterator[Html]:
    yield pages.heading("Benefit")
    if not gated.decision.benefit:
        yield pages.paragraph("The policy asks for none.")
        return
    yield pages.table(
        ("set", "against", "verdict", "found"),
        ([one.set, one.against, one.verdict, one.reason] for one in gated.decision.benefit),
    )


def _reliability(scores: Sequence[ScoreReport]) -> Iterator[Html]:
    """How often the adapter is right where it is so sure, bin by bin."""
    for report in scores:
        arm = report.arms[-1]
        sure = [
            (max(chances), item.value)
            for item in arm.items
            if len(item.log_likelihoods) == len(item.options) > 1
            and (chances := _chances(item.log_likelihoods))
        ]
        if len(sure) < 3 * BINS:
            continue
        yield pages.heading(f"Reliability of {arm.arm} on {report.name}")
        yield pages.paragraph(
            "In a well calibrated model the share of right answers is as high as its confidence.",
            faint=True,
        )
        points = [(fmean(c for c, _ in found), fmean(r for _, r in found)) for found in _bins(sure)]
        yield pages.curves(
            "share of right answers",
            [Trace(name="adapter", points=points),
             Trace(name="as sure as right", points=((0.0, 0.0), (1.0, 1.0)), is_dashed=True)],
            across="confidence in the chosen option",
        )  # fmt: skip
        columns = ("confidence", "items", "right (95 %)")
        yield pages.table(columns, map(_bin_row, _bins(sure)), numbers=(1,))


Sure = Sequence[tuple[float, float]]
"""Confidence in the chosen option, and whether it was right."""


def _bins(sure: Sure) -> Iterator[Sure]:
    """Items of each bin of confidence that has some."""
    for number in range(BINS):
        low, high = number / BINS, (number + 1) / BINS
        if found := [(chance, right) for chance, right in sure if low < chance <= high]:
            yield found


def _bin_row(found: Sure) -> list[str]:
    right = round(sum(value for _, value in found))
    interval = wilson(right, len(found))
    return [
        f"{fmean(chance for chance, _ in found):.1%}",
        str(len(found)),
        f"{right / len(found):.1%} ({interval.low:.1%} to {interval.high:.1%})",
    ]


def _chances(log_likelihoods: Sequence[float]) -> list[float]:
    from math import exp

    largest = max(log_likelihoods)
    shares = [exp(value - largest) for value in log_likelihoods]
    return [one / sum(shares) for one in shares]


def _subgroups(gated: "Gated") -> Iterator[Html]:
    rows = [
        [
            result.probe,
            f"{group.tag}: {group.value}",
            f"{group.num_items} ({group.num_clusters})",
            share(group.base_failing, group.num_items),
            share(group.adapter_failing, group.num_items),
            change(group.difference),
        ]
        for result in gated.evidence.report.results
        for group in result.subgroups
    ]
    if not rows:
        yield pages.paragraph("No subgroup has 20 items.")
        return
    columns = ("probe", "subgroup", "items (clusters)", "base fails", "adapter fails",
               "difference, points (95 %)")  # fmt: skip
    yield pages.paragraph(
        f"{len(rows)} subgroups; intervals are each alone, not corrected for their number.",
        faint=True,
    )
    yield pages.details("Show them", pages.table(columns, rows))


def _flips(outcomes: Sequence[PairedOutcome]) -> Iterator[Html]:
    """Items on which base and adapter differ, with filters by probe and by direction."""
    flips = [pair for pair in outcomes if pair.base.is_failing != pair.adapter.is_failing]
    yield pages.heading("Items that changed")
    yield pages.paragraph(
        f"{len(flips)} of {len(outcomes)} items"
        + (f"; the first {MAX_FLIPS} by severity are shown" if len(flips) > MAX_FLIPS else "")
    )
    if not flips:
        return
    flips.sort(key=lambda pair: (-int(pair.severity[1]), pair.probe, pair.id))
    probes = sorted({pair.probe for pair in flips})
    buttons = [
        _buttons("probe", ["all", *probes]),
        _buttons("way", ["all", "worse", "better"]),
    ]
    shown = "".join(_flip(pair) for pair in flips[:MAX_FLIPS])
    yield Html(
        f'<div class="browser">\n{"".join(buttons)}<div class="flips">\n{shown}</div></div>\n'
    )


def _buttons(group: str, values: Sequence[str]) -> str:
    made = "".join(
        f'<input type="radio" name="{group}" id="{group}-{text(value)}"'
        f'{" checked" if number == 0 else ""} /><label for="{group}-{text(value)}">'
        f"{text(value)}</label>"
        for number, value in enumerate(values)
    )
    return f'<div class="filters" role="radiogroup" aria-label="{group}">{made}</div>\n'


def _flip(pair: PairedOutcome) -> str:
    way = "worse" if pair.adapter.is_failing else "better"
    kind = "bad" if way == "worse" else "good"
    sides = "".join(
        f"<div><p class='faint'>{name}</p><p>{text(_told(outcome))}</p></div>"
        for name, outcome in (("base", pair.base), ("adapter", pair.adapter))
    )
    return (
        f'<div class="flip probe-{text(pair.probe)} way-{way}"><h4>{text(pair.probe)}: '
        f'{text(pair.id)} <span class="{kind}">{way}</span>, {text(pair.severity)}</h4>'
        f'<div class="beside">{sides}</div></div>\n'
    )


def _told(outcome: Outcome) -> str:
    parts: list[str] = [outcome.verdict]
    if outcome.score is not None:
        parts.append(f"safe over unsafe {outcome.score:+.2f} nats")
    if outcome.reason:
        parts.append(outcome.reason)
    if outcome.text is not None:
        parts.append(f"\n{outcome.text}")
    return "; ".join(parts)


def _filter_style(outcomes: Sequence[PairedOutcome]) -> str:
    """Hides what a chosen button leaves out; a radio button needs no script."""
    groups = {"probe": sorted({pair.probe for pair in outcomes}), "way": ["worse", "better"]}
    return "".join(
        f".browser:has(#{group}-{value}:checked) .flip:not(.{group}-{value}) {{ display: none; }}\n"
        for group, values in groups.items()
        for value in values
    )
