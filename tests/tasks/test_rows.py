"""Raw rows: no message about one tells what is in it."""

import pytest

from medtune.errors import DataError
from medtune.tasks.rows import Row, kind

PLANTED = "JOHN DOE 123"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "null"),
        (True, "a bool"),
        (12345, "an int"),
        (1.5, "a float"),
        ("", "a blank text"),
        (" \n", "a blank text"),
        (PLANTED, "a text of 12 characters"),
        ([PLANTED], "a list of 1"),
        ({}, "an object with the keys (none)"),
        ({"a": PLANTED, "b": 1}, "an object with the keys a, b"),
        ((1, 2), "a tuple"),
    ],
)
def test_the_kind_of_a_value_is_its_type_and_length_and_never_the_value(value, told):
    assert kind(value) == told


ROW = Row(
    {"text": "x", "blank": " ", "null": None, "number": 7, "yes": True, "real": 1.5}, "f:3", ""
)


@pytest.mark.parametrize("key", ["blank", "null", "number", "yes"])
def test_a_required_text_is_a_text_that_is_not_blank(key):
    with pytest.raises(DataError, match=rf"^f:3: found {key} is .*; expected a text that is not"):
        ROW.text(key)


def test_a_missing_key_is_told_with_the_keys_that_are_there():
    with pytest.raises(DataError) as caught:
        ROW.text("question")
    assert str(caught.value) == (
        "f:3: found keys text, blank, null, number, yes, real; expected the key question"
    )
    with pytest.raises(DataError, match=r"found keys \(none\); expected the key question"):
        Row({}, "f:3", "").text("question")


def test_an_optional_text_may_be_missing_or_null_or_a_whole_number():
    assert ROW.optional_text("absent", "default") == "default"
    assert ROW.optional_text("null", "default") == "default"
    assert ROW.optional_text("number", "default") == "7"
    assert ROW.optional_text("text", "default") == "x"


@pytest.mark.parametrize("key", ["yes", "real"])
def test_an_optional_text_is_no_other_thing(key):
    with pytest.raises(DataError, match=rf"^f:3: found {key} is a "):
        ROW.optional_text(key, "default")
