"""``medtune data rehearse``: rows for replay that the base writes itself."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from medtune.cli.arguments import OfflineOption
from medtune.cli.progress import make_progress
from medtune.cli.start import require_training_extra


def rehearse(
    base: Annotated[str, typer.Argument(metavar="BASE", help="An alias, a hub id, or a folder.")],
    prompts: Annotated[
        str, typer.Argument(metavar="PROMPTS", help="A file, folder, glob or URL of rows.")
    ],
    prompt: Annotated[
        list[str],
        typer.Option(
            help='A column, or text with columns in braces: "Explain {focus}."; more than one asks '
            "each row in each."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The file of rows (.jsonl); nothing is overwritten.")],
    max_new_tokens: Annotated[
        int, typer.Option(help="Longest answer; longer ones are left out.", min=1)
    ] = 256,
    limit: Annotated[int | None, typer.Option(help="Prompts, from the first on.", min=1)] = None,
    template: Annotated[
        Literal["auto", "tokenizer", "chatml", "plain"],
        typer.Option(help="The chat template that the adapter will be trained with."),
    ] = "auto",
    dtype: Annotated[
        Literal["bfloat16", "float32"], typer.Option(help="Precision of the base.")
    ] = "bfloat16",
    private: Annotated[
        bool,
        typer.Option(
            "--private",
            help="The prompts are of patients: no answer goes into the cache, and the file is for "
            "its owner alone.",
        ),
    ] = False,
    offline: OfflineOption = False,
) -> None:
    """Let a base answer prompts, and write its answers as rows for replay.

    They keep an adapter writing as its base does, right or wrong.
    Answers that do not end, loop or cannot be read are left out and counted.
    """
    require_training_extra(offline=offline)
    import medtune

    found = medtune.rehearse(
        base, prompts, prompt=prompt, out=out, max_new_tokens=max_new_tokens, limit=limit,
        template=template, dtype=dtype, private=private, offline=offline, progress=make_progress(),
    )  # fmt: skip
    sys.stdout.write(
        f"{found.num_rows} rows from {found.num_prompts} prompts are in {found.path}\n"
        f"left out: {found.num_repeated} repeated prompts, {found.num_unended} answers that do not "
        f"end within {max_new_tokens} tokens, {found.num_looping} that loop or cannot be read\n"
    )
