"""Any source of the ``datasets`` library, streamed: local files, or a data set of the hub.

Local files are read as they lie. ``NAME.dataset.json`` holds the arguments of ``load_dataset``, so
that a set of the hub has a file whose digest pins it:

    {"path": "owner/name", "name": "en", "split": "train", "revision": "<commit>", "column": "text"}
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medtune.corpus.cleaning.characters import tidy
from medtune.corpus.document import Document, Drop, Record, digest_id
from medtune.corpus.licences import normalise
from medtune.corpus.sources.reader import place_of
from medtune.errors import DataError
from medtune.recipe.corpus import Cleaning, Source

DESCRIPTION = ".dataset.json"
_BUILDERS = {
    ".parquet": "parquet", ".arrow": "arrow", ".csv": "csv", ".jsonl": "json", ".jsonl.gz": "json",
    ".jsonl.zst": "json",
}  # fmt: skip
SUFFIXES = (DESCRIPTION, *_BUILDERS)


def parse(file: Path, source: Source, cleaning: Cleaning) -> Iterator[Record]:
    """Documents of one file or data set: a column of text.

    Raises:
        DataError: ``datasets`` cannot read it, or it has no such column.
    """
    del cleaning
    place = place_of(file, source)
    column, rows = _rows(file)
    licence = normalise(source.licence or "")
    for number, row in enumerate(rows, 1):
        key = digest_id(source.name, f"{place}:{number}")
        if column not in row:
            raise DataError(f"{file}: row {number} has no {column}, but {', '.join(sorted(row))}")
        text = row[column]
        if not isinstance(text, str) or not text.strip():
            detail = f"{place}:{number}: {column} is {type(text).__name__} without text"
            yield Drop(key, source.name, "malformed", detail)
            continue
        yield Document(key, source.part, source.name, "", tidy(text), licence)


def _rows(file: Path) -> tuple[str, Iterator[dict[str, Any]]]:
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError

    arguments = _arguments(file)
    column = arguments.pop("column", "text")
    try:
        return column, iter(load_dataset(**arguments, streaming=True))
    except (DatasetsError, OSError, ValueError) as error:
        raise DataError(f"{file}: datasets cannot read it: {error}") from None


def _arguments(file: Path) -> dict[str, Any]:
    name = file.name.lower()
    if not name.endswith(DESCRIPTION):
        builder = next((kind for end, kind in _BUILDERS.items() if name.endswith(end)), None)
        if builder is None:
            raise DataError(f"{file}: none of {', '.join(SUFFIXES)}")
        return {"path": builder, "data_files": str(file), "split": "train"}
    try:
        arguments = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{file}: no JSON: {error}") from None
    if not isinstance(arguments, dict) or not {"path", "split"} <= arguments.keys():
        raise DataError(f'{file}: needs an object with "path" and "split", as load_dataset takes')
    return arguments
