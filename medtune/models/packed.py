"""Attention over packed documents: each token sees the earlier tokens of its own document alone.

Documents stand one after another in one row, so that no layer computes padding; only inside
attention are they laid side by side again, where a dense mask over the whole row would cost its
length squared. The layout reaches the attention function through transformers' own ways: a
registered attention function, and keyword arguments that its models hand down.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AttentionInterface, PreTrainedModel

from medtune.errors import BaseError

NAME = "medtune_packed"
MAX_PLAIN_TOKENS = 256
"""Documents up to here are attended by plain matrix products on a CPU: the fused kernel's backward
pass is several times slower there on short rows. Longer ones would need too much memory so."""


@dataclass(frozen=True, slots=True)
class _Group:
    """Documents of similar length that are attended together. D documents, the longest of L."""

    count: int
    longest: int
    places_T: torch.Tensor
    """For each token its row in the (D * L) rows of a padded batch."""

    @classmethod
    def of(cls, lengths: Sequence[int], device: torch.device) -> "_Group":
        longest = max(lengths)
        places = [torch.arange(n) + number * longest for number, n in enumerate(lengths)]
        return cls(len(lengths), longest, torch.cat(places).to(device))


@dataclass(frozen=True, slots=True)
class Documents:
    """Where the documents of a packed row lie, one after another."""

    lengths: tuple[int, ...]
    groups: tuple[_Group, ...]
    device: torch.device

    @classmethod
    def of(cls, lengths: Sequence[int], device: torch.device) -> "Documents":
        """The layout of documents of these lengths.

        Within a group the longest is at most twice as long as the shortest, so that less than half
        of what is attended is padding.
        """
        groups: list[list[int]] = []
        for length in lengths:
            if groups and max(length, *groups[-1]) <= 2 * min(length, *groups[-1]):
                groups[-1].append(length)
            else:
                groups.append([length])
        return cls(tuple(lengths), tuple(_Group.of(group, device) for group in groups), device)

    @property
    def tokens_of_groups(self) -> list[int]:
        """How many tokens stand in each group."""
        return [len(group.places_T) for group in self.groups]

    def inputs(self) -> dict[str, Any]:
        """Arguments for a model's forward pass: positions that begin anew with each document."""
        positions = torch.cat([torch.arange(n) for n in self.lengths]).to(self.device)
        ends = torch.tensor((0, *self.lengths), device=self.device).cumsum(0, dtype=torch.int32)
        return {
            "position_ids": positions[None],
            "documents": self,
            # What transformers' flash attention reads.
            "cu_seq_lens_q": ends,
            "cu_seq_lens_k": ends,
            "max_length_q": max(self.lengths),
            "max_length_k": max(self.lengths),
        }


class _Pad(torch.autograd.Function):
    """Rows (T, F) to their places among (N, F) rows, zeros elsewhere; places never repeat."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch's context
        rows_TF: torch.Tensor,
        places_T: torch.Tensor,
        count: int,
    ) -> torch.Tensor:
        ctx.save_for_backward(places_T)
        return rows_TF.new_zeros(count, rows_TF.shape[1]).index_copy_(0, places_T, rows_TF)

    @staticmethod
    def backward(
        ctx: Any,  # noqa: ANN401 - torch's context
        *gradients: torch.Tensor,
    ) -> tuple[torch.Tensor | None, ...]:
        return gradients[0].index_select(0, ctx.saved_tensors[0]), None, None


class _Unpad(torch.autograd.Function):
    """The inverse of _Pad: the rows (T, F) at their places among (N, F) rows."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch's context
        rows_NF: torch.Tensor,
        places_T: torch.Tensor,
    ) -> torch.Tensor:
        ctx.save_for_backward(places_T)
        ctx.count = rows_NF.shape[0]
        return rows_NF.index_select(0, places_T)

    @staticmethod
    def backward(
        ctx: Any,  # noqa: ANN401 - torch's context
        *gradients: torch.Tensor,
    ) -> tuple[torch.Tensor | None, ...]:
        (places_T,) = ctx.saved_tensors
        padded = gradients[0].new_zeros(ctx.count, gradients[0].shape[1])
        return padded.index_copy_(0, places_T, gradients[0]), None


