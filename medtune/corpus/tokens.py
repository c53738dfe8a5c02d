"""Texts as tokens, between the tokens that a document begins and ends with.

Only the ``tokenizers`` package is needed here: ``base_tokenizer`` wrote the base's tokenizer into
the corpus, as ``tokenizer.json`` and ``borders.json``.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medtune.corpus.megatron import Tokens, token_type

FILE = "tokenizer.json"
BORDERS = "borders.json"


@dataclass(frozen=True, slots=True)
class Borders:
    """What stands around each document."""

    bos: int | None
    """Id of the base's first token; None where it has none, or where it is its last token too."""
    eos: int
    vocabulary: int
    """Ids that the tokenizer knows, added tokens included."""
    sha256: str
    """Of tokenizer.json."""


class Encoder:
    """Turns texts into tokens with their borders.

    Args:
        folder: What :func:`medtune.corpus.base_tokenizer.write_tokenizer` wrote.
    """

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        self.borders = Borders(**json.loads((folder / BORDERS).read_text(encoding="utf-8")))
        self.dtype = token_type(self.borders.vocabulary)
        self._tokenizer = Tokenizer.from_file(str(folder / FILE))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        # A document that says "</s>" or "<|im_end|>" says it in letters, and does not end.
        self._tokenizer.encode_special_tokens = True

    def encode(self, batches: Iterable[Sequence[str]]) -> Iterator[list[Tokens]]:
        """Tokens of each text of each batch, between the borders.

        A batch is tokenised while the one before it is being used: the tokenizer works outside
        Python's lock, on all cores that it is given.
        """
        with ThreadPoolExecutor(1) as ahead:
            waiting: Future[list[Any]] | None = None
            for texts in batches:
                following = ahead.submit(
                    self._tokenizer.encode_batch_fast, texts, add_special_tokens=False
                )
                if waiting is not None:
                    yield [self._bordered(encoding.ids) for encoding in waiting.result()]
                waiting = following
            if waiting is not None:
                yield [self._bordered(encoding.ids) for encoding in waiting.result()]

    def _bordered(self, ids: list[int]) -> Tokens:
        first = 0 if self.borders.bos is None else 1
        tokens = np.empty(first + len(ids) + 1, dtype=self.dtype)
        tokens[:first] = self.borders.bos or 0
        tokens[first:-1] = ids
        tokens[-1] = self.borders.eos
        return tokens

    def decode(self, tokens: Tokens) -> str:
        """The text of tokens, borders left out."""
        text: str = self._tokenizer.decode(tokens.tolist(), skip_special_tokens=True)
        return text
