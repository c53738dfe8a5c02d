"""What a preview shows is what is trained on, and can be read back from plain text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from materials import material
from tiny_models import make_example, make_tokenizer

from medtune.data import Encoded, Encoder, Prepared, make_template, prepare
from medtune.data.preview import (
    all_left_out,
    cut_off,
    hidden,
    pass_spans,
    pick,
    pick_by_id,
    revealed,
    spans,
    visible,
)
from medtune.errors import DataError
from medtune.models import LocatedBase, load_tokenizer
from medtune.recipe import Data
from medtune.records import Example

ENCODER = Encoder(make_template("tokenizer", make_tokenizer()))
# The tiny tokenizer's control tokens are written with these; a message must not hold one.
ANY = st.characters(exclude_categories=["Cs"], exclude_characters="|<>")
# A list: for st.text, hypothesis draws evenly from all the characters of both, so hardly a sign.
TEXT = st.lists(ANY | st.sampled_from("⟦⟧╎↵⟨⟩␛\n"), min_size=1).map("".join)
SPEAKABLE = TEXT.filter(lambda text: text.strip() == text != "")


def decode(encoder: Encoder, ids: list[int]) -> str:
    return str(
        encoder.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    )


def supervised_ids(encoded: Encoded) -> list[int]:
    return [i for i, on in zip(encoded.input_ids, encoded.supervised, strict=True) if on]


def shown(encoded: Encoded, encoder: Encoder = ENCODER, *, hide: bool = False) -> str:
    return "".join(map(str, spans(encoded, encoder, hide=hide)))


def prepared_rows(*examples: Example, **data: object) -> Prepared:
    section = Data(**{"task": "chat", "validation_fraction": 0.0, **data})
    return prepare(material(train=examples), section, ENCODER.template, seed=17)


@given(st.lists(st.tuples(SPEAKABLE, SPEAKABLE), min_size=1, max_size=3))
def test_the_text_between_the_signs_is_that_of_the_supervised_tokens(
    turns: list[tuple[str, str]],
) -> None:
    encoded = ENCODER.example(make_example(*(text for turn in turns for text in turn)))
    text = shown(encoded)
    marked = re.findall("⟦(.*?)⟧", text, flags=re.DOTALL)
    assert len(marked) == len(turns)
    assert revealed("".join(marked)) == decode(ENCODER, supervised_ids(encoded))
    whole = revealed(text.replace("⟦", "").replace("⟧", ""))
    assert whole == decode(ENCODER, list(encoded.input_ids))


@pytest.mark.parametrize("answer", ["Yes, 12 mg of naïve “β-blocker”.", "二回 👩‍⚕️\n\tok"])
def test_the_marks_hold_for_a_real_tokenizer_token_by_token(
    smollm2: LocatedBase, answer: str
) -> None:
    encoder = Encoder(make_template("tokenizer", load_tokenizer(smollm2)))
    encoded = encoder.example(make_example("How much?", answer))
    (span,) = [span for span in spans(encoded, encoder, hide=False) if span.kind == "supervised"]
    assert revealed("".join(span.pieces)) == answer + "<|im_end|>"
    assert span.tokens == encoded.num_supervised
    # One piece a token, but for characters that are spread over several.
    assert len(span.pieces) == span.tokens or not answer.isascii()


@given(TEXT)
def test_visible_text_can_be_read_back_and_moves_no_cursor(text: str) -> None:
    seen = visible(text)
    assert revealed(seen) == text
    assert all(character.isprintable() or character == "\n" for character in seen)
    assert not set(seen) & set("⟦⟧╎")
    assert seen.count("\n") == text.count("\n") == seen.count("↵")


def test_control_characters_are_seen() -> None:
    assert visible("\x1b[31m\tred\r\n\u202e") == "␛[31m␉red␍↵\n⟨U+202E⟩"


@given(TEXT)
def test_hidden_text_keeps_its_length_and_none_of_its_letters_and_digits(text: str) -> None:
    found = hidden(text)
    assert len(found) == len(text)
    assert {c for c in found if c.isalnum()} <= set("xX0")
    assert [c for c in found if c.isspace()] == [c for c in text if c in found and c.isspace()]


def test_hidden_rows_show_their_structure_and_nothing_else() -> None:
    encoded = ENCODER.example(make_example("Is Ms Smith 42?", "Yes."))
    text = shown(encoded, hide=True)
    assert "Xx Xx Xxxxx 00?" in text
    assert "⟦Xxx.</s>⟧" in text
    assert "<|user|>" in text


def test_examples_of_a_packed_pass_stand_between_borders() -> None:
    group = [ENCODER.example(make_example(f"Question {n}?", "yes")) for n in range(3)]
    (row,) = pass_spans(group, ENCODER, packing=True, hide=False)
    text = "".join(map(str, row))
    assert text.split("╎") == [shown(encoded) for encoded in group]
    assert [span.kind for span in row].count("border") == 2


def test_padding_is_counted_where_examples_are_padded() -> None:
    group = [ENCODER.example(make_example("A much longer question?", "yes")),
             ENCODER.example(make_example("Short?", "yes"))]  # fmt: skip
    rows = pass_spans(group, ENCODER, packing=False, hide=False)
    assert [sum(span.tokens for span in row) for row in rows] == [len(group[0])] * 2
    missing = len(group[0]) - len(group[1])
    assert "".join(map(str, rows[0])) == shown(group[0])
    assert "".join(map(str, rows[1])) == f"{shown(group[1])}·×{missing}"  # noqa: RUF001


LONG = make_example("Notes. " * 30 + "Is this the end?", "no", id="row-2")
SHORT = make_example("Fever?", "yes", id="row-1")


def test_the_first_rows_are_picked_or_those_that_are_named() -> None:
    rows = [make_example(f"Question {n}?", "yes", id=f"row-{n}") for n in range(5)]
    prepared = prepared_rows(*rows)
    assert [row.encoded.id for row in pick(prepared, "train", 2)] == ["row-0", "row-1"]
    assert len(pick(prepared, "train", 9)) == 5
    (found,) = pick_by_id(prepared, ["row-3"])
    assert (found.number, found.example) == (4, rows[3])


def test_an_id_of_no_row_is_refused_and_one_that_was_left_out_says_why() -> None:
    prepared = prepared_rows(SHORT, LONG, max_tokens=40, on_overlength="drop")
    assert all_left_out(prepared) == [("train", "longer than data.max_tokens", ("row-2",))]
    with pytest.raises(DataError, match=r"row-2: this row was left out, longer than"):
        pick_by_id(prepared, ["row-1", "row-2"])
    with pytest.raises(DataError, match="row-9: no row has this id"):
        pick_by_id(prepared, ["row-9"])


def test_a_cut_row_says_how_much_it_lost() -> None:
    prepared = prepared_rows(SHORT, LONG, max_tokens=60, on_overlength="truncate_prompt")
    first, second = pick(prepared, "train", 2)
    assert (first.is_cut, second.is_cut) == (False, True)
    characters, tokens = cut_off(second, [SHORT, LONG], ENCODER) or (0, 0)
    left = second.example.messages[0].content
    assert LONG.messages[0].content[characters:] == left
    assert tokens == len(ENCODER.example(LONG)) - len(second.encoded)
    assert cut_off(second, [SHORT], ENCODER) is None
