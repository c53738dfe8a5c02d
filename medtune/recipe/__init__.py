"""The recipe: what a run is, as frozen values. The only place that reads YAML."""

from medtune.recipe.loader import Overrides, json_schema, load, require_paths
from medtune.recipe.lock import Lock, Resolved
from medtune.recipe.sections import Adapter, Base, Data, Evaluate, Recipe, Train

__all__ = [
    "Adapter",
    "Base",
    "Data",
    "Evaluate",
    "Lock",
    "Overrides",
    "Recipe",
    "Resolved",
    "Train",
    "json_schema",
    "load",
    "require_paths",
]
