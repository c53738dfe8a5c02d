"""Examples as text in which every token shows what it is to training.

What is supervised stands between ⟦ and ⟧, so the mask can be read in a file, in a pipe and without
colours. Characters that could not be seen, that would move a terminal's cursor, or that are signs
here are shown by name, so the text of the tokens can be read back exactly (``revealed``).
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from medtune.data.check import LEFT_OUT, left_out
from medtune.data.encoding import Encoded, Encoder
from medtune.data.prepare import Prepared
from medtune.data.template import Tokenizer, special_tokens
from medtune.errors import DataError
from medtune.records import Example, Message, Split

Kind = Literal["context", "supervised", "border", "padding"]
OPEN, CLOSE, BORDER = "⟦", "⟧", "╎"
SIGNS = frozenset(OPEN + CLOSE + BORDER + "↵⟨⟩")
LONGEST_CHARACTER = 8
"""Tokens that one character may take; its bytes are at most four."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Neighbouring tokens of one kind."""

    kind: Kind
    pieces: tuple[str, ...]
    """Visible text, token by token; of a character spread over several tokens once, for all."""
    tokens: int

    @property
    def signs(self) -> tuple[str, str]:
        """What stands before and behind the text to say its kind."""
        if self.kind == "padding":
            return f"·×{self.tokens}", ""  # noqa: RUF001 - times
        return (OPEN, CLOSE) if self.kind == "supervised" else ("", "")

    def __str__(self) -> str:
        """The text between its signs."""
        return "".join((self.signs[0], *self.pieces, self.signs[1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One kept row."""

    split: Split
    number: int
    """Counted from 1 among the kept rows of its split."""
    example: Example
    encoded: Encoded
    is_cut: bool


def pick(prepared: Prepared, split: Split, count: int) -> list[Shown]:
    """The first rows of a split."""
    return list(islice(_rows(prepared, split), count))


def pick_by_id(prepared: Prepared, ids: Sequence[str]) -> list[Shown]:
    """Rows by id, from whatever split they are in.

    Raises:
        DataError: An id is that of no row, or of one that was left out.
    """
    wanted = set(ids)
    found = [
        shown
        for split in prepared.splits
        for shown in _rows(prepared, split)
        if shown.encoded.id in wanted
    ]
    missing = [given for given in ids if given not in {shown.encoded.id for shown in found}]
    for given in missing:
        for _, reason, dropped in all_left_out(prepared):
            if given in dropped:
                raise DataError(f"--id {given}: this row was left out, {reason}")
    if missing:
        raise DataError(
            f"--id {missing[0]}: no row has this id; the preview without --id shows the first ids"
        )
    return found


def _rows(prepared: Prepared, split: Split) -> Iterator[Shown]:
    part = prepared.splits[split]
    cut = frozenset(part.truncated)
    for number, (example, encoded) in enumerate(zip(part.examples, part.encoded, strict=True), 1):
        yield Shown(
            split=split,
            number=number,
            example=example,
            encoded=encoded,
            is_cut=encoded.id in cut,
        )


def all_left_out(prepared: Prepared) -> list[tuple[Split, str, Sequence[str]]]:
    """Rows that were left out: of which split, why, and their ids."""
    return [
        (split, LEFT_OUT[name], ids)
        for split, part in prepared.splits.items()
        for name, ids in left_out(part).items()
        if ids
    ]


def cut_off(row: Shown, whole: Iterable[Example], encoder: Encoder) -> tuple[int, int] | None:
    """Characters and tokens that a cut row has lost; None where its whole row is not among these.

    Raises:
        TemplateError: See ``Encoder.example``.
    """
    kept = row.example
    for example in whole:
        pairs = list(zip(example.messages, kept.messages, strict=False))
        is_same = len(example.messages) == len(kept.messages) and all(
            ours.content.endswith(theirs.content) for ours, theirs in pairs
        )
        if example.where == kept.where and is_same:
            characters = sum(len(ours.content) - len(theirs.content) for ours, theirs in pairs)
            return characters, len(encoder.example(example)) - len(row.encoded)
    return None


def spans(encoded: Encoded, encoder: Encoder, *, hide: bool) -> list[Span]:
    """The tokens of an example by kind; ``hide`` replaces letters and digits."""
    found: list[Span] = []
    start, mask = 0, encoded.supervised
    for end in range(1, len(encoded) + 1):
        if end == len(encoded) or mask[end] != mask[start]:
            pieces = _pieces(encoded.input_ids, start, end, encoder.tokenizer, hide=hide)
            kind: Kind = "supervised" if mask[start] else "context"
            found.append(Span(kind=kind, pieces=tuple(pieces), tokens=end - start))
            start = end
    return found


def pass_spans(
    group: Sequence[Encoded], encoder: Encoder, *, packing: bool, hide: bool
) -> list[list[Span]]:
    """The rows of one forward pass: all examples in one, or one example a row and padding."""
    rows = [spans(encoded, encoder, hide=hide) for encoded in group]
    if packing:
        border = Span(kind="border", pieces=(BORDER,), tokens=0)
        joined = [span for row in rows for span in (border, *row)]
        return [joined[1:]]
    width = max(map(len, group))
    for encoded, row in zip(group, rows, strict=True):
        if len(encoded) < width:
            row.append(Span(kind="padding", pieces=(), tokens=width - len(encoded)))
    return rows


def message_text(message: Message, *, hide: bool) -> str:
    """A message as visible text."""
    return visible(hidden(message.content) if hide else message.content)


def _pieces(
    ids: Sequence[int], start: int, end: int, tokenizer: Tokenizer, *, hide: bool
) -> Iterator[str]:
    """Visible text of the tokens from ``start`` to ``end``.

    Each is decoded behind the token before it: SentencePiece decodes a token that stands first
    without its space, and a character's bytes may lie in several tokens.
    """
    specials = frozenset(special_tokens(tokenizer))
    first = start
    while first < end:
        before = _decode(tokenizer, ids[max(first - 1, 0) : first])
        last = first + 1
        while True:
            text = _decode(tokenizer, ids[max(first - 1, 0) : last])
            if text.startswith(before):
                text = text[len(before) :]
            is_whole = not text.endswith("\ufffd") or last - first == LONGEST_CHARACTER
            if is_whole or last == end:
                break
            last += 1
        yield visible(hidden(text) if hide and text not in specials else text)
        first = last


def _decode(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    return str(
        tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)
    )


def hidden(text: str) -> str:
    """The shape of a text: letters are x and X, digits 0; spaces and punctuation stay."""
    return "".join(map(_hidden_character, text))


def _hidden_character(character: str) -> str:
    if character.isnumeric():
        return "0"
    # Marks and symbols go too: what is let through is listed, not what is hidden.
    if unicodedata.category(character)[0] in "PZ" or character in "\t\n\r":
        return character
    return "X" if character.isupper() else "x"


def visible(text: str) -> str:
    """The text with nothing in it that cannot be seen; line breaks stay behind a ↵."""
    return "".join(map(_visible_character, text))


def _visible_character(character: str) -> str:
    code = ord(character)
    if character == "\n":
        return "↵\n"
    if code < 0x20:
        return chr(0x2400 + code)
    is_picture = 0x2400 <= code < 0x2420
    if character.isprintable() and character not in SIGNS and not is_picture:
        return character
    return f"⟨U+{code:04X}⟩"


def revealed(shown: str) -> str:
    """The text that ``visible`` was given."""
    named = re.compile("⟨U\\+([0-9A-F]+)⟩|↵\n|([\u2400-\u241f])")

    def original(match: re.Match[str]) -> str:
        code, picture = match.groups()
        if code:
            return chr(int(code, 16))
        return chr(ord(picture) - 0x2400) if picture else "\n"

    return named.sub(original, shown)
