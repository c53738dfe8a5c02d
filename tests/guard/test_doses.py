"""Doses that are written in many ways, and what is read from them."""

from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medtune.guard import Dose, DrugNames, Span, find_doses

NAMES = DrugNames(
    {
        "acetaminophen": ["Tylenol", "paracetamol"],
        "amoxicillin": [],
        "aspirin": [],
        "hydrocortisone": [],
        "insulin": ["Humalog"],
        "methotrexate": [],
        "warfarin": ["Coumadin"],
    },
    no_drugs=["water", "blood", "urine output"],
)


def doses(text: str) -> list[Dose]:
    return find_doses(text, NAMES)


def only(text: str) -> Dose:
    [dose] = doses(text)
    return dose


def base(dose: Dose) -> tuple[Fraction, Fraction]:
    """Of a dose, in mg, units, mEq ..., and of a rate per minute."""
    return dose.measure.base(dose.low), dose.measure.base(dose.high)


SPELLED = {
    "ng": ["ng", "nanograms"],
    "mcg": ["mcg", "micrograms", "\u00b5g", "\u03bcg", "ug"],
    "mg": ["mg", "MG", "milligrams", "milligram"],
    "g": ["g", "grams", "gm"],
    "units": ["units", "IU", "U", "international units"],
    "mmol": ["mmol", "millimoles"],
    "mEq": ["mEq", "meq"],
    "mL": ["mL", "ml", "milliliters"],
}
PARTS = {
    "": (None, None, None),
    "/kg": ("kg", None, None),
    " per kg": ("kg", None, None),
    "/m2": ("m2", None, None),
    "/m\u00b2": ("m2", None, None),
    "/kg/day": ("kg", None, 1),
    "/day": (None, None, 1),
    " per day": (None, None, 1),
    "/kg/min": ("kg", 1, None),
    "/kg/hour": ("kg", 60, None),
    " per hour": (None, 60, None),
    "/minute": (None, 1, None),
    "/week": (None, None, 7),
}
ROUTES = {
    "by mouth": "oral", "PO": "oral", "orally": "oral", "p.o.": "oral", "IV": "iv",
    "intravenously": "iv", "IM": "im", "SC": "sc", "subcutaneously": "sc", "intrathecally":
    "intrathecal", "SL": "sublingual", "": None,
}  # fmt: skip
SCHEDULES = {
    "": (None, None, None),
    "twice daily": (2, 2, None),
    "twice a day": (2, 2, None),
    "three times per day": (3, 3, None),
    "3x/day": (3, 3, None),
    "four times daily": (4, 4, None),
    "BID": (2, 2, None),
    "b.i.d.": (2, 2, None),
    "tid": (3, 3, None),
    "QID": (4, 4, None),
    "q6h": (4, 4, None),
    "every 6 hours": (4, 4, None),
    "every six hours": (4, 4, None),
    "8-hourly": (3, 3, None),
    "every 6 (six) hours": (4, 4, None),
    "every ~6 hours": (4, 4, None),
    "every about 6 hours": (4, 4, None),
    "every 6 waking hours": (4, 4, None),
    "every other hour": (12, 12, None),
    "every (6) hours": (4, 4, None),
    "every four (4) to six (6) hours": (4, 6, None),
    "every single hour": (24, 24, None),
    "x 6 daily": (6, 6, None),
    "x8/day": (8, 8, None),
    "q.8.h.": (3, 3, None),
    "at 8-hour intervals": (3, 3, None),
    "at intervals of 8 hours": (3, 3, None),
    "8 hours apart": (3, 3, None),
    "every eighth hour": (3, 3, None),
    "half-hourly": (48, 48, None),
    "3/day": (3, 3, None),
    "x 3 per day": (3, 3, None),
    "three doses a day": (3, 3, None),
    "q4-6h": (4, 6, None),
    "every 4 to 6 hours": (4, 6, None),
    "every 30 minutes": (48, 48, None),
    "once daily": (1, 1, None),
    "at bedtime": (1, 1, None),
    "every morning": (1, 1, None),
    "every other day": (Fraction(1, 2), Fraction(1, 2), None),
    "weekly": (Fraction(1, 7), Fraction(1, 7), None),
    "once a week": (Fraction(1, 7), Fraction(1, 7), None),
    "twice weekly": (Fraction(2, 7), Fraction(2, 7), None),
    "every 2 weeks": (Fraction(1, 14), Fraction(1, 14), None),
    "daily": (None, None, 1),
    "every day": (None, None, 1),
}
MAXIMA = ["up to", "maximum", "no more than", "not to exceed", "max"]


