"""``medtune merge`` and ``medtune parity``: an adapter as a model of its own, and whether it is."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from medtune.cli.arguments import OfflineOption
from medtune.cli.progress import make_progress
from medtune.cli.start import require_training_extra

if TYPE_CHECKING:
    from medtune.parity import Parity

AdapterArgument = Annotated[
    str,
    typer.Argument(metavar="ADAPTER", help="A run or adapter's folder, or registry:NAME:VERSION."),
]
BaseOption = Annotated[
    str | None, typer.Option(help="The adapter's base, where it cannot be found.")
]


def merge(
    adapter: AdapterArgument,
    out: Annotated[Path, typer.Option(help="The folder to make.")],
    dtype: Annotated[
        str, typer.Option(help="bfloat16, float16 or float32; never below 16 bits.")
    ] = "bfloat16",
    base: BaseOption = None,
    offline: OfflineOption = False,
) -> None:
    """Merge an adapter into its base's weights, and compare the two on prompts.

    Exit code 5: the merged model did not answer as the adapter on its base, and was not kept.
    """
    require_training_extra(offline=offline)
    from medtune import merging

    found = merging.merge(
        adapter, out, dtype=dtype, base=base, offline=offline, progress=make_progress()
    )
    console = Console(highlight=False, markup=False)
    _print_parity(console, found.parity)
    if found.parity_as_trained is not None:
        console.print(
            f"trained beside {found.trained_beside}: the adapter there and the merged model "
            f"differ by {found.parity_as_trained.mean_kl:.1e} nats on average; scores and probes "
            "of the adapter are not those of the merged model",
            soft_wrap=True,
        )
    console.print(f"weights digest {found.weights_digest}", soft_wrap=True)
    console.print(f"the merged model is in {found.path}", soft_wrap=True)


def parity(
    adapter: AdapterArgument,
    merged: Annotated[Path, typer.Argument(metavar="MERGED", help="A merged model's folder.")],
    base: BaseOption = None,
    offline: OfflineOption = False,
) -> None:
    """Compare a merged model with its adapter on its base.

    Exit code 5: it does not answer as the adapter does.
    """
    require_training_extra(offline=offline)
    from medtune import merging

    found = merging.check_parity(
        adapter, merged, base=base, offline=offline, progress=make_progress()
    )
    _print_parity(Console(highlight=False, markup=False), found)


def _print_parity(console: Console, found: "Parity") -> None:
    lines = [
        f"parity on {found.num_prompts} {found.prompts}, {found.num_positions} positions",
        f"KL(adapter || merged)  mean {found.mean_kl:.1e}, largest {found.max_kl:.1e} nats",
        f"KL(adapter || base)    mean {found.mean_effect:.1e} nats: the adapter's effect",
        f"rounding alone         mean {found.mean_rounding:.1e} nats",
        f"largest difference of a logit {found.max_logit_difference:.1e}",
    ]
    same = f"identical greedy texts {found.identical_texts:.0%}"
    if found.first_difference is not None:
        same += f", the earliest difference behind {found.first_difference} tokens"
    console.print("\n".join([*lines, same]), soft_wrap=True)
