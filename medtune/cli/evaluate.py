"""``medtune eval``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from medtune.cli.arguments import OfflineOption, PrivateOption
from medtune.cli.progress import make_progress
from medtune.cli.scores import print_reports
from medtune.cli.start import require_training_extra
from medtune.errors import RecipeError

if TYPE_CHECKING:
    from medtune.evaluating import Evaluated

ASK = "How to ask"
SUBJECT = "What is asked"
RESULTS = "Results"
Protocol = Literal["top_token", "option_likelihood", "cot", "sc_cot"]


def evaluate(
    subject: Annotated[
        str | None,
        typer.Argument(
            metavar="BASE|ADAPTER",
            help="A run or an adapter's folder, or a base: an alias, a hub id, a path. With "
            "--server: the model as the server calls it.",
            show_default=False,
        ),
    ] = None,
    suite: Annotated[
        list[str] | None,
        typer.Option(help="A suite (medtune suites list) or a file of your own; may be repeated."),
    ] = None,
    protocol: Annotated[
        Protocol, typer.Option(help="How an answer is found.", rich_help_panel=ASK)
    ] = "top_token",
    normalise: Annotated[
        Literal["sum", "token", "byte"],
        typer.Option(help="Of option_likelihood.", rich_help_panel=ASK),
    ] = "sum",
    few_shot: Annotated[
        int, typer.Option(help="Training examples before each question.", rich_help_panel=ASK)
    ] = 0,
    shot_seeds: Annotated[
        str | None,
        typer.Option(
            help="Draws of these examples, such as 1,2,3: mean and standard deviation.",
            rich_help_panel=ASK,
        ),
    ] = None,
    rotate_options: Annotated[
        bool,
        typer.Option(
            "--rotate-options", help="Every cyclic order of the options.", rich_help_panel=ASK
        ),
    ] = False,
    samples: Annotated[int, typer.Option(help="Texts of sc_cot.", rich_help_panel=ASK)] = 5,
    temperature: Annotated[float, typer.Option(help="Of sc_cot.", rich_help_panel=ASK)] = 0.8,
    max_new_tokens: Annotated[
        int, typer.Option(help="Longest text that is written.", rich_help_panel=ASK)
    ] = 512,
    prompt: Annotated[
        Path | None,
        typer.Option(help="Your own file of prompts (medtune suites prompt).", rich_help_panel=ASK),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            help="The first items of each set only; marked incomplete.", rich_help_panel=ASK
        ),
    ] = None,
    batch_size: Annotated[
        int, typer.Option(help="Sequences in one forward pass.", rich_help_panel=ASK)
    ] = 16,
    seed: Annotated[
        int | None,
        typer.Option(help="Of all draws; by default the run's, or 17.", rich_help_panel=ASK),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the suite's rows.", rich_help_panel=SUBJECT)
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(help="An adapter's base, where it cannot be found.", rich_help_panel=SUBJECT),
    ] = None,
    dtype: Annotated[
        Literal["bfloat16", "float32"] | None,
        typer.Option(help="By default the run's, or bfloat16.", rich_help_panel=SUBJECT),
    ] = None,
    quantization: Annotated[
        Literal["none", "nf4", "int8"] | None,
        typer.Option(help="By default that of the training.", rich_help_panel=SUBJECT),
    ] = None,
    template: Annotated[
        Literal["auto", "tokenizer", "chatml", "plain"],
        typer.Option(help="Chat template of a bare base.", rich_help_panel=SUBJECT),
    ] = "auto",
    server: Annotated[
        str | None,
        typer.Option(
            help="Ask a server with the OpenAI completions protocol, http://host:port/v1.",
            rich_help_panel=SUBJECT,
        ),
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(
            help="With --server: the base whose tokenizer it is.", rich_help_panel=SUBJECT
        ),
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="A B",
            help="Compare two folders of results, item by item; asks nothing.",
            rich_help_panel=RESULTS,
            show_default=False,
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            help="Published figures of a model, such as meditron-70b.", rich_help_panel=RESULTS
        ),
    ] = None,
    lm_eval: Annotated[
        bool,
        typer.Option(
            "--lm-eval",
            help="Also write samples as lm-evaluation-harness does.",
            rich_help_panel=RESULTS,
        ),
    ] = False,
    name: Annotated[
        str | None,
        typer.Option(
            help="Folder of the results; by default suite and protocol.", rich_help_panel=RESULTS
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where the folders of results are; by default the run, or runs.",
            rich_help_panel=RESULTS,
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Continue one that was stopped.", rich_help_panel=RESULTS),
    ] = False,
    private: PrivateOption = False,
    offline: OfflineOption = False,
) -> None:
    """Score a base, or an adapter and its base, on suites; with intervals, item by item.

    Results are in runs/NAME/eval/SUITE.PROTOCOL, of an adapter in its own run.
    """
    from medtune.cli import results

    console = Console(highlight=False, markup=False)
    if compare is not None:
        _require_nothing_else(compare, subject, suite)
        results.print_comparison(console, *compare)
        return
    if subject is None or not suite:
        raise RecipeError(
            "name what is asked, and on which suite: medtune eval smollm2-135m --suite medqa "
            "(medtune suites list shows them); or --compare A B"
        )
    section = _section(
        protocol=protocol,
        normalise=normalise,
        few_shot=few_shot,
        shot_seeds=_numbers(shot_seeds),
        rotate_options=rotate_options,
        samples=samples,
        temperature=temperature,
        max_new_tokens=max_new_tokens,
        prompt=None if prompt is None else str(prompt.resolve()),
        limit=limit,
        batch_size=batch_size,
    )
    # Checked before torch is imported: a misspelt name is answered at once.
    if against is not None:
        results.require_published(against)
    if server is None and tokenizer is not None:
        raise RecipeError("--tokenizer is for --server: a base here brings its own")
    if server is not None and private:
        raise RecipeError("--private is for an adapter here: a server keeps what it wants")
    for one in suite:
        results.require_suite(one)
    require_training_extra(offline=offline)
    for one in suite:
        common: dict[str, Any] = {
            "data": data, "seed": seed, "name": name, "out": out, "resume": resume,
            "offline": offline, "progress": make_progress(),
        }  # fmt: skip
        if server is None:
            from medtune.evaluating import evaluate as ask

            found = ask(
                subject, one, section, base=base, dtype=dtype, quantization=quantization,
                template=template, private=private, **common,
            )  # fmt: skip
        else:
            from medtune.served import evaluate_served

            found = evaluate_served(
                subject, one, section, server=server, tokenizer=tokenizer, template=template,
                **common,
            )  # fmt: skip
        _print(console, found, against, lm_eval=lm_eval)


def _print(console: Console, found: "Evaluated", against: str | None, *, lm_eval: bool) -> None:
    from medtune.cli import results

    print_reports(console, found.evaluation.reports)
    if against is not None:
        results.print_published(console, against, found.evaluation)
    if lm_eval:
        results.write_samples(found.evaluation, found.path)
    console.print(f"the results are in {found.path}", soft_wrap=True)


def _section(**values: Any) -> Any:  # noqa: ANN401 - Evaluate, whose module is heavy
    from pydantic import ValidationError

    from medtune.recipe import Evaluate

    try:
        return Evaluate(**values)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, found['loc']))} {found['msg'].removeprefix('Value error, ')}"
            .strip() for found in error.errors()
        )  # fmt: skip
        raise RecipeError(faults) from None


def _numbers(text: str | None) -> list[int]:
    if text is None:
        return []
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise RecipeError(
            f"--shot-seeds {text}: expected whole numbers with commas, such as 1,2,3"
        ) from None


def _require_nothing_else(
    compare: tuple[Path, Path], subject: str | None, suite: list[str] | None
) -> None:
    if subject is not None or suite:
        raise RecipeError(
            f"--compare {compare[0]} {compare[1]} reads two folders of results and asks nothing: "
            "leave out the base or adapter and --suite"
        )