@dataclass(frozen=True)
class Written:
    """A dose, and one way to write it."""

    text: str
    low: Fraction
    high: Fraction
    unit: str
    per: str | None
    minutes: int | None
    total_days: int | None
    times: tuple[object, object]
    route: str | None
    is_maximum: bool


@st.composite
def numbers(draw: st.DrawFn, *, is_letter: bool) -> tuple[str, Fraction]:
    """A number and one way to write it; words are not written before a unit of one letter."""
    whole = draw(st.integers(1, 99_999))
    style = draw(st.sampled_from(["plain", "commas", "decimal", "naked", "trailing", "words"]))
    if style == "commas":
        return f"{whole:,}", Fraction(whole)
    if style == "decimal":
        text = f"{whole % 1000}.{draw(st.integers(1, 9))}{draw(st.sampled_from(['', '5', '25']))}"
        return text, Fraction(text)
    if style == "naked":
        text = f".{draw(st.integers(1, 9))}"
        return text, Fraction(text)
    if style == "trailing":
        return f"{whole}.0", Fraction(whole)
    if style == "words" and not is_letter:
        tens, ones = ["twenty", "thirty", "ninety"], ["one", "four", "nine"]
        ten, one = draw(st.integers(0, 2)), draw(st.integers(0, 2))
        text = f"two hundred and {tens[ten]}-{ones[one]}"
        return text, Fraction(200 + [20, 30, 90][ten] + [1, 4, 9][one])
    return str(whole), Fraction(whole)


@st.composite
def written_doses(draw: st.DrawFn) -> Written:
    unit = draw(st.sampled_from(list(SPELLED)))
    spelled = draw(st.sampled_from(SPELLED[unit]))
    is_letter = len(spelled) == 1
    text, value = draw(numbers(is_letter=is_letter))
    amount, low, high = text, value, value
    if draw(st.booleans()):
        other, second = draw(numbers(is_letter=is_letter))
        # Fractions such as 1/2 aside, a range is written with a hyphen or a word.
        amount = f"{text}{draw(st.sampled_from([' to ', '-', ' - ', ' or ']))}{other}"
        low, high = min(value, second), max(value, second)
    tail = draw(st.sampled_from(list(PARTS)))
    per, minutes, total = PARTS[tail]
    space = draw(st.sampled_from([" ", ""])) if amount[-1].isdigit() else " "
    dose = f"{amount}{space}{spelled}{tail}"
    route = draw(st.sampled_from(list(ROUTES)))
    # A total or a rate has its time already.
    often = draw(st.sampled_from(list(SCHEDULES))) if total is None and minutes is None else ""
    times = SCHEDULES[often]
    is_maximum = draw(st.booleans()) and not (often or total or minutes)
    maximum = f"{draw(st.sampled_from(MAXIMA))} " if is_maximum else ""
    behind = " ".join(filter(None, (route, often)))
    text = draw(
        st.sampled_from(
            [
                f"Warfarin {maximum}{dose} {behind}.",
                f"Give {maximum}{dose} of warfarin {behind}.",
                f"Take Coumadin, {maximum}{dose} {behind}",
                f"- **Warfarin**: {maximum}{dose} {behind}",
            ]
        )
    )
    return Written(
        text=text,
        low=low,
        high=high,
        unit=unit,
        per=per,
        minutes=minutes,
        total_days=1 if is_maximum else total or times[2],
        times=(times[0], times[1]),
        route="infusion" if minutes else ROUTES[route],
        is_maximum=is_maximum,
    )


@given(written_doses())
def test_a_dose_is_read_back_in_whatever_style_it_is_written(written: Written):
    dose = only(written.text)
    assert dose.mention is not None
    assert dose.mention.ingredient == "warfarin"
    assert (dose.low, dose.high) == (written.low, written.high)
    assert (dose.measure.unit.name, dose.measure.per) == (written.unit, written.per)
    assert dose.measure.minutes == written.minutes
    assert (dose.times_low, dose.times_high) == written.times
    assert (dose.total_days, dose.route) == (written.total_days, written.route)
    assert dose.is_maximum == written.is_maximum


