"""Doses against the limits of a table.

Nothing passes that was not compared: an unknown drug, a unit of another kind, a route or population
without a row and a missing weight are flags, and so is a dose above a limit that the text seems to
warn of. What passes is within limits for anybody, which does not make it right for this patient:
10 mg of warfarin pass for a 78-year-old on amiodarone.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from medtune.guard.amounts import Trap
from medtune.guard.dose import MAX_TIMES_A_DAY, Dose
from medtune.guard.doses import find_doses
from medtune.guard.findings import Context, Finding, Population, Verdict, worst
from medtune.guard.patients import population_of
from medtune.guard.rates import as_rate, is_speed, lacks_rate
from medtune.guard.sections import DoseRange
from medtune.guard.stance import stance
from medtune.guard.tables import DoseRow, DoseTable
from medtune.guard.texts import Check, Text
from medtune.guard.unitless import numberless, unitless
from medtune.guard.units import Measure, shown

_TRAPS: dict[Trap, str] = {
    "naked_decimal": "a decimal without a zero before its point is read ten times too high",
    "trailing_zero": "a zero behind the decimal point is read ten times too high",
    "thousands": "a number that reads as one and as a thousand",
    "decimal_comma": "a decimal comma is read as thousands",
    "u": "U for units is read as a zero",
    "micro": "micrograms with a Greek letter are read as milligrams",
    "cc": "cc is read as units",
    "qd": "Q.D. is read as four times a day",
    "combination": "a combination of two strengths belongs to two drugs",
}


_NEWBORN_MG = 400_000
"""Beside a word of birth or weight, so much is the weight of a newborn."""
_BORN_BEFORE = re.compile(r"\b(?:born|birth\w*|weigh\w*)\b[^.;]{0,40}\Z", re.IGNORECASE)
_BORN_BEHIND = re.compile(
    r"[ -](?:(?:fe)?male|boys?|girls?|infants?|baby|babies|newborns?|neonates?|at[ ]birth)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What the comparison with one row says."""

    verdict: Verdict
    reason: str
    is_compared: bool = True
    """False where nothing could be compared: then it stays a flag, whatever the text says of it."""


def dose_range(rule: DoseRange, table: DoseTable) -> Check:
    """The check of one rule with its table."""

    def check(text: Text, context: Context) -> Iterator[Finding]:
        doses = find_doses(text.plain, table.drugs)
        for dose in doses:
            if _is_no_dose(text.plain, dose) or is_speed(text.plain, dose, doses, table):
                continue
            for one in (dose, *as_rate(dose, table)):
                verdict, message = _judge(text, one, rule, table, context)
                yield Finding(rule=rule.id, verdict=verdict, span=dose.span, message=message)
            if lacks_rate(dose, doses, table):
                message = "a drug that is never given at once, and how fast is not said"
                yield Finding(rule=rule.id, verdict="flag", span=dose.span, message=message)
        for span in unitless(text.plain, table.drugs, [dose.span for dose in doses]):
            message = "a number beside a drug, without a unit that is known"
            yield Finding(rule=rule.id, verdict="flag", span=span, message=message)
        for span in numberless(text.plain, table.drugs):
            message = "a unit of mass beside a drug, without a number that can be read"
            yield Finding(rule=rule.id, verdict="flag", span=span, message=message)

    return check


def _judge(
    text: Text, dose: Dose, rule: DoseRange, table: DoseTable, context: Context
) -> tuple[Verdict, str]:
    if dose.mention is None or dose.mention.kind != "known":
        return "flag", "a dose of no drug that the table knows"
    if dose.is_shared:
        return "flag", "an amount of several drugs, which cannot be told apart"
    told = stance(text.plain, dose.sentence, dose.span, is_maximum=dose.is_maximum)
    sentence = text.plain[dose.sentence.start : dose.sentence.end]
    found = _compare(dose, table, population_of(context, sentence), context, rule)
    message = f"{dose.mention.ingredient}: {found.reason}"
    if found.verdict != "ok" and found.is_compared and told in ("against", "mixed"):
        # A negation in the clause may be one of something else: "and do not crush the tablets".
        is_flag = found.verdict == "violation" or told == "mixed"
        verdict: Verdict = "flag" if is_flag else "ok"
        return verdict, f"{message}; the text warns of it or of something beside it"
    if found.verdict == "violation" and told in ("reported", "asked"):
        return "flag", f"{message}; the text does not advise it"
    if found.verdict == "violation" and dose.is_doubtful:
        return "flag", f"{message}; it may be an amount of something else, or a sum"
    traps = [trap for trap in dose.traps if trap in rule.traps]
    if traps and told != "against":
        message += "".join(f"; {_TRAPS[trap]}" for trap in traps)
        return worst((found.verdict, "flag")), message
    return found.verdict, message


def _compare(
    dose: Dose, table: DoseTable, population: Population, context: Context, rule: DoseRange
) -> _Outcome:
    assert dose.mention is not None
    rows = table.by_ingredient[dose.mention.ingredient]
    mine = [row for row in rows if row.population == population]
    if not mine:
        # A dose that is too high for an adult is too high for a child.
        outcomes = [_against_row(dose, row, context, rule) for row in _by_route(dose, rows)]
        if outcomes and all(found.verdict == "violation" for found in outcomes):
            return outcomes[0]
        return _incomparable(f"the table has no limit for this population ({population})")
    fitting = _by_route(dose, mine)
    if not fitting:
        return _incomparable(f"the table has no limit for this route ({dose.route})")
    outcomes = [_against_row(dose, row, context, rule) for row in fitting]
    if len({found.verdict for found in outcomes}) == 1:
        return outcomes[0]
    return _incomparable("within the limits of one route and not of another; none is said")


def _incomparable(reason: str) -> _Outcome:
    return _Outcome("flag", reason, is_compared=False)


def _by_route(dose: Dose, rows: tuple[DoseRow, ...] | list[DoseRow]) -> list[DoseRow]:
    """The rows of the dose's route; without one those of the usual route, or of every route."""
    if dose.route == "infusion":
        # Without a limit for the rate, what it comes to in a day can still be compared.
        rates = [row for row in rows if row.measure.minutes]
        return rates or [row for row in rows if row.route == "iv"]
    if dose.route is not None:
        return [row for row in rows if row.route == dose.route]
    amounts = [row for row in rows if not row.measure.minutes]
    return [row for row in amounts if row.usual] or amounts


def _against_row(dose: Dose, row: DoseRow, context: Context, rule: DoseRange) -> _Outcome:
    """A dose against one row: too high, too low, within, or not comparable."""
    if dose.measure.unit.dimension != row.measure.unit.dimension:
        mine, its = dose.measure.unit.name, row.measure.unit.name
        return _incomparable(f"{mine} cannot be compared with {its}")
    if row.max_single == 0 and dose.high > 0:
        return _Outcome(rule.verdict, f"never by this route ({row.route})")
    compared = _Comparison(dose, row, context)
    if over := compared.over():
        return _Outcome(rule.verdict, over)
    if compared.missing:
        return _incomparable(compared.missing)
    if under := compared.under():
        return _Outcome(rule.below, under)
    if not compared.num_compared:
        return _incomparable("too little is said to compare it: how often, or how much at once")
    return _Outcome("ok", f"within the limits ({row.route}, {row.population})")