def packed_attention(
    module: torch.nn.Module,
    query_1HTE: torch.Tensor,
    key_1GTE: torch.Tensor,
    value_1GTE: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    documents: Documents | None = None,
    scaling: float,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    **others: Any,  # noqa: ANN401 - what models hand to every attention function
) -> tuple[torch.Tensor, None]:
    """Causal attention within each document of a packed row, as transformers calls it.

    H query heads, G key heads, T tokens, E features of a head.

    Returns:
        The attended values, (1, T, H, E), and no weights.

    Raises:
        BaseError: The architecture does not say where documents end, or attends in its own way.
    """
    if documents is None:
        raise BaseError(
            "this base's architecture does not hand on where packed documents end; set "
            "train.packing: false"
        )
    if attention_mask is not None or others.get("softcap") or others.get("s_aux") is not None:
        raise BaseError(
            "this base's attention has a mask, soft cap or sinks of its own, which packing does "
            "not know; set train.packing: false"
        )
    sizes = documents.tokens_of_groups
    split = (torch.split(rows, sizes, dim=2) for rows in (query_1HTE, key_1GTE, value_1GTE))
    parts = zip(documents.groups, *split, strict=True)
    attended = [
        _attend(group, query, key, value, scaling, dropout, sliding_window)
        for group, query, key, value in parts
    ]
    return torch.cat(attended)[None] if len(attended) > 1 else attended[0][None], None


def _attend(
    group: _Group,
    query_1HTE: torch.Tensor,
    key_1GTE: torch.Tensor,
    value_1GTE: torch.Tensor,
    scaling: float,
    dropout: float,
    sliding_window: int | None,
) -> torch.Tensor:
    """Attend one group as a padded batch. Returns (T, H, E)."""
    count, longest = group.count, group.longest

    def pad(rows_1HTE: torch.Tensor) -> torch.Tensor:
        _, heads, tokens, size = rows_1HTE.shape
        rows_TF = rows_1HTE[0].transpose(0, 1).reshape(tokens, heads * size)
        padded: torch.Tensor = _Pad.apply(  # type: ignore[no-untyped-call]
            rows_TF, group.places_T, count * longest
        )
        return padded.view(count, longest, heads, size).transpose(1, 2)

    window = sliding_window if sliding_window is not None and sliding_window < longest else None
    is_short = query_1HTE.device.type == "cpu" and longest <= MAX_PLAIN_TOKENS and not dropout
    attended_DHLE = (_plain if is_short else _fused)(
        pad(query_1HTE), pad(key_1GTE), pad(value_1GTE), scaling, dropout, window
    )
    heads, size = attended_DHLE.shape[1], attended_DHLE.shape[3]
    rows_NF = attended_DHLE.transpose(1, 2).reshape(count * longest, heads * size)
    rows_TF: torch.Tensor = _Unpad.apply(rows_NF, group.places_T)  # type: ignore[no-untyped-call]
    return rows_TF.view(-1, heads, size)


def _plain(
    query_DHLE: torch.Tensor,
    key_DGLE: torch.Tensor,
    value_DGLE: torch.Tensor,
    scaling: float,
    dropout: float,
    window: int | None,
) -> torch.Tensor:
    """Scores, softmax in float32 or wider, weighted values: three matrix products."""
    count, heads, longest, size = query_DHLE.shape
    groups = key_DGLE.shape[1]
    shared = heads // groups
    # The query heads of one key head are more rows of one product; keys are not repeated.
    query = (query_DHLE * scaling).reshape(count, groups, shared * longest, size)
    scores = (query @ key_DGLE.transpose(2, 3)).view(count, groups, shared, longest, longest)
    # Padding stands behind a document's tokens, so that the causal mask hides it from them.
    hidden_LL = ~_visible(longest, window, query.device)
    wide = torch.promote_types(scores.dtype, torch.float32)
    bias_LL = torch.zeros(longest, longest, device=query.device).masked_fill(hidden_LL, -torch.inf)
    weights = (scores.to(wide) + bias_LL).softmax(-1).to(value_DGLE.dtype)
    attended = weights.view(count, groups, shared * longest, longest) @ value_DGLE
    return attended.view(count, heads, longest, size)


def _fused(
    query_DHLE: torch.Tensor,
    key_DGLE: torch.Tensor,
    value_DGLE: torch.Tensor,
    scaling: float,
    dropout: float,
    window: int | None,
) -> torch.Tensor:
    """The fused kernels of torch; with a window they need the mask written out."""
    longest = query_DHLE.shape[2]
    mask = None if window is None else _visible(longest, window, query_DHLE.device)
    return torch.nn.functional.scaled_dot_product_attention(
        query_DHLE,
        key_DGLE,
        value_DGLE,
        attn_mask=mask,
        is_causal=mask is None,
        dropout_p=dropout,
        scale=scaling,
        enable_gqa=query_DHLE.shape[1] != key_DGLE.shape[1],
    )


def _visible(longest: int, window: int | None, device: torch.device) -> torch.Tensor:
    """(L, L), true where the row's token may see the column's."""
    seen = torch.ones(longest, longest, dtype=torch.bool, device=device).tril()
    return seen if window is None else seen.triu(1 - window)


@contextmanager
def packed_documents(model: PreTrainedModel) -> Iterator[None]:
    """Let the model attend within documents; flash attention already can, from the same inputs."""
    before = model.config._attn_implementation
    if before != "flash_attention_2":
        model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


AttentionInterface.register(NAME, packed_attention)
