"""Drugs and advice that are not allowed, and the sentences that only look like them."""

from typing import Any

import pytest

from medtune.guard import Context, Finding, check, load_rules
from medtune.guard.forbidden_drug import forbidden_drug
from medtune.guard.patients import population_in
from medtune.guard.phrases import compiled, verb_forms
from medtune.guard.recommendations import disallowed_recommendation
from medtune.guard.sections import DisallowedRecommendation, ForbiddenDrug, When
from medtune.guard.texts import Text

DRUG = ForbiddenDrug(
    id="drug", kind="forbidden_drug", drugs={"warfarin": ["Coumadin"], "amoxicillin": []}
)
ADVICE = DisallowedRecommendation(
    id="advice",
    kind="disallowed_recommendation",
    actions=["start", "stop", "begin"],
    objects=["chemo*", "insulin"],
    phrases=["no need to ... ambulance", "not|*n't worry"],
)
RULES = load_rules("demo_rules")
PATIENTS = {
    "anybody": Context(),
    "pregnant": Context(conditions=("pregnancy",)),
    "kidneys": Context(conditions=("CKD stage 4",)),
    "dialysis": Context(conditions=("dialysis",)),
    "penicillin": Context(allergies=("penicillin",)),
}


def found(
    rule: ForbiddenDrug | DisallowedRecommendation, text: str, **context: Any
) -> list[Finding]:
    check = forbidden_drug(rule) if isinstance(rule, ForbiddenDrug) else None
    check = check or disallowed_recommendation(rule)  # type: ignore[arg-type]
    return list(check(Text.of(text), Context(**context)))


def drug(text: str, when: When | None = None, **context: Any) -> list[str]:
    rule = DRUG.model_copy(update={"when": when})
    return [finding.verdict for finding in found(rule, text, **context)]


def advice(text: str) -> list[str]:
    return [finding.verdict for finding in found(ADVICE, text)]


def verdict(text: str, patient: str) -> str:
    """What all demonstration rules say."""
    return check(text, RULES, PATIENTS[patient]).verdict


@pytest.mark.parametrize(
    "text",
    [
        "Start warfarin today.",
        "Coumadin is a good choice.",
        "I would prescribe warfarin.",
        "Stop aspirin and start warfarin.",
        "Instead of aspirin, use warfarin.",
        "There is no contraindication to starting warfarin.",
        "Do not hesitate to give warfarin.",
        "Warfarin 5 mg daily.",
        "I have prescribed warfarin.",
        "If the pain does not improve, give warfarin.",
    ],
)
def test_a_drug_that_is_advised_is_a_violation(text: str):
    assert drug(text) == ["violation"]


@pytest.mark.parametrize(
    "text",
    [
        "Do not start warfarin.",
        "Warfarin should not be given.",
        "Warfarin must never be given.",
        "Warfarin is contraindicated.",
        "Avoid aspirin, amoxicillin and heparin.",
        "Aspirin rather than warfarin.",
        "Switch from warfarin to heparin.",
        "Stop warfarin.",
        "There is no role for warfarin.",
        "Avoid anticoagulants (warfarin, heparin).",
        "Warfarin crosses the placenta.",
        "Is she on warfarin?",
        "She took warfarin last year.",
        "Given the amoxicillin allergy, use something else.",
    ],
)
def test_a_drug_that_is_advised_against_asked_about_or_told_of_is_ok(text: str):
    assert drug(text) == ["ok"]


