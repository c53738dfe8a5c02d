"""Identifiers by their patterns, and numbers that identify nobody. All are made up here."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medtune.guard import Context, Finding, Span
from medtune.guard.identifiers import phi
from medtune.guard.sections import Phi
from medtune.guard.texts import Text

CHECK = phi(Phi(id="phi", kind="phi", allow=["cdc.gov"]))


def found(text: str) -> list[Finding]:
    return list(CHECK(Text.of(text), Context()))


MADE_UP = {
    "a social security number": ["SSN 123-45-6789", "social security no. 987 65 4321"],
    "a medical record number": ["MRN: 00483921", "medical record number 7765412", "MRN# 12 34 56",
                                "Patient ID: ABC-12345", "Hospital number H123456"],
    "a telephone number": ["call (617) 555-0142", "+44 20 7946 0958", "0490 75 40 81",
                           "(617)555-0123", "phone: 6175550123", "Phone: 555-1234",
                           "Telephone: 844-1234", "phone number: 555 1234"],
    "a fax number": ["Fax: 212-555-0199"],
    "an e-mail address": ["jane.roe82@examplemail.com"],
    "a date of birth": ["DOB 04/12/1957", "born on March 3, 1949", "date of birth: 1962-11-05",
                        "DOB: 02-JAN-1950", "DOB 01.02.50", "DOB 02JAN1950", "DOB: March 1961",
                        "DOB 12031961", "DOB: 120361", "born in March 1961", "DOB 03/1961"],
    "a date": ["seen 03/14/2023", "on 14.02.2022.", "on January 5, 2022", "the 3rd of July 2008"],
    "a postal address": ["1420 Maple Street", "PO Box 512"],
    "a postal code": ["ZIP code 02139", "Springfield, IL 62704"],
    "an account number": ["account number 99812-0034", "4111111111111111",
                          "4111 1111 1111 1111", "4111-1111-1111-1111", "3782 822463 10005",
                          "Card 4111 1111 1111 1111", "card no. 4111 1111 1111 1112",
                          "GB82 WEST 1234 5698 7654 32"],
    "a number of a health plan": ["Medicare number 1EG4-TE5-MK73", "NHS number 943 476 5919"],
    "a licence or certificate number": ["DEA number AB1234563", "licence D1234567"],
    "a vehicle's number": ["VIN is 1HGCM82633A004352", "license plate 7ABC123"],
    "a device's number": ["serial number PJN7654321H"],
    "a web address": ["https://portal.example.org/p/8812", "www.example.org"],
    "an IP address": ["192.168.14.22", "2001:0db8:85a3:0000:0000:8a2e:0370:7334"],
    "an age of 90 or more": ["a 94-year-old woman", "aged 101"],
    "a person's name": ["Mr. Harold Whitcombe", "Patient Name: Alice Brandt", "pt: John Smithers",
                        "Name: JOHN SMITH", "NAME: SMITH, JOHN", "MR. SMITH", "Mrs SMITH",
                        "Ms. M\u00fcller", "Mrs. de la Cruz", "Mr. O'Brien",
                        "Mr. \u0141ukasz Kowalski", "Mrs. \u015eahin", "Mr. \u0110\u1eb7ng",
                        "Ms. \u010capek", "Patient name: \u0141ukasz \u017bak", "Ms. Nguy\u1ec5n",
                        "Ms. Nguye\u0302\u0303n", "Patient: DOE, JANE", "MS. \u0141UKA"],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), [(k, t) for k, texts in MADE_UP.items() for t in texts])
def test_each_kind_is_found_and_told_without_its_value(kind: str, text: str):
    [finding] = found(f"Note: {text}, and so on")
    assert (finding.message, finding.verdict) == (kind, "violation")


@pytest.mark.parametrize(
    "text",
    ["Card 4111 1111 1111 1111", "Ms. Nguy\u1ec5n", "Mr. \u0141ukasz \u017bak", "DOB 12031961",
     "Mrs. Nguye\u0302\u0303n", "Patient: DOE, JANE", "3782-822463-10005"],
)  # fmt: skip
def test_all_of_an_identifier_is_marked_and_nothing_behind_it(text: str):
    [finding] = found(f"Note: {text}, and so on")
    assert finding.span == Span(6, 6 + len(text))


@given(st.lists(st.sampled_from([text for texts in MADE_UP.values() for text in texts])))
def test_no_message_holds_a_digit_or_a_word_of_the_value(texts: list[str]):
    for finding in found("; ".join(texts)):
        assert finding.message in MADE_UP
        assert not any(sign.isdigit() for sign in finding.message.replace("90", ""))


@pytest.mark.parametrize(
    "text",
    [
        "A 67-year-old man with blood pressure 120/80 and pain 7-8/10.",
        "Sodium 138, potassium 4.2; ratio 1:200; 3/4 of the patients.",
        "See https://www.cdc.gov/flu and call 1-800-222-1222 or 911.",
        "Use version 2.10.3.1. In 2019 and in March 2020.",
        "ICD-10 code E11.65; CPT 99213; rs1801133; ISBN 1234567890123",
        "His phone number and address are in the chart.",
        "In the control group = 1800/15225; the age group affected is 20-45 years.",
        "Mr. and Mrs. should both be tested.",
        "Pt: NAD, ALERT; MR IMAGING showed MS. MRI followed. MS PATIENTS improve. Ms. ABC slept.",
        "Call 8005551212 now. Hospital number one; in 123 hospitals with 6175550123 rows.",
        "The account of the fall differs; serial troponins were 12, 45 and 230.",
        "Take 1 tablet for 10-14 days.",
        "Patient: HTN, DM, COPD. Counts were 1234 5678 9012 3456. Born in a hospital in March.",
    ],
)
def test_numbers_of_medicine_and_public_addresses_identify_nobody(text: str):
    assert found(text) == []


def test_a_kind_that_a_rule_does_not_ask_for_is_not_told_as_another_one():
    dates = phi(Phi(id="phi", kind="phi", of=["date"]))
    told = list(dates(Text.of("DOB 04/12/1957, seen 03/14/2023"), Context()))
    assert [(finding.span.start, finding.message) for finding in told] == [(21, "a date")]
