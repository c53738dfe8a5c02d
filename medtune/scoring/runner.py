"""Runs batches of rows with what they share: headers and stems once, the head at chosen places."""

import copy
from collections.abc import Iterator, Sequence
from inspect import signature
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from medtune.errors import EvaluationError
from medtune.scoring.conditions import Positions
from medtune.scoring.sharing import Batch, Row

MAX_LOGITS = 2**27
"""Logits in memory at once (0.5 GiB in float32)."""

Found = list[list[tuple[float, bool]]]
"""For each row of a batch, for each of its targets: log-probability, and whether it is the
likeliest token."""


class Runner:
    """Runs batches with what they share.

    Args:
        model: In evaluation mode.
        positions: Of its head.
        pad_id: For padding.
        batch_size: Rows in one forward pass.
    """

    def __init__(
        self, model: torch.nn.Module, positions: Positions, pad_id: int, batch_size: int
    ) -> None:
        self._model = model
        self._positions = positions
        self._pad_id = pad_id
        self._batch_size = batch_size
        self._device = next(model.parameters()).device
        head: Any = model.get_output_embeddings()  # type: ignore[operator]
        self._vocabulary = int(head.weight.shape[0])
        layers = {type(layer) for layer in DynamicCache(config=model.config).layers}
        takes_positions = "position_ids" in signature(_innermost(model).forward).parameters
        self.shares_headers = layers <= {DynamicLayer, DynamicSlidingWindowLayer}
        # Behind a stem of padded rows, positions have to be told, and all keys have to be there.
        self.shares_stems = layers <= {DynamicLayer} and takes_positions
        self._header: tuple[tuple[int, ...], Any] = ((), None)

    def run(self, batch: Batch) -> Found:
        """Log-probability of every target of every row."""
        cache = self.header_cache(batch.header)
        starts = [len(batch.header)]
        if batch.stems:
            starts = [len(batch.header) + len(stem) for stem in batch.stems]
            whole = [len(batch.header)] * len(batch.stems)
            cache = self._forward(batch.stems, picked(cache, [0] * len(batch.stems)), whole, [])[1]
        found: list[list[tuple[float, bool]]] = []
        for piece in self._pieces(batch.rows):
            chosen = [stem for stem, _ in piece]
            past = picked(cache, chosen)
            places = [
                (number, position - starts[stem])
                for number, (stem, row) in enumerate(piece)
                for position, _ in row.targets
            ]
            rests = [batch.rest(stem, row) for stem, row in piece]
            logits_NV = self._forward(rests, past, [starts[stem] for stem in chosen], places)[0]
            found += self._values(logits_NV, [row for _, row in piece])
        return found

    def header_cache(self, header: tuple[int, ...]) -> Any:  # noqa: ANN401 - transformers' cache
        """Keys and values of a header, for one row; None of an empty one. The last is kept."""
        if not header:
            return None
        if header != self._header[0]:
            self._header = ((), None)  # its memory goes before the new one takes any
            self._header = (header, self._forward([header], None, [0], [])[1])
        return self._header[1]

    def predict_last(self) -> None:
        """Let transformers say where the head runs, as it does when it writes."""
        self._positions.all()

    def _pieces(self, rows: Sequence[tuple[int, Row]]) -> Iterator[list[tuple[int, Row]]]:
        piece: list[tuple[int, Row]] = []
        targets = 0
        for stem, row in rows:
            too_many = (targets + len(row.targets)) * self._vocabulary > MAX_LOGITS
            if piece and (len(piece) == self._batch_size or too_many):
                yield piece
                piece, targets = [], 0
            piece.append((stem, row))
            targets += len(row.targets)
        if piece:
            yield piece

    def _forward(
        self,
        rows: Sequence[tuple[int, ...]],
        past: Any,  # noqa: ANN401 - transformers' cache
        starts: Sequence[int],
        places: Sequence[tuple[int, int]],
    ) -> tuple[torch.Tensor, Any]:
        """Logits at places, and the cache. B rows, T tokens, P of them before, V vocabulary.

        ``starts``: tokens before each row; those of the longest stand in ``past``, padded behind.
        """
        before = 0 if past is None else past.get_seq_length()
        shape = (len(rows), max(map(len, rows)))
        ids_BT = torch.full(shape, self._pad_id, dtype=torch.long)
        mask_BT = torch.zeros((shape[0], before + shape[1]), dtype=torch.long)
        for number, (row, start) in enumerate(zip(rows, starts, strict=True)):
            ids_BT[number, : len(row)] = torch.tensor(row)
            mask_BT[number, :start] = 1
            mask_BT[number, before : before + len(row)] = 1
        options: dict[str, Any] = {}
        if past is not None and any(start != before for start in starts):
            places_BT = torch.tensor(starts)[:, None] + torch.arange(shape[1])
            options["position_ids"] = places_BT.to(self._device)
        if past is not None:
            options["past_key_values"] = past
        self._positions.only(places, self._device)
        output = self._model(
            input_ids=ids_BT.to(self._device),
            attention_mask=mask_BT.to(self._device),
            use_cache=past is not None or not places,
            **options,
        )
        return output.logits[0], output.past_key_values

    @staticmethod
    def _values(logits_NV: torch.Tensor, rows: Sequence[Row]) -> Found:
        tokens = [token for row in rows for _, token in row.targets]
        tokens_N = torch.tensor(tokens, device=logits_NV.device)
        logits_NV = logits_NV.float()
        chosen_N = logits_NV.gather(1, tokens_N[:, None])[:, 0] - logits_NV.logsumexp(-1)
        if chosen_N.isnan().any():
            raise EvaluationError(
                "the model gives logits that are no numbers: are its weights damaged, or does it "
                "need base.dtype: float32?"
            )
        values = iter(
            zip(chosen_N.tolist(), (logits_NV.argmax(-1) == tokens_N).tolist(), strict=True)
        )
        return [[next(values) for _ in row.targets] for row in rows]


def picked(cache: Any, rows: Sequence[int]) -> Any:  # noqa: ANN401 - transformers' cache
    """A cache of its own with some rows of another, whose tensors stay as they are."""
    if cache is None:
        return None
    found = copy.copy(cache)
    found.layers = [copy.copy(layer) for layer in cache.layers]
    found.batch_select_indices(torch.tensor(rows, device=_device_of(cache)))
    return found


def _device_of(cache: Any) -> torch.device:  # noqa: ANN401 - transformers' cache
    device: torch.device = cache.layers[0].device
    return device


def _innermost(model: torch.nn.Module) -> torch.nn.Module:
    inner = getattr(model, "get_base_model", None)
    return model if inner is None else inner()
