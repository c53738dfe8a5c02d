r"""Token shards in the form that Megatron's engines map into memory: ``.bin`` and ``.idx``.

The ``.bin`` is all documents' tokens, one after another. The ``.idx`` says where each begins, as
``IndexedDataset`` of megatron-core reads it (little endian):

    9 bytes  "MMIDIDX\x00\x00"
    uint64   1, the version
    uint8    code of the tokens' type: 8 uint16, 4 int32
    uint64   S, sequences
    uint64   D + 1, entries of the documents' borders
    int32    tokens of each sequence, S times
    int64    where each sequence begins in the .bin, in bytes, S times
    int64    number of the first sequence of each document, and S behind the last

Here a document is one sequence.
"""

import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from medtune.digests import atomic_writer
from medtune.errors import VerificationError

MAGIC = b"MMIDIDX\x00\x00"
VERSION = 1
TYPES: dict[int, Any] = {8: np.dtype("<u2"), 4: np.dtype("<i4")}
"""Code in the file -> type of a token."""
LARGEST_IN_UINT16 = 65499
"""Of larger vocabularies Megatron expects int32."""
_HEAD = struct.Struct("<9sQBQQ")

Tokens = NDArray[Any]
"""Token ids of a document, of shape (n,), in the shard's type."""


def token_type(vocabulary: int) -> Any:  # noqa: ANN401 - a numpy dtype
    """The narrowest type that a vocabulary of this size is stored in."""
    return TYPES[8] if vocabulary <= LARGEST_IN_UINT16 else TYPES[4]


class ShardWriter:
    """Takes documents; made by :func:`write_shard`."""

    def __init__(self, file: IO[bytes], dtype: Any) -> None:  # noqa: ANN401
        self._file = file
        self._dtype = dtype
        self.lengths: list[int] = []
        """Tokens of each document."""

    def add(self, tokens: Tokens) -> None:
        """Append one document.

        Raises:
            ValueError: It has no tokens: no reader can tell it from the next one.
        """
        if not len(tokens):
            raise ValueError("a document without tokens")
        self._file.write(tokens.astype(self._dtype, copy=False).tobytes())
        self.lengths.append(len(tokens))


@contextmanager
def write_shard(prefix: Path, dtype: Any) -> Iterator[ShardWriter]:  # noqa: ANN401
    """Write ``prefix.bin`` and ``prefix.idx``; each appears when it is whole, the ``.idx`` last.

    Args:
        prefix: Path without ending.
        dtype: As of :func:`token_type`.
    """
    with ExitStack() as stack:
        index = stack.enter_context(atomic_writer(_with(prefix, "idx")))
        writer = ShardWriter(stack.enter_context(atomic_writer(_with(prefix, "bin"))), dtype)
        yield writer
        index.write(_index(writer.lengths, dtype))


def _with(prefix: Path, ending: str) -> Path:
    return prefix.with_name(f"{prefix.name}.{ending}")


def _index(lengths: list[int], dtype: Any) -> bytes:  # noqa: ANN401
    code = next(code for code, kind in TYPES.items() if kind == dtype)
    sizes = np.array(lengths, dtype="<i4")
    starts = np.zeros(len(lengths), dtype="<i8")
    np.cumsum(sizes[:-1], out=starts[1:], dtype="<i8")
    borders = np.arange(len(lengths) + 1, dtype="<i8")
    head = _HEAD.pack(MAGIC, VERSION, code, len(lengths), len(lengths) + 1)
    places = starts * np.int64(dtype.itemsize)
    return b"".join((head, sizes.tobytes(), places.tobytes(), borders.tobytes()))


class Shard:
    """A shard of documents, mapped into memory.

    Args:
        prefix: Path without ending.

    Raises:
        VerificationError: The two files do not belong together, or are not of this form.
    """

    def __init__(self, prefix: Path) -> None:
        index = _with(prefix, "idx").read_bytes()
        size = _with(prefix, "bin").stat().st_size
        try:
            magic, version, code, count, borders = _HEAD.unpack_from(index)
            dtype = TYPES[code]
            whole = len(index) == _HEAD.size + count * 12 + borders * 8
        except (struct.error, KeyError):
            magic, version, code, count, whole, dtype = b"", 0, 0, 0, False, TYPES[4]
        if magic != MAGIC or version != VERSION or not whole:
            raise VerificationError(f"{prefix}.idx is no index of token shards, or is cut short")
        self.lengths: NDArray[np.int32] = np.frombuffer(index, "<i4", count, _HEAD.size)
        """Tokens of each document."""
        self._starts = np.concatenate(([0], np.cumsum(self.lengths, dtype=np.int64)))
        if int(self._starts[-1]) * dtype.itemsize != size:
            raise VerificationError(
                f"{prefix}.bin has {size:,} bytes and its index {self._starts[-1]:,} tokens of "
                f"{dtype.itemsize} bytes: build the corpus again"
            )
        # An empty file cannot be mapped.
        self._tokens = (
            np.memmap(_with(prefix, "bin"), dtype=dtype, mode="r") if size else np.empty(0, dtype)
        )

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, number: int) -> Tokens:
        """Tokens of a document, borders included."""
        return self._tokens[self._starts[number] : self._starts[number + 1]]

    @property
    def num_tokens(self) -> int:
        """Tokens of all documents."""
        return int(self._starts[-1])
