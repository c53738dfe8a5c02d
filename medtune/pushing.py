"""A run into a registry: the base is found as for any other command, then all is checked by it."""

from pathlib import Path

from medtune import models
from medtune.errors import RecipeError
from medtune.recipe import lock
from medtune.records import Silent
from medtune.registry.push import BaseFiles, Pushed
from medtune.registry.push import push as push_files
from medtune.registry.registry import Registry
from medtune.registry.weights import base_shapes
from medtune.subject import name_or_place


def push(
    registry: Registry,
    run: Path | str,
    *,
    name: str | None = None,
    version: str | None = None,
    key: Path | None = None,
    gate_key: Path | None = None,
    base: str | None = None,
    offline: bool = False,
) -> Pushed:
    """Put a run's adapter and evidence into a registry.

    Args:
        registry: Where to.
        run: A finished run.
        name: Of the log; None: the run's.
        version: Label; None: the next of v1, v2, ….
        key: Private key that signs the version; None: it stays unsigned.
        gate_key: Private key that signs the run's decision of the gate.
        base: The base, where the run's lock does not tell where it is.
        offline: Reach for no network for the base.

    Raises:
        MedtuneError: See ``medtune.registry.push.push``; or the base cannot be found.
    """
    run = Path(run)
    recorded = lock.read(run / lock.FILE_NAME) if (run / lock.FILE_NAME).is_file() else None
    if recorded is None:
        raise RecipeError(f"{run} is no run: it has no {lock.FILE_NAME}")
    section = recorded.recipe.base
    if base is not None:
        section = section.model_copy(update={"model": name_or_place(base), "revision": None})
    located = models.locate_base(section, offline=offline, progress=Silent())
    return push_files(
        registry, run, BaseFiles(digest=located.digest, shapes=base_shapes(located.folder)),
        name=name, version=version, key=key, gate_key=gate_key,
    )  # fmt: skip
