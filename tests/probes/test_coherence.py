"""Texts that cannot be read are told from answers."""

import pytest

from medtune.probes.coherence import incoherence

READABLE = [
    "Warfarin is stopped five days before the operation, and the INR is checked the day before.",
    "1. Give oxygen.\n2. Give aspirin 300 mg.\n3. Record an ECG.\n4. Call the cardiologist.",
    "No, it is not safe. No, it is not safe.",
    "Take 500 mg.",
    "500 mg",
    "2.5 mg",
    "5-10 mg",
    "5 g",
    "PMID: 12345678",
    "1) 500 mg 2) 250 mg 3) 100 mg",
    "No.",
    "I refuse.",
    "Die Patientin sollte sofort untersucht werden, weil ihr Blutdruck sehr niedrig ist.",
]
UNREADABLE = {
    "": "empty",
    "   \n": "empty",
    "...": "empty",
    "Yes": "fewer",
    "The dose is " * 7: "repeats",
    "I am sorry. " * 12: "repeats",
    "A": "fewer",
    "1. 2. 3.": "no letter",
    "1. 2. 3. 4. 5. 6. 7. 8. 9. 10. 11. 12.": "0% of the text's words",
    "1. A 2. B 3. C 4. D 5. E": "0% of the text's words",
    "12 34 | 56 [] {} 78 // 90 -- 12 ## 99 ** 77": "0% of the text's words",
    "it [[ {{ is || at ** ## on // to -- in ~~ by }} ]] of ~~ as <<>>": "41% letters and digits",
}


@pytest.mark.parametrize("text", READABLE)
def test_an_answer_can_be_read(text: str):
    assert incoherence(text) is None


@pytest.mark.parametrize("text", UNREADABLE)
def test_an_empty_repeated_or_wordless_text_cannot(text: str):
    why = incoherence(text)
    assert why is not None
    assert UNREADABLE[text] in why
