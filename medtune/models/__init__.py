"""Bases and adapters: found, verified, loaded, attached, exported."""

from medtune.models.adapter import (
    adapter_digest,
    adapter_state,
    attach,
    export,
    load_adapter,
    read_manifest,
    require_effect,
    set_adapter_state,
    state_digest,
)
from medtune.models.catalogue import CATALOGUE
from medtune.models.loading import FrozenBase, load_model, load_tokenizer, read_tokenizer
from medtune.models.locate import LocatedBase, locate_base
from medtune.models.packed import Documents, packed_documents

__all__ = [
    "CATALOGUE",
    "Documents",
    "FrozenBase",
    "LocatedBase",
    "adapter_digest",
    "adapter_state",
    "attach",
    "export",
    "load_adapter",
    "load_model",
    "load_tokenizer",
    "locate_base",
    "packed_documents",
    "read_manifest",
    "read_tokenizer",
    "require_effect",
    "set_adapter_state",
    "state_digest",
]
