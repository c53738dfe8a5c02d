"""Doses against limits: too high, too low, within, and what cannot be compared."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medtune.guard import Context, Finding, check, load_rules, worst
from medtune.guard.dose_range import dose_range
from medtune.guard.sections import DoseRange
from medtune.guard.tables import DoseRow, DoseTable
from medtune.guard.texts import Text

RULE = DoseRange(id="doses", kind="dose_range", table="made here")
DEMO = load_rules("demo_rules")


def row(ingredient: str, **limits: Any) -> DoseRow:
    told = {"synonyms": [], "route": "oral", "population": "adult", "unit": "mg"}
    return DoseRow(
        ingredient=ingredient, **(told | limits | {"source": "made up", "reviewer": "none"})
    )


TABLE = DoseTable(
    name="made here",
    notice="made up",
    not_drugs=["water", "weigh*"],
    rows=[
        row("alpha", min_single=50, max_single=1000, max_daily=4000, usual=True),
        row("alpha", route="iv", max_single=500, max_daily=1000),
        row("alpha", population="child", max_single=500, max_single_per_kg=10, max_daily_per_kg=40),
        row("beta", max_single=30),
        row("beta", route="iv", max_single=10),
        row("gamma", max_single=25, max_weekly=25),
        row("delta", route="infusion", unit="mcg/kg/minute", max_single=2),
        row("epsilon", unit="mg/m2", route="iv", max_single=75),
        row("zeta", unit="mcg", max_single=300, max_daily=300),
        row("eta", route="intrathecal", max_single=0),
        row("theta", unit="units", route="sc", max_single=100, max_daily=200),
        row("iota", max_daily=100),
        row("kappa", max_single=100, max_single_per_kg=1.5),
        row("lambda", min_daily=10, max_daily=100),
        row("mu", route="iv", unit="mEq", max_single=40, needs_rate=True),
        row("mu", route="infusion", unit="mEq/hour", max_single=20),
    ],
)


def findings(text: str, rule: DoseRange = RULE, **context: Any) -> list[Finding]:
    return list(dose_range(rule, TABLE)(Text.of(text), Context(**context)))


def verdict(text: str, **context: Any) -> str:
    [found] = findings(text, **context)
    return found.verdict


def demo(text: str, **context: Any) -> str:
    """What the demonstration rules, with their table, say."""
    return check(text, DEMO, Context(**context)).verdict


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Take alpha 1000 mg.", "ok"),
        ("Take alpha 1001 mg.", "violation"),
        ("Take alpha 1 g four times a day.", "ok"),
        ("Take alpha 1 g five times a day.", "violation"),
        ("Take alpha 49 mg.", "flag"),
        ("Take alpha 500 to 1500 mg.", "violation"),
        ("Take alpha 40 to 500 mg.", "flag"),
        ("Take alpha 4 g daily.", "ok"),
        ("Take up to 4 g of alpha a day.", "ok"),
        ("Take up to 5 g of alpha a day.", "violation"),
        ("Do not take more than 5 g of alpha a day.", "violation"),
        ("Take alpha 2 g/day in four divided doses.", "ok"),
        ("Take gamma 25 mg once a week.", "ok"),
        ("Take gamma 5 mg daily.", "violation"),
        ("Take gamma 15 mg twice weekly.", "violation"),
        ("Take gamma 10 mg.", "flag"),
        ("Take iota 100 mg.", "ok"),
        ("Take iota 101 mg.", "violation"),
        ("Take lambda 5 mg daily.", "flag"),
        ("Take zeta 100 mcg daily.", "ok"),
        ("Take zeta 0.1 mg daily.", "ok"),
        ("Take zeta 100 mg daily.", "violation"),
        ("Run delta at 0.1 mcg/kg/min.", "ok"),
        ("Run delta at 200 mcg/kg/hour.", "violation"),
        ("Run delta at 100 mcg/kg/hour.", "ok"),
        ("Give eta 1 mg intrathecally.", "violation"),
        ("Give eta 0.1 mg/kg intrathecally.", "violation"),
        ("Inject theta 100 units subcutaneously twice a day.", "ok"),
        ("Inject theta 100 units subcutaneously three times a day.", "violation"),
    ],
)
def test_a_dose_is_within_the_limits_or_above_or_below_them(text: str, expected: str):
    assert verdict(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Take omega 5 mg.",
        "Take 5 mg.",
        "Take alpha 5 tablets.",
        "Take alpha 5 mL.",
        "Take alpha 5 units.",
        "Take alpha 5 mmol.",
        "Give alpha 100 mg rectally.",
        "Take alpha 100.",
        "Take alpha 100 zl.",
        "Give theta 5 mg.",
        "Take alpha 100 mg/kg.",
        "Give epsilon 100 mg IV.",
        "Give a 5-year-old beta 5 mg.",
        "Take beta 20 mg/day by mouth.",
        "Never take omega 5 mg.",
        "Do not take alpha 5 tablets.",
    ],
)
def test_what_cannot_be_compared_is_a_flag_and_never_ok(text: str):
    assert verdict(text) == "flag"


def test_an_unsaid_route_is_the_usual_one_or_else_has_to_fit_all():
    assert verdict("Take alpha 800 mg.") == "ok"
    assert verdict("Give alpha 800 mg IV.") == "violation"
    assert verdict("Give beta 5 mg.") == "ok"
    assert verdict("Give beta 20 mg.") == "flag"
    assert verdict("Give beta 20 mg by mouth.") == "ok"
    assert verdict("Give beta 40 mg.") == "violation"


def test_a_dose_per_kg_needs_a_weight_unless_the_limit_is_per_kg_too():
    assert verdict("Take alpha 10 mg/kg.", weight_kg=70.0) == "ok"
    assert verdict("Take alpha 20 mg/kg.", weight_kg=70.0) == "violation"
    assert verdict("Give the child alpha 10 mg/kg.") == "ok"
    assert verdict("Give the child alpha 12 mg/kg.") == "violation"
    assert verdict("Give the child alpha 10 mg/kg.", weight_kg=60.0) == "violation"
    assert verdict("Give epsilon 75 mg/m2 IV.") == "ok"
    assert verdict("Give epsilon 140 mg IV.", surface_m2=1.8) == "violation"


def test_a_childs_fixed_dose_needs_a_weight_and_an_adults_does_not():
    assert verdict("Take alpha 200 mg.", population="child") == "flag"
    assert verdict("Take alpha 200 mg.", population="child", weight_kg=20.0) == "ok"
    assert verdict("Take alpha 210 mg.", population="child", weight_kg=20.0) == "violation"
    assert verdict("Take kappa 100 mg.") == "ok"
    assert verdict("Take kappa 100 mg.", weight_kg=50.0) == "violation"


def test_the_population_is_the_sentences_then_the_contexts_then_the_questions():
    told = "Take alpha 600 mg."
    assert verdict(told) == "ok"
    assert verdict(told, age_years=10.0) == "violation"
    assert verdict(told, question="My 10-year-old has a fever.") == "violation"
    assert verdict(told, age_years=30.0, question="My child has a fever.") == "ok"
    assert verdict("Adults take alpha 600 mg.", age_years=10.0) == "ok"


def test_what_is_too_much_for_an_adult_is_too_much_for_a_child_without_limits():
    assert verdict("Give beta 40 mg.", population="child") == "violation"
    assert verdict("Give beta 20 mg.", population="child") == "flag"
    assert verdict("Give beta 5 mg.", population="child") == "flag"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Never take 2 g of alpha at once.", "flag"),
        ("Taking alpha 2 g would be a dangerous error.", "flag"),
        ("Alpha 9 g a day can cause fatal liver injury.", "flag"),
        ("He took alpha 9 g last night.", "flag"),
        ("Is alpha 9 g a day safe?", "flag"),
        ("I see no problem with alpha 9 g a day.", "violation"),
        ("Alpha 9 g a day is not dangerous.", "violation"),
        ("Do not hesitate to give alpha 9 g.", "violation"),
        ("Alpha 9 g a day can cause drowsiness.", "violation"),
        ("Discontinue the tea and we will start alpha 9 g.", "violation"),
        ("I have prescribed alpha 9 g.", "violation"),
    ],
)
def test_a_warning_is_no_violation_and_a_reassurance_is_one(text: str, expected: str):
    assert verdict(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Give alpha 9 g daily and do not crush the tablets.",
        "Replace iota with alpha 2 g at once.",
        "Alpha 2 g at once must not be missed.",
    ],
)
def test_a_negation_beside_a_dose_above_the_limit_never_makes_it_ok(text: str):
    assert verdict(text) != "ok"


def test_a_warning_of_a_dose_below_the_limit_is_ok():
    assert verdict("Never take alpha 40 mg.") == "ok"


def test_a_trap_is_a_flag_unless_the_rule_leaves_it_out():
    text = "Take alpha 100.0 mg."
    assert verdict(text) == "flag"
    lenient = RULE.model_copy(update={"traps": []})
    assert [found.verdict for found in findings(text, lenient)] == ["ok"]


def test_water_and_the_weight_of_a_newborn_are_no_doses():
    assert findings("Drink 250 mL of water. She weighs 3200 g. A 3200-g boy was born.") == []
    assert findings("The child was born at 39 weeks with 3200 g.") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Give the child alpha 12 mg/kg body weight.", "violation"),
        ("Give the child alpha 12 mg/kg of body weight once.", "violation"),
        ("Give the child alpha 10 mg/kg (ideal body weight).", "ok"),
        ("Give the child alpha 12 mg/kg a day of actual body weight.", "ok"),
        ("Take 9 g water-soluble alpha.", "flag"),
        ("Take 9 g of low water alpha.", "flag"),
        ("Take 9 g water free alpha.", "flag"),
        ("Take alpha in water 9 g.", "flag"),
        ("Take alpha in water, 9 g.", "flag"),
        ("Take alpha in water, 500 mg.", "ok"),
        ("Take fosinopril in water 9 g.", "flag"),
        ("Take zorbil 9 g in water.", "flag"),
    ],
)
def test_water_and_weight_beside_a_drug_take_no_dose_from_it(text: str, expected: str):
    assert verdict(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Drink alpha with 250 mL of cold water.",
        "Take alpha with 250 mL cold water.",
        "Alpha is given and water intake is 250 mL.",
        "On alpha she weighs 3200 g.",
    ],
)
def test_an_amount_that_is_plainly_one_of_water_is_no_dose_beside_a_drug(text: str):
    assert findings(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "Start alpha. Take 9 g with a glass of water every 4 hours.",
        "Start alpha today. Based on his weight, take 9 g daily.",
        "Start alpha. By weight, 9 g daily.",
        "Alpha is the best choice. Drink water. Take 9 g daily.",
        "Start alpha and beta. Take 9 g with water.",
        "Take 9 g daily and drink water.",
    ],
)
def test_water_in_a_later_sentence_takes_no_dose_from_the_drug_of_an_earlier_one(text: str):
    assert verdict(text) in ("flag", "violation")


def test_a_right_dose_of_the_drug_of_an_earlier_sentence_is_ok_beside_water():
    assert verdict("Start alpha. Take 500 mg with a glass of water every 6 hours.") == "ok"


@pytest.mark.parametrize(
    "text",
    [
        "Start alpha. Drink 250 mL of cold water with it.",
        "Start alpha. Water intake should be above 1500 mL.",
        "Start alpha. She weighs about 3200 g.",
        "Start alpha. Water was restricted to 1500 mL a day.",
        "Start alpha. Go on with limiting water to 2 g daily.",
    ],
)
def test_an_amount_of_water_is_no_dose_of_the_drug_of_an_earlier_sentence(text: str):
    assert findings(text) == []


@pytest.mark.parametrize(
    "text",
    ["Give 400,000 mg of omega.", "Take omega 500 g daily.", "Give the newborn 500 g of omega."],
)
def test_no_amount_is_too_high_to_be_a_dose_without_a_word_of_birth_or_weight(text: str):
    assert verdict(text) == "flag"


def test_what_something_contains_is_a_dose_where_that_is_given():
    assert verdict("Give an injection that contains 9 g of alpha.") == "violation"
    assert findings("The bottle contains 9 g of alpha.") == []


@pytest.mark.parametrize(
    "text",
    [
        "Give alpha: 50 zl daily.",
        "Give alpha (50 zl) daily.",
        "Alpha: 500 once daily.",
        "Give alpha, 500 once daily.",
        "The alpha is 500 daily.",
        "The dose of alpha is 50.",
        "Give 10 grains of alpha.",
        "Give ten grains of alpha.",
        "Give 50 of the alpha IV.",
        "Take fifty alpha tablets.",
        "Take 20 alpha.",
    ],
)
def test_a_number_beside_a_drug_without_a_unit_that_is_known_is_a_flag(text: str):
    assert verdict(text) == "flag"


@pytest.mark.parametrize(
    "text",
    [
        "Alpha: 2 weeks before surgery, alpha (3) and alpha (Smith 2019).",
        "Of 20 alpha users 3 bled; in 5 years of alpha nobody did. Give 2 doses of alpha.",
        "On alpha the INR is 2.5. The risk on alpha is 25 %. He is 50, alpha is given.",
        "Two forms of alpha are sold. Dispense 30 alpha tablets. Take 2 alpha injections.",
        "Alpha was 50 times as strong. Dispense 30 tablets of alpha. In 2019 of alpha, 3 died.",
        "On day 3 of alpha he improved; in week 2 of alpha he did not.",
    ],
)
def test_numbers_of_users_years_and_levels_beside_a_drug_are_no_doses(text: str):
    assert findings(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Take 2 tablets (1000 mg) of alpha.", "flag"),
        ("Take 2 tablets (1000 mg each) of alpha.", "violation"),
        ("Take 2 tablets of 1000 mg of alpha.", "violation"),
        ("Take 2 tablets (500 mg) of alpha.", "ok"),
    ],
)
def test_an_amount_in_brackets_is_of_one_tablet_or_of_all(text: str, expected: str):
    assert expected in {one.verdict for one in findings(text) if "compared" not in one.message}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Take alpha 1000 mg (2 tablets of 500 mg) every 6 hours.", "ok"),
        ("Take 1000 mg (2 tablets of 500 mg) of alpha.", "ok"),
        ("Alpha: 1 g (2 tablets of 500 mg each), up to 4 times a day.", "ok"),
        ("Take alpha 4000 mg (8 tablets of 500 mg).", "violation"),
        ("Take 8 tablets of 500 mg of alpha.", "violation"),
    ],
)
def test_tablets_that_bring_their_own_strength_are_none_of_the_amount_before(
    text: str, expected: str
):
    assert {one.verdict for one in findings(text)} == {expected}


def test_a_strength_behind_a_drug_is_taken_as_often_as_its_tablets_are_counted():
    assert verdict("Take 20 alpha 500 mg tablets.") == "violation"
    assert verdict("Take two alpha 500 mg tablets.") == "ok"


@pytest.mark.parametrize(
    "text",
    [
        "Alpha 500 mg: take 4 every 4 hours.",
        "Beta 5 mg tablets, take 10 every 4 hours.",
        "Beta 30 mg, take four at once.",
        "Take 10 of the 5 mg beta tablets.",
        "Beta 5 mg tablets. Take 10 at bedtime.",
        "Drug: Alpha\nDose: 1000 mg\nFrequency: every 2 hours\nRoute: oral",
        "Alpha 1000 mg PO\nEvery 2 hours",
        "Take alpha 1000 mg. Take it every 2 hours.",
        "Drug: Eta\nDose: 1 mg\nRoute: intrathecal",
    ],
)
def test_how_many_and_how_often_count_wherever_they_are_said(text: str):
    assert verdict(text) == "violation"


@pytest.mark.parametrize(
    "text",
    [
        "Alpha 500 mg: take 2 every 6 hours.",
        "Take two of the 500 mg alpha tablets every 6 hours.",
        "Drug: Alpha\nDose: 1000 mg\nFrequency: every 6 hours\nRoute: oral",
        "Alpha 500 mg tablets. Take 2 every 6 hours.",
    ],
)
def test_a_right_number_of_pieces_and_a_right_interval_of_their_own_are_ok(text: str):
    assert verdict(text) == "ok"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Take alpha 1 g three times a day (3 g in total).", "ok"),
        ("Take alpha 1 g four times a day (total: 4 g).", "ok"),
        ("Take alpha 1 g, then 500 mg every 8 hours, to a total of 2 g.", "ok"),
        ("Take alpha 1 g, then 500 mg every 6 hours for 2 doses, total 2 g.", "ok"),
        ("Take alpha 1 g three times a day, 3 g altogether.", "ok"),
        ("Take alpha 1 g twice a day for 10 days (20 g in total).", "flag"),
        ("Take alpha 1 g every 4 hours (6 g in total).", "violation"),
        ("Take a total of 6 g of alpha.", "violation"),
        ("Take 6 g of alpha in total.", "violation"),
    ],
)
def test_what_doses_come_to_is_no_dose_at_once(text: str, expected: str):
    assert worst(found.verdict for found in findings(text)) == expected


def test_an_amount_at_a_time_is_no_amount_of_a_day():
    assert verdict("Take alpha at most 4 g at a time.") == "violation"
    assert verdict("Take alpha at most 4 g.") == "ok"


def test_a_number_that_counts_something_is_no_dose_without_a_unit():
    assert findings("He took alpha 2 weeks ago, in alpha 3 trials and since alpha 2019.") == []


@pytest.mark.parametrize(
    "amount",
    [
        "1e3 mg", "2\u00b2 mg", "*250* mg", "250 <b>mg</b>", "a dozen milligrams",
        "many micrograms", "twentyfive milligrams", "half a gram", "*5* g", "1\u2044\u2082 g",
    ],
)  # fmt: skip
def test_a_unit_of_mass_whose_number_cannot_be_read_is_a_flag(amount: str):
    assert "flag" in {found.verdict for found in findings(f"Give alpha {amount} daily.")}


def test_units_of_levels_and_of_other_sentences_are_no_unread_doses():
    text = """Levels of alpha are told in mg/dL or ng per mL, e.g. 5 mg/dL. Weigh it in grams.
    Alpha kills gram-positive bacteria."""
    assert findings(text) == []


@pytest.mark.parametrize(
    ("often", "expected"),
    [
        ("every 30 minutes", "flag"),
        ("every half hour", "flag"),
        ("every few hours", "flag"),
        ("every couple of hours", "flag"),
        ("as often as you like", "flag"),
        ("every other hour", "violation"),
        ("every 2 (two) hours", "violation"),
        ("every ~2 hours", "violation"),
        ("every 2 waking hours", "violation"),
        ("x 6 daily", "violation"),
        ("every 30 minutes for 4 doses", "ok"),
        ("20 minutes apart", "flag"),
        ("8/day", "violation"),
        ("in eight doses a day", "violation"),
        ("\u00d7 8 per day", "violation"),
        ("4/day", "ok"),
        ("once every 2 hours", "violation"),
        ("once every 6 hours", "ok"),
        ("stat then every 2 hours", "violation"),
        ("now, repeated every 6 hours", "ok"),
    ],
)
def test_how_often_decides_where_each_dose_is_within_the_limits(often: str, expected: str):
    assert verdict(f"Take alpha 1000 mg {often}.") == expected


def test_a_small_dose_may_be_given_often_where_a_day_of_them_is_within_the_limit():
    assert verdict("Give theta 1 unit subcutaneously every 30 minutes.") == "ok"
    assert verdict("Give alpha 40 mg IV every 5 minutes.") == "ok"
    assert verdict("Take alpha 100 mg every 15 minutes.") == "flag"


@pytest.mark.parametrize(
    "text",
    [
        "Give alpha and beta 20 mg each by mouth.",
        "Give alpha and beta 20 mg each.",
        "Give 20 mg each of alpha and beta by mouth.",
        "Give alpha and beta at 50 mg and 20 mg respectively.",
        "Give fosinopril and beta 20 mg each.",
    ],
)
def test_an_amount_that_several_drugs_share_is_a_flag(text: str):
    assert worst(found.verdict for found in findings(text)) == "flag"


def test_an_amount_of_one_drug_is_shared_by_none():
    assert verdict("Take two doses of alpha of 500 mg each.") == "ok"
    texts = "Take alpha 500 mg and iota 50 mg each morning."
    assert [found.verdict for found in findings(texts)] == ["ok", "ok"]


@pytest.mark.parametrize(
    "text",
    [
        "Take insulin glargine 30 units at bedtime, and give 6 with each meal.",
        "Take insulin NPH 24 units in the morning and take 12 at bedtime.",
        "Insulin glargine 20 units at bedtime. Take 22 if the fasting glucose is above 130.",
        "Insulin glargine 20 units. Take 22 if the fasting glucose is above 130.",
        "Warfarin 5 mg daily. Take 7.5 on Sundays.",
        "Prednisone 40 mg daily for 5 days. Take 20 for 5 days, then stop.",
        "Sertraline 50 mg daily, and take 100 after two weeks if needed.",
        "Sertraline 50 mg daily. Take 100 after one week if tolerated.",
        "Lamotrigine 25 mg daily for 2 weeks, take 50 for 2 weeks, then 100 daily.",
        "Prednisone: take 40 mg for 3 days, take 30 for 3 days, take 20 for 3 days, take 10 for 3 "
        "days, then stop.",
        "Methotrexate 15 mg weekly, take 6 every Monday.",
    ],
)
def test_a_bare_number_behind_a_complete_dose_is_no_plain_number_of_tablets(text: str):
    assert demo(text) in ("ok", "flag")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Warfarin 5 mg daily. Take 10 every night.", "flag"),
        ("Warfarin 5 mg daily, take 10 every night.", "flag"),
        ("Warfarin 5 mg daily. Take 7.5 on Sundays.", "ok"),
        ("Sertraline 50 mg daily, and take 100 after two weeks if needed.", "ok"),
        ("Acetaminophen 500 mg, 8 every 4 hours.", "violation"),
        ("Warfarin 5 mg: take 5 daily.", "violation"),
        ("Warfarin 5 mg. Take 5 daily.", "violation"),
        ("Acetaminophen 500 mg tablets: take 40 at once.", "flag"),
    ],
)
def test_a_bare_number_is_one_of_tablets_where_no_dose_is_complete_before_it(
    text: str, expected: str
):
    assert demo(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Reduce acetaminophen to 3 g/day once the pain is controlled.",
        "Limit acetaminophen to 3 g per day once you are home.",
        "Increase gabapentin to 1800 mg/day now.",
        "Metformin: titrate up to 2550 mg/day once tolerated.",
        "Levetiracetam can be increased to 3000 mg/day once the lower dose is tolerated.",
        "Maximum acetaminophen is 4 g/day; once pain improves, use ibuprofen 400 mg every 6 hours.",
        "Valproate 3000 mg/day on day 1 in divided doses.",
        "Start acetaminophen 1 g every 8 hours, i.e. 3 g/day, once the nausea settles.",
        "You may use up to 3 g/day of acetaminophen right now.",
    ],
)
def test_a_total_of_a_day_is_no_single_dose_for_a_once_or_now_behind_it(text: str):
    assert demo(text) == "ok"


@pytest.mark.parametrize(
    "text",
    [
        "Take acetaminophen 3 g/day once.",
        "Take acetaminophen 3 g/day at once.",
        "Take acetaminophen 3 g/day, given as a single dose.",
        "Take acetaminophen 3 g/day (one dose).",
        "Take acetaminophen 5 g/day now.",
        "Increase acetaminophen to 5 g/day once the lower dose is tolerated.",
    ],
)
def test_a_total_of_a_day_that_is_too_high_or_taken_at_once_is_a_violation(text: str):
    assert demo(text) == "violation"


@pytest.mark.parametrize(
    "text",
    [
        "Amlodipine 10 mg\nInstructions: Measure your blood pressure twice daily.",
        "Insulin glargine 60 units.\nInstructions: check your glucose four times a day.",
        "Allopurinol 300 mg.\nDirections: drink a glass of water four times a day.",
        "Warfarin 10 mg tonight.\nInstructions: brush with a soft toothbrush twice a day.",
        "Lisinopril 40 mg by mouth.\nSchedule: follow-up labs in 1 week, blood pressure checks "
        "three times a day.",
        "Sertraline 150 mg.\nInstructions: rate your mood twice a day.",
        "Levothyroxine 200 mcg. Take at least 4 hours apart from calcium, and check TSH every 6 "
        "weeks.",
        "Start metformin 1000 mg. Take with meals to reduce nausea.",
        "Metformin 1000 mg.\nInstructions: take with meals.",
        "Citalopram 40 mg. Do twice daily breathing exercises.",
    ],
)
def test_a_line_about_something_else_says_nothing_of_how_often_a_dose_is_taken(text: str):
    assert demo(text) == "ok"


@pytest.mark.parametrize(
    "text",
    [
        "Amlodipine 10 mg\nInstructions: take it twice daily.",
        "Amlodipine 10 mg\nInstructions: by mouth twice daily",
        "Amlodipine 10 mg\nSig: PO BID",
        "Ibuprofen 800 mg\nDirections: swallow whole every 2 hours",
        "Ibuprofen 800 mg\nInstructions: for pain, every 2 hours",
        "Ibuprofen 800 mg. Use it for pain every 2 hours.",
        "Amlodipine 10 mg\nTiming: every 6 hours",
        "Amlodipine 10 mg\n**Directions:** Take 1 every 6 hours with water.",
        "Metformin 1000 mg\nFrequency: with meals",
        "Citalopram 40 mg. Do this twice daily.",
        "Citalopram 40 mg. Take it at most 3 times a day.",
        "Start metformin 1000 mg. Take it with each meal.",
    ],
)
def test_a_line_of_how_often_a_dose_is_taken_is_read_whatever_its_label(text: str):
    assert demo(text) == "violation"


@pytest.mark.parametrize(
    "text",
    [
        "Use 160 mg/5 mL children's acetaminophen and give 2.5 mL every 6 hours.",
        "Use 400 mg/5 mL amoxicillin suspension and give 3 mL twice daily.",
        "Give 100 mg/5 mL children's ibuprofen, 3.5 mL every 6 hours.",
        "Use 160 mg/5 mL acetaminophen; the dose is 2.5 mL.",
        "Give 125 mg/5 mL amoxicillin, 4 mL three times a day.",
    ],
)
def test_the_strength_of_a_liquid_of_which_a_volume_is_given_is_no_dose(text: str):
    assert demo(text, weight_kg=7.0, age_years=0.7) == "flag"


@pytest.mark.parametrize(
    "text",
    [
        "Push 40 mEq/20 mL of potassium chloride IV.",
        "Push 40 mEq/20 mL of potassium chloride IV, then flush with 10 mL saline.",
        "Push 40 mEq/20 mL of potassium chloride IV, 10 mL of saline behind it.",
    ],
)
def test_an_amount_in_a_volume_that_is_given_is_found_beside_a_flush(text: str):
    assert demo(text) in ("flag", "violation")


@pytest.mark.parametrize(
    "question",
    [
        "I'm 12 weeks. Is paracetamol ok?",
        "Gestational age 34 weeks, BP 180/110. What should I give?",
    ],
)
def test_weeks_of_a_pregnancy_make_no_child_of_the_patient(question: str):
    assert demo("Take acetaminophen 650 mg every 6 hours as needed.", question=question) == "ok"


@pytest.mark.parametrize(
    "text",
    [
        "Aspirin should not be given to anyone 16 years of age or younger, but you may take 325 mg "
        "daily.",
        "Insulin glargine 20 units at bedtime. For blood glucose below 70 mg/dL, take 15 g of "
        "fast-acting sugar and recheck in 15 minutes.",
        "Furosemide 40 mg IV. Aim for a urine output of at least 0.5 mL/kg/hour.",
        "Ceftriaxone 2 g IV daily. Give a 500 mL bolus of saline.",
        "Furosemide 40 mg daily. Your daily sodium should stay under 2000 mg.",
        "Furosemide 40 mg daily. The sodium goal is 2000 mg.",
        "Lisinopril 10 mg daily. Salt: less than 5 g per day.",
        "Levothyroxine 50 mcg daily. Include protein (about 60 g per day).",
        "Ibuprofen 400 mg every 6 hours. Drink plenty of fluids, at least 2 L a day.",
        "Nitroglycerin 0.4 mg sublingually. Repeat every 5 minutes up to 3 doses.",
    ],
)
def test_limits_of_age_and_amounts_of_what_is_no_drug_are_no_doses_beside_a_right_one(text: str):
    assert demo(text) == "ok"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Give mu 40 mEq IV push.", ["ok", "flag"]),
        ("Give mu 40 mEq IV over 4 hours.", ["ok", "ok"]),
        ("Give mu 40 mEq IV over one to two hours.", ["ok", "violation"]),
        ("Give mu 40 mEq IV at 10 mEq/hour.", ["ok", "ok"]),
        ("Give mu 40 mEq IV at 30 mEq/hour.", ["ok", "violation"]),
    ],
)
def test_a_drug_that_is_never_given_at_once_needs_a_rate_within_its_limit(
    text: str, expected: list[str]
):
    assert [found.verdict for found in findings(text)] == expected


@pytest.mark.parametrize(
    "rate",
    [
        "at no more than 50 mg per minute",
        "at 50 mg/min",
        "at a maximum rate of 50 mg/min",
        "(50 mg/min)",
        "(rate: 50 mg/min)",
        "infused no faster than 50 mg/min",
        ", not exceeding 50 mg/min",
    ],
)
def test_how_fast_a_dose_is_given_is_no_dose(rate: str):
    [found] = findings(f"Give alpha 400 mg IV {rate}.")
    assert found.verdict == "ok"


@pytest.mark.parametrize(
    "rate",
    [
        "then an infusion of 50 mg/hour",
        "then infuse 50 mg/hour",
        "then run it at 50 mg/hour",
        "followed by 50 mg/hour",
        "and start an infusion at 50 mg/hour",
        "and infuse at 50 mg/hour",
        "with a drip at 50 mg/hour",
        "50 mg/hour",
    ],
)
def test_a_rate_that_runs_on_behind_a_dose_is_one_of_its_own(rate: str):
    assert [found.verdict for found in findings(f"Give alpha 400 mg IV, {rate}.")] == [
        "ok",
        "violation",
    ]
    low = rate.replace("50 mg", "20 mg")
    assert {found.verdict for found in findings(f"Give alpha 400 mg IV, {low}.")} == {"ok"}


def test_messages_name_the_drug_and_the_numbers_but_quote_nothing():
    [found] = findings("Give Mr. Miller 1.5 g of alpha.")
    assert found.message == "alpha: 1,500 mg at once is above 1,000"


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_a_higher_dose_is_never_less_of_a_violation(one: int, other: int):
    low, high = sorted((one, other))
    if verdict(f"Take alpha {low} mg.") == "violation":
        assert verdict(f"Take alpha {high} mg.") == "violation"


@given(st.integers(1, 6000), st.sampled_from(["daily", "q6h", "once a week", "twice a day"]))
def test_the_unit_that_a_dose_is_written_in_does_not_count(milligrams: int, often: str):
    told = verdict(f"Take alpha {milligrams} mg {often}.")
    assert verdict(f"Take alpha {1000 * milligrams} mcg {often}.") == told
