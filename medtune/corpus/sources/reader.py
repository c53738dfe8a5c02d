"""What a reader of one published format is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from medtune.corpus.cleaning.sifting import sift
from medtune.corpus.document import Record
from medtune.errors import DataError
from medtune.recipe.corpus import Cleaning, Source

Parse = Callable[[Path, Source, Cleaning], Iterator[Record]]
"""Records of one file in its order, streaming: memory never grows with the file."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Finds the files of a format and turns each into records."""

    suffixes: tuple[str, ...]
    """Endings of its files, in small letters."""
    parse: Parse

    def files(self, path: Path) -> list[Path]:
        """The units of work of a source, sorted by name; a file stands for itself.

        Raises:
            DataError: Nothing is there that this format reads.
        """
        if path.is_file():
            return [path]
        found = sorted(
            file
            for file in path.rglob("*")
            if file.name.lower().endswith(self.suffixes)
            and not file.name.startswith(".")
            and file.is_file()
        )
        if not found:
            told = (
                "is not there" if not path.exists() else f"has no file *{', *'.join(self.suffixes)}"
            )
            raise DataError(f"{path} {told}; the source's format decides which files are read")
        return found

    def read(self, file: Path, source: Source, cleaning: Cleaning) -> Iterator[Record]:
        """Records of one file; documents that the cleaning does not let through are drops.

        Raises:
            DataError: The file is cut off or is not what the format says.
        """
        for record in self.parse(file, source, cleaning):
            yield sift(record, cleaning)


def place_of(file: Path, source: Source) -> str:
    """The file's name relative to its source, which stays the same wherever the source lies."""
    root = Path(source.path)
    return file.name if file == root else file.relative_to(root).as_posix()
