"""``corpus.html``: what is in a corpus, and what is not and why."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from medtune import pages
from medtune.corpus.counts import SplitCounts, add_up
from medtune.corpus.published import TABLE_1, TOTAL, Published
from medtune.corpus.summary import Group, Summary
from medtune.pages import Html
from medtune.recipe.corpus import CorpusRecipe

COLUMNS = ("", "train docs", "held-out docs", "train tokens", "held-out tokens")


def render(recipe: CorpusRecipe, summary: Summary, mixture: Sequence[Mapping[str, Any]]) -> str:
    """The whole page."""
    return pages.page(
        f"Corpus {recipe.name}",
        pages.heading("Documents and tokens"),
        pages.paragraph("Beside the corpus that MEDITRON was trained on (Table 1 of its paper)."),
        pages.table(COLUMNS, table_1(summary), numbers=range(1, len(COLUMNS))),
        *_sources(summary),
        *_mixture(mixture),
        *_dropped(summary),
        *_lengths(summary),
        *_clusters(summary),
        *_licences(summary),
    )


def table_1(summary: Summary) -> list[tuple[str, ...]]:
    """Rows of COLUMNS: each part as it was built, and under it as the paper had it; the total."""
    rows = []
    total = Group()
    for part, published in TABLE_1.items():
        group = summary.parts.get(part, Group())
        rows += [_built(published.title, group), _published(published)]
        for split, counts in group.splits.items():
            mine = total.splits.setdefault(split, SplitCounts())
            mine.documents += counts.documents
            mine.tokens += counts.tokens
    return [*rows, _built(TOTAL.title, total), _published(TOTAL)]


def _built(title: str, group: Group) -> tuple[str, ...]:
    none = SplitCounts()
    train, held_out = group.splits.get("train", none), group.splits.get("validation", none)
    counts = (train.documents, held_out.documents, train.tokens, held_out.tokens)
    return (title, *(f"{count:,}" for count in counts))


def _published(row: Published) -> tuple[str, ...]:
    return ("  the paper", *row[1:])


def _sources(summary: Summary) -> Iterator[Html]:
    yield pages.heading("Sources")
    columns = ("source", "raw MB", "read", "kept", "dropped", "deletions", "tokens")
    rows = [
        (
            name,
            f"{group.raw_bytes / 1e6:,.1f}",
            f"{group.read:,}",
            f"{sum(side.documents for side in group.splits.values()):,}",
            f"{sum(group.dropped.values()):,}",
            f"{group.deletions:,}",
            f"{sum(side.tokens for side in group.splits.values()):,}",
        )
        for name, group in summary.sources.items()
    ]
    yield pages.table(columns, rows, numbers=range(1, len(columns)))


def _mixture(mixture: Sequence[Mapping[str, Any]]) -> Iterator[Html]:
    yield pages.heading("Mixture")
    rows = [
        (
            phase["phase"],
            part,
            f"{told['documents']:,}",
            f"{told['tokens']:,}",
            f"{told['share']:.2%}",
            f"{told['passes']:.2f}",
        )
        for phase in mixture
        for part, told in phase["parts"].items()
    ]
    columns = ("phase", "part", "documents", "tokens", "share of tokens", "passes over the part")
    yield pages.table(columns, rows, numbers=(2, 3, 4, 5))


def _dropped(summary: Summary) -> Iterator[Html]:
    yield pages.heading("Dropped, by reason")
    reasons = sorted({reason for group in summary.sources.values() for reason in group.dropped})
    if not reasons:
        yield pages.paragraph("Nothing was dropped.")
        return
    columns = ("source", *(reason.replace("_", " ") for reason in reasons))
    rows = [
        (name, *(f"{group.dropped.get(reason, 0):,}" for reason in reasons))
        for name, group in summary.sources.items()
    ]
    yield pages.table(columns, rows, numbers=range(1, len(columns)))
    for reason in reasons:
        examples = [
            (one["id"], one["detail"], one["text"]) for one in summary.examples.get(reason, [])
        ]
        shown = pages.table(("id", "found", "begins"), examples)
        yield pages.details(f"Examples: {reason.replace('_', ' ')}", shown)


def _lengths(summary: Summary) -> Iterator[Html]:
    yield pages.heading("Lengths of documents, in tokens")
    for part, group in summary.parts.items():
        lengths: dict[str, int] = {}
        for side in group.splits.values():
            add_up(lengths, side.lengths)
        if lengths:
            yield pages.heading(part, level=3)
            bins = range(min(map(int, lengths)), max(map(int, lengths)) + 1)
            yield pages.bars([(_range_of(bits), lengths.get(str(bits), 0)) for bits in bins])


def _range_of(bits: int) -> str:
    return f"{1 << (bits - 1):,} to {(1 << bits) - 1:,}"


def _clusters(summary: Summary) -> Iterator[Html]:
    yield pages.heading("Clusters of duplicates")
    if not summary.cluster_sizes:
        yield pages.paragraph("No document stands for another one.")
        return
    sizes = [(f"{size} documents", count) for size, count in summary.cluster_sizes.items()]
    yield pages.bars(sizes)
    rows = [(name, f"{size:,}") for name, size in summary.largest_clusters.items()]
    largest = pages.table(("document that stays", "documents"), rows, numbers=(1,))
    yield pages.details("The largest", largest)


def _licences(summary: Summary) -> Iterator[Html]:
    yield pages.heading("Licences of documents that are kept")
    names = sorted({name for group in summary.sources.values() for name in group.licences})
    rows = [
        (name, *(f"{group.licences.get(name, 0):,}" for group in summary.sources.values()))
        for name in names
    ]
    columns = ("licence", *summary.sources)
    yield pages.table(columns, rows, numbers=range(1, len(columns)))
