"""The loss: summed over supervised tokens, so that the caller can divide by their global count.

A mean per micro-batch would weigh a token by how many others happen to stand in its micro-batch;
the sum does not, and 1 x 8 equals 8 x 1.
"""

import torch
from torch.nn.functional import cross_entropy

from medtune.training.batches import IGNORED, Batch


def supervised_loss_sum(model: torch.nn.Module, batch: Batch) -> torch.Tensor:
    """Sum of the negative log-likelihoods of the supervised tokens, in nats, float32.

    The head runs only at positions that predict a supervised token of some row (``logits_to_keep``
    of transformers' causal models): prompts cost no logits.
    """
    targets_BT = batch.labels_BT[:, 1:]
    kept_K = (targets_BT != IGNORED).any(dim=0).nonzero().squeeze(-1)
    logits_BKV = model(
        input_ids=batch.input_ids_BT,
        attention_mask=batch.attention_mask_BT,
        logits_to_keep=kept_K,
        use_cache=False,
    ).logits
    return cross_entropy(
        logits_BKV.float().flatten(0, 1),
        targets_BT[:, kept_K].flatten(),
        ignore_index=IGNORED,
        reduction="sum",
    )
