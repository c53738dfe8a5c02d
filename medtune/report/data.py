"""What was learned from: rows, what was left out of them, tokens and licences."""

from collections.abc import Callable, Iterator, Mapping

from medtune.pages import Html, bullets, details, facts, heading, paragraph, table
from medtune.records import SPLITS
from medtune.report.files import DataRecord, RunFiles, SplitRecord
from medtune.report.scores import MOST_IDS
from medtune.report.verdict import first

ROWS: Mapping[str, Callable[[SplitRecord], int]] = {
    "rows read": lambda part: part.read,
    "rows kept": lambda part: part.kept,
    "left out: too long": lambda part: len(part.dropped),
    "left out: also on a later side of the split": lambda part: len(part.leaked),
    "hold text of an evaluation set": lambda part: len(part.contaminated),
    "prompt cut for length": lambda part: len(part.truncated),
    "groups": lambda part: part.groups,
    "tokens": lambda part: part.tokens,
    "tokens with loss": lambda part: part.supervised_tokens,
}
NAMED = {
    "too long": "dropped",
    "leaked": "leaked",
    "holding text of an evaluation set": "contaminated",
    "cut": "truncated",
}


def data_section(files: RunFiles) -> Iterator[Html]:
    """The table of rows, their files, licences, and ids of what was left out."""
    if files.data is None and not files.is_of_training:
        return
    yield heading("Data")
    data = files.data
    if data is None:
        yield paragraph("data.json is not there: the run ended before its rows were prepared.")
        return
    yield paragraph(f"Task {data.task}.")
    yield _counts(data)
    yield from _licences(data)
    yield from _sources(data)
    yield bullets(data.notes)
    if data.files_with_text:
        yield paragraph(
            "Rows are private; these files of the run hold their text: "
            + first(data.files_with_text, MOST_IDS)
        )
    yield from _ids(data)


def _counts(data: DataRecord) -> Html:
    names = sorted(data.splits, key=SPLITS.index)
    parts = [data.splits[name] for name in names]
    rows = [(title, *(f"{count(part):,}" for part in parts)) for title, count in ROWS.items()]
    rows += [
        (
            f"tokens of a row, {quantile}",
            *(f"{part.length_quantiles.get(quantile, 0):,}" for part in parts),
        )
        for quantile in dict.fromkeys(q for part in parts for q in part.length_quantiles)
    ]
    return table(("", *names), rows, numbers=range(1, 1 + len(names)))


def _licences(data: DataRecord) -> Iterator[Html]:
    files = [
        (
            split,
            file.file,
            str(file.num_rows),
            "yes" if file.is_official else _unofficial(file.official_rows),
            file.sha256[:12],
        )
        for split, file in data.files.items()
    ]
    if files:
        columns = ("split", "file", "rows", "published split", "sha256")
        yield table(columns, files, numbers=(2,))
    yield facts(
        (f"licences, {split}", "; ".join(f"{n} ({k} rows)" for n, k in part.licences.items()))
        for split, part in data.splits.items()
        if part.licences
    )
    if data.held_out_by_group:
        yield paragraph(f"Held out by group: {', '.join(data.held_out_by_group)}.")


def _unofficial(official_rows: int | None) -> str:
    return "none known" if official_rows is None else f"no: that has {official_rows} rows"


def _sources(data: DataRecord) -> Iterator[Html]:
    rows = [
        (name, str(s.rows_in_a_pass), str(s.tokens_in_a_pass), f"{s.share_of_tokens:.1%}")
        for name, s in data.mixture.items()
    ]
    if rows:
        columns = ("source", "rows in a pass", "tokens in a pass", "share of tokens")
        yield table(columns, rows, numbers=(1, 2, 3))


def _ids(data: DataRecord) -> Iterator[Html]:
    named = [
        (f"{split}, {title}", first(ids, MOST_IDS))
        for split, part in data.splits.items()
        for title, ids in _left_out(part)
        if ids
    ]
    if named:
        yield details("Ids of rows that were left out, cut or found", facts(named))


def _left_out(part: SplitRecord) -> Iterator[tuple[str, list[str]]]:
    for title, name in NAMED.items():
        yield title, getattr(part, name)