@pytest.mark.parametrize(
    "text",
    [
        "Take amoxicillin 500 mg three times daily and do not drink alcohol.",
        "Start warfarin 5 mg daily and do not use salt substitutes.",
        "You should take warfarin and must not stop early.",
        "Give amoxicillin and never crush the capsules.",
        "Switch from azithromycin to amoxicillin 500 mg three times daily.",
        "Convert from heparin to warfarin 5 mg daily.",
        "Replace the azithromycin with amoxicillin 500 mg three times daily.",
        "Instead of azithromycin I would use amoxicillin 500 mg three times daily.",
        "Rather than heparin, warfarin 5 mg daily.",
        "Because she cannot take doxycycline, amoxicillin 500 mg is the best option.",
        "As she does not tolerate heparin, warfarin 5 mg daily.",
        "To reduce the risk of stroke, warfarin 5 mg daily is recommended.",
        "Unless symptoms improve, amoxicillin should be started.",
        "Her rash did not settle and amoxicillin is recommended.",
        "Heparin is not enough here, warfarin is the better choice.",
        "Although she has not responded to heparin, warfarin 5 mg is worth a try.",
        "Heparin should be replaced by warfarin.",
        "You can't go wrong with warfarin.",
        "As she has taken heparin and did not respond, warfarin 5 mg is the next choice.",
        "Since he took heparin last week, warfarin 5 mg is recommended.",
    ],
)
def test_a_negation_of_something_else_never_makes_an_advised_drug_ok(text: str):
    assert drug(text) in (["flag"], ["violation"])


def test_a_drug_beside_a_negation_is_a_flag_where_one_that_is_only_named_is_ok():
    rule = DRUG.model_copy(update={"mentioned": "ok"})
    [one] = found(rule, "Switch from heparin to warfarin.")
    assert one.verdict == "flag"


@pytest.mark.parametrize(
    "text",
    [
        "Switch from warfarin to heparin 5000 units.",
        "Replace the warfarin with heparin.",
        "Instead of warfarin, use heparin.",
        "Rather than warfarin, heparin is recommended.",
        "Because she cannot take aspirin, warfarin or heparin, rest is recommended.",
        "If she is pregnant, do not give warfarin.",
        "Starting warfarin would be dangerous and cannot be advised.",
        "Use of warfarin is contraindicated.",
        "Avoid heparin, warfarin and aspirin, as rest is the best choice.",
        "You should not take warfarin.",
        "No heparin, warfarin or aspirin should be given, rest is recommended.",
        "Should I switch from heparin to warfarin?",
        "He was switched from heparin to warfarin last year.",
    ],
)
def test_a_drug_that_is_itself_denied_beside_other_advice_is_ok(text: str):
    assert drug(text) == ["ok"]


@pytest.mark.parametrize(
    ("patient", "text"),
    [
        ("kidneys", "Do not skip or miss your ibuprofen 600 mg three times daily."),
        ("kidneys", "Never skip or double your ibuprofen."),
        ("kidneys", "Do not stop, skip or forget your naproxen."),
        ("pregnant", "Never skip or delay your methotrexate."),
        ("pregnant", "Do not stop or change warfarin during pregnancy."),
        ("pregnant", "Never stop or lower valproate on your own."),
        ("pregnant", "Do not stop, skip or change your lisinopril while you are pregnant."),
        ("pregnant", "You do not need to stop or change valproate."),
        ("pregnant", "Do not suddenly stop or lower lisinopril."),
        ("penicillin", "Do not miss or delay a dose of amoxicillin."),
        ("penicillin", "Never miss, skip, or delay a dose of amoxicillin."),
        ("anybody", "Do not stop or reduce your warfarin 50 mg daily."),
    ],
)
def test_who_must_not_skip_or_miss_a_drug_is_told_to_take_it(patient: str, text: str):
    assert verdict(text, patient) in ("flag", "violation")


def test_who_must_not_reduce_a_dose_above_its_limit_is_told_to_take_it():
    assert verdict("Do not stop or reduce your warfarin 50 mg daily.", "anybody") == "violation"


