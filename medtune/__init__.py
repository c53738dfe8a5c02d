"""medtune adapts medical language models and keeps the adaptation honest.

    import medtune

    run = medtune.train("recipes/quickstart.yaml", {"train.max_steps": 40})
    print(run.scores.comparisons[0].difference, run.adapter)

Names are loaded when they are first used, so that ``import medtune`` costs nothing.
"""

import logging
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medtune.errors import MedtuneError
    from medtune.evaluating import Evaluated, evaluate
    from medtune.gate.run import Gated, decide, replay
    from medtune.inputs import Inputs, gather, load_base, preprocess
    from medtune.merging import Merged, check_parity, merge
    from medtune.metric_modules import load_metric
    from medtune.models import attach, load_adapter
    from medtune.parity import Parity
    from medtune.pipeline import Run, train
    from medtune.probing import Probed, probe
    from medtune.pushing import push
    from medtune.recipe import Recipe
    from medtune.recipe import load as load_recipe
    from medtune.registry.promote import promote, revoke, rollback
    from medtune.registry.pull import pull
    from medtune.registry.registry import Registry, open_registry
    from medtune.registry.verify import verify
    from medtune.rehearsing import Rehearsal, rehearse
    from medtune.seeds import SeedRuns
    from medtune.served import evaluate_served

# Where bitsandbytes falls back to its own CPU kernel it logs a failure when it is imported, and
# peft imports it: this has to stand before any of them.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)

__version__ = "0.1.0"
__all__ = [
    "Evaluated",
    "Gated",
    "Inputs",
    "MedtuneError",
    "Merged",
    "Parity",
    "Probed",
    "Recipe",
    "Registry",
    "Rehearsal",
    "Run",
    "SeedRuns",
    "attach",
    "check_parity",
    "decide",
    "evaluate",
    "evaluate_served",
    "gather",
    "load_adapter",
    "load_base",
    "load_metric",
    "load_recipe",
    "merge",
    "open_registry",
    "preprocess",
    "probe",
    "promote",
    "pull",
    "push",
    "rehearse",
    "replay",
    "revoke",
    "rollback",
    "train",
    "verify",
]

_HOMES = {
    "Evaluated": "evaluating",
    "Gated": "gate.run",
    "Inputs": "inputs",
    "MedtuneError": "errors",
    "Merged": "merging",
    "Parity": "parity",
    "Probed": "probing",
    "Recipe": "recipe",
    "Registry": "registry.registry",
    "Rehearsal": "rehearsing",
    "Run": "pipeline",
    "SeedRuns": "seeds",
    "attach": "models",
    "check_parity": "merging",
    "decide": "gate.run",
    "evaluate": "evaluating",
    "evaluate_served": "served",
    "gather": "inputs",
    "load_adapter": "models",
    "load_base": "inputs",
    "load_metric": "metric_modules",
    "load_recipe": "recipe",
    "merge": "merging",
    "open_registry": "registry.registry",
    "preprocess": "inputs",
    "probe": "probing",
    "promote": "registry.promote",
    "pull": "registry.pull",
    "push": "pushing",
    "rehearse": "rehearsing",
    "replay": "gate.run",
    "revoke": "registry.promote",
    "rollback": "registry.promote",
    "train": "pipeline",
    "verify": "registry.verify",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'medtune' has no attribute {name!r}")
    home = import_module(f"medtune.{_HOMES[name]}")
    return getattr(home, "load" if name == "load_recipe" else name)
