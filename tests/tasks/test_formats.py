"""Layouts of conversations: told by their keys, explained, and refused with the nearest one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medtune.errors import DataError
from medtune.recipe import Rows
from medtune.records import Example
from medtune.tasks import TASKS
from medtune.tasks.rows import Row

PLANTED = "JOHN DOE 123"
MEANINGFUL = {"system", "history", "tools", "id", "group", "source", "licence", "input"}


def said(role: str, content: object = PLANTED) -> dict[str, object]:
    return {"role": role, "content": content}


def told(sender: str, value: object = PLANTED) -> dict[str, object]:
    return {"from": sender, "value": value}


GOOD = {
    "chat": {"messages": [said("user", "hi"), said("assistant", "yes")]},
    "sharegpt": {"conversations": [told("human", "hi"), told("gpt", "yes")]},
    "alpaca": {"instruction": "hi", "output": "yes"},
    "prompt_completion": {"prompt": "hi", "completion": "yes"},
}


def rows_of(*values: dict[str, object]) -> list[Row]:
    return [Row(row, f"rows.jsonl:{n}", f"rows-{n}") for n, row in enumerate(values, 1)]


def read(*values: dict[str, object], format: str = "auto") -> list[Example]:
    section = Rows(task="chat", format=format)  # type: ignore[arg-type]
    return list(TASKS["chat"].make_reader(section)(rows_of(*values)))


def turns(example: Example) -> list[tuple[str, str, bool]]:
    return [(turn.role, turn.content, turn.supervised) for turn in example.messages]


def refusal(*values: dict[str, object], format: str = "auto") -> str:
    with pytest.raises(DataError) as caught:
        read(*values, format=format)
    assert PLANTED not in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("layout", GOOD)
@pytest.mark.parametrize("is_stated", [False, True])
def test_every_layout_says_the_same_and_names_itself(layout, is_stated):
    (example,) = read(GOOD[layout], format=layout if is_stated else "auto")
    assert turns(example) == [("user", "hi", False), ("assistant", "yes", True)]
    assert (example.answer, example.options, example.source) == ("yes", (), f"{layout} rows")
    assert (example.id, example.group, example.licence) == ("rows-1", "rows-1", "unstated")


@pytest.mark.parametrize("layout", GOOD)
def test_system_and_labels_may_stand_beside_the_keys_of_every_layout(layout):
    labels = {"id": 7, "group": "patient-1", "source": "ward 3", "licence": "own"}
    (example,) = read(GOOD[layout] | labels | {"system": " Be brief."})
    assert turns(example)[0] == ("system", " Be brief.", False)
    assert (example.id, example.group) == ("7", "patient-1")
    assert (example.source, example.licence) == ("ward 3", "own")


@pytest.mark.parametrize("nothing", [None, "", " \n"])
@pytest.mark.parametrize("layout", GOOD)
def test_a_system_message_that_is_null_or_blank_is_none(layout, nothing):
    (example,) = read(GOOD[layout] | {"system": nothing})
    assert len(example.messages) == 2


def test_alpaca_input_follows_the_instruction_behind_an_empty_line():
    with_input, without = read(
        {"instruction": "Sum up.", "input": "Note.\n", "output": "Sum."},
        {"instruction": "Sum up.", "input": "", "output": "Sum."},
    )
    assert with_input.messages[0].content == "Sum up.\n\nNote.\n"
    assert without.messages[0].content == "Sum up."


def test_only_the_completion_is_learned_where_prompt_and_completion_are_messages():
    (example,) = read(
        {
            "prompt": [
                said("system", "s"),
                said("user", "1"),
                said("assistant", "2"),
                said("user", "3"),
            ],
            "completion": [said("assistant", "4"), said("user", "5"), said("assistant", "6")],
        }
    )
    assert [(turn.content, turn.supervised) for turn in example.messages] == [
        ("s", False), ("1", False), ("2", False), ("3", False), ("4", True), ("5", False),
        ("6", True),
    ]  # fmt: skip
    assert example.answer == "6"


def test_a_key_of_a_message_that_is_null_says_nothing():
    (example,) = read({"messages": [said("user", "hi") | {"name": None}, said("assistant", "yes")]})
    assert example.messages[0].content == "hi"


def test_the_first_row_explains_how_the_file_is_read():
    def explained(layout: str, where: str) -> str | None:
        row = Row(GOOD[layout], where, "x")
        return TASKS["chat"].explain(Rows(task="chat"), row)

    assert explained("alpaca", "rows.jsonl:1") == (
        "rows.jsonl: read as alpaca, because its first row has the keys instruction and output"
    )
    assert explained("chat", "a.parquet:row 1") == (
        "a.parquet: read as chat, because its first row has the key messages"
    )
    assert explained("sharegpt", "owner/name (default, train) row 1") == (
        "owner/name (default, train): read as sharegpt, because its first row has the key "
        "conversations"
    )


def test_what_the_recipe_states_and_what_is_always_so_needs_no_explanation():
    row = rows_of(GOOD["alpaca"])[0]
    assert TASKS["chat"].explain(Rows(task="chat", format="alpaca"), row) is None
    assert TASKS["medqa"].explain(Rows(task="medqa"), row) is None


keys = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12).filter(
    lambda key: key not in MEANINGFUL | {key for row in GOOD.values() for key in row}
)


@given(st.sampled_from(sorted(GOOD)), st.dictionaries(keys, st.text()), st.randoms())
def test_neither_other_keys_nor_their_order_change_what_is_read(layout, others, random):
    items = [*GOOD[layout].items(), *others.items()]
    random.shuffle(items)
    assert read(dict(items)) == read(GOOD[layout])


contents = st.text(min_size=1).filter(str.strip)


@given(
    st.none() | contents,
    st.lists(st.tuples(contents, contents), min_size=1, max_size=4),
    st.sampled_from(["human", "user"]),
    st.sampled_from(["gpt", "assistant"]),
)
def test_a_sharegpt_conversation_is_the_chat_that_says_the_same(system, pairs, human, gpt):
    chat = [] if system is None else [said("system", system)]
    sharegpt = [] if system is None else [told("system", system)]
    for question, answer in pairs:
        chat += [said("user", question), said("assistant", answer)]
        sharegpt += [told(human, question), told(gpt, answer)]
    (one,), (other,) = read({"messages": chat}), read({"conversations": sharegpt})
    assert one.messages == other.messages


KNOWN = (
    "expected those of chat (messages), sharegpt (conversations), alpaca (instruction, output) "
    "or prompt_completion (prompt, completion); "
)
ADVICE = "say in the recipe what your keys mean, with format: columns"

NO_LAYOUT = {
    "a misspelt key": (
        {"instructions": PLANTED, "output": PLANTED},
        "found keys instructions, output; " + KNOWN
        + "nearest is alpaca, which lacks instruction (is it instructions?); or " + ADVICE,
    ),
    "a key in capitals": (
        {"Prompt": PLANTED, "Completion": PLANTED},
        "found keys Prompt, Completion; " + KNOWN + "nearest is prompt_completion, which lacks "
        "prompt (is it Prompt?) and completion (is it Completion?); or " + ADVICE,
    ),
    "half a layout": (
        {"prompt": PLANTED, "chosen": PLANTED},
        "found keys prompt, chosen; " + KNOWN
        + "nearest is prompt_completion, which lacks completion; or " + ADVICE,
    ),
    "sharegpt in the singular": (
        {"conversation": [PLANTED]},
        "found keys conversation; " + KNOWN
        + "nearest is sharegpt, which lacks conversations (is it conversation?); or " + ADVICE,
    ),
    "keys like none": (
        {"xyz": PLANTED, "q": PLANTED}, "found keys xyz, q; " + KNOWN + ADVICE,
    ),
    "no keys": ({}, "found keys (none); " + KNOWN + ADVICE),
}  # fmt: skip


@pytest.mark.parametrize("what", NO_LAYOUT)
def test_rows_in_no_layout_are_told_the_nearest(what):
    row, message = NO_LAYOUT[what]
    assert refusal(row) == f"rows.jsonl:1: {message}"


def test_rows_in_two_layouts_are_refused_until_the_recipe_says_which():
    both = GOOD["chat"] | GOOD["prompt_completion"]
    assert refusal(both) == (
        "rows.jsonl:1: found the keys of chat and of prompt_completion; expected those of one; "
        "the recipe can say which (format:)"
    )
    (example,) = read(both, format="chat")
    assert example.source == "chat rows"


def test_a_later_row_in_another_layout_is_refused_and_both_are_named():
    assert refusal(GOOD["chat"], {"conversations": [told("human")]}) == (
        "rows.jsonl:2: found keys conversations; expected the key messages: rows are read as "
        "chat, and this one is laid out as sharegpt"
    )
    assert refusal(GOOD["chat"], format="alpaca") == (
        "rows.jsonl:1: found keys messages; expected the key instruction: rows are read as "
        "alpaca, and this one is laid out as chat"
    )
    assert refusal(GOOD["alpaca"], {"instruction": PLANTED, "outputs": PLANTED}) == (
        "rows.jsonl:2: found keys instruction, outputs; expected the key output"
    )


BAD = {
    "conversations is a text": (
        {"conversations": PLANTED},
        "conversations is a text of 12 characters; expected a list of messages",
    ),
    "a turn has role and content": (
        {"conversations": [said("user")]},
        "message 1 is an object with the keys role, content; expected the keys from and value",
    ),
    "an unknown sender": (
        {"conversations": [told("human"), told(PLANTED)]},
        "the from of message 2 is a text of 12 characters; expected human, user, gpt, assistant "
        "or system",
    ),
    "a value in parts": (
        {"conversations": [told("human", [PLANTED]), told("gpt")]},
        "the value of message 1 is a list of 1; expected a text that is not blank",
    ),
    "gpt begins": (
        {"conversations": [told("gpt"), told("human")]},
        "the roles assistant, user; expected user and assistant in turn, the assistant last, at "
        "most one system message before",
    ),
    "two system messages": (
        {"conversations": [told("system"), told("human"), told("gpt")], "system": PLANTED},
        "the roles system, system, user, assistant; expected user and assistant in turn, the "
        "assistant last, at most one system message before",
    ),
    "tools": (
        GOOD["sharegpt"] | {"tools": PLANTED},
        "tools is a text of 12 characters; expected sharegpt rows without it; rows with messages "
        "can say the same",
    ),
    "history": (
        GOOD["alpaca"] | {"history": [[PLANTED, PLANTED]]},
        "history is a list of 1; expected alpaca rows without it; rows with messages can say the "
        "same",
    ),
    "a blank output": (
        {"instruction": PLANTED, "output": " "},
        "output is a blank text; expected a text that is not blank",
    ),
    "a null instruction": (
        {"instruction": None, "output": PLANTED},
        "instruction is null; expected a text that is not blank",
    ),
    "an input that is a list": (
        GOOD["alpaca"] | {"input": [PLANTED]},
        "input is a list of 1; expected a text that is not blank",
    ),
    "a system message that is an object": (
        GOOD["alpaca"] | {"system": {"a": PLANTED}},
        "system is an object with the keys a; expected a text that is not blank",
    ),
    "a text and messages": (
        {"prompt": [said("user")], "completion": PLANTED},
        "prompt is a list of 1 and completion is a text of 12 characters; expected two texts or "
        "two lists of messages",
    ),
    "a completion by the user": (
        {"prompt": [said("user")], "completion": [said("user")]},
        "the roles user, user; expected user and assistant in turn, the assistant last, at most "
        "one system message before",
    ),
    "a blank completion": (
        {"prompt": PLANTED, "completion": ""},
        "completion is a blank text; expected a text that is not blank",
    ),
    "an id that is a list": (
        GOOD["alpaca"] | {"id": [PLANTED]}, "id is a list of 1; expected a text",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_a_bad_row_is_refused_with_its_line_and_without_its_text(what):
    row, message = BAD[what]
    assert refusal(row) == f"rows.jsonl:1: found {message}"


def test_an_empty_history_is_none():
    (example,) = read(GOOD["alpaca"] | {"history": []})
    assert len(example.messages) == 2


def test_rows_are_read_one_by_one():
    def rows():
        yield from rows_of(GOOD["alpaca"])
        raise AssertionError("the second row was asked for before the first was used")

    examples = TASKS["chat"].make_reader(Rows(task="chat"))(rows())
    assert next(examples).answer == "yes"
