"""LoRA layers whose update runs in the base's precision, without copies of the activations.

PEFT casts each layer's input to the adapter's float32, multiplies there, and casts back: three
copies of every activation, and float32 products that a bfloat16 base then rounds anyway. Here the
two small matrices are cast instead. Weights, gradients and optimiser stay float32; on a float32
base nothing is cast at all.

The layers subclass PEFT's, hold PEFT's parameters under PEFT's names, and are put in through
PEFT's own mapping of layer types, so files, merging, disabling and loading are PEFT's.
"""

from typing import Any

import torch
from bitsandbytes.nn import Linear4bit, Linear8bitLt
from peft import LoraConfig
from peft.tuners.lora import Linear as PeftLinear
from peft.tuners.lora.bnb import Linear4bit as PeftLinear4bit
from peft.tuners.lora.bnb import Linear8bitLt as PeftLinear8bitLt


class LoraUpdate(torch.autograd.Function):
    """``y + scale * x A^T B^T``, computed in y's precision: for any base layer.

    Shapes: x (..., D), y (..., O), A (R, D), B (O, R). Kept for the backward pass: x and x A^T.
    """

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch's context
        y: torch.Tensor,
        x: torch.Tensor,
        a_RD: torch.Tensor,
        b_OR: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:
        """Add the update to the base layer's output."""
        x_ND = x.reshape(-1, x.shape[-1]).to(y.dtype)
        inner_NR = x_ND @ a_RD.to(y.dtype).T
        ctx.save_for_backward(x_ND, inner_NR, a_RD, b_OR)
        ctx.scale, ctx.shape, ctx.dtype = scale, x.shape, x.dtype
        y_NO = y.reshape(-1, y.shape[-1])
        return torch.addmm(y_NO, inner_NR, b_OR.to(y.dtype).T, alpha=scale).view(y.shape)

    @staticmethod
    def backward(
        ctx: Any,  # noqa: ANN401 - torch's context
        *gradients: torch.Tensor,
    ) -> tuple[torch.Tensor | None, ...]:
        """Gradients of y, x, A and B; those of A and B in their own precision."""
        x_ND, inner_NR, a_RD, b_OR = ctx.saved_tensors
        dy_NO = gradients[0].reshape(-1, gradients[0].shape[-1])
        dinner_NR, da_RD, db_OR = _update_gradients(dy_NO, x_ND, inner_NR, a_RD, b_OR, ctx.scale)
        dx = None
        if ctx.needs_input_grad[1]:
            dx = (dinner_NR @ a_RD.to(dy_NO.dtype)).view(ctx.shape).to(ctx.dtype)
        return gradients[0], dx, da_RD, db_OR, None


class LoraDense(torch.autograd.Function):
    """``x W^T + bias + scale * x A^T B^T`` with a frozen W: a dense layer and its update in one.

    The same products as a dense layer with LoraUpdate, without a second copy of the output and of
    x's gradient: a tenth of a step on a CPU. Shapes: W (O, D), the others as there.
    """

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch's context
        x: torch.Tensor,
        w_OD: torch.Tensor,
        bias_O: torch.Tensor | None,
        a_RD: torch.Tensor,
        b_OR: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:
        """The layer's output, updated."""
        x_ND = x.reshape(-1, x.shape[-1])
        inner_NR = x_ND @ a_RD.to(x.dtype).T
        ctx.save_for_backward(x_ND, inner_NR, w_OD, a_RD, b_OR)
        ctx.scale, ctx.shape = scale, x.shape
        y_NO = torch.nn.functional.linear(x_ND, w_OD, bias_O)
        y_NO.addmm_(inner_NR, b_OR.to(x.dtype).T, alpha=scale)
        return y_NO.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(
        ctx: Any,  # noqa: ANN401 - torch's context
        *gradients: torch.Tensor,
    ) -> tuple[torch.Tensor | None, ...]:
        """Gradients of x, A and B."""
        x_ND, inner_NR, w_OD, a_RD, b_OR = ctx.saved_tensors
        dy_NO = gradients[0].reshape(-1, gradients[0].shape[-1])
        dinner_NR, da_RD, db_OR = _update_gradients(dy_NO, x_ND, inner_NR, a_RD, b_OR, ctx.scale)
        dx = None
        if ctx.needs_input_grad[0]:
            dx_ND = dy_NO @ w_OD
            dx = dx_ND.addmm_(dinner_NR, a_RD.to(dy_NO.dtype)).view(ctx.shape)
        return dx, None, None, da_RD, db_OR, None


def _update_gradients(
    dy_NO: torch.Tensor,
    x_ND: torch.Tensor,
    inner_NR: torch.Tensor,
    a_RD: torch.Tensor,
    b_OR: torch.Tensor,
    scale: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Gradients of x A^T (N, R), A and B."""
    dinner_NR = (dy_NO @ b_OR.to(dy_NO.dtype)) * scale
    da_RD = (dinner_NR.T @ x_ND).to(a_RD.dtype)
    # (R, O) and then transposed: two to three times as fast on CPUs as (O, R) at once.
    db_OR = ((inner_NR * scale).T @ dy_NO).T.to(b_OR.dtype)
    return dinner_NR, da_RD, db_OR


class _Fast:
    """Mixed into PEFT's layers: ours where one plain LoRA is active, PEFT's way elsewhere."""

    def forward(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:  # noqa: ANN401
        """The base layer's output plus the update. Shapes: x (..., D), result (..., O)."""
        layer: Any = self
        name = _plain_adapter(layer)
        if name is None or layer.disable_adapters or layer.merged or args or kwargs:
            result: torch.Tensor = super().forward(x, *args, **kwargs)  # type: ignore[misc]
            return result
        base = layer.base_layer
        a, b, scale = layer.lora_A[name].weight, layer.lora_B[name].weight, layer.scaling[name]
        dropped = layer.lora_dropout[name](x)
        is_dense = type(base) is torch.nn.Linear and base.weight.dtype == x.dtype
        updated: torch.Tensor
        if is_dense and dropped is x and not base.weight.requires_grad:
            updated = LoraDense.apply(  # type: ignore[no-untyped-call]
                x, base.weight, base.bias, a, b, scale
            )
        else:
            updated = LoraUpdate.apply(base(x), dropped, a, b, scale)  # type: ignore[no-untyped-call]
        return updated


def _plain_adapter(layer: Any) -> str | None:  # noqa: ANN401 - any of PEFT's layers
    """The one active adapter, where it is LoRA without a variant (DoRA, ...) and without bias."""
    active = layer.active_adapters
    if len(active) != 1 or active[0] not in layer.lora_A or active[0] in layer.lora_variant:
        return None
    return None if layer.lora_bias[active[0]] else str(active[0])


class FastLinear(_Fast, PeftLinear):  # type: ignore[misc]
    """LoRA on a dense layer."""


class FastLinear4bit(_Fast, PeftLinear4bit):  # type: ignore[misc]
    """LoRA on a layer that is stored in 4 bits."""


class FastLinear8bit(_Fast, PeftLinear8bitLt):  # type: ignore[misc]
    """LoRA on a layer that is stored in 8 bits."""


def use_fast_layers(config: LoraConfig) -> None:
    """Let PEFT build these layers instead of its own.

    The mapping is PEFT's documented way to bring one's own LoRA layers ("Custom models", dynamic
    dispatch). bitsandbytes' layers are dense layers by inheritance, so they come first.
    """
    config._register_custom_module(
        {
            Linear4bit: FastLinear4bit,
            Linear8bitLt: FastLinear8bit,
            torch.nn.Linear: FastLinear,
        }
    )
