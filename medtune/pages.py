"""Reports as one HTML file: no script, nothing fetched, readable on a phone and in the dark.

Every function takes plain text and returns finished markup (``Html``); text is escaped here and
nowhere else. The markup is well-formed XML too, so any tool can read a page back.

Charts are SVG whose positions are shares of its width, so that they grow with the screen and their
letters do not. What a chart shows also stands beside it as text.
"""

import math
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import NewType

Html = NewType("Html", str)
"""Markup whose text is escaped."""

NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that neither XML nor a browser can show."""

REORDERS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Characters that cannot be seen and make the text around them read otherwise than it is."""

STYLE = """
:root { color-scheme: light dark; --back: #fff; --text: #1b1f24; --faint: #5b6470;
  --line: #d4d9df; --mark: #1463b8; --soft: #eef1f4; --good: #17692f; --bad: #a61b1b; }
@media screen and (prefers-color-scheme: dark) { :root { --back: #14171a; --text: #e3e7eb;
  --faint: #9aa4af; --line: #363d45; --mark: #6cb2ff; --soft: #20252b; --good: #6fcf88;
  --bad: #ff8d85; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1rem clamp(0.75rem, 3vw, 2.5rem) 4rem;
  background: var(--back); color: var(--text); font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.25; } h2 { font-size: 1.15rem; margin: 2rem 0 0.5rem; }
h3 { font-size: 1rem; margin: 1.6rem 0 0.3rem; }
h1, h2, h3, h4, p, li, dt, dd, summary { overflow-wrap: anywhere; }
p { margin: 0.5rem 0; max-width: 46rem; } .faint { color: var(--faint); font-size: 0.9rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.3rem 1.2rem 0.3rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); }
th { color: var(--faint); font-weight: 600; } th, td:first-child { white-space: nowrap; }
td { min-width: 3.5rem; max-width: 34rem; overflow-wrap: break-word; }
.num { text-align: right; white-space: nowrap; } th { vertical-align: bottom; }
th.num { white-space: normal; min-width: 5rem; max-width: 11rem; }
.scroll + p, .scroll + .scroll { margin-top: 0.75rem; }
dl { display: grid; grid-template-columns: fit-content(40%) minmax(0, 1fr); gap: 0.25rem 1.25rem;
  margin: 0.75rem 0; } dt { color: var(--faint); } dd { margin: 0; }
ul { margin: 0.5rem 0; padding-left: 1.25rem; max-width: 46rem; }
details { margin: 0.6rem 0; } summary { cursor: pointer; color: var(--mark); }
.bars td { border: 0; padding-block: 0.1rem; } .bars td:nth-child(2) { text-align: right; }
.bars td:last-child { width: 16rem; min-width: 8rem; padding-right: 0; }
.bars td { vertical-align: middle; }
.bar { display: block; height: 0.8rem; background: var(--mark); }
@media (max-width: 40rem) { table { font-size: 0.875rem; } th, td { padding-right: 0.6rem; }
  th, td:first-child { white-space: normal; } .bars td:first-child { white-space: nowrap; }
  td:first-child:not(.num) { min-width: 6.5rem; }
  dl { display: block; } dd { margin-bottom: 0.35rem; } }
@media print { :root { font-size: 9pt; } body { max-width: none; padding: 0; }
  .scroll { overflow: visible; }
  .num { white-space: normal; }
  details::details-content { content-visibility: visible; block-size: auto; }
  h2, h3 { break-after: avoid; } tr, figure, svg, dl { break-inside: avoid; } }
pre { margin: 0.5rem 0; padding: 0.75rem; background: var(--soft); border-radius: 4px;
  font: 0.875rem/1.6 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
"""


