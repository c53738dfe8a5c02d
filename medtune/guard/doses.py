"""Doses in a plain text: how much, of what, how often, by which way.

    text --quantities--> amounts with units --tails, windows--> Dose --single, daily, weekly--> base
                                             --nearest name---> ingredient

A dose's drug is the nearest name in its sentence, before or behind it; where the sentence has none,
the one drug of the sentence before. What is said of how often and by which way is looked for behind
an amount, up to the next one, and then before it. Laboratory values (mg/dL) and strengths
(160 mg/5 mL) are no doses and are left out.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from medtune.guard.amounts import NUMBER, TABLETS, Quantity, is_given, quantities, value_of
from medtune.guard.attribution import NEAR, Owner, drug_of
from medtune.guard.dose import Dose
from medtune.guard.findings import Span
from medtune.guard.forms import Read, with_lines
from medtune.guard.names import DrugNames, Mention
from medtune.guard.pieces import OF_PIECES, Pieces, pieces_behind
from medtune.guard.plain import plain as as_plain
from medtune.guard.routes import Route, routes
from medtune.guard.schedules import (
    Schedule,
    Tail,
    division,
    is_divided,
    num_doses,
    schedule,
    tail,
)
from medtune.guard.sentences import sentences
from medtune.guard.shared import is_shared
from medtune.guard.units import MASS_WORDS, Measure

_MAXIMUM = re.compile(
    r"""(?:\bmax(?:imum|imal|\.)?\b[^.;,]{0,60}?|\bup[ ]to|\bnot[ ](?:to[ ])?exceed(?:ing)?
      |\bno[ ]more[ ]than|\bnot[ ](?:\w+[ ]){0,3}more[ ]than|\bat[ ]most|\bless[ ]than|\bbelow
      |\bunder|\blimit(?:ed)?[ ]to|\bnever[ ](?:\w+[ ]){0,3}(?:exceed|more[ ]than)
      |\bceiling\b[^.;,]{0,40}?|\bmore[ ]than|\bover|\babove|\bexceed(?:s|ing)?
      |\bin[ ]excess[ ]of)
      [ ]?(?:a[ ]|the[ ])?(?:total[ ])?(?:of[ ])?\(?\Z""",
    re.IGNORECASE | re.VERBOSE,
)
_CHANGE = re.compile(
    r"(?:increas|decreas|reduc|rais|lower|titrat|taper|adjust|uptitrat)\w*[^.;,]{0,40}?\bby[ ]?\Z"
    r"|\bincrements?[ ]of[ ]?\Z|\bsteps[ ]of[ ]?\Z",
    re.IGNORECASE,
)
_TOTAL_BEFORE = re.compile(
    r"\b(?:daily|total)[ ](?:daily[ ])?dos(?:e|age)s?\b[^.;]{0,40}\Z"
    r"|\b(?:per|a)[ ]day[ ]?(?:is|of|:)[ ]\Z",
    re.IGNORECASE,
)
# Behind other doses of a drug, what they come to: 400 mg three times a day (1200 mg in total).
_SUM_BEFORE = re.compile(
    r"\b(?:total(?:l?ing|l?ed|s)?|cumulative|sum|altogether)(?:[ ](?:daily|cumulative|loading))?"
    r"(?:[ ](?:dose|amount|intake))?(?:[ ](?:of|is|being|to))?[ ]?[:=]?[ ]?\(?\Z",
    re.IGNORECASE,
)
_SUM_BEHIND = re.compile(
    r"[ ]\(?(?:(?:in[ ])?total|altogether|all[ ]told|overall|cumulatively)\b", re.IGNORECASE
)
_AT_ONCE = re.compile(
    r"\b(?:at[ ]once|single|(?:per|each)[ ]dose|(?:at|in)[ ](?:a|one|any[ ]one)[ ](?:time|go))\b",
    re.IGNORECASE,
)
_COUNT_BEFORE = re.compile(rf"(?<![\w.,/-])(?P<count>{NUMBER})[ ]\Z", re.IGNORECASE)
_DOSES_OF = re.compile(
    rf"(?<![\w.,/-])(?P<count>{NUMBER})[ ](?:\w+[ ])?doses[ ]of[ ](?:up[ ]to[ ]|about[ ])?\Z",
    re.IGNORECASE,
)
_ALL_AT_ONCE = re.compile(
    r"[ ,(]*(?:(?:all|to[ ]be|given|taken)[ ])*(?:(?:as|in|at)[ ](?:a|one)[ ]|at[ ]once\b"
    r"|(?:one|single)[ ](?:\w+[ ])?dose\b|once(?=[ ]?(?:[.,;)]|\Z)))",
    re.IGNORECASE,
)
"""Right behind a total of a day. Not: 3 g/day once the pain is controlled; 3 g/day now."""
_STRENGTH_BEHIND = re.compile(rf"[ ]of[ ]{NUMBER}[ ]?(?:{MASS_WORDS})(?!\w)", re.IGNORECASE)
_DOSES_BEHIND = re.compile(r"[ ](?:\w+[ ])?doses\b", re.IGNORECASE)
_WITHIN = re.compile(
    rf"\b(?:over|during)[ ](?:at[ ]least[ ]|about[ ])?(?P<number>{NUMBER}|an?)"
    rf"(?:[ ]?(?:-|to)[ ]?{NUMBER})?[ -]?(?:(?P<minutes>min(?:ute)?s?)|h(?:ou)?rs?|h)\b",
    re.IGNORECASE,
)
_FORM = re.compile(
    r"[ ]?(?:topical[ ])?(?:cream|ointment|gel|lotion|solution|foam|paste)(?:[ ]of\b)?",
    re.IGNORECASE,
)
_DILUENT_BEFORE = re.compile(r"\b(?:in|into)[ ](?:an?[ ]|another[ ])?\Z", re.IGNORECASE)
_NO_DOSE_BEFORE = re.compile(
    r"(?:\bdispense[ds]?|\bdisp|\bqty|\bquantity|\brefills?|#|\bsupply(?:[ ]of)?"
    r"|\bblood[ ]loss(?:[ ]\w+)?(?:[ ]\w+)?)[: ]*\Z",
    re.IGNORECASE,
)
_CONTENT_BEFORE = re.compile(r"\bcontain(?:s|ing)?[: ]*\Z", re.IGNORECASE)
_ONE_DOSE = re.compile(r"\b(?:each|every|one|per|a|the|your)[ ](?:\w+[ ])?dose\b", re.IGNORECASE)
_EACH = re.compile(r"[ ](?:each|apiece|per|a|tablets?|tabs?|capsules?|pills?)\b", re.IGNORECASE)
_GIVEN_RIGHT_BEFORE = re.compile(
    r"\b(?:give|take|inject|administer|infuse|swallow|push|start)[ ](?:with[ ]|at[ ])?\Z",
    re.IGNORECASE,
)
_GIVEN = re.compile(r"\b(?:give|take|inject|administer|infuse|use|swallow|push)\b", re.IGNORECASE)


def find_doses(text: str, names: DrugNames) -> list[Dose]:
    """All doses in a text, in its order; their spans are offsets into it."""
    plain = as_plain(text)
    doses: list[Dose] = []
    before: list[Mention] = []
    read: list[Read] = []
    for sentence in sentences(plain):
        mentions = names.mentions(plain, sentence)
        drugs = {mention.ingredient: mention for mention in before if mention.kind == "known"}
        is_named = any(mention.kind != "no_drug" for mention in mentions)
        carried = next(iter(drugs.values())) if len(drugs) == 1 and not is_named else None
        doses = list(_of_sentence(plain, sentence, mentions, carried, names))
        read.append(Read(sentence, doses, is_named))
        # A sentence that names no drug goes on about the one of the sentence before.
        before = mentions if is_named else before
    return list(_with_strengths(plain, with_lines(plain, read)))


def _of_sentence(
    plain: str,
    sentence: Span,
    mentions: Sequence[Mention],
    carried: Mention | None,
    names: DrugNames,
) -> Iterator[Dose]:
    found: list[Dose] = []
    amounts = list(_amounts(plain, sentence))
    everywhere = routes(plain, *sentence)
    used = sentence.start
    for place, (quantity, after) in enumerate(amounts):
        owner = drug_of(plain, sentence, Span(quantity.span.start, after.end), mentions, names)
        told = _GIVEN_RIGHT_BEFORE.search(plain[sentence.start : quantity.span.start])
        owner = _of_earlier(owner, carried, is_told_to_give=told is not None)
        mention = owner.mention
        others = [m.span.start for m in mentions if m.kind != "no_drug" and m != mention]
        starts = [*others, *(other.span.start for other, _ in amounts[place + 1 :])]
        # What stands behind another name or amount belongs to that.
        end = min((at for at in starts if at >= quantity.span.end), default=sentence.end)
        if quantity.unit.dimension == "percent" and not _is_strength(plain, quantity, mention):
            continue
        window = _Window(plain, used, quantity.span, after, end, sentence, everywhere)
        if pieces := _pieces(window, quantity):
            quantity = _times_pieces(quantity, pieces)
            owner = owner._replace(is_doubtful=owner.is_doubtful or pieces.is_doubtful)
        else:
            quantity = _counted_before(window, quantity, mention)
        dose, used = _dose(window, quantity, owner, found)
        found.append(replace(dose, is_shared=is_shared(plain, sentence, dose.span.end, mentions)))
    yield from found


def _amounts(plain: str, sentence: Span) -> Iterator[tuple[Quantity, Tail]]:
    """Quantities that may be doses, each with what stands right behind it."""
    last = Span(sentence.start, sentence.start)
    for quantity in quantities(plain, sentence):
        after = tail(plain, quantity.span.end, sentence.end)
        # The 5 mL of 160 mg per 5 mL.
        is_of_last = last.start <= quantity.span.start < last.end
        last = Span(quantity.span.end, after.end)
        is_strength = _is_concentration(plain, quantity, after)
        before = plain[sentence.start : quantity.span.start]
        if not (is_of_last or is_strength or _is_no_dose(before, quantity)):
            yield quantity, after


def _of_earlier(owner: Owner, carried: Mention | None, *, is_told_to_give: bool) -> Owner:
    """What an amount is of, where its own sentence names no drug: the one that was named before.

    Water, blood or weight in the sentence take no dose from that: take 200 mg and check your blood
    pressure.
    """
    if owner.mention is None:
        return Owner(carried)
    is_open = owner.is_doubtful and owner.mention.kind == "no_drug"
    return Owner(carried, is_doubtful=True) if is_open and (carried or is_told_to_give) else owner


@dataclass(frozen=True, slots=True)
class _Window:
    """The text around one amount: behind the one before, and up to the next."""

    plain: str
    start: int
    amount: Span
    tail: Tail
    end: int
    sentence: Span
    everywhere: Sequence[Route]
    """All routes that the sentence names."""

    @property
    def before(self) -> str:
        return self.plain[max(self.start, self.amount.start - NEAR) : self.amount.start]


def _dose(
    window: _Window, quantity: Quantity, owner: Owner, earlier: Sequence[Dose]
) -> tuple[Dose, int]:
    """The dose of one amount, and the place up to which the text was used for it."""
    after = window.tail
    is_change = bool(_CHANGE.search(window.before))
    is_maximum = bool(_MAXIMUM.search(window.before)) and not is_change
    found, used = _schedule(window, is_change=is_change)
    if not is_change and earlier and _goes_on(window, earlier[-1]) and found is None:
        is_maximum, found = True, Schedule(None, None, days=1)
    found = _of_each_dose(window, found or Schedule(None, None))
    days = after.days or found.days
    if is_maximum and found.high is None and days is None and not after.minutes:
        around = window.plain[window.start : window.end]
        days = None if found.num_doses or _AT_ONCE.search(around) else 1
    is_sum = found.high is None and _is_sum(window, owner, earlier)
    if days is None and (is_sum or _TOTAL_BEFORE.search(window.before)):
        days = 1
    times = _times(window, found, days)
    dose = Dose(
        span=Span(quantity.span.start, after.end),
        sentence=window.sentence,
        low=quantity.low,
        high=quantity.high,
        measure=Measure(quantity.unit, after.per, after.minutes),
        mention=owner.mention,
        is_doubtful=owner.is_doubtful or is_sum or _may_be_of_all(window, quantity),
        times_low=times[0],
        times_high=times[1],
        is_vague=found.is_vague,
        total_days=days,
        num_doses=found.num_doses or num_doses(window.plain, after.end, window.end),
        route=_route(window, after),
        within_minutes=_within_minutes(window.plain, after.end, window.end),
        is_maximum=is_maximum,
        is_change=is_change,
        form=quantity.form,
        traps=(*quantity.traps, *(("qd",) if found.is_qd else ())),
    )
    return dose, used


def _may_be_of_all(window: _Window, quantity: Quantity) -> bool:
    """Whether an amount in brackets may be what some pieces come to: 6 tablets (15 mg)."""
    is_bracketed = "(" in window.plain[quantity.span.start : quantity.span.end]
    return is_bracketed and not _EACH.match(window.plain, quantity.span.end)


def _schedule(window: _Window, *, is_change: bool) -> tuple[Schedule | None, int]:
    behind = schedule(window.plain, window.tail.end, window.end)
    if is_change:
        return None, behind[1] if behind else window.tail.end
    if behind:
        return behind
    before = schedule(window.plain, window.start, window.amount.start)
    return (before[0] if before else None), window.tail.end


def _times(
    window: _Window, found: Schedule, days: int | None
) -> tuple[Fraction | None, Fraction | None]:
    """How often a day, where a total is divided or a dose repeated."""
    plain, start, end = window.plain, window.tail.end, window.end
    parts = division(plain, start, end)
    if parts:
        return Fraction(parts), Fraction(parts)
    if days and not is_divided(plain, start, end):
        # 2 g/day q12h: the amount of a day behind which stands how often it is given.
        return (found.low, found.high) if window.tail.days else (None, None)
    return found.low, found.high


def _of_each_dose(window: _Window, found: Schedule) -> Schedule:
    """How often an amount is given, where a text says that it is the one of each dose.

    Eight doses of 1 g a day; eight 1 g doses; 4 g/day as a single dose.
    """
    days = window.tail.days
    if days == 1 and found.num_doses == 1:
        is_one = _ALL_AT_ONCE.match(window.plain, window.tail.end, window.end) is not None
        return Schedule(Fraction(1), Fraction(1)) if is_one else Schedule(None, None)
    said = _DOSES_OF.search(window.before)
    if not said and _DOSES_BEHIND.match(window.plain, window.tail.end, window.end):
        said = _COUNT_BEFORE.search(window.before)
    count = int(value_of(said["count"])) if said else 0
    if count and found.days == 1 and not days:
        return Schedule(Fraction(count), Fraction(count))
    return found._replace(num_doses=found.num_doses or count or None)


def _is_sum(window: _Window, owner: Owner, earlier: Sequence[Dose]) -> bool:
    """Whether an amount is what doses before it come to, on a day or in a whole course."""
    is_said = _SUM_BEFORE.search(window.before) or _SUM_BEHIND.match(
        window.plain, window.tail.end, window.end
    )
    return is_said is not None and any(dose.mention == owner.mention for dose in earlier)


def _goes_on(window: _Window, last: Dose) -> bool:
    """Whether an amount goes on with a maximum: 4 g per day in adults, and 2 g in liver disease."""
    return last.is_maximum and re.search(r"\b(?:and|or)[ ]\Z", window.before) is not None


def _route(window: _Window, after: Tail) -> Route | None:
    behind = routes(window.plain, window.amount.start, window.end)
    before = routes(window.plain, window.start, window.amount.start)
    named = behind[:1] or before[-1:]
    if not named and len(window.everywhere) == 1:
        named = list(window.everywhere)
    if after.minutes and named not in (["transdermal"], ["inhaled"]):
        return "infusion"
    return named[0] if named else None


def _within_minutes(plain: str, start: int, end: int) -> Fraction | None:
    """Over how long a dose is given: over 20 minutes; of a range, the shortest."""
    found = _WITHIN.search(plain, start, end)
    if not found:
        return None
    number = found["number"].casefold()
    return (value_of("one" if number in ("a", "an") else number)) * (1 if found["minutes"] else 60)


def _pieces(window: _Window, quantity: Quantity) -> Pieces | None:
    """How many of a strength are taken, said behind it: 500 mg: take 20 at once."""
    if quantity.unit.dimension not in OF_PIECES or window.tail.per:
        return None
    is_dose = _GIVEN_RIGHT_BEFORE.search(window.before) is not None
    return pieces_behind(window.plain, window.tail.end, window.end, is_dose=is_dose)


def _counted_before(window: _Window, quantity: Quantity, mention: Mention | None) -> Quantity:
    """A strength times how many of it: 20 acetaminophen 500 mg tablets."""
    if quantity.unit.dimension not in OF_PIECES or window.tail.per:
        return quantity
    if not quantity.form or mention is None or mention.span.end + 1 != quantity.span.start:
        return quantity
    start = max(0, mention.span.start - 40)
    found = _COUNT_BEFORE.search(window.plain[start : mention.span.start])
    if not found:
        return quantity
    span = Span(start + found.start(), quantity.span.end)
    count = value_of(found["count"])
    return _times_pieces(quantity._replace(span=span), Pieces(count, count))


def _times_pieces(quantity: Quantity, pieces: Pieces) -> Quantity:
    low, high = quantity.low * pieces.low, quantity.high * pieces.high
    return quantity._replace(low=low, high=high, form=None)


def _is_strength(plain: str, quantity: Quantity, mention: Mention | None) -> bool:
    """Whether a percentage is a strength: hydrocortisone 1% cream, and not a risk of 1%.

    What may be the name of an unknown drug is one only beside a word such as cream.
    """
    if mention is None or mention.kind == "no_drug":
        return False
    is_behind = mention.span.end <= quantity.span.start
    between = (
        plain[mention.span.end : quantity.span.start]
        if is_behind
        else plain[quantity.span.end : mention.span.start]
    )
    has_form = _FORM.search(between) or _FORM.match(plain, quantity.span.end)
    is_adjacent = not _FORM.sub("", between).strip()
    return is_adjacent and (mention.kind == "known" or has_form is not None)


def _is_concentration(plain: str, quantity: Quantity, after: Tail) -> bool:
    """Whether an amount is how much is in a volume, which is not given as a whole: 5 mg/mL."""
    has_number = any(sign.isdigit() for sign in plain[quantity.span.end : after.end])
    is_whole = has_number and is_given(plain, quantity.span.start, after.end)
    return after.is_concentration and not is_whole


def _is_no_dose(before: str, quantity: Quantity) -> bool:
    """Whether what stands before an amount makes it none: dispense 30 tablets; in 100 mL."""
    if quantity.unit.dimension == "volume" and _DILUENT_BEFORE.search(before):
        return True
    if _CONTENT_BEFORE.search(before):
        # Give an injection that contains 5 mg; each dose should contain 5 mg.
        return not (_GIVEN.search(before) or _ONE_DOSE.search(before))
    return _NO_DOSE_BEFORE.search(before) is not None


def _with_strengths(plain: str, doses: Sequence[Dose]) -> Iterator[Dose]:
    """Doses in tablets turned into amounts, where their strength stands before them.

    Metformin 500 mg tablets, take 2 tablets twice daily: 1000 mg twice daily.
    """
    strength: Dose | None = None
    for dose in doses:
        if dose.measure.unit in TABLETS and _STRENGTH_BEHIND.match(plain, dose.span.end):
            continue  # 2 tablets of 500 mg are read as that many milligrams
        if strength and _is_count_of(plain, dose, strength):
            is_near = strength.sentence == dose.sentence
            yield replace(
                dose,
                span=Span(strength.span.start, dose.span.end) if is_near else dose.span,
                low=dose.low * strength.low,
                high=dose.high * strength.high,
                measure=strength.measure,
                mention=strength.mention,
                route=dose.route or strength.route,
                traps=(*strength.traps, *dose.traps),
            )
            strength = None
            continue
        if strength:
            yield strength
        is_open = dose.times_high is None and dose.total_days is None and not dose.measure.per
        strength = dose if is_open and dose.measure.unit.dimension == "mass" else None
        if not strength:
            yield dose
    if strength:
        yield strength


def _is_count_of(plain: str, dose: Dose, strength: Dose) -> bool:
    """Whether a dose counts pieces of a strength: the same drug's, or right behind it."""
    if dose.measure.unit not in TABLETS:
        return False
    between = plain[strength.span.end : dose.span.start]
    if not between.strip(" ,(:x-") and strength.sentence == dose.sentence:
        return True
    mine, its = dose.mention, strength.mention
    return strength.form is not None and (mine is None or (its is not None and mine == its))
