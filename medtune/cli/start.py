"""How every command that reads rows begins."""

import os
from importlib import import_module
from pathlib import Path

from medtune.errors import MedtuneError
from medtune.recipe import Overrides, Recipe, load, require_paths


def start(recipe: Path, overrides: Overrides | None, *, offline: bool) -> Recipe:
    """Load and check the recipe, and see that what reads rows is installed.

    Raises:
        MedtuneError: The recipe has a fault, a folder is missing, or the train extra is.
    """
    # Checked before torch is imported: a misspelt key or a missing folder is answered at once.
    checked = load(recipe, overrides or [])
    require_paths(checked)
    require_training_extra(offline=offline)
    return checked


def require_training_extra(*, offline: bool) -> None:
    """See that what reads rows and asks models is installed; then it is loaded.

    Raises:
        MedtuneError: The train extra is missing.
    """
    if offline:
        os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
    try:
        import_module("medtune.inputs")
    except ModuleNotFoundError as error:
        raise MedtuneError(
            f"this needs {error.name}, which is not installed; "
            'install medtune with its train extra: pip install "medtune[train]"'
        ) from error
