"""What ``medtune eval`` tells beside scores: comparisons, published figures, samples."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from medtune.cli.scores import difference_sentence, figures
from medtune.metrics import METRICS
from medtune.records import Evaluation


def print_comparison(console: Console, first: Path, second: Path) -> None:
    """Two folders of results, item by item."""
    from medtune.evaluation.comparing import compare_evaluations
    from medtune.evidence.scores import read_evaluation

    left, right = read_evaluation(first), read_evaluation(second)
    for found in compare_evaluations(left, right):
        metric = METRICS[found.metric]
        console.print(f"{found.name}: scored on {found.test_set}", soft_wrap=True)
        table = Table(box=None, pad_edge=False)
        for column in ("", "arm", metric.label, "95 % interval", "items"):
            table.add_column(column)
        for mark, arm in (("A", found.first), ("B", found.second)):
            table.add_row(mark, arm.label, *figures(arm), str(arm.num_items))
        console.print(table)
        console.print(
            difference_sentence(found.comparison, metric, who="B").replace(
                f"against {found.comparison.against}", "against A"
            ),
            soft_wrap=True,
        )
        for difference in found.differences:
            console.print(f"differs besides: {difference}", soft_wrap=True)
    console.print(f"A is {first}", soft_wrap=True)
    console.print(f"B is {second}", soft_wrap=True)


def require_suite(name: str) -> None:
    """Refuse a suite that is none before anything is loaded.

    Raises:
        RecipeError: There is none of that name, or its file has faults.
    """
    from medtune.evaluation.suites import load_suite

    load_suite(name)


def require_published(model: str) -> None:
    """Refuse a model without published figures before anything is asked.

    Raises:
        RecipeError: There are none of it.
    """
    from medtune.evaluation.published import require_model

    require_model(model)


def print_published(console: Console, model: str, evaluation: Evaluation) -> None:
    """Published figures beside ours, with what was done otherwise."""
    from medtune.evaluation.published import SOURCE, against

    found = [one for report in evaluation.reports for one in against(model, report)]
    if not found:
        console.print(f"no figure of {model} is published on these sets ({SOURCE})")
        return
    console.print(f"published figures of {model} ({SOURCE}); no test: its answers are not public")
    table = Table(box=None, pad_edge=False)
    for column in ("set", "published", "protocol there", "here", "difference", "inside"):
        table.add_column(column, overflow="fold")
    for one in found:
        published = one.published
        sd = "" if published.sd is None else f" ± {100 * published.sd:.1f}"
        part = f" {published.part}" if published.part else ""
        low, high = one.interval
        table.add_row(
            f"{published.set}{part}",
            f"{100 * published.value:.1f} %{sd}",
            f"table {published.table}, {published.protocol}, {published.few_shot}-shot",
            f"{100 * one.value:.1f} % ({100 * low:.1f} to {100 * high:.1f})",
            f"{one.points:+.1f} points",
            "yes" if one.is_inside else "no",
        )
    console.print(table)
    console.print("what was done otherwise there:")
    for difference in dict.fromkeys(d for one in found for d in one.differences):
        console.print(f"- {difference}", soft_wrap=True)


def write_samples(evaluation: Evaluation, folder: Path) -> None:
    """Samples in lm-evaluation-harness' form, beside the results."""
    from medtune.evaluation.harness import write_samples as write

    write(evaluation, folder)