@given(st.integers(1, 10**9))
def test_one_amount_in_different_units_of_mass_is_one_amount(nanograms: int):
    exact = Fraction(nanograms, 10**9)
    in_units = {
        "ng": nanograms,
        "mcg": nanograms / Fraction(1000),
        "mg": nanograms / Fraction(10**6),
    }
    found = {
        base(only(f"warfarin {float(value):.9f} {unit}"))
        for unit, value in in_units.items()
        if Fraction(f"{float(value):.9f}") == value
    }
    assert found == {(exact * 1000, exact * 1000)}


@pytest.mark.parametrize(
    ("text", "single", "daily", "weekly"),
    [
        ("acetaminophen 650 mg every 6 hours", 650, 2600, 18200),
        ("acetaminophen 500-1000 mg q4-6h", 1000, 6000, 42000),
        ("acetaminophen 3 g daily", None, 3000, 21000),
        ("acetaminophen 60 mg/day in three divided doses", 20, 60, 420),
        ("acetaminophen 60 mg/day divided q8h", 20, 60, 420),
        ("two 500 mg tablets of acetaminophen twice a day", 1000, 2000, 14000),
        ("acetaminophen 2 x 500 mg twice a day", 1000, 2000, 14000),
        ("Tylenol 500 mg tablets, take 2 tablets three times a day", 1000, 3000, 21000),
        ("Tylenol 500 mg, 2 tablets, 3 times daily", 1000, 3000, 21000),
        ("methotrexate 15 mg once a week", 15, 15, 15),
        ("methotrexate 15 mg on Mondays", 15, 15, 15),
        ("methotrexate 10 mg twice weekly", 10, 10, 20),
        ("methotrexate 15 mg on Monday, Wednesday and Friday", 15, 15, 45),
        ("methotrexate 15 mg Mon/Wed/Fri", 15, 15, 45),
        ("methotrexate 15 mg on Mondays and Thursdays", 15, 15, 30),
        ("methotrexate 15 mg on Monday and on Monday", 15, 15, 15),
        ("methotrexate 15 mg Monday through Friday", 15, 15, 75),
        ("methotrexate 15 mg Sat-Mon", 15, 15, 45),
        ("methotrexate 15 mg three days a week", 15, 15, 45),
        ("methotrexate 5 mg on 4 to 5 days of the week", 5, 5, 25),
        ("methotrexate 5 mg 5 days out of 7", 5, 5, 25),
        ("acetaminophen 1g/4h", 1000, 6000, 42000),
        ("acetaminophen 1 g / 12 hours", 1000, 2000, 14000),
        ("acetaminophen 1 g over 1/2 h", 1000, None, None),
        ("two acetaminophen 500 mg tablets twice a day", 1000, 2000, 14000),
        ("acetaminophen 500 mg: take 4 every 4 hours", 2000, 12000, 84000),
        ("acetaminophen 500 mg tablets, take one or two every 12 hours", 1000, 2000, 14000),
        ("acetaminophen 500 mg tablets: take 2 twice daily", 1000, 2000, 14000),
        ("acetaminophen 500 mg, take two at once.", 1000, 1000, 1000),
        ("acetaminophen 500 mg tablets, 3 at a time", 1500, None, None),
        ("take 2 of the 500 mg acetaminophen tablets every 12 hours", 1000, 2000, 14000),
        ("ten of your 5 mg warfarin tablets once daily", 50, 50, 350),
        ("acetaminophen 500 mg: 2 every 12 hours", 1000, 2000, 14000),
        ("take two 500 mg acetaminophen every 12 hours", 1000, 2000, 14000),
        ("take two 500 mg doses of acetaminophen every 12 hours", 500, 1000, 1000),
        ("methotrexate 2.5 mg tablets: take 6 once weekly", 15, 15, 15),
        ("acetaminophen 500 mg, take 4 hours after the last dose", 500, None, None),
        ("acetaminophen 500 mg, take 4 times a day", 500, 2000, 14000),
        ("acetaminophen 500 mg tablets, take 4 a day", 500, 2000, 14000),
        ("aspirin 325 mg once", 325, 325, 325),
        ("acetaminophen 3 g daily as a single dose", 3000, 3000, 21000),
        ("acetaminophen 3 g daily, all at once", 3000, 3000, 21000),
        ("acetaminophen 3 g daily at bedtime", 3000, 3000, 21000),
        ("acetaminophen 3 g every day in one go", 3000, 3000, 21000),
        ("3 g of acetaminophen per day in one dose", 3000, 3000, 21000),
        ("acetaminophen 3 g/day as a single dose", 3000, 3000, 21000),
        ("acetaminophen 3 g daily in the morning and at night", None, 3000, 21000),
        ("acetaminophen 1 g in the morning and at bedtime", 1000, 2000, 14000),
        ("8 doses of 1 g of acetaminophen per day", 1000, 8000, 56000),
        ("eight 1 g doses of acetaminophen daily", 1000, 8000, 56000),
        ("three equal doses of 1 g of acetaminophen daily", 1000, 3000, 21000),
        ("two 1 g doses of acetaminophen", 1000, 2000, 2000),
        ("aspirin 300 mg once every 6 hours", 300, 1200, 8400),
        ("aspirin 300 mg IV push every 6 hours", 300, 1200, 8400),
        ("aspirin 300 mg slow IV push over 2 minutes every 6 hours", 300, 1200, 8400),
        ("aspirin 300 mg stat, then every 6 hours", 300, 1200, 8400),
        ("aspirin 300 mg now and then twice daily", 300, 600, 4200),
        ("aspirin 300 mg, one dose every 6 hours", 300, 1200, 8400),
        ("aspirin 300 mg once an hour", 300, 7200, 50400),
        ("aspirin 100 mg 2 times per hour", 100, None, None),
        ("aspirin 300 mg once, then check the pulse every 6 hours", 300, 300, 300),
        ("aspirin 300 mg once, then daily", 300, 300, 300),
        ("aspirin 300 mg every 5 minutes, up to 3 doses", 300, 900, None),
        ("aspirin 300 mg every 5 minutes", 300, None, None),
        ("aspirin 81 mg", 81, None, None),
    ],
)
def test_what_a_dose_comes_to_at_once_in_a_day_and_in_a_week(
    text: str, single: int | None, daily: int | None, weekly: int | None
):
    dose = only(text)
    factor = dose.measure.unit.factor
    found = [
        None if amount is None else amount * factor
        for amount in (dose.single, dose.daily, dose.weekly)
    ]
    assert found == [single, daily, weekly]


