"""The recipe: what a run is, as frozen values. The only place that reads YAML."""

from medtune.recipe.data import Canaries, Columns, Data, Decontaminate, Limits, Rows, Source
from medtune.recipe.loader import Overrides, is_remote, json_schema, load, require_paths
from medtune.recipe.lock import Lock, Resolved
from medtune.recipe.sections import Adapter, Base, Evaluate, Probe, Recipe, Train

__all__ = [
    "Adapter",
    "Base",
    "Canaries",
    "Columns",
    "Data",
    "Decontaminate",
    "Evaluate",
    "Limits",
    "Lock",
    "Overrides",
    "Probe",
    "Recipe",
    "Resolved",
    "Rows",
    "Source",
    "Train",
    "is_remote",
    "json_schema",
    "load",
    "require_paths",
]