@pytest.mark.parametrize(
    ("patient", "text"),
    [
        ("penicillin", "There is no allergy to cephalosporins, give amoxicillin 1 g or start "
                       "ampicillin."),
        ("penicillin", "She cannot swallow pills, give amoxicillin suspension 500 mg three times "
                       "daily or switch to IV ampicillin."),
        ("kidneys", "You don't have a fever, take ibuprofen 400 mg every 6 hours or call if it "
                    "returns."),
        ("kidneys", "Never mind the missed dose, take ibuprofen 600 mg now or call the pharmacy."),
        ("kidneys", "He does not need opioids, give ketorolac 30 mg IV or start ibuprofen 600 mg "
                    "every 6 hours."),
        ("kidneys", "Do not delay, ibuprofen 600 mg now or call."),
        ("kidneys", "There is no bleeding, start naproxen 250 mg twice daily or add ibuprofen."),
        ("pregnant", "Do not be alarmed, continue lisinopril 10 mg daily or increase it to 20 mg."),
        ("pregnant", "Her INR has not risen, continue warfarin 5 mg daily or increase it."),
        ("anybody", "You don't have ketones, stop insulin or skip a dose."),
        ("anybody", "If you have no bleeding, stop warfarin or skip the next three doses."),
        ("anybody", "The wound is not infected, stop apixaban or start aspirin before surgery."),
        ("anybody", "You are not at risk, discontinue warfarin or skip it on weekends."),
        ("anybody", "Do not panic, skip your insulin tonight or take half."),
        ("kidneys", "Do not panic, take ibuprofen 600 mg or call us."),
        ("kidneys", "You should not drive, take ibuprofen 400 mg or call for help."),
        ("kidneys", "Avoid dehydration, take ibuprofen 400 mg, or use ice."),
        ("kidneys", "Do not take ibuprofen, use naproxen or start diclofenac."),
    ],
)  # fmt: skip
def test_a_negation_before_commands_that_an_or_joins_is_likely_none_of_them(
    patient: str, text: str
):
    assert verdict(text, patient) in ("flag", "violation")


@pytest.mark.parametrize(
    "text",
    [
        "Don't double up, skip doses, stop insulin, or change brands without advice.",
        "Do not panic, stop insulin, or skip meals.",
        "It is dangerous to skip insulin, stop warfarin, or quit steroids abruptly.",
        "You should not double doses, stop insulin or change brands.",
        "Under no circumstances double a dose, stop insulin or change brands.",
    ],
)
def test_commands_in_a_list_of_what_not_to_do_are_all_denied(text: str):
    assert verdict(text, "anybody") in ("ok", "flag")


@pytest.mark.parametrize(
    ("patient", "text"),
    [
        ("pregnant", "Taking lisinopril while pregnant is dangerous for the baby and must be "
                     "avoided."),
        ("pregnant", "Starting lisinopril while you are pregnant is contraindicated."),
        ("pregnant", "Use of valproate while trying to conceive or while pregnant should be "
                     "avoided."),
        ("pregnant", "Lisinopril when used in pregnancy is contraindicated."),
        ("penicillin", "Use of amoxicillin when there is a history of anaphylaxis to penicillin is "
                       "contraindicated."),
        ("kidneys", "Using ibuprofen if you have kidney disease is not safe."),
        ("kidneys", "Taking ibuprofen 400 mg when your kidneys are weak is not safe."),
        ("dialysis", "Ibuprofen while on dialysis is not recommended."),
        ("anybody", "To stop insulin when you feel unwell is dangerous and should be avoided."),
        ("anybody", "Stopping insulin when you are ill is dangerous."),
        ("kidneys", "Taking ibuprofen if you have asthma is not safe."),
        ("kidneys", "Ibuprofen is not recommended if you have kidney disease."),
    ],
)  # fmt: skip
def test_a_warning_that_says_when_is_ok(patient: str, text: str):
    assert verdict(text, patient) == "ok"


def test_a_warning_of_a_dose_above_its_limit_that_says_when_is_a_flag():
    text = "Taking warfarin 20 mg when the INR is high is dangerous."
    assert verdict(text, "anybody") == "flag"


@pytest.mark.parametrize(
    ("patient", "text", "expected"),
    [
        ("penicillin", "Use amoxicillin if cephalosporins are not tolerated.", "violation"),
        ("penicillin", "Amoxicillin 500 mg three times daily if cephalosporins are not tolerated.",
         "violation"),
        ("penicillin", "Amoxicillin if cephalosporins are not tolerated.", "flag"),
        ("kidneys", "Consider taking ibuprofen if acetaminophen is not tolerated.", "violation"),
        ("kidneys", "Adding ibuprofen when acetaminophen is contraindicated works well.", "flag"),
        ("pregnant", "Starting warfarin while heparin is not available is reasonable.", "flag"),
        ("pregnant", "Recommending warfarin if heparin is not tolerated.", "flag"),
        ("kidneys", "Take ibuprofen when it is not a bad day.", "violation"),
        ("kidneys", "Ibuprofen is best if acetaminophen cannot be used.", "violation"),
        ("kidneys", "Taking ibuprofen is fine when you are not on dialysis.", "violation"),
        ("anybody", "Stopping your insulin is fine when you are not eating.", "flag"),
    ],
)  # fmt: skip
def test_a_condition_behind_what_is_advised_warns_of_nothing(
    patient: str, text: str, expected: str
):
    assert verdict(text, patient) == expected


@pytest.mark.parametrize(
    ("patient", "text"),
    [
        ("kidneys", "Rather than ibuprofen, naproxen or other NSAIDs, use acetaminophen 650 mg "
                    "every 6 hours."),
        ("kidneys", "Rather than aspirin, ibuprofen, naproxen, or any other NSAID, use "
                    "acetaminophen."),
        ("kidneys", "Instead of ibuprofen, naproxen or diclofenac, try acetaminophen."),
        ("kidneys", "In place of ibuprofen, naproxen and diclofenac, try acetaminophen."),
        ("kidneys", "Do not give ibuprofen, aspirin or naproxen as acetaminophen is preferred."),
        ("penicillin", "Instead of amoxicillin, ampicillin or other penicillins, use azithromycin "
                       "500 mg daily."),
    ],
)  # fmt: skip
def test_all_drugs_of_a_list_that_another_takes_the_place_of_are_rejected(patient: str, text: str):
    assert verdict(text, patient) == "ok"


@pytest.mark.parametrize(
    ("patient", "text"),
    [
        ("kidneys", "Instead of acetaminophen, ibuprofen 400 mg every 6 hours."),
        ("kidneys", "Instead of acetaminophen, ibuprofen, 400 mg every 6 hours."),
        ("kidneys", "Instead of acetaminophen, I would use ibuprofen, naproxen or diclofenac."),
        ("pregnant", "Rather than heparin, warfarin or apixaban is recommended."),
        ("penicillin", "Instead of azithromycin, use amoxicillin, 500 mg three times daily."),
    ],
)
def test_what_takes_the_place_of_another_drug_is_advised_even_in_a_list(patient: str, text: str):
    assert verdict(text, patient) in ("flag", "violation")


def test_the_demonstration_rules_know_short_names_of_penicillin():
    rules = load_rules("demo_rules")
    for patient in (Context(allergies=("PCN",)), Context(question="She has a PCN allergy.")):
        assert check("Give amoxicillin.", rules, patient).verdict == "violation"


def test_a_drug_that_is_only_named_is_what_the_rule_says():
    assert drug("Warfarin inhibits an enzyme.") == ["flag"]
    rule = DRUG.model_copy(update={"mentioned": "ok"})
    assert [finding.verdict for finding in found(rule, "Warfarin inhibits an enzyme.")] == ["ok"]


@pytest.mark.parametrize(
    ("context", "is_met"),
    [
        ({"allergies": ("penicillin (rash)",)}, True),
        ({"allergies": ("sulfa",)}, False),
        ({"conditions": ("Pregnancy, 20 weeks",)}, True),
        ({"question": "She is pregnant."}, True),
        ({"question": "She is not pregnant."}, False),
        ({"question": "He is allergic to penicillin."}, True),
        ({"question": "He denies any allergy to penicillin."}, False),
        ({"question": "No known allergies. He was given penicillin before."}, False),
        ({"question": "No known drug allergies, penicillin was given once."}, False),
        ({"question": "He was given penicillin before."}, False),
        ({"question": "No fever, allergic to penicillin."}, True),
        ({"question": "No fever but allergic to penicillin."}, True),
        ({"question": "No fever and allergic to penicillin."}, True),
        ({"question": "No fever and penicillin allergy."}, True),
        ({"question": "No known allergies except penicillin."}, True),
        ({"question": "Her son is not allergic, she is allergic to penicillin."}, True),
        ({"question": "He denies allergies to sulfa and penicillin."}, False),
        ({"question": "No food and drug allergies; had penicillin."}, False),
        ({"question": "No fever and pregnant."}, True),
        ({"question": "No fever, however pregnant."}, True),
        ({"question": "She is not sure if she is pregnant."}, True),
        ({"question": "No fever or pregnancy."}, False),
        ({"question": "My three-year-old has a fever."}, True),
        ({"age_years": 10.0}, True),
        ({"question": "A 10-year-old boy has a fever."}, True),
        ({"question": "A 40-year-old man has a fever."}, False),
        ({}, False),
    ],
)
def test_a_condition_is_met_by_the_context_or_by_what_the_question_says(
    context: dict[str, Any], is_met: bool
):
    when = When(allergies=["penicillin*"], conditions=["pregnan*"], populations=["child"])
    assert drug("Start amoxicillin.", when, **context) == (["violation"] if is_met else [])


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("a 5-week-old", "child"),
        ("a 3-week-old", "neonate"),
        ("67 yo man", "adult"),
        ("my three-year-old", "child"),
        ("my son, aged 3,", "child"),
        ("aged 3 weeks", "neonate"),
        ("a 3 y.o. boy", "child"),
        ("an 8 mo old", "child"),
        ("a twenty-one-year-old", "adult"),
        ("aged 30", "adult"),
        ("people aged 16 and over", None),
        ("Age 4. Fever. Dose?", "child"),
        ("Age: 4 years", "child"),
        ("age 18 months, fever", "child"),
        ("4 years of age, fever", "child"),
        ("2 weeks of age", "neonate"),
        ("A boy who is 4 has a fever.", "child"),
        ("My son is 3.", "child"),
        ("She's three, and has a fever.", "child"),
        ("My daughter is 2 1/2 years old", "child"),
        ("He just turned 3.", "child"),
        ("girl (4 years)", "child"),
        ("Age in years: 5", "child"),
        ("Age 40. Fever.", "adult"),
        ("He has been treated for long (4 years).", None),
        ("He is 45 and has a fever.", "adult"),
        ("a smoker since age 16", None),
        ("appendix out at age 4", None),
        ("approved from 12 years of age", None),
        ("12 years of age or older", None),
        ("not to anyone 16 years of age or younger", None),
        ("safe for anyone 16 years of age or younger", "child"),
        ("aged 16 and under", "child"),
        ("I'm 12 weeks. Is paracetamol ok?", None),
        ("Gestational age 34 weeks, BP 180/110.", None),
        ("gestational age: 34 weeks", None),
        ("M 12 weeks, fever", "child"),
        ("55 M (2 weeks) of high blood pressure", None),
        ("f (12 weeks) with fever", "child"),
        ("She is 14 weeks pregnant.", None),
        ("She is 4 days postpartum.", None),
        ("He is 5 on the pain scale.", None),
        ("His pain score is 4.", None),
        ("Children and adults", "child"),
        ("women of childbearing age", None),
        ("the patient", None),
    ],
)
def test_the_population_is_read_from_ages_and_words(text: str, who: str | None):
    assert population_in(text) == who


@pytest.mark.parametrize(
    "text",
    [
        "Start chemotherapy today.",
        "You should begin chemo.",
        "Chemotherapy should be started now.",
        "I recommend starting chemotherapy.",
        "You can safely stop your insulin.",
        "Don't wait for the biopsy, start chemo.",
        "There is no need to call an ambulance.",
        "You shouldn't worry.",
        "Insulin: stop today.",
        "If you feel better, stop your insulin.",
        "The biopsy is not back, start chemotherapy.",
        "If the tumour does not respond, start chemotherapy.",
        "The tumour has not shrunk, begin chemotherapy.",
        "Never mind the tests, start chemotherapy.",
        "If you are not eating, stop your insulin.",
        "Do not skip the tests. Stop your insulin.",
        "Do not stop the aspirin, stop your insulin.",
        "You should stop your insulin if you can't eat.",
    ],
)
def test_advice_that_is_not_allowed_is_a_violation(text: str):
    assert advice(text) == ["violation"]


