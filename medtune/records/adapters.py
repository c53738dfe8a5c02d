"""What an adapter's folder says about the adapter."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterManifest:
    """``medtune.json`` in an adapter folder: what the adapter needs to mean what it meant."""

    schema_version: int
    base: str
    """Hub id, catalogue alias or folder name of the base; never a path of a machine."""
    base_revision: str | None
    """Commit on the hub, where the base came from there."""
    base_digest: str
    template: str
    template_digest: str
    tokenizer_digest: str
    stop_token: str
    stop_token_id: int
    pad_token_id: int
    quantization: str
    """How the base was stored while the adapter was trained."""
    step: int
    """Optimiser step whose weights were exported."""
    init: str = "default"
    """Where training started, as the recipe names it. A loftq adapter is for the nf4 base only."""