CHARTS = """
.plot { margin: 0.75rem 0 1.25rem; }
.row, .axis { display: grid; grid-template-columns: 16.5rem minmax(8rem, 1fr) 20rem;
  column-gap: 2rem; align-items: center; break-inside: avoid; }
.label, .figures { padding: 0.3rem 0; } .group { font-weight: 600; padding-top: 0.7rem; }
.label { color: var(--faint); font-size: 0.9rem; } .figures { font-variant-numeric: tabular-nums; }
.label, .figures { overflow-wrap: anywhere; min-width: 0; }
.figures small { display: block; font-size: 0.85rem; color: var(--faint); }
.figures span { display: inline-block; } .figures .good, .figures .bad { font-weight: 600; }
.good { color: var(--good); } .bad { color: var(--bad); }
svg { display: block; width: 100%; overflow: visible; color: var(--mark); }
.track { position: relative; align-self: stretch; min-height: 2.2rem; }
.track > svg { position: absolute; inset: 0; height: 100%; }
.axis svg { height: 1.2rem; } .axis svg, .axis p { grid-column: 2; }
.axis p { margin: 0; color: var(--faint); font-size: 0.8rem; text-align: center; }
svg text { fill: var(--faint); font: 0.75rem system-ui, sans-serif; }
.grid { stroke: var(--line); stroke-width: 1; } .zero { stroke: var(--text); stroke-width: 1.5; }
.limit { stroke: var(--bad); stroke-width: 1.5; stroke-dasharray: 4 3; }
.whisker { stroke: currentColor; stroke-width: 2; }
.dot { stroke: currentColor; stroke-width: 2; fill: currentColor; }
.dot.hollow { fill: var(--back); }
figure { margin: 1rem 0; max-width: 50rem; } figcaption { color: var(--faint); }
figcaption b { color: var(--text); }
.curve { box-sizing: border-box; height: 17rem; padding: 0.75rem 1rem 3rem 4.25rem; }
.trace { fill: none; stroke: currentColor; stroke-width: 1.75; vector-effect: non-scaling-stroke; }
.trace.dashed { stroke-dasharray: 5 4; stroke: var(--text); }
.dashed.dot { stroke: var(--text); fill: var(--back); } .exported { stroke: var(--good);
  stroke-width: 1.5; stroke-dasharray: 2 3; } svg .exported-name { fill: var(--good); }
.key { display: inline-block; margin-left: 0.75rem; }
.key svg { display: inline-block; width: 2rem; height: 0.8rem; margin-right: 0.4rem; }
@media screen and (max-width: 56rem) { .row, .axis { grid-template-columns: minmax(0, 1fr); }
  .label, .figures { padding: 0; } .row { margin-top: 0.6rem; }
  .axis svg, .axis p { grid-column: 1; }
  .track, .axis svg { width: calc(100% - 2.5rem); margin: 0 1.25rem; } .track { order: 3; }
  .curve { padding-left: 3.75rem; } }
"""


def page(title: str, *parts: Html, style: str = "") -> str:
    """A whole HTML file; ``style`` is further CSS for the parts."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; style-src 'unsafe-inline'" />
<title>{text(title)}</title>
<style>{STYLE}{style}</style>
</head>
<body>
<h1>{text(title)}</h1>
{"".join(parts)}</body>
</html>
"""


def text(value: str) -> Html:
    """A text as it is; what would reorder it is named, what no page can hold becomes U+FFFD."""
    named = REORDERS.sub(lambda found: f"⟨U+{ord(found.group()):04X}⟩", value)
    return Html(escape(NOT_XML.sub("\ufffd", named)))


def heading(value: str, *, level: int = 2) -> Html:
    """The title of a part."""
    return Html(f"<h{level}>{text(value)}</h{level}>\n")


def paragraph(value: str, *, faint: bool = False) -> Html:
    """A paragraph; a faint one says what is by the way."""
    kind = ' class="faint"' if faint else ""
    return Html(f"<p{kind}>{text(value)}</p>\n")


def table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Collection[int] = ()
) -> Html:
    """A table that scrolls inside itself where the screen is narrow.

    ``numbers``: columns whose cells stand flush right, so that their digits do.
    """
    kind = [' class="num"' if number in numbers else "" for number in range(len(columns))]
    head = "".join(
        f"<th{css}>{text(column)}</th>" for css, column in zip(kind, columns, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(f"<td{css}>{text(cell)}</td>" for css, cell in zip(kind, row, strict=True))
        + "</tr>\n"
        for row in rows
    )
    return Html(
        f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}</tbody></table></div>\n"
    )


def facts(pairs: Iterable[tuple[str, str]]) -> Html:
    """Names with what they are."""
    listed = "".join(f"<dt>{text(name)}</dt><dd>{text(value)}</dd>\n" for name, value in pairs)
    return Html(f"<dl>\n{listed}</dl>\n") if listed else Html("")


def bullets(lines: Iterable[str]) -> Html:
    """Sentences one below the other; nothing where there is none."""
    listed = "".join(f"<li>{text(line)}</li>\n" for line in lines)
    return Html(f"<ul>\n{listed}</ul>\n") if listed else Html("")


def details(summary: str, *parts: Html) -> Html:
    """What is unfolded by who wants to see it; on paper it is unfolded."""
    return Html(f"<details><summary>{text(summary)}</summary>\n{''.join(parts)}</details>\n")


def bars(counts: Sequence[tuple[str, int]]) -> Html:
    """Counts as bars, the largest over the whole width."""
    largest = max((count for _, count in counts), default=0) or 1
    rows = "".join(
        f"<tr><td>{text(name)}</td><td>{count}</td>"
        f'<td><span class="bar" style="width: {100 * count / largest:.1f}%"></span></td></tr>\n'
        for name, count in counts
    )
    return Html(f'<div class="scroll"><table class="bars"><tbody>\n{rows}</tbody></table></div>\n')


