"""``medtune probe``: what an adapter does on safety probes, beside its frozen base."""

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from medtune.cli.arguments import OfflineOption, PrivateOption
from medtune.cli.outcomes import FAULTS, make_console, print_probes
from medtune.cli.progress import make_progress
from medtune.cli.start import require_training_extra
from medtune.errors import DataError, RecipeError

probe = typer.Typer(no_args_is_help=True, help="An adapter beside its frozen base, for safety.")
FoldersOption = Annotated[
    list[Path] | None,
    typer.Option("--probes", help="A folder of further families, or one; may be repeated."),
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="Where published sets lie; by default $MEDTUNE_DATA."),
]


@probe.command()
def run(
    adapter: Annotated[str, typer.Argument(metavar="ADAPTER", help="A run or adapter's folder.")],
    suite: Annotated[
        Literal["quick", "full"],
        typer.Option(help="quick: minutes on two cores. full: all items and published sets."),
    ] = "quick",
    names: Annotated[
        list[str] | None,
        typer.Option("--probe", help="Only this family, and privacy; may be repeated."),
    ] = None,
    folders: FoldersOption = None,
    confirm: Annotated[
        Path | None,
        typer.Option(help="Folder of sealed items, asked instead; once for each adapter."),
    ] = None,
    data: DataOption = None,
    limit: Annotated[int | None, typer.Option(help="Items of each family.", min=1)] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(help="Sequences in one pass; by default 4 on a CPU, else 16.", min=1),
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="The adapter's base, where it cannot be found.")
    ] = None,
    dtype: Annotated[
        Literal["bfloat16", "float32"] | None, typer.Option(help="By default the run's.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Folder of the results.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where the adapter's folder is; by default its run.")
    ] = None,
    private: PrivateOption = False,
    resume: Annotated[bool, typer.Option("--resume", help="Continue one that stopped.")] = False,
    offline: OfflineOption = False,
) -> None:
    """Ask an adapter and its base the same questions; write what each did, pair by pair.

    Results are in RUN/probes/SUITE. Exit code 5: they were written, and cannot be relied on.
    """
    require_training_extra(offline=offline)
    from medtune.probing import probe as ask

    found = ask(
        adapter, suite, probes=names or (), folders=folders or (), confirm=confirm, data=data,
        limit=limit, batch_size=batch_size, base=base, dtype=dtype, name=name, out=out,
        private=private, resume=resume, offline=offline, progress=make_progress(),
    )  # fmt: skip
    console = make_console()
    print_probes(console, found.report)
    console.print(f"the results are in {found.path}", soft_wrap=True)
    if found.report.integrity.faults:
        raise typer.Exit(FAULTS)


@probe.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Of a finished run of probes.")],
) -> None:
    """Print what a finished run of probes found."""
    from medtune.evidence.probes import read_probes

    print_probes(make_console(), read_probes(folder))


@probe.command(name="list")
def list_(
    folders: FoldersOption = None,
    data: DataOption = None,
) -> None:
    """List the families that can be asked, and the published sets that were found."""
    from medtune.probes.family import find_families, load_family
    from medtune.probes.published import PUBLISHED
    from medtune.probes.suites import own_data, published_sets

    table = Table(box=None, pad_edge=False)
    for column in ("probe", "level", "items", "clusters", "quick", "what it measures"):
        # A name that is cut can be given to no other command.
        table.add_column(column, no_wrap=column == "probe")
    for name, folder in find_families(folders or ()).items():
        family = load_family(folder)
        plan = family.plan
        sizes = str(len(family.items)), str(len(family.clusters)), str(plan.quick or "-")
        table.add_row(name, plan.level, *sizes, plan.title)
    found = published_sets(data or own_data())
    for name, published in PUBLISHED.items():
        where = "found" if name in found else "your copy"
        table.add_row(name, "warning", where, "", "-", published.title)
    make_console().print(table)


@probe.command()
def show(
    name: Annotated[str, typer.Argument(metavar="PROBE", help="A name of the list.")],
    item: Annotated[str | None, typer.Option(help="Only this item, by its id.")] = None,
    folders: FoldersOption = None,
    data: DataOption = None,
) -> None:
    """Print a family's card or a published set's terms, or one of its items."""
    from medtune.probes.family import choose, find_families, read_card
    from medtune.probes.published import PUBLISHED, describe
    from medtune.probes.suites import own_data, read_families

    known = find_families(folders or ())
    choose([name], [*known, *PUBLISHED])
    if item is None and name not in known:
        sys.stdout.write(describe(name) + "\n")
        return
    if item is None:
        sys.stdout.write(read_card(known[name]))
        return
    [family] = read_families("full", probes=[name], folders=folders or (), data=data or own_data())
    found = next((one for one in family.items if one.id == item), None)
    if found is None:
        raise RecipeError(f"{name} has no item {item}")
    sys.stdout.write(json.dumps(found.model_dump(mode="json", by_alias=True), indent=1) + "\n")


@probe.command()
def check(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[PROBE]...", help="By default all.")
    ] = None,
    folders: FoldersOption = None,
    base: Annotated[
        str | None, typer.Option(help="Compare answers in this base's tokens as well.")
    ] = None,
    offline: OfflineOption = False,
) -> None:
    """Check families: form, ids, copies, matched pairs, clusters, power; exit code 2 on faults."""
    from medtune.probes.checks import check_family
    from medtune.probes.family import CARD, choose, find_families, load_family

    known = find_families(folders or ())
    counter = None
    if base is not None:
        require_training_extra(offline=offline)
        from medtune.subject import answer_lengths

        counter = answer_lengths(base, offline=offline, progress=make_progress())
    console = Console(highlight=False, markup=False)
    faulty = []
    for name in choose(names or known, list(known)):
        found = check_family(load_family(known[name]), counter)
        faults = list(found.faults)
        if not (known[name] / CARD).is_file():
            faults.append(f"there is no {CARD}")
        console.print(
            f"{name}: {found.num_items} items in {found.num_clusters} clusters of at most "
            f"{found.largest_cluster}, worth {found.independent_items} independent ones, by "
            f"at most {found.num_templates} templates; power {found.power:.2f}; "
            f"{found.unverified:.0%} unverified, {found.unreviewed:.0%} not signed by a clinician",
            soft_wrap=True,
        )
        for fault in faults:
            console.print(f"  {fault}", soft_wrap=True)
        if faults:
            faulty.append(name)
    if faulty:
        raise DataError(f"faults in {', '.join(faulty)}")


@probe.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Lower case, such as sepsis_orders.")],
    folder: Annotated[Path, typer.Option(help="Where the family's folder is made.")] = Path(
        "safety_probes"
    ),
) -> None:
    """Write a new family to fill in: a plan, an item of each kind, and a card."""
    from medtune.probes.starter import write_family

    made = write_family(name, folder)
    sys.stdout.write(f"{made}: fill it in, then medtune probe check {name} --probes {folder}\n")
