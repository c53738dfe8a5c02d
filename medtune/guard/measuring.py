"""How well rules find what people marked in sentences: sensitivity and false alarms, per rule.

A row of a labelled file says what a careful reader expects of one rule:

    {"id": "dose-001", "about": "dose_range", "text": "...", "expected": "violation",
     "rule": "dose-range", "context": {"weight_kg": 70}}

A harmless row is expected to be ok by every rule; ``about`` is the kind of rule that it was written
to mislead. Rows are in two halves by a hash of their id: rules are tuned on the rows of ``tune``,
and what holds of new text is nearer to the rate on ``held``.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any, Literal

from medtune.errors import DataError
from medtune.guard.engine import check
from medtune.guard.findings import VERDICTS, Context, Verdict
from medtune.guard.loading import Rules
from medtune.stats.proportions import Interval, wilson

Half = Literal["tune", "held"]
HALVES: tuple[Half, Half] = ("tune", "held")


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """One sentence and what is expected of it."""

    id: str
    about: str
    """The kind of rule that it was written for."""
    text: str
    expected: Verdict
    rule: str | None
    """Which rule has to find it; None where it is harmless."""
    context: Context

    @property
    def half(self) -> Half:
        """By the id alone, so that new rows do not move old ones."""
        return HALVES[int(sha256(self.id.encode("utf-8")).hexdigest(), 16) % 2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A share of sentences with its 95 % interval (Wilson)."""

    hits: int
    trials: int

    @property
    def share(self) -> float | None:
        """From 0 to 1; None without trials."""
        return self.hits / self.trials if self.trials else None

    @property
    def interval(self) -> Interval | None:
        """None without trials."""
        return wilson(self.hits, self.trials) if self.trials else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRates:
    """How one rule did on some rows."""

    rule: str
    caught: Rate
    """Of sentences that it has to find: those with a flag or a violation."""
    blocked: Rate
    """Of those that have to be violations: those that are."""
    alarms_near: Rate
    """Of harmless sentences written to mislead its kind: those with a flag or a violation."""
    alarms_elsewhere: Rate
    """Of all other harmless sentences: the same."""
    false_violations: Rate
    """Of all harmless sentences: those with a violation."""


def read_labelled(path: Path) -> list[Labelled]:
    """Rows of a labelled file.

    Raises:
        DataError: A row is not as it must be, or an id is there twice; it is named by its line.
    """
    rows: list[Labelled] = []
    ids: set[str] = set()
    for number, line in enumerate(StringIO(path.read_text(encoding="utf-8")), 1):
        try:
            row = _labelled(json.loads(line))
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(f"{path}:{number}: not a labelled sentence: {error!r}") from error
        if row.id in ids:
            raise DataError(f"{path}:{number}: the id {row.id} is there already")
        ids.add(row.id)
        rows.append(row)
    return rows


def _labelled(values: dict[str, Any]) -> Labelled:
    given: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in values.pop("context", {}).items()
    }
    row = Labelled(rule=values.pop("rule", None), context=Context(**given), **values)
    if row.expected not in VERDICTS or (row.expected == "ok") != (row.rule is None):
        raise ValueError("a row that is not expected to be ok names the rule that has to find it")
    return row


def measure(rows: Iterable[Labelled], rules: Rules) -> list[RuleRates]:
    """Rates of each rule on some rows, in the order of the rules.

    Raises:
        DataError: A row names a rule that is not among them.
    """
    rows = list(rows)
    kinds = {rule.id: rule.kind for rule in rules.rules}
    for row in rows:
        if row.rule is not None and row.rule not in kinds:
            raise DataError(f"row {row.id} names the rule {row.rule}, which is not among the rules")
    reports = [check(row.text, rules, row.context) for row in rows]
    found = {
        rule: [(row, report.of(rule)) for row, report in zip(rows, reports, strict=True)]
        for rule in kinds
    }
    return [_rates(rule, kind, found[rule]) for rule, kind in kinds.items()]


def _rates(rule: str, kind: str, found: Sequence[tuple[Labelled, Verdict]]) -> RuleRates:
    wanted = [(row, verdict) for row, verdict in found if row.rule == rule]
    harmless = [(row, verdict) for row, verdict in found if row.rule is None]
    near = [verdict for row, verdict in harmless if row.about == kind]
    elsewhere = [verdict for row, verdict in harmless if row.about != kind]
    return RuleRates(
        rule=rule,
        caught=_rate([verdict != "ok" for _, verdict in wanted]),
        blocked=_rate([v == "violation" for row, v in wanted if row.expected == "violation"]),
        alarms_near=_rate([verdict != "ok" for verdict in near]),
        alarms_elsewhere=_rate([verdict != "ok" for verdict in elsewhere]),
        false_violations=_rate([verdict == "violation" for _, verdict in harmless]),
    )


def _rate(hits: Sequence[bool]) -> Rate:
    return Rate(hits=sum(hits), trials=len(hits))


def overall(rows: Iterable[Labelled], rules: Rules) -> RuleRates:
    """The same for all rules together: what a reader of the overall verdict gets.

    ``alarms_near`` are those on harmless sentences that were written to mislead some rule.
    """
    wanted, near, elsewhere = [], [], []
    for row in rows:
        verdict = check(row.text, rules, row.context).verdict
        if row.rule is not None:
            wanted.append((row, verdict))
        elif row.about in {rule.kind for rule in rules.rules}:
            near.append(verdict)
        else:
            elsewhere.append(verdict)
    return RuleRates(
        rule="all rules",
        caught=_rate([verdict != "ok" for _, verdict in wanted]),
        blocked=_rate([v == "violation" for row, v in wanted if row.expected == "violation"]),
        alarms_near=_rate([verdict != "ok" for verdict in near]),
        alarms_elsewhere=_rate([verdict != "ok" for verdict in elsewhere]),
        false_violations=_rate([verdict == "violation" for verdict in near + elsewhere]),
    )


def markdown(rates: Iterable[RuleRates]) -> str:
    """A table of rates: per cent, hits of trials, and the 95 % interval."""
    lines = [
        "| rule | caught (flag or violation) | violations found as such | alarms on harmless "
        "sentences of its kind | alarms on other harmless ones | false violations |",
        "|---|---|---|---|---|---|",
    ]
    for one in rates:
        cells = (
            one.caught,
            one.blocked,
            one.alarms_near,
            one.alarms_elsewhere,
            one.false_violations,
        )
        lines.append(f"| {one.rule} | " + " | ".join(map(_cell, cells)) + " |")
    return "\n".join(lines) + "\n"


def _cell(rate: Rate) -> str:
    share, interval = rate.share, rate.interval
    if share is None or interval is None:
        return "-"
    ends = f"{100 * interval.low:.0f} to {100 * interval.high:.0f}"
    return f"{100 * share:.0f} % ({rate.hits}/{rate.trials}; {ends})"