@pytest.mark.parametrize(
    ("tail", "per", "minutes", "days"),
    [
        ("kg-1", "kg", None, None),
        ("kg\u22121 day\u22121", "kg", None, 1),
        ("kg^-1 h^-1", "kg", 60, None),
        ("m\u207b\u00b2", "m2", None, None),
        ("kg\u207b\u00b9\u00b7min\u207b\u00b9", "kg", 1, None),
    ],
)
def test_a_unit_with_a_negative_power_is_one_behind_a_slash(
    tail: str, per: str | None, minutes: int | None, days: int | None
):
    dose = only(f"aspirin 5 mg {tail} IV")
    assert (dose.measure.per, dose.measure.minutes, dose.total_days) == (per, minutes, days)
    assert doses("aspirin 5 mg L-1") == []


def test_of_a_range_of_hours_the_longest_gives_the_fewest_doses():
    dose = only("aspirin 300 mg every 4 to 6 hours")
    assert (dose.times_low, dose.times_high) == (4, 6)


def test_a_rate_comes_to_its_amount_in_all_minutes_of_a_day():
    assert only("insulin 0.1 units/kg/hour").daily == Fraction(24, 10)
    assert only("insulin 2 units/min").daily == 2880


@pytest.mark.parametrize(
    ("text", "trap"),
    [
        ("warfarin .5 mg", "naked_decimal"),
        ("warfarin 5.0 mg", "trailing_zero"),
        ("warfarin 2.50 mg", "trailing_zero"),
        ("acetaminophen 1.000 mg", "thousands"),
        ("warfarin 1,5 mg", "decimal_comma"),
        ("insulin 10U", "u"),
        ("insulin 10 u", "u"),
        ("warfarin 5 \u00b5g", "micro"),
        ("acetaminophen 5 cc", "cc"),
        ("warfarin 5 mg Q.D.", "qd"),
        ("warfarin 5 mg qd", "qd"),
        ("acetaminophen 5/325 mg", "combination"),
        ("2 500 mg tablets of acetaminophen", "thousands"),
    ],
)
def test_a_way_of_writing_that_people_misread_is_told(text: str, trap: str):
    assert only(text).traps == (trap,)


@pytest.mark.parametrize(
    "text",
    ["warfarin 0.5 mg daily", "warfarin 5 mg", "acetaminophen 1,000 mg", "insulin 10 units",
     "insulin 10 IU", "warfarin 0.125 mg", "half a tablet of warfarin", "warfarin 5 mcg QID"],
)  # fmt: skip
def test_a_dose_that_is_written_well_has_no_trap(text: str):
    assert all(not dose.traps for dose in doses(text))


