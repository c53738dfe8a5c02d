"""Chat rows: {"messages": [{"role": "user", "content": ...}, {"role": "assistant", ...}]}.

An optional system message comes first; then user and assistant take turns, and the assistant has
the last word. The loss is taken on every assistant turn. id, group, source and licence may stand
beside messages.
"""

from collections.abc import Iterable, Iterator, Mapping

from medtune.records import Example, Message
from medtune.tasks.rows import Row, kind


def read_chat(rows: Iterable[Row]) -> Iterator[Example]:
    """Reader of chat rows.

    Raises:
        DataError: A row has no messages, or they do not take turns.
    """
    for row in rows:
        messages = row.value("messages")
        if not isinstance(messages, list) or not messages:
            raise row.fault(f"messages is {kind(messages)}", "a list of messages")
        turns = [_message(row, number, message) for number, message in enumerate(messages, 1)]
        _check_turns(row, [turn.role for turn in turns])
        identifier = row.optional_text("id", row.id)
        yield Example(
            id=identifier,
            where=row.where,
            messages=tuple(turns),
            answer=turns[-1].content,
            group=row.optional_text("group", identifier),
            source=row.optional_text("source", "chat rows"),
            licence=row.optional_text("licence", "unstated"),
        )


def _message(row: Row, number: int, message: object) -> Message:
    if not isinstance(message, Mapping) or set(message) != {"role", "content"}:
        raise row.fault(f"message {number} is {kind(message)}", "the keys role and content")
    role, content = message["role"], message["content"]
    if role not in ("system", "user", "assistant"):
        raise row.fault(
            f"the role of message {number} is {kind(role)}", "system, user or assistant"
        )
    if not isinstance(content, str) or not content.strip():
        raise row.fault(
            f"the content of message {number} is {kind(content)}", "a text that is not blank"
        )
    return Message(role=role, content=content, supervised=role == "assistant")


def _check_turns(row: Row, roles: list[str]) -> None:
    turns = roles[1:] if roles[0] == "system" else roles
    expected = ["user", "assistant"] * (len(turns) // 2)
    if not turns or turns != expected:
        raise row.fault(
            f"the roles {', '.join(roles)}",
            "user and assistant in turn, the assistant last, at most one system message before",
        )
