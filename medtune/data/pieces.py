"""A long text in pieces that a base can read one by one."""

from collections.abc import Iterator

PIECE_CHARACTERS = 2000


def cut_text(text: str) -> list[str]:
    """Pieces of at most `PIECE_CHARACTERS` that put together are the text; none of blank text.

    A piece ends where a paragraph does (at a blank line), and only within a longer paragraph behind
    a blank, or where there is none at the limit.
    """
    pieces: list[str] = []
    piece = ""
    for paragraph in _paragraphs(text):
        if len(piece) + len(paragraph) > PIECE_CHARACTERS and piece.strip():
            pieces.append(piece)
            piece = ""
        piece += paragraph
        while len(piece) > PIECE_CHARACTERS:
            head = piece[:PIECE_CHARACTERS]
            cut = max(map(head.rfind, " \n")) + 1 or PIECE_CHARACTERS
            pieces.append(piece[:cut])
            piece = piece[cut:]
    if piece:
        pieces.append(piece)
    return pieces if text.strip() else []


def _paragraphs(text: str) -> Iterator[str]:
    """Runs of lines, each with the blank lines behind it; the first with those before it too."""
    paragraph, has_words, is_ended = "", False, False
    for line in text.splitlines(keepends=True):
        is_blank = not line.strip()
        if is_ended and not is_blank:
            yield paragraph
            paragraph, has_words = "", False
        has_words = has_words or not is_blank
        is_ended = has_words and is_blank
        paragraph += line
    if paragraph:
        yield paragraph