def test_commas_part_thousands_and_a_point_parts_decimals():
    assert only("acetaminophen 1,000 mg").high == 1000
    assert only("acetaminophen 1.000 mg").high == 1
    assert only("warfarin 1,5 mg").high == Fraction(3, 2)
    assert only("warfarin \u00bd tablet").high == Fraction(1, 2)
    assert only("warfarin 1\u00bd tablets").high == Fraction(3, 2)
    assert only("insulin 2.4 million units").high == 2_400_000


@pytest.mark.parametrize(
    ("amount", "milligrams"),
    [
        ("2 1/2 g", 2500), ("2 and 1/2 g", 2500), ("2 and a half grams", 2500), ("1 7/8 g", 1875),
        ("two and a half grams", 2500), ("2 5/325 mg", 325),
        ("1/2 g", 500), ("3/4 g", 750), ("1/8 mg", Fraction(1, 8)), ("4/8 mg", 8),
        ("2/500 mg", 500),
        ("\u00bd g", 500), ("2\u2154 g", Fraction(8000, 3)), ("ten g", 10_000), ("fifty g", 50_000),
        ("5 \u338e", 5), ("5 \u338d", Fraction(5, 1000)),
    ],
)  # fmt: skip
def test_signs_and_words_of_amounts_are_read(amount: str, milligrams: int | Fraction):
    assert base(only(f"warfarin {amount} daily")) == (milligrams, milligrams)


@pytest.mark.parametrize(
    "text",
    [
        "Creatinine 1.4 mg/dL and potassium 3.1 mEq/L.",
        "The level of methotrexate was 0.5 mcg/mL.",
        "Albumin to creatinine: 350 mg/g.",
        "Amoxicillin comes as 400 mg/5 mL.",
        "eGFR 45 mL/min/1.73 m2",
        "insulin 100 units/mL",
        "120/80 mmHg, 18 G needle, 6 mm nodule, 3 kg, 37.2 C",
        "18 million U.S. adults take aspirin.",
        "Dispense 30 tablets of warfarin.",
        "warfarin in 100 mL",
        "Give the 160 mg/5 mL suspension of acetaminophen.",
        "Give 160 mg/5 mL suspension of acetaminophen.",
        "acetaminophen 160 mg per 5 mL",
        "The risk on warfarin is 3%.",
    ],
)
def test_values_strengths_and_other_numbers_are_no_doses(text: str):
    assert doses(text) == []


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("Give 500 mg/5 mL of aspirin IV now.", 500),
        ("Push 500 mg / 5 mL aspirin IV.", 500),
        ("Inject 500 mg per 5 mL of aspirin.", 500),
        ("Each dose should contain 500 mg of aspirin.", 500),
    ],
)
def test_an_amount_in_a_volume_that_is_given_is_a_dose(text: str, amount: int):
    assert only(text).high == amount


def test_a_percentage_is_a_strength_right_beside_the_drug_alone():
    assert only("hydrocortisone 1% cream").high == 1
    assert only("1% hydrocortisone").high == 1
    assert only("Apply hydrocortisone cream 25% twice daily.").high == 25
    assert only("Apply a 25% ointment of hydrocortisone.").high == 25
    assert only("Apply fluorouracil 50% cream.").mention is not None
    assert doses("Mortality fell 50% on hydrocortisone.") == []
    assert doses("hydrocortisone helps 70% of patients") == []


@pytest.mark.parametrize(
    ("text", "drugs"),
    [
        ("aspirin 81 mg, warfarin 5 mg and amoxicillin 500 mg", "aspirin warfarin amoxicillin"),
        ("81 mg of aspirin and 5 mg of warfarin", "aspirin warfarin"),
        ("Start 500 mg amoxicillin; stop warfarin 5 mg.", "amoxicillin warfarin"),
        ("Amoxicillin works well. Start with 500 mg.", "amoxicillin"),
        ("Amoxicillin works well. It is cheap. Start with 500 mg.", "amoxicillin"),
        ("aspirin and warfarin are given. Take 5 mg.", "-"),
        ("Take 5 mg.", "-"),
        ("aspirin with 200 mL of water", "-"),
        ("Amoxicillin works. Take 500 mg with water.", "amoxicillin"),
        ("Amoxicillin works. It is made from blood. Drink water. Take 500 mg.", "amoxicillin"),
        ("Start aspirin and warfarin. Take 5 mg with water.", "-"),
        ("zorbinol 5 mg and aspirin 81 mg", "- aspirin"),
        ("aspirin, then Zorbil, 5 mg", "-"),
        ("Give fosinopril 5 mg after aspirin", "-"),
        ("recommend 81 mg aspirin", "aspirin"),
    ],
)
def test_a_dose_belongs_to_the_nearest_drug_of_its_sentence(text: str, drugs: str):
    found = [dose.mention.ingredient if dose.mention else "" for dose in doses(text)]
    assert [name or "-" for name in found] == drugs.split()


