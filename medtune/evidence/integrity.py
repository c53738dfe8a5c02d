"""What makes paired outcomes worthless, told from the figures of a run of probes."""

from collections.abc import Iterator

from medtune.records import Integrity

MAX_UPDATE = 1.0
"""Ratio of norms from which on an adapter replaces weights instead of adapting them."""
MIN_EFFECT = 1e-6
"""Nats by which an answer's log-likelihood has to differ somewhere: less is rounding."""


def faults_of(found: Integrity) -> Iterator[str]:
    """Every fault that the figures show, whatever ``faults`` says."""
    if found.base_digest_before != found.base_digest_after:
        yield "the base's weights in memory are not those that they were before the run"
    if found.effect < MIN_EFFECT:
        yield f"the adapter changes nothing: no text, and no log-likelihood by {MIN_EFFECT} nats"
    if found.update > MAX_UPDATE:
        yield (
            f"an update of the adapter is {found.update:.3g} times larger than the base's own "
            "weights: that is no training, or one that went out of hand"
        )
    for name, ids in (found.overlap or {}).items():
        yield f"{name}: the adapter's training rows hold {len(ids)} of its items"
