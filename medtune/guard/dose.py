"""One dose, and what it comes to at once, on a day and in a week."""

from dataclasses import dataclass, replace
from fractions import Fraction

from medtune.guard.amounts import Trap
from medtune.guard.findings import Span
from medtune.guard.names import Mention
from medtune.guard.routes import Route
from medtune.guard.units import MINUTES_A_DAY, Measure, Unit

MAX_TIMES_A_DAY = Fraction(24)
"""More often than this is a series of doses, whose number a text has to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dose:
    """One dose as a text gives it."""

    span: Span
    """Of the amount with its unit."""
    sentence: Span
    low: Fraction
    high: Fraction
    """Amounts in ``measure``; the same where there is no range."""
    measure: Measure
    mention: Mention | None
    """What it is a dose of; None where nothing is named."""
    is_doubtful: bool = False
    """It may be an amount of something that is no drug, which is named nearer; or the sum of the
    doses of a whole course; or what several pieces come to, and not one of them."""
    is_shared: bool = False
    """It is given of several drugs at once: 50 mg each."""
    times_low: Fraction | None = None
    times_high: Fraction | None = None
    """How often a day; None where it is not said, or once."""
    is_vague: bool = False
    """How often is said without a number: every few hours."""
    total_days: int | None = None
    """Where the amount is a total: of one day, or of seven."""
    num_doses: int | None = None
    """How many doses in all."""
    route: Route | None = None
    within_minutes: Fraction | None = None
    """How long it takes to give, where that is said: over 20 minutes."""
    is_maximum: bool = False
    is_change: bool = False
    """An amount by which a dose is changed."""
    form: Unit | None = None
    """Pieces that it is the strength of, as in 500 mg tablets."""
    traps: tuple[Trap, ...] = ()

    @property
    def single(self) -> Fraction | None:
        """The highest amount at once, in ``measure``; None where a text gives a total alone."""
        if self.total_days is None:
            return self.high
        if self.times_low and self.total_days == 1:
            return self.high / self.times_low
        return None

    @property
    def daily(self) -> Fraction | None:
        """The highest amount on one day, in ``measure`` without its time; None: it cannot be told.

        Of a weekly dose it is the dose itself.
        """
        if self.measure.minutes:
            return self.high * MINUTES_A_DAY / self.measure.minutes
        if self.total_days:
            return self.high
        if self.times_high is None:
            return self.high * self.num_doses if self.num_doses else None
        times = max(self.times_high, Fraction(1))
        if self.num_doses:
            times = min(times, Fraction(self.num_doses))
        return None if times > MAX_TIMES_A_DAY else self.high * times

    @property
    def weekly(self) -> Fraction | None:
        """The highest amount in seven days, as above."""
        if self.total_days == 7:
            return self.high
        if self.measure.minutes or self.total_days or self.times_high is None:
            return 7 * self.daily if self.daily is not None and not self.num_doses else self.daily
        if self.times_high > MAX_TIMES_A_DAY:
            return None
        times = 7 * self.times_high
        return self.high * (min(times, Fraction(self.num_doses)) if self.num_doses else times)

    @property
    def as_rate(self) -> "Dose | None":
        """The same per hour; None where it is not said how long it takes to give."""
        if not self.within_minutes:
            return None
        return replace(
            self,
            low=self.low * 60 / self.within_minutes,
            high=self.high * 60 / self.within_minutes,
            measure=self.measure._replace(minutes=60),
            route="infusion",
        )
