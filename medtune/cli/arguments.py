"""Arguments that several commands take, worded once."""

from pathlib import Path
from typing import Annotated

import typer

RecipeArgument = Annotated[
    Path, typer.Argument(metavar="RECIPE", help="A recipe file, or a run's recipe.lock.yaml.")
]
OverridesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY=VALUE]...",
        help="Overrides, such as train.max_steps=40 or base.model=smollm2-135m.",
    ),
]
PrivateOption = Annotated[
    bool,
    typer.Option(
        "--private",
        help="The adapter learned rows of patients: keep nothing that it writes. Its own run says "
        "so.",
    ),
]
OfflineOption = Annotated[bool, typer.Option("--offline", help="Reach for no network.")]
