"""What all sections of a recipe share: closed to unknown keys, frozen, with documented fields."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]

NO_EFFECT: dict[str, Any] = {"affects_result": False}
"""Marks a field that cannot change the weights or the scores; only the others count as drift."""

PATH: dict[str, Any] = {"path": True, "affects_result": False}
"""Marks a field that names a file or folder. What lies there is pinned by digest in the lock."""


class Section(BaseModel):
    """A part of a recipe: a misspelt key is an error, and a value never changes."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )
