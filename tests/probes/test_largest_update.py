"""How far an adapter is from its base's weights, against the weights that PEFT merges."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers.pytorch_utils import Conv1D

from medtune.probes.integrity import largest_update


class Net(nn.Module):
    """Two layers of different layouts."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.turned = nn.Linear(6, 4), Conv1D(5, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.turned(self.wide(x))


@pytest.fixture(params=["wide", "turned"])
def layer(request: pytest.FixtureRequest) -> str:
    return request.param


def adapted(layer: str, *, use_dora: bool, magnitude: float = 1.0) -> nn.Module:
    torch.manual_seed(0)
    config = LoraConfig(
        r=2, target_modules=[layer], use_dora=use_dora, fan_in_fan_out=layer == "turned"
    )
    model = get_peft_model(Net(), config)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if "lora_B" in name:
                tensor.normal_()
            if "magnitude" in name:
                tensor.mul_(magnitude)
    return model


@pytest.mark.parametrize("use_dora", [False, True])
def test_the_update_is_how_far_the_merged_weight_is_from_the_base(layer: str, use_dora: bool):
    model = adapted(layer, use_dora=use_dora, magnitude=3.0)
    found = largest_update(model)
    before = model.get_submodule(f"base_model.model.{layer}").get_base_layer().weight.clone()
    merged = model.merge_and_unload().get_submodule(layer).weight
    expected = (merged - before).norm() / before.norm()
    assert found == pytest.approx(float(expected), rel=1e-4)


def test_magnitudes_alone_can_replace_a_base(layer: str):
    model = adapted(layer, use_dora=True, magnitude=100.0)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if "lora_B" in name:
                tensor.zero_()
    assert largest_update(model) == pytest.approx(99.0, rel=1e-4)
