"""``medtune data preview``: rows as text, on the terminal and as a page, with what is learned."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from medtune import pages
from medtune.cli.arguments import OfflineOption, OverridesArgument, RecipeArgument
from medtune.cli.progress import make_progress
from medtune.cli.start import start
from medtune.digests import write_text
from medtune.errors import RecipeError
from medtune.records import Split

if TYPE_CHECKING:
    from medtune.data.preview import Shown, Span
    from medtune.inputs import Inputs

LEGEND = (
    ("context  ", "context"),
    ("⟦supervised: the loss is taken on it⟧", "supervised"),
    ("  ╎ border between examples", "border"),
    ("  ·×3 padding", "padding"),  # noqa: RUF001 - times
)
COLOURS = {
    "context": "",
    "supervised": "bold green",
    "border": "bold magenta",
    "padding": "dim",
    "role": "cyan",
}
STYLE = """
.supervised { background: #c9ecd2; color: #0b3d1c; font-weight: 600; }
.border { background: #a3187f; color: #fff; padding: 0 0.15rem; } .padding { color: var(--faint); }
.role { color: var(--mark); } .token { box-shadow: inset 1px 0 var(--line); }
.supervised.token { box-shadow: inset 1px 0 #7fbf92; }
@media (prefers-color-scheme: dark) { .supervised { background: #17492a; color: #c8f2d4; }
  .supervised.token { box-shadow: inset 1px 0 #35784b; } }
"""
NAMED = 20
"""Left-out rows that are named."""
PATIENTS = "This holds text of patients."
HIDDEN = "Rows of patients: letters are x, digits 0. --reveal shows them."


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A row, or a forward pass."""

    title: str
    parts: tuple[tuple[str, str], ...]
    """Text and its kind; each token alone."""


def preview(
    recipe: RecipeArgument,
    overrides: OverridesArgument = None,
    show_mask: Annotated[
        bool, typer.Option("--show-mask", help="Tokens, with ⟦ ⟧ around what the loss is taken on.")
    ] = False,
    rows: Annotated[int, typer.Option(min=1, help="How many, from the first on.")] = 3,
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "train",
    ids: Annotated[
        list[str] | None, typer.Option("--id", help="This row instead; can be given again.")
    ] = None,
    packed: Annotated[
        bool, typer.Option("--packed", help="The first forward pass of step 1, with its mask.")
    ] = False,
    html: Annotated[Path | None, typer.Option(help="Also write this page.")] = None,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show the letters of rows that are data.private.")
    ] = False,
    offline: OfflineOption = False,
) -> None:
    """Show rows as the model will see them, and what it will learn of them.

    Rows that were cut say by how much; rows that were left out are listed with the reason.
    """
    checked = start(recipe, overrides, offline=offline)
    if reveal and not checked.data.private:
        raise RecipeError("--reveal is for data.private: true; nothing is hidden here")
    from medtune.inputs import gather

    inputs = gather(checked, offline=offline, progress=make_progress())
    hide = checked.data.private and not reveal
    if packed:
        views = _pass(inputs, hide=hide)
    else:
        shown = _pick(inputs, split, rows, ids)
        lost = _lost(inputs, [row for row in shown if row.is_cut], offline=offline)
        views = [_row(inputs, row, lost, mask=show_mask, hide=hide) for row in shown]
    notes = list(_left_out(inputs, hide=hide))
    if checked.data.private:
        notes.insert(0, HIDDEN if hide else PATIENTS)
    has_mask = show_mask or packed
    _print(views, notes, has_mask=has_mask)
    if html is not None:
        title = f"Rows of {checked.name}"
        private = checked.data.private
        write_text(html, _page(title, views, notes, has_mask=has_mask), private=private)


def _pick(inputs: "Inputs", split: str, rows: int, ids: Sequence[str] | None) -> "list[Shown]":
    from medtune.data.preview import pick, pick_by_id

    if ids:
        return pick_by_id(inputs.prepared, ids)
    names: dict[str, Split] = {name: name for name in inputs.prepared.splits}
    if split not in names:
        raise RecipeError(f"--split {split}: there are {', '.join(names)}")
    return pick(inputs.prepared, names[split], rows)


def _lost(
    inputs: "Inputs", cut: "Sequence[Shown]", *, offline: bool
) -> dict[tuple[str, int], tuple[int, int]]:
    """Characters and tokens that cut rows have lost; the whole rows are read again for it."""
    from medtune.data.preview import cut_off
    from medtune.tasks import read_task

    if not cut:
        return {}
    wanted = {row.example.where for row in cut}
    whole = [
        example
        for part in read_task(inputs.recipe.data, offline=offline).splits.values()
        for example in part
        if example.where in wanted
    ]
    amounts = {(row.split, row.number): cut_off(row, whole, inputs.prepared.encoder) for row in cut}
    return {place: amount for place, amount in amounts.items() if amount is not None}


def _row(
    inputs: "Inputs",
    row: "Shown",
    lost: dict[tuple[str, int], tuple[int, int]],
    *,
    mask: bool,
    hide: bool,
) -> View:
    from medtune.data.preview import message_text, spans

    title = f"{row.split} row {row.number}" + ("" if hide else f", {row.encoded.id}")
    title += f": {len(row.encoded)} tokens, {row.encoded.num_supervised} supervised"
    if row.is_cut:
        characters, tokens = lost.get((row.split, row.number), (None, None))
        title += ", the prompt was cut" if characters is None else (
            f", {characters} characters ({tokens} tokens) of the prompt were cut"
        )  # fmt: skip
    if mask:
        parts = _parts(spans(row.encoded, inputs.prepared.encoder, hide=hide))
    else:
        parts = (
            part
            for message in row.example.messages
            for part in (
                (f"{message.role}: ", "role"),
                (message_text(message, hide=hide) + "\n", "context"),
            )
        )
    return View(title=title, parts=tuple(parts))


def _pass(inputs: "Inputs", *, hide: bool) -> list[View]:
    from medtune.data.preview import pass_spans
    from medtune.inputs import first_pass

    section, group = inputs.recipe.train, first_pass(inputs)
    encoder = inputs.prepared.encoder
    rows = pass_spans(group, encoder, packing=section.packing, hide=hide)
    tokens = sum(map(len, group))
    title = (
        f"first forward pass of step 1: {len(group)} examples, {tokens} of "
        f"{section.pack_tokens} tokens ({tokens / section.pack_tokens:.0%})"
    )
    if section.packing:
        return [View(title=title, parts=tuple(_parts(rows[0])))]
    return [
        View(title=f"{title}, row {number}", parts=tuple(_parts(row)))
        for number, row in enumerate(rows, 1)
    ]


def _parts(found: "Iterable[Span]") -> Iterator[tuple[str, str]]:
    """Spans as text and kind, with the signs that say the kind without a colour."""
    for span in found:
        before, after = span.signs
        yield from ((text, span.kind) for text in (before, *span.pieces, after) if text)


def _left_out(inputs: "Inputs", *, hide: bool) -> Iterator[str]:
    from medtune.data.preview import all_left_out

    for split, reason, ids in all_left_out(inputs.prepared):
        named = "" if hide else f": {', '.join(ids[:NAMED])}"
        if named and len(ids) > NAMED:
            named += f" and {len(ids) - NAMED} more"
        yield f"left out of {split}, {reason}: {len(ids)} row{'s' * (len(ids) > 1)}{named}"


def _print(views: Sequence[View], notes: Sequence[str], *, has_mask: bool) -> None:
    console = Console(highlight=False, markup=False, emoji=False)
    if has_mask:
        legend = Text.assemble(*((text, COLOURS[kind]) for text, kind in LEGEND))
        console.print(legend, end="\n\n", soft_wrap=True)
    for view in views:
        console.print(Text(view.title, style="bold"), soft_wrap=True)
        body = Text.assemble(*((text, COLOURS[kind]) for text, kind in view.parts))
        console.print(body, end="\n\n", soft_wrap=True)
    for note in notes:
        console.print(note, soft_wrap=True)


def _page(title: str, views: Sequence[View], notes: Sequence[str], *, has_mask: bool) -> str:
    parts = [pages.paragraph(note, faint=True) for note in notes]
    if has_mask:
        parts.append(pages.block(*(pages.span(text, kind) for text, kind in LEGEND)))
    for view in views:
        tokens = (pages.span(text, f"{kind} token") for text, kind in view.parts)
        parts += [pages.heading(view.title), pages.block(*tokens)]
    return pages.page(title, *parts, style=STYLE)
