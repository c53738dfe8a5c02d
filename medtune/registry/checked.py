"""Bytes that are checked against their digest before the last of them is handed on."""

import hashlib
from typing import IO

from medtune.digests import sha256_bytes
from medtune.errors import VerificationError

PIECE = 1 << 20


class CheckedReader:
    """A source of known size and digest, read by who sends it elsewhere.

    The last piece is only handed out once all bytes were found to be the promised ones, so that a
    transfer of other bytes fails before it is whole.
    """

    def __init__(self, source: IO[bytes], sha256: str, size: int, what: str) -> None:
        self._source = source
        self._sha256 = sha256
        self._left = size
        self._size = size
        self._what = what
        self._digest = hashlib.sha256()

    def __len__(self) -> int:
        """Bytes in all: HTTP clients announce them."""
        return self._size

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most this many; none at the end.

        Raises:
            VerificationError: The source has fewer, more or other bytes than were promised.
        """
        wanted = self._left if size is None or size < 0 else min(size, self._left)
        piece = self._source.read(wanted)
        self._digest.update(piece)
        self._left -= len(piece)
        if len(piece) < wanted or (self._left == 0 and self._is_other()):
            raise VerificationError(other_bytes(self._what, self._digest.hexdigest(), self._sha256))
        return piece

    def __iter__(self) -> "CheckedReader":
        return self

    def __next__(self) -> bytes:
        if piece := self.read(PIECE):
            return piece
        raise StopIteration

    def _is_other(self) -> bool:
        beyond = self._source.read(1)
        self._digest.update(beyond)
        return bool(beyond) or self._digest.hexdigest() != self._sha256


def check_bytes(data: bytes, sha256: str, what: str) -> None:
    """Refuse bytes that are not the promised ones.

    Raises:
        VerificationError: Their digest is another.
    """
    if (found := sha256_bytes(data)) != sha256:
        raise VerificationError(other_bytes(what, found, sha256))


def other_bytes(what: str, found: str, expected: str) -> str:
    """The message about bytes with another digest than expected."""
    return f"{what}: the bytes have digest {found[:16]}…, expected {expected[:16]}…"
