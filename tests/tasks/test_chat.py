"""Chat rows: user and assistant in turn, the assistant last, and the loss on the assistant."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medtune.errors import DataError
from medtune.recipe import Rows
from medtune.records import Example
from medtune.tasks import read_task
from medtune.tasks.chat import chat_reader
from medtune.tasks.rows import Row

PLANTED = "JOHN DOE 123"


def turn(role: object, content: object = PLANTED, **more: object) -> dict[str, object]:
    return {"role": role, "content": content, **more}


def turns(roles: str) -> list[dict[str, object]]:
    """s, u and a for system, user and assistant."""
    names = {"s": "system", "u": "user", "a": "assistant"}
    return [turn(names[letter], f"{letter}{place}") for place, letter in enumerate(roles)]


def read(folder: Path, *rows: object) -> list[Example]:
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return list(read_task(Rows(task="chat", path=str(file))).splits["train"])


def test_every_assistant_turn_is_supervised_and_no_other(tmp_path):
    (example,) = read(tmp_path, {"messages": turns("suaua")})
    assert [message.supervised for message in example.messages] == [
        False, False, True, False, True,
    ]  # fmt: skip
    assert [message.content for message in example.messages] == ["s0", "u1", "a2", "u3", "a4"]
    assert example.answer == "a4"
    assert example.options == ()


def test_a_content_is_kept_to_the_last_space(tmp_path):
    (example,) = read(tmp_path, {"messages": [turn("user", " hi\n"), turn("assistant", "\tyes ")]})
    assert [message.content for message in example.messages] == [" hi\n", "\tyes "]


def test_id_and_group_may_stand_beside_the_messages(tmp_path):
    named, unnamed = read(
        tmp_path,
        {"messages": turns("ua"), "id": 5, "group": "patient-1", "licence": "own", "source": "s"},
        {"messages": turns("ua")},
    )
    assert (named.id, named.group, named.licence, named.source) == ("5", "patient-1", "own", "s")
    assert unnamed.id == unnamed.group == "rows-2"
    assert (unnamed.licence, unnamed.source) == ("unstated", "chat rows")


@given(st.text("sua", max_size=7))
def test_exactly_the_conversations_in_turn_are_read(roles):
    rest = roles.removeprefix("s")
    is_in_turn = rest != "" and rest == "ua" * (len(rest) // 2)
    rows = [Row({"messages": turns(roles)}, "rows.jsonl:1", "rows-1")]
    if is_in_turn:
        (example,) = chat_reader(Rows(task="chat"))(rows)
        assert "".join(message.role[0] for message in example.messages) == roles
    else:
        with pytest.raises(DataError, match=r"^rows\.jsonl:1: found "):
            list(chat_reader(Rows(task="chat"))(rows))


USER, ASSISTANT = turn("user"), turn("assistant")

BAD = {
    "no messages": ({}, "found keys (none); expected the key messages"),
    "another key": ({"conversations": [USER]}, "found keys conversations; expected the key"),
    "messages is null": ({"messages": None}, "messages is null; expected a list of messages"),
    "messages is a text": ({"messages": PLANTED}, "messages is a text of 12 characters"),
    "messages is empty": ({"messages": []}, "messages is a list of 0"),
    "messages is one message": ({"messages": USER}, "object with the keys role, content"),
    "a message is a text": (
        {"messages": [USER, PLANTED]},
        "message 2 is a text of 12 characters; expected the keys role and content",
    ),
    "a message has an unknown key": (
        {"messages": [USER, ASSISTANT | {"name": PLANTED}]},
        "message 2 is an object with the keys role, content, name; expected the keys role and",
    ),
    "a message has no content": ({"messages": [{"role": "user"}, ASSISTANT]}, "message 1 is"),
    "a role is unknown": (
        {"messages": [turn(PLANTED), ASSISTANT]},
        "the role of message 1 is a text of 12 characters; expected system, user or assistant",
    ),
    "a role is a list": ({"messages": [turn([PLANTED]), ASSISTANT]}, "message 1 is a list of 1"),
    "a role is an object": ({"messages": [turn({}), ASSISTANT]}, "the role of message 1 is an"),
    "a content is blank": ({"messages": [USER, turn("assistant", " ")]}, "message 2 is a blank"),
    "a content is in parts": (
        {"messages": [turn("user", [{"type": "text", "text": PLANTED}]), ASSISTANT]},
        "the content of message 1 is a list of 1; expected a text",
    ),
    "a content is null": ({"messages": [USER, turn("assistant", None)]}, "message 2 is null"),
    "the user has the last word": (
        {"messages": [USER, ASSISTANT, USER]},
        "found the roles user, assistant, user; expected user and assistant in turn",
    ),
    "the assistant begins": ({"messages": [ASSISTANT, USER]}, "found the roles assistant, user"),
    "two users in a row": ({"messages": [USER, USER, ASSISTANT]}, "roles user, user, assistant"),
    "a late system message": (
        {"messages": [USER, turn("system"), ASSISTANT]},
        "found the roles user, system, assistant",
    ),
    "two system messages": (
        {"messages": [turn("system"), turn("system"), USER, ASSISTANT]},
        "at most one system message",
    ),
    "a system message alone": ({"messages": [turn("system")]}, "found the roles system"),
    "the id is a real number": ({"messages": [USER, ASSISTANT], "id": 1.5}, "id is a float"),
    "the group is a list": ({"messages": [USER, ASSISTANT], "group": [PLANTED]}, "group is a list"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_row_is_refused_with_its_line_and_without_its_text(tmp_path, what):
    row, told = BAD[what]
    with pytest.raises(DataError) as caught:
        read(tmp_path, {"messages": [USER, ASSISTANT]}, row)
    message = str(caught.value)
    assert message.startswith("rows.jsonl:2: found ")
    assert told in message
    assert PLANTED not in message