class _Comparison:
    """One dose and one row, brought to the row's unit."""

    def __init__(self, dose: Dose, row: DoseRow, context: Context) -> None:
        self._dose, self._row = dose, row
        self.num_compared = 0
        self.missing = ""
        """What would be needed to compare all that the row limits."""
        body = {"kg": context.weight_kg, "m2": context.surface_m2, None: 1.0}
        self._body = {
            per: None if size is None else Fraction(str(size)) for per, size in body.items()
        }

    def over(self) -> str:
        """Which limit the dose is above; empty where it is above none that can be compared."""
        dose, row = self._dose, self._row
        single, daily, weekly = dose.single, dose.daily, dose.weekly
        if row.measure.minutes:
            if not dose.measure.minutes:
                self.missing = f"the table limits a rate ({row.measure.name}), and none is said"
                return ""
            return self._above(dose.high, "max_single", "")
        if dose.measure.minutes:
            single = None
        if row.max_single is None and single is not None and daily is None:
            daily = single  # one dose of a day is not above the day's limit
        told = (
            self._above(single, "max_single", "at once")
            or self._above(daily, "max_daily", "a day")
            or self._above(weekly, "max_weekly", "a week")
            or self._above(single, "max_single_per_kg", "at once", per="kg")
            or self._above(daily, "max_daily_per_kg", "a day", per="kg")
        )
        if not told and self._is_often_too_much():
            self.missing = self.missing or "given so often, how many doses in all has to be said"
        if dose.is_vague or (row.max_weekly is not None and weekly is None):
            self.missing = self.missing or "how often it is given is not said"
        return told

    def _is_often_too_much(self) -> bool:
        """Whether the number of doses, which a text does not say, decides: every 5 minutes."""
        dose = self._dose
        if dose.daily is not None or dose.times_high is None:
            return False
        # What acts within minutes is repeated until it does; by mouth it goes on through the day.
        is_slow = self._row.route == "oral"
        amount = dose.high * (dose.times_high if is_slow else MAX_TIMES_A_DAY)
        return bool(
            self._above(amount, "max_daily", "")
            or self._above(amount, "max_daily_per_kg", "", per="kg")
        )

    def under(self) -> str:
        """Which limit the dose is below; empty where it is below none."""
        dose, row = self._dose, self._row
        if dose.is_change or dose.is_maximum or row.measure.minutes or dose.measure.minutes:
            return ""
        for name, per in (("min_single", None), ("min_single_per_kg", "kg")):
            least = row.limit(name)
            if least is None:
                continue
            amount = self._converted(dose.low, "kg" if per else row.measure.per)
            if dose.total_days and dose.times_high:
                amount = None if amount is None else amount / dose.times_high
            if amount is not None and amount < least:
                return f"{shown(amount)} {row.unit} is below {shown(least)}"
        least = row.limit("min_daily")
        amount = self._converted(dose.daily, row.measure.per)
        if least is not None and amount is not None and amount < least:
            return f"{shown(amount)} {row.unit} a day is below {shown(least)}"
        return ""

    def _above(self, amount: Fraction | None, name: str, when: str, per: str | None = None) -> str:
        """Compare one amount of the dose with one limit of the row."""
        limit = self._row.limit(name)
        if limit is None or amount is None:
            return ""
        converted = self._converted(amount, per or self._row.measure.per)
        if converted is None:
            self._tell_missing(is_extra=per is not None)
            return ""
        self.num_compared += 1
        if converted <= limit:
            return ""
        unit = f"{self._row.unit}/{per}" if per else self._row.unit
        return " ".join(f"{shown(converted)} {unit} {when}".split()) + f" is above {shown(limit)}"

    def _tell_missing(self, *, is_extra: bool) -> None:
        # Limits per kg beside others bind children; adults are rarely weighed for a fixed dose.
        per_kg = self._dose.measure.per
        if is_extra and self._row.population == "adult" and per_kg is None:
            return
        if not is_extra and per_kg is not None and self._row.names_per_kg:
            return  # the limit per kg itself is compared
        needed = "body surface" if "m2" in (per_kg, self._row.measure.per) else "weight"
        self.missing = f"the {needed} is needed to compare it"

    def _converted(self, amount: Fraction | None, per: str | None) -> Fraction | None:
        """An amount of the dose in the row's unit, for each ``per``; None without the size."""
        if amount is None:
            return None
        mine = self._dose.measure
        target = Measure(self._row.measure.unit, minutes=self._row.measure.minutes)
        # Singles, totals of days and rates are compared with limits of the same kind of time.
        base = Measure(mine.unit, minutes=mine.minutes if target.minutes else None).base(amount)
        value = target.amount(base)
        if mine.per == per:
            return value
        size_of_dose, size_of_limit = self._body.get(mine.per), self._body.get(per)
        if size_of_dose is None or size_of_limit is None:
            return None
        return value * size_of_dose / size_of_limit


def _is_no_dose(plain: str, dose: Dose) -> bool:
    """Whether an amount is one of water or blood, or the weight of a newborn."""
    if dose.mention is not None:
        return dose.mention.kind == "no_drug"
    unit, (start, end) = dose.measure.unit, dose.span
    is_as_heavy = unit.dimension == "mass" and dose.high * unit.factor >= _NEWBORN_MG
    return is_as_heavy and bool(
        _BORN_BEFORE.search(plain, dose.sentence.start, start) or _BORN_BEHIND.match(plain, end)
    )