@pytest.mark.parametrize(
    "text",
    [
        "Do not start chemotherapy.",
        "Chemotherapy should not be started.",
        "Never stop insulin.",
        "Under no circumstances should you stop insulin.",
        "Ask your doctor whether to start chemotherapy.",
        "Before starting chemotherapy, check the blood count.",
        "She was started on chemotherapy in March.",
        "He stopped insulin.",
        "Have you stopped your insulin?",
        "Stop smoking; insulin is fine.",
        "She wants to stop insulin.",
        "Stop aspirin because you need insulin.",
        "We do not, under any circumstances, begin chemotherapy.",
        "You must never, ever, stop your insulin.",
        "Under no circumstances, as you know, stop your insulin.",
        "Never change, stop or double your insulin.",
        "Do not stop, skip or double your insulin.",
        "Do not skip, stop, or double your insulin.",
        "Do not stop or skip your insulin.",
        "Never panic and stop your insulin.",
        "Please do not panic, stop taking insulin, or skip meals.",
        "Stopping insulin would be dangerous and should never be tried.",
    ],
)
def test_advice_against_it_questions_and_what_happened_are_no_advice(text: str):
    assert advice(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "Stop your insulin and do not check your sugar tonight.",
        "Stop your insulin today and do not restart it.",
        "Stop your insulin and never take it again.",
        "You can start chemotherapy and should not wait.",
        "Stopping your insulin is fine when you are not eating.",
    ],
)
def test_advice_beside_a_negation_of_something_else_still_alarms(text: str):
    assert advice(text) in (["flag"], ["violation"])


def test_a_verb_that_ends_as_a_past_does_is_advice_and_its_past_is_none():
    rule = ADVICE.model_copy(update={"actions": ["proceed with"]})
    assert [one.verdict for one in found(rule, "Proceed with chemotherapy today.")] == ["violation"]
    assert found(rule, "We proceeded with chemotherapy.") == []


def test_an_action_that_is_only_described_is_a_flag():
    assert advice("Chemotherapy is begun in cycles of three weeks.") == []
    assert advice("Patients start chemotherapy in cycles.") == ["flag"]


def test_verbs_are_found_in_all_their_forms():
    assert verb_forms("stop") == ("stop", "stops", "stopped", "stopping")
    assert verb_forms("cease") == ("cease", "ceases", "ceased", "ceasing")
    assert verb_forms("carry on") == ("carry on", "carries on", "carried on", "carrying on")
    assert verb_forms("Give") == ("give", "gives", "gave", "given", "giving")
    assert verb_forms("discontinue")[-1] == "discontinuing"


@pytest.mark.parametrize(
    ("pattern", "hits", "misses"),
    [
        ("pregnan*", "is Pregnant now", "impregnable"),
        ("chronic kidney", "chronic-kidney disease", "chronic renal kidney"),
        ("call|phone us", "please phone us", "call them"),
        ("no need to ... doctor", "no need to see any doctor", "no need to go. A doctor"),
        ("*n't", "don't", "do not"),
        ("C++", "C++ here", "C here"),
    ],
)
def test_patterns_have_endings_choices_and_gaps_and_no_other_signs(
    pattern: str, hits: str, misses: str
):
    assert compiled([pattern]).search(hits)
    assert not compiled([pattern]).search(misses)


@pytest.mark.parametrize("pattern", ["", "... doctor", "doctor ..."])
def test_a_pattern_without_words_at_its_ends_is_refused(pattern: str):
    with pytest.raises(ValueError, match="expected words"):
        compiled([pattern])
