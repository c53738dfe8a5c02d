"""The layouts that conversations come in, and how rows are told to be in one of them.

    chat               {"messages": [{"role": "user", "content": ...}, ...]}
    sharegpt           {"conversations": [{"from": "human", "value": ...}, ...]}
    alpaca             {"instruction": ..., "input": ..., "output": ...}
    prompt_completion  {"prompt": ..., "completion": ...}: two texts, or two lists of messages

In each of them system, id, group, source and licence may stand beside these keys.
"""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from medtune.errors import DataError
from medtune.records import Message, Role
from medtune.tasks.conversation import exchange, message_list
from medtune.tasks.rows import Row, kind

SHAREGPT_ROLES: Mapping[str, Role] = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "system": "system",
}
LIKE = 0.75
"""Likeness, from 0 to 1, from which on a key is taken for another one misspelt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One way to write a conversation down."""

    name: str
    needs: tuple[str, ...]
    """Keys that every row has; they tell the layout."""
    read: Callable[[Row], list[Message]]
    refuses: str | None = None
    """A key that says something about the conversation that medtune has no use for."""

    def fits(self, row: Row) -> bool:
        """Whether the row has the keys."""
        return all(key in row.values for key in self.needs)

    def messages(self, row: Row) -> list[Message]:
        """The row's conversation, with the system message that stands beside it.

        Raises:
            DataError: The row is of another layout, or its values are not what they should be.
        """
        missing = next((key for key in self.needs if key not in row.values), None)
        if missing is not None:
            others = [layout.name for layout in LAYOUTS.values() if layout.fits(row)]
            aside = f": rows are read as {self.name}, and this one is laid out as "
            raise row.fault(
                row.keys(),
                f"the key {missing}{aside + ' or '.join(others) if others else ''}",
            )
        if self.refuses and row.values.get(self.refuses):
            raise row.fault(
                f"{self.refuses} is {kind(row.values[self.refuses])}",
                f"{self.name} rows without it; rows with messages can say the same",
            )
        system = optional_text(row, "system")
        before = [] if system is None else [Message(role="system", content=system)]
        return before + self.read(row)


def optional_text(row: Row, key: str) -> str | None:
    """A text to the last space; None where the key is missing, null or blank.

    Raises:
        DataError: The value is no text.
    """
    value = row.values.get(key)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    return row.text(key)


def detect(row: Row) -> Layout:
    """The layout whose keys the row has.

    Raises:
        DataError: There is none, and the message names the nearest; or there are several.
    """
    fitting = [layout for layout in LAYOUTS.values() if layout.fits(row)]
    if not fitting:
        raise _no_layout(row)
    if len(fitting) > 1:
        names = " and of ".join(layout.name for layout in fitting)
        raise row.fault(f"the keys of {names}", "those of one; the recipe can say which (format:)")
    return fitting[0]


def explain_detection(row: Row) -> str:
    """How the rows of a file are read and why, told from the first of them.

    Raises:
        DataError: As `detect`.
    """
    layout = detect(row)
    keys = " and ".join(layout.needs)
    file = re.sub(r"[: ](row )?\d+$", "", row.where)
    has = "the key" if len(layout.needs) == 1 else "the keys"
    return f"{file}: read as {layout.name}, because its first row has {has} {keys}"


def _no_layout(row: Row) -> DataError:
    known = [f"{layout.name} ({', '.join(layout.needs)})" for layout in LAYOUTS.values()]
    nearest = max(LAYOUTS.values(), key=lambda layout: _nearness(layout, row))
    advice = "say in the recipe what your keys mean, with format: columns"
    if _nearness(nearest, row):
        lacks = [
            f"{key} (is it {like}?)" if (like := like_key(key, row)) else key
            for key in nearest.needs
            if key not in row.values
        ]
        advice = f"nearest is {nearest.name}, which lacks {' and '.join(lacks)}; or {advice}"
    return row.fault(
        row.keys(),
        f"those of {', '.join(known[:-1])} or {known[-1]}; {advice}",
    )


def _nearness(layout: Layout, row: Row) -> float:
    """Share of the layout's keys that the row has; a misspelt key counts half."""
    points = (1.0 if key in row.values else bool(like_key(key, row)) / 2 for key in layout.needs)
    return sum(points) / len(layout.needs)


def like_key(wanted: str, row: Row) -> str | None:
    """The row's key that is most like the wanted one, capitals aside; None: none is like it."""
    by_lower = {key.lower(): key for key in row.values}
    close = difflib.get_close_matches(wanted.lower(), by_lower, n=1, cutoff=LIKE)
    return by_lower[close[0]] if close else None


def _read_chat(row: Row) -> list[Message]:
    return message_list(row, "messages")


def _read_sharegpt(row: Row) -> list[Message]:
    return message_list(row, "conversations", names=("from", "value"), roles=SHAREGPT_ROLES)


def _read_alpaca(row: Row) -> list[Message]:
    instruction, output = row.text("instruction"), row.text("output")
    more = optional_text(row, "input")
    return exchange(instruction if more is None else f"{instruction}\n\n{more}", output)


def _read_prompt_completion(row: Row) -> list[Message]:
    prompt, completion = row.value("prompt"), row.value("completion")
    if isinstance(prompt, list) != isinstance(completion, list):
        raise row.fault(
            f"prompt is {kind(prompt)} and completion is {kind(completion)}",
            "two texts or two lists of messages",
        )
    if not isinstance(prompt, list):
        return exchange(row.text("prompt"), row.text("completion"))
    # What the assistant says in the prompt was said before: only the completion is learned.
    context = [
        Message(role=message.role, content=message.content)
        for message in message_list(row, "prompt")
    ]
    return context + message_list(row, "completion")


LAYOUTS: Mapping[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout(name="chat", needs=("messages",), read=_read_chat, refuses="tools"),
        Layout(name="sharegpt", needs=("conversations",), read=_read_sharegpt, refuses="tools"),
        Layout(
            name="alpaca", needs=("instruction", "output"), read=_read_alpaca, refuses="history"
        ),
        Layout(
            name="prompt_completion",
            needs=("prompt", "completion"),
            read=_read_prompt_completion,
            refuses="tools",
        ),
    )
}
