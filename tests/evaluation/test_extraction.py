"""Which option a written answer commits to: a table of hard cases, and laws."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medtune.evaluation.extraction import extract

LETTERS = ("A", "B", "C", "D")
VITAMINS = ("Thiamine", "Vitamin C", "Vitamin D", "A vitamin deficiency of another kind")
GERMS = ("E. coli", "C. difficile", "Hepatitis B virus", "B cells", "S. aureus")
VERDICTS = ("yes", "no", "maybe")

VITAMIN_CASES = [
    # Said outright.
    ("The answer is (B).", "B"),
    ("The answer is B", "B"),
    ("Answer: B", "B"),
    ("ANSWER: B.", "B"),
    ("Final answer - B", "B"),
    ("Final answer: option B", "B"),
    ("Answer is: B because scurvy", "B"),
    ("The correct option is B.", "B"),
    ("The best choice is C, given the rickets.", "C"),
    ("The correct answer would be D.", "D"),
    ("The answer should therefore be C.", "C"),
    ("The answer to this question, given the bleeding gums, is B.", "B"),
    ("My answer: [C]", "C"),
    ("Therefore, the answer must be B!", "B"),
    ("I would choose B.", "B"),
    ("We'd go with option C here.", "C"),
    ("I think the answer is B.", "B"),
    ("This corresponds to option B.", "B"),
    ("Option B is correct.", "B"),
    ("B is the correct answer.", "B"),
    ("Bleeding gums point to scurvy, so C is the best option.", "C"),
    ("Vitamin C is the right answer.", "B"),
    ('{"answer": "C"}', "C"),
    ("<answer>B</answer>", "B"),
    # Marked up.
    (r"\boxed{B}", "B"),
    (r"The answer is $\boxed{\text{C}}$.", "C"),
    (r"\[ \boxed{(D)} \]", "D"),
    ("**B**", "B"),
    ("**Answer:** B", "B"),
    ("**Answer: B**", "B"),
    ("The answer is **(B)**", "B"),
    ("The answer is `B`.", "B"),
    ("## Answer\n\nB", "B"),
    ("Answer:\n\n**C**", "C"),
    ("### Final Answer: **B. Vitamin C**", "B"),
    (r"The final answer is: $\boxed{B. Vitamin C}$", "B"),
    (r"\(B\)", "B"),
    ("Given the bleeding gums, **B** fits.", None),
    # Only an option.
    ("B", "B"),
    ("B.", "B"),
    ("(B)", "B"),
    ("b)", "B"),
    ("B) vitamin C", "B"),
    ("B. Vitamin C", "B"),
    ("B vitamin C", "B"),
    ("(B) Vitamin C.", "B"),
    ("option B", "B"),
    ("Option C.", "C"),
    ("- B", "B"),
    ("Scurvy shows in the gums.\nB", "B"),
    ("Scurvy shows in the gums.\n\n(B) vitamin C\n", "B"),
    ("Scurvy shows in the gums. Therefore, B.", "B"),
    ("B. Vitamin C. Scurvy is its lack.", "B"),
    ("B\n\nExplanation: collagen needs it.", "B"),
    ("B, because collagen needs it.", "B"),
    ("Vitamin C.", "B"),
    # Said by the option's text.
    ("The answer is vitamin C.", "B"),
    ('The answer is "Vitamin   c", as the gums show.', "B"),
    ("The answer is a vitamin deficiency of another kind.", "D"),
    ("Answer: thiamine", "A"),
    ("The answer is vitamin C deficiency.", None),
    ("The answer is a lack of vitamin C.", None),
    ("The answer is B. Vitamin D", None),
    # Small letters, articles, pronouns, names.
    ("The answer is b.", "B"),
    ("answer is (c)", "C"),
    ("the answer is b because of the gums", None),
    ("The answer is a.", "A"),
    ("The answer is a matter of collagen.", None),
    ("The answer is A patient's diet.", None),
    ("A patient with scurvy lacks ascorbate.", None),
    ("I believe it is scurvy.", None),
    ("Vitamin D is not stored in the gums.", None),
    ("The answer is hepatitis B.", None),
    ("The answer is B-complex vitamins.", None),
    ("The answer is B12.", None),
    # Several, none, or not there.
    ("The answer is A or B.", None),
    ("The answer is A and C.", None),
    ("Answer: A, B", None),
    ("Answer: A/B", None),
    ("Both A and B are correct.", None),
    ("The answer is either B or C", None),
    ("The answer is vitamin C or vitamin D.", None),
    ("The answer is E.", None),
    ("Answer: Z", None),
    ("F", None),
    ("The answer is none of the above.", None),
    ("Answer: all of the above", None),
    ("", None),
    ("   \n\t", None),
    ("???", None),
    ("A. Thiamine B. Vitamin C C. Vitamin D", None),
    ("A. Thiamine\nB. Vitamin C\nC. Vitamin D", None),
    ("A\nB\nC\nD", None),
    ("A, B, C, D", None),
    ("Answer choices: A. Thiamine B. Vitamin C", None),
    ("Select one answer from A to D.", None),
    ("A. Thiamine\nB. Vitamin C\nC. Vitamin D\n\nB", "B"),
    ("A. Thiamine\nB. Vitamin C\nC. Vitamin D\nThe answer is B", "B"),
    ("A. Thiamine is for beriberi.\nB. Vitamin C is for scurvy.\nC. Vitamin D", None),
    # Denied, and given another.
    ("The answer is not B.", None),
    ("The answer isn't B.", None),
    ("The answer is not B. The answer is C.", "C"),
    ("The answer is not A but C.", "C"),
    ("Not A but C.", "C"),
    ("The correct answer is not A, it is B.", "B"),
    ("The answer cannot be A, so it must be B.", "B"),
    ("It is not the case that the answer is B.", None),
    ("So B is correct and A is wrong.", "B"),
    ("Answer: B. Thiamine would not help.", "B"),
    ("The answer is C, not A.", "C"),
    ("The answer is B rather than C.", "B"),
    ("A is incorrect. B is incorrect, too. The answer is C.", "C"),
    ("A is incorrect, as thiamine is for beriberi.", None),
    ("(A) is wrong.", None),
    ("The wrong answer is A.", None),
    ("Since A is wrong the answer is B.", "B"),
    ("A tempting answer is A. The correct answer is B.", "B"),
    ("The answer is B. A is wrong as it treats beriberi.", "B"),
    ("The answer is B and C is wrong.", "B"),
    # Revised.
    ("Answer: B\nWait, the answer is C.", "C"),
    ("Answer: B. No, wait: the answer is C.", "C"),
    ("The answer is B. Hmm. The answer is not B.", None),
    ("The answer is B. The answer is B. Answer: B", "B"),
    ("The answer is B.\nThe answer is B or C.", None),
    ("Answer: A.\n\nC", "C"),
    ("The answer is A. Actually, it is B.", "B"),
    ("The answer is A.\nCorrection: B", "B"),
    # Conditions, hedges, questions.
    ("If the answer is A, ataxia would show. Answer: B", "B"),
    ("Whether the answer is A cannot be told.", None),
    ("The answer could be A. The answer may be B.", None),
    ("I do not think the answer is A.", None),
    ("One might say the answer is A.", None),
    ("Is the answer B?", None),
    ("The answer is B?", None),
    ("What is the answer: A or B?", None),
    ("The answer is clear.", None),
    # What follows is another question's.
    ("The answer is B.\n\nQuestion: Which lack causes rickets?\nAnswer: C", "B"),
    ("No idea.\n\nQuestion: Which lack causes rickets?\nAnswer: C", None),
    ("<think>The answer is A.</think>B", "B"),
    ("The answer is: B ### Next: the answer is C", "B"),
    ("The answer is B<|im_end|>\n<|im_start|>user\nThe answer is C", "B"),
    # Scripts and spacing.
    ("\uff21\uff4e\uff53\uff57\uff45\uff52\uff1a \uff22", "B"),
    ("答案是B。", "B"),
    ("答案\uff1aB", "B"),
    ("答案为\uff08C\uff09。", "C"),
    ("Réponse\u00a0: B", "B"),
    ("La réponse est C.", "C"),
    ("Answer\u202f:\u2009B", "B"),
    ("The answer is \u201cB\u201d.", "B"),
    ("The answer is\u200b B", "B"),
    ("Answer → B", "B"),
]
GERM_CASES = [
    ("The answer is E. coli.", "A"),
    ("E. coli", "A"),
    ("The answer is C. difficile, after antibiotics.", "B"),
    ("The answer is C. diff colitis.", None),
    ("The answer is E.", "E"),
    ("The answer is B cells.", "D"),
    ("The answer is hepatitis B virus.", "C"),
    ("The answer is Hepatitis B.", None),
    ("Hepatitis B is the correct answer.", None),
    ("Hepatitis B virus is the correct answer.", "C"),
    ("E. coli causes most of them.", None),
    ("The answer is E, S. aureus.", "E"),
    ("The answer is (E) S. aureus", "E"),
    ("The answer is A. E. coli", "A"),
    ("The answer is B. E. coli", None),
    ("The answer is D because E. coli is covered.", "D"),
]
VERDICT_CASES = [
    ("yes", "yes"),
    ("No.", "no"),
    ("Maybe", "maybe"),
    ("YES!", "yes"),
    ("**No**", "no"),
    ("the answer is maybe", "maybe"),
    ("Answer: maybe", "maybe"),
    ("Answer (yes/no/maybe): no", "no"),
    ("this is maybe due to chance; the answer is yes", "yes"),
    ("This is maybe due to chance.", None),
    ("Yesterday's trial was small.", None),
    ("It was shown yesterday. Answer: no", "no"),
    ("There was no evidence of harm. Answer: yes", "yes"),
    ("No evidence of harm was found.", None),
    ("The answer is no evidence of harm.", None),
    ("No, the trial found the opposite.", "no"),
    ("Yes. The trial was large.", "yes"),
    ("Yes, no harm was seen.", "yes"),
    ("Yes and no.", None),
    ("The answer is yes or no", None),
    ("The answer is yes, maybe.", None),
    ("The answer is not yes.", None),
    ("The answer is not yes but maybe.", "maybe"),
    ("The answer is a clear no.", "no"),
    ("The answer is no, as no effect was seen.", "no"),
    ("The trial was large. In conclusion, yes.", "yes"),
    ("Conclusion: maybe", "maybe"),
    ("I would say no.", "no"),
    ("I would say no evidence exists.", None),
    ("Yes is the correct answer.", "yes"),
    ("yes\nno\nmaybe", None),
    ("Answer yes, no or maybe.", None),
    ("Answer: yes\nOn reflection, the answer is maybe.", "maybe"),
    ("The effect is real.\nyes", "yes"),
    ("Unclear.", None),
    ("Answer: uncertain", None),
    ('The answer to the question "Is it safe?" is yes.', "yes"),
    ("The answer is maybe not.", None),
    ("No-one knows.", None),
    ("No - the trial was small.", "no"),
    ("Maybe the trial was small.", None),
    (r"\boxed{maybe}", "maybe"),
]


@pytest.mark.parametrize(("text", "option"), VITAMIN_CASES)
def test_a_lettered_answer_is_read_as_a_person_would_read_it(text: str, option: str | None):
    assert extract(text, LETTERS, VITAMINS) == option


@pytest.mark.parametrize(("text", "option"), GERM_CASES)
def test_letters_in_names_of_germs_and_cells_are_no_options(text: str, option: str | None):
    assert extract(text, ("A", "B", "C", "D", "E"), GERMS) == option


@pytest.mark.parametrize(("text", "option"), VERDICT_CASES)
def test_a_verdict_in_words_is_read_as_a_person_would_read_it(text: str, option: str | None):
    assert extract(text, VERDICTS) == option


def test_a_choice_that_names_other_choices_is_read_as_itself():
    choices = ("Rest", "Fluids", "Both A and B", "None of the above")
    assert extract("The answer is both A and B.", LETTERS, choices) == "C"
    assert extract("The answer is none of the above.", LETTERS, choices) == "D"
    assert extract("Answer: A and B", LETTERS, choices) is None


def test_two_choices_with_one_text_cannot_be_told_apart_by_it():
    choices = ("Rest", "Fluids", "fluids", "Salt")
    assert extract("The answer is fluids.", LETTERS, choices) is None
    assert extract("The answer is B, fluids.", LETTERS, choices) == "B"


def test_choices_that_are_letters_are_read_as_letters_of_options():
    assert extract("The answer is C.", LETTERS, ("A", "B12", "D", "C")) == "C"
    assert extract("The answer is B12.", LETTERS, ("A", "B12", "D", "C")) == "B"


def test_numbers_are_read_whole():
    choices = ("5", "5.5", "50", "15")
    assert extract("The answer is 5.5.", LETTERS, choices) == "B"
    assert extract("The answer is 5.6.", LETTERS, choices) is None
    assert extract("The answer is 50%.", LETTERS, choices) is None


def test_without_texts_a_small_letter_behind_a_stop_leaves_the_answer_open():
    assert extract("The answer is E. coli", ("A", "B", "C", "D", "E")) is None
    assert extract("The answer is E. Because of the gram stain.", tuple("ABCDE")) == "E"


TABLE = [
    *((text, LETTERS, VITAMINS) for text, _ in VITAMIN_CASES),
    *((text, tuple("ABCDE"), GERMS) for text, _ in GERM_CASES),
    *((text, VERDICTS, ()) for text, _ in VERDICT_CASES),
]
PROSE = [text for text, _, _ in TABLE if not re.search("Question:|think>|###|im_end", text)]
WRAPPINGS = ["  {}  ", "\n\n\t{}\n \n", "**{}**", "> {}", "`{}`", "\r\n{}\r\n", "```\n{}\n```"]
pieces = st.sampled_from(
    [
        *(text for text, _, _ in TABLE),
        "A",
        "b",
        "(C)",
        "\\boxed{",
        "}",
        "*",
        "\n",
        " is ",
        "yes",
        "no",
    ]
)


@given(st.lists(pieces | st.text(max_size=8), max_size=6), st.sampled_from(TABLE))
def test_nothing_outside_the_options_is_ever_returned(parts: list[str], case: tuple):
    _, options, choices = case
    assert extract(" ".join(parts), options, choices) in (None, *options)


@given(st.sampled_from(TABLE), st.lists(st.sampled_from(WRAPPINGS), max_size=3))
def test_blanks_and_markdown_around_a_text_change_nothing(case: tuple, wrappings: list[str]):
    text, options, choices = case
    wrapped = text
    for wrapping in wrappings:
        wrapped = wrapping.format(wrapped) if "{}" in wrapping else wrapped
    assert extract(wrapped, options, choices) == extract(text, options, choices)


@given(
    st.lists(st.text("abcdefgh ", min_size=3, max_size=12), min_size=2, max_size=6),
    st.sampled_from(["{}. {}", "({}) {}", "{}) {}", "**{}.** {}", "{}: {}", "- {}. {}"]),
    st.sampled_from([" ", "\n", "\n\n", "; "]),
    st.booleans(),
)
def test_a_listing_of_the_options_is_no_answer(texts: list[str], form: str, gap: str, told: bool):
    options = tuple("ABCDEF"[: len(texts)])
    listing = gap.join(form.format(o, t) for o, t in zip(options, texts, strict=True))
    assert extract(listing, options, texts if told else ()) is None


@given(st.sampled_from(PROSE), st.sampled_from(LETTERS))
def test_what_is_said_last_decides_whatever_was_said_before(before: str, letter: str):
    assert extract(f"{before}\nThe answer is ({letter}).", LETTERS, VITAMINS) == letter


@given(st.integers(2, 25), st.integers(1, 25))
def test_a_letter_that_no_option_has_is_no_answer(num_options: int, beyond: int):
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    letter = letters[min(25, num_options - 1 + beyond)]
    assert extract(f"The answer is ({letter}).", tuple(letters[:num_options])) is None
