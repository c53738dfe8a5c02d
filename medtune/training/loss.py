"""The loss: summed over supervised tokens, so that the caller can divide by their global count.

A mean per forward pass would weigh a token by how many others happen to stand in its pass; the sum
does not, and 1 x 8 equals 8 x 1, packed or padded, in one process or in several.

The head runs on supervised positions only, and on a bounded number of them at a time: what is kept
for the backward pass is the gradient of the last hidden states, never the logits.
"""

from typing import Any

import torch
from peft import PeftModel
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from medtune.training.batches import Batch

MAX_LOGITS = 2**25
"""Logits in memory at once (0.125 GiB in float32, and their gradient)."""


def supervised_loss_sum(model: PeftModel, batch: Batch) -> torch.Tensor:
    """Sum of the negative log-likelihoods of the supervised tokens, in nats, float32 or wider."""
    base = model.get_base_model()
    hidden_BTE = base.base_model(
        input_ids=batch.input_ids_BT, use_cache=False, **batch.inputs
    ).last_hidden_state
    hidden_KE = hidden_BTE.flatten(0, 1)[batch.positions_K]
    chunk = max(1, MAX_LOGITS // base.get_output_embeddings().weight.shape[0])
    loss: torch.Tensor = _ChunkedLoss.apply(  # type: ignore[no-untyped-call]
        hidden_KE, batch.targets_K, base, chunk
    )
    return loss


class _ChunkedLoss(torch.autograd.Function):
    """Head and cross-entropy, ``chunk`` positions at a time; the head itself is frozen."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch's context
        hidden_KE: torch.Tensor,
        targets_K: torch.Tensor,
        base: PreTrainedModel,
        chunk: int,
    ) -> torch.Tensor:
        """Sum the losses and, where it is needed, note the gradient of the hidden states."""
        total = hidden_KE.new_zeros((), dtype=torch.promote_types(hidden_KE.dtype, torch.float32))
        gradient_KE = torch.empty_like(hidden_KE) if ctx.needs_input_grad[0] else None
        for start in range(0, len(targets_K), chunk):
            part = slice(start, start + chunk)
            with torch.set_grad_enabled(gradient_KE is not None):
                hidden_CE = hidden_KE[part].detach().requires_grad_(gradient_KE is not None)
                logits_CV = head_logits(base, hidden_CE).to(total.dtype)
                loss = cross_entropy(logits_CV, targets_K[part], reduction="sum")
            if gradient_KE is not None:
                (gradient_KE[part],) = torch.autograd.grad(loss, hidden_CE)
            total += loss.detach()
        ctx.save_for_backward(gradient_KE)
        return total

    @staticmethod
    def backward(
        ctx: Any,  # noqa: ANN401 - torch's context
        *gradients: torch.Tensor,
    ) -> tuple[torch.Tensor | None, ...]:
        """Scale the noted gradient."""
        (gradient_KE,) = ctx.saved_tensors
        # In the loss's precision first: a rounded 1/count would change the whole step's size.
        scaled_KE = (gradient_KE.to(gradients[0].dtype) * gradients[0]).to(gradient_KE.dtype)
        return scaled_KE, None, None, None


def head_logits(base: PreTrainedModel, hidden: torch.Tensor) -> torch.Tensor:
    """What a causal model makes of its last hidden states: (..., E) to (..., V).

    Some architectures do more than multiply: Gemma 2 caps logits, Cohere and Granite scale them.
    The start-up test compares with the model's own forward pass, so that one which does something
    else yet is refused and not trained wrongly.
    """
    config = base.config.get_text_config()
    logits: torch.Tensor = base.get_output_embeddings()(hidden)
    logits = logits * (getattr(config, "logit_scale", None) or 1)
    logits = logits / (getattr(config, "logits_scaling", None) or 1)
    cap = getattr(config, "final_logit_softcapping", None)
    return logits if cap is None else torch.tanh(logits / cap) * cap