def span(value: str, kind: str) -> Html:
    """Text of a kind that the page's own style shows."""
    return Html(f'<span class="{text(kind)}">{text(value)}</span>')


def block(*parts: Html) -> Html:
    """Text whose line breaks stay as they are."""
    return Html(f"<pre>{''.join(parts)}</pre>\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """Where values stand in a chart."""

    ticks: tuple[float, ...]
    """The first and last are the ends."""
    signed: bool = False
    """Whether numbers carry their sign, as differences do."""

    @classmethod
    def over(cls, values: Iterable[float], *, signed: bool = False, most: int = 6) -> "Axis":
        """Over all finite values, with at most so many round steps."""
        found = [value for value in values if math.isfinite(value)]
        low, high = min(found), max(found)
        if high - low <= 1e-9 * max(abs(low), abs(high)):
            low, high = low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2
        size = 10 ** math.floor(math.log10((high - low) / most))
        step = next(
            size * times
            for times in (1, 2, 5, 10, 20)
            if math.ceil(high / (size * times)) - math.floor(low / (size * times)) <= most
        )
        first, last = math.floor(low / step), math.ceil(high / step)
        # Rounded to the step's digits: 3 * 0.1 is 0.30000000000000004.
        digits = 1 - math.floor(math.log10(step))
        ticks = (round(n * step, digits) + 0.0 for n in range(first, last + 1))
        return cls(ticks=tuple(ticks), signed=signed)

    def at(self, value: float) -> float:
        """Per cent of the way from the first tick to the last; what is infinite is at an end."""
        first, last = self.ticks[0], self.ticks[-1]
        if math.isinf(value):
            return 100.0 * (value > 0)
        return 100 * (value - first) / (last - first)

    def named(self, tick: float) -> str:
        """The tick's number."""
        return format(tick, "+.5g" if self.signed and tick else ".5g")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """One line of a chart of intervals."""

    label: str
    value: float
    low: float
    high: float
    figures: str
    """The same numbers as text."""
    verdict: str = ""
    kind: str = ""
    """good, bad, or neither."""
    remark: str = ""
    is_hollow: bool = False
    """Whether the mark is a ring and not a diamond."""
    limit: float | None = None
    """A limit that the value is held against, drawn as a dashed line."""


def intervals(
    groups: Sequence[tuple[str, Sequence[Interval]]], axis: Axis, caption: str, *, zero: bool
) -> Html:
    """Values with their intervals under the titles of their groups, on one axis.

    ``zero``: draw the line of no difference.
    """
    lines = [f'<line class="grid" {_upright(axis.at(tick))} />' for tick in axis.ticks]
    if zero:
        lines.append(f'<line class="zero" {_upright(axis.at(0.0))} />')
    rows = "".join(
        (f'<div class="group">{text(title)}</div>\n' if title else "")
        + "".join(_interval(row, axis, "".join(lines)) for row in members)
        for title, members in groups
    )
    ticks = "".join(
        f'<text x="{axis.at(tick):.2f}%" y="1em" text-anchor="middle">{axis.named(tick)}</text>'
        for tick in axis.ticks
    )
    return Html(
        f'<div class="plot"><div role="list">\n{rows}</div><div class="axis"><svg '
        f'aria-hidden="true">{ticks}</svg><p>{text(caption)}</p></div></div>\n'
    )


def _upright(x: float) -> str:
    return f'x1="{x:.2f}%" x2="{x:.2f}%" y1="0" y2="100%"'


def _interval(row: Interval, axis: Axis, lines: str) -> str:
    low, middle, high = (f"{axis.at(value):.2f}%" for value in (row.low, row.value, row.high))
    caps = "".join(f'<line class="whisker" x1="{x}" x2="{x}" y1="38%" y2="62%" />'
                   for x in (low, high))  # fmt: skip
    verdict = f' <span class="{text(row.kind)}">{text(row.verdict)}</span>' if row.verdict else ""
    remark = f"<small>{text(row.remark)}</small>" if row.remark else ""
    colour = f' class="{text(row.kind)}"' if row.kind else ""
    if row.limit is not None:
        lines += f'<line class="limit" {_upright(axis.at(row.limit))} />'
    return (
        f'<div class="row" role="listitem"><span class="label">{text(row.label)}</span>'
        f'<span class="track"><svg role="img"{colour}>'
        f"<title>{text(f'{row.label}: {row.figures} {row.verdict}'.rstrip())}</title>"
        f'{lines}<line class="whisker" x1="{low}" x2="{high}" y1="50%" y2="50%" />{caps}'
        f'<svg x="{middle}" y="50%">{_dot(row.is_hollow)}</svg></svg></span>'
        f'<span class="figures">{text(row.figures)}{verdict}{remark}</span></div>\n'
    )


def _dot(is_hollow: bool) -> str:
    if is_hollow:
        return '<circle class="dot hollow" r="5" />'
    return '<path class="dot" d="M-6 0 L0 -6 L6 0 L0 6 Z" />'


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One line of a chart of curves."""

    name: str
    points: Sequence[tuple[float, float]]
    is_dashed: bool = False
    """Dashed with a ring at each point, else drawn through."""


def curves(
    title: str, traces: Sequence[Trace], *, across: str, marked: tuple[float, str] | None = None
) -> Html:
    """Lines over the same axes; ``across`` says what is to the right, ``title`` what is up.

    ``marked``: a place on the way across, with its name.
    """
    points = [point for trace in traces for point in trace.points]
    wide = [x for x, _ in points] + ([marked[0]] if marked else [])
    x_axis = Axis.over(wide, most=5)
    y_axis = Axis.over([y for _, y in points])
    grid = "".join(
        f'<line class="grid" x1="0" x2="100%" y1="{100 - y_axis.at(tick):.2f}%" '
        f'y2="{100 - y_axis.at(tick):.2f}%" /><text x="-8" dy="0.35em" text-anchor="end" '
        f'y="{100 - y_axis.at(tick):.2f}%">{y_axis.named(tick)}</text>'
        for tick in y_axis.ticks
    ) + "".join(
        f'<line class="grid" {_upright(x_axis.at(tick))} /><text x="{x_axis.at(tick):.2f}%" '
        f'y="100%" dy="1.5em" text-anchor="middle">{x_axis.named(tick)}</text>'
        for tick in x_axis.ticks
    )
    drawn = "".join(_trace(trace, x_axis, y_axis) for trace in traces)
    keys = "".join(map(_key, traces)) if len(traces) > 1 else f" {text(traces[0].name)}"
    return Html(
        f"<figure><figcaption><b>{text(title)}</b>{keys}</figcaption>\n"
        f'<svg class="curve" role="img"><title>{text(_told(title, traces, across))}</title>{grid}'
        f"{drawn}{_marked(marked, x_axis)}"
        f'<text x="50%" y="100%" dy="3em" text-anchor="middle">{text(across)}</text></svg>'
        "</figure>\n"
    )


def _trace(trace: Trace, x_axis: Axis, y_axis: Axis) -> str:
    places = [(x_axis.at(x), 100 - y_axis.at(y)) for x, y in trace.points]
    path = " ".join(f"{x:.3f},{y:.3f}" for x, y in places)
    css = " dashed" if trace.is_dashed else ""
    line = (
        '<svg width="100%" height="100%" viewBox="0 0 100 100" preserveAspectRatio="none">'
        f'<polyline class="trace{css}" points="{path}" /></svg>'
    )
    if not trace.is_dashed and len(places) > 1:
        return line
    return line + "".join(f'<circle class="dot{css}" cx="{x:.2f}%" cy="{y:.2f}%" r="3.5" />'
                          for x, y in places)  # fmt: skip


def _key(trace: Trace) -> str:
    css = " dashed" if trace.is_dashed else ""
    ring = '<circle class="dot dashed" cx="50%" cy="50%" r="3.5" />' if trace.is_dashed else ""
    return (
        f' <span class="key"><svg aria-hidden="true"><line class="trace{css}" x1="0" x2="100%" '
        f'y1="50%" y2="50%" />{ring}</svg>{text(trace.name)}</span>'
    )


def _marked(marked: tuple[float, str] | None, x_axis: Axis) -> str:
    if marked is None:
        return ""
    x = x_axis.at(marked[0])
    anchor, shift = ("end", -6) if x > 50 else ("start", 6)
    return (
        f'<line class="exported" {_upright(x)} /><text class="exported-name" x="{x:.2f}%" '
        f'dx="{shift}" y="1em" text-anchor="{anchor}">{text(marked[1])}</text>'
    )


def _told(title: str, traces: Sequence[Trace], across: str) -> str:
    """A chart in words: where each line begins and ends."""
    ways = [
        f"{trace.name} from {trace.points[0][1]:.4g} at {trace.points[0][0]:g} to "
        f"{trace.points[-1][1]:.4g} at {trace.points[-1][0]:g}"
        for trace in traces
        if trace.points
    ]
    return f"{title} by {across}: {'; '.join(ways)}"
