"""A row's conversation and what stands beside it: the parts that layouts of rows share."""

from collections.abc import Mapping
from dataclasses import dataclass

from medtune.records import Example, Message, Role
from medtune.tasks.rows import Row, kind

ROLES: Mapping[str, Role] = {"system": "system", "user": "user", "assistant": "assistant"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What is known about a row beside its text."""

    id: str
    group: str
    is_grouped: bool
    """Whether the row names its group."""
    source: str
    licence: str


def labels_beside(row: Row, source: str, licence: str) -> Labels:
    """Labels from the keys id, group, source and licence, each of which may be missing.

    Args:
        row: The row.
        source: Where the row is from, if it does not say so.
        licence: Its licence, if it does not say so.

    Raises:
        DataError: One of them is neither text nor a whole number.
    """
    identifier = row.optional_text("id", row.id)
    group = row.optional_text("group", "")
    return Labels(
        id=identifier,
        group=group or identifier,
        is_grouped=bool(group),
        source=row.optional_text("source", source),
        licence=row.optional_text("licence", licence),
    )


def message_list(
    row: Row,
    key: str,
    *,
    names: tuple[str, str] = ("role", "content"),
    roles: Mapping[str, Role] = ROLES,
) -> list[Message]:
    """The messages under a key; those of the assistant are supervised.

    Args:
        row: The row.
        key: Where the list is.
        names: What the two keys of a message are called.
        roles: What the roles are called, and what they are here.

    Raises:
        DataError: There is no list of such messages.
    """
    found = row.value(key)
    if not isinstance(found, list) or not found:
        raise row.fault(f"{key} is {kind(found)}", "a list of messages")
    return [
        _message(row, f"message {number}", message, names, roles)
        for number, message in enumerate(found, 1)
    ]


def _message(
    row: Row, which: str, found: object, names: tuple[str, str], roles: Mapping[str, Role]
) -> Message:
    # Tables give every message every key that any message has: null says that it is not there.
    given = {k for k, v in found.items() if v is not None} if isinstance(found, Mapping) else set()
    if not isinstance(found, Mapping) or not given <= set(names) <= set(found):
        raise row.fault(f"{which} is {kind(found)}", f"the keys {names[0]} and {names[1]}")
    role, content = found[names[0]], found[names[1]]
    if not isinstance(role, str) or role not in roles:
        *most, last = roles
        expected = f"{', '.join(most)} or {last}"
        raise row.fault(f"the {names[0]} of {which} is {kind(role)}", expected)
    if not isinstance(content, str) or not content.strip():
        raise row.fault(f"the {names[1]} of {which} is {kind(content)}", "a text that is not blank")
    return Message(role=roles[role], content=content, supervised=roles[role] == "assistant")


def exchange(prompt: str, answer: str, *, system: str | None = None) -> list[Message]:
    """A question and its answer, which is supervised."""
    before = [] if system is None else [Message(role="system", content=system)]
    return [
        *before,
        Message(role="user", content=prompt),
        Message(role="assistant", content=answer, supervised=True),
    ]


def conversation(
    row: Row, messages: list[Message], labels: Labels, *, text: str = "", subject: str = ""
) -> Example:
    """The example of a conversation that ends with the answer.

    ``text``: what of it is the row's own; empty: all that is asked. ``subject``: the part of its
    set that it belongs to.

    Raises:
        DataError: User and assistant do not take turns, or the assistant has not the last word.
    """
    roles = [message.role for message in messages]
    turns = roles[1:] if roles[0] == "system" else roles
    if not turns or turns != ["user", "assistant"] * (len(turns) // 2):
        raise row.fault(
            f"the roles {', '.join(roles)}",
            "user and assistant in turn, the assistant last, at most one system message before",
        )
    return Example(
        id=labels.id,
        where=row.where,
        messages=tuple(messages),
        answer=messages[-1].content,
        text=text,
        subject=subject,
        group=labels.group,
        is_grouped=labels.is_grouped,
        source=labels.source,
        licence=labels.licence,
    )
