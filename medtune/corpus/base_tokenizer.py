"""The tokenizer of the base that a corpus is for, written into the corpus once."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from medtune.corpus.tokens import BORDERS, FILE, Borders
from medtune.digests import sha256_file, write_json, write_text
from medtune.errors import TemplateError
from medtune.models import load_tokenizer, locate_base, read_tokenizer
from medtune.recipe import Base
from medtune.records import Progress


def write_tokenizer(reference: str, folder: Path, *, offline: bool, progress: Progress) -> Borders:
    """Find a base's tokenizer and write it into a corpus.

    Args:
        reference: Alias, hub id, or a folder with tokenizer files.
        folder: Where to; made anew.
        offline: Whether no other machine may be asked.
        progress: Told of what is fetched.

    Raises:
        MedtuneError: There is no such base, or its tokenizer cannot mark the end of a document.
    """
    found = _find(reference, offline=offline, progress=progress)
    backend = getattr(found, "backend_tokenizer", None)
    if backend is None:
        raise TemplateError(f"{reference}: its tokenizer has no tokenizer.json form")
    if found.eos_token_id is None:
        raise TemplateError(f"{reference}: its tokenizer names no end token (eos_token)")
    folder.mkdir(exist_ok=True)
    write_text(folder / FILE, backend.to_str())
    bos = found.bos_token_id if found.bos_token_id != found.eos_token_id else None
    borders = Borders(bos, found.eos_token_id, len(found), sha256_file(folder / FILE))
    write_json(folder / BORDERS, asdict(borders))
    return borders


def _find(reference: str, *, offline: bool, progress: Progress) -> Any:  # noqa: ANN401
    folder = Path(reference)
    if folder.is_absolute() and (folder / FILE).is_file():
        return read_tokenizer(folder, folder.name)
    return load_tokenizer(locate_base(Base(model=reference), offline=offline, progress=progress))