@pytest.mark.parametrize(
    ("text", "single", "daily", "route"),
    [
        ("Drug: aspirin\nDose: 300 mg\nFrequency: every 6 hours\nRoute: oral", 300, 1200, "oral"),
        ("Drug: aspirin\nRoute: IV\nFrequency: twice daily\nDose: 300 mg", 300, 600, "iv"),
        ("Drug: aspirin\n- Dose: 300 mg\n- **How often**: 4 times daily", 300, 1200, None),
        ("**Aspirin**\n**Dose:** 300 mg\n**Duration:** long\n**Frequency:** daily", 300, 300, None),
        ("Aspirin 300 mg PO\nEvery 6 hours", 300, 1200, "oral"),
        ("Aspirin 300 mg PO\nEvery 6 hours as needed for 3 days", 300, 1200, "oral"),
        ("Take aspirin 300 mg. Take it every 6 hours.", 300, 1200, None),
        ("Take aspirin 300 mg. Repeat every 6 hours with water.", 300, 1200, None),
        ("Aspirin 300 mg. To be taken every 6 hours.", 300, 1200, None),
        ("Aspirin 300 mg. You can take it every 6 hours.", 300, 1200, None),
        ("Aspirin 300 mg tablets. Take 2 every 6 hours.", 600, 2400, "oral"),
        ("Take aspirin 300 mg. Do this every 6 hours.", 300, 1200, None),
        ("Take aspirin 300 mg. Take it easy and drink every 6 hours.", 300, None, None),
        ("Take aspirin 300 mg. Every 6 hours check the pulse.", 300, None, None),
        ("Take aspirin 300 mg. Check the pulse. Take it every 6 hours.", 300, None, None),
        ("Take aspirin 300 mg. Measure the pressure every 6 hours.", 300, None, None),
        ("Take aspirin 300 mg twice a day. Take it every 6 hours.", 300, 600, None),
    ],
)
def test_what_a_line_of_its_own_says_belongs_to_the_dose_beside_it(
    text: str, single: int, daily: int | None, route: str | None
):
    dose = only(text)
    assert (dose.single, dose.daily, dose.route) == (single, daily, route)


def test_a_line_of_its_own_says_nothing_of_another_drug():
    first, second = doses(
        "Drug: aspirin\nDose: 300 mg\nDrug: warfarin\nFrequency: daily\nDose: 5 mg"
    )
    assert (first.daily, second.daily) == (None, 5)


def test_of_two_routes_the_first_counts():
    assert only("warfarin 5 mg IV, later by mouth").route == "iv"
    assert only("warfarin 5 mg by mouth, later IV").route == "oral"
    assert only("Inject it intravenously: warfarin 5 mg.").route == "iv"
    assert only("Give it to her: warfarin 5 mg").route is None


def test_words_that_end_like_a_drug_are_none():
    assert NAMES.mentions("A concept to intercept", Span(0, 22)) == []
    [unknown] = NAMES.mentions("Take fosinopril", Span(0, 15))
    assert (unknown.kind, unknown.span) == ("unknown", Span(5, 15))


def test_a_maximum_and_a_change_are_told_from_a_dose():
    dose, highest = doses("acetaminophen 500 mg q6h (max 4 g/day)")
    assert (dose.is_maximum, highest.is_maximum) == (False, True)
    assert only("Do not take more than 4 g of acetaminophen.").total_days == 1
    _, ill = doses("The maximum of acetaminophen is 4 g a day, and 2 g in liver disease.")
    assert (ill.is_maximum, ill.total_days) == (True, 1)
    assert only("increase warfarin by 1 mg weekly").is_change


def test_spans_point_at_the_amount_in_the_text_as_it_was_written():
    text = "\u2022 Tylenol\u00a0\u2013\u00a0500\u00a0mg twice daily"
    dose = only(text)
    assert text[dose.span.start : dose.span.end] == "500\u00a0mg"
