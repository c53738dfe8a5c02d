"""Rules and tables from YAML, strictly: positions and repeated keys inside lists too.

``medtune.recipe.document`` reads the file; it keeps the places of keys in mappings alone. Rules
and rows stand in lists, and a fault in the sixtieth row is no use without its line.
"""

from pathlib import Path

import yaml

from medtune.errors import RecipeError
from medtune.recipe.document import Document, Origin, parse

FOLDER = Path(__file__).parent / "tables"


def locate(name_or_path: str, beside: Path, called: str) -> Path:
    """The file that a name or path stands for; a path has a slash or ends in .yaml or .yml.

    Args:
        name_or_path: As it was written.
        beside: The folder that a relative path starts from.
        called: What the file is, for the message.

    Raises:
        RecipeError: There is no such file.
    """
    is_path = "/" in name_or_path or name_or_path.endswith((".yaml", ".yml"))
    path = beside / Path(name_or_path).expanduser() if is_path else FOLDER / f"{name_or_path}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in FOLDER.glob("*.yaml")))
        hint = "" if is_path else f"; with medtune come {known}, one of your own is ./file.yaml"
        raise RecipeError(f"there are no {called} {name_or_path}{hint}")
    return path


def read(path: Path) -> Document:
    """A file with the origins of all keys and list entries, numbers standing for the latter.

    Raises:
        RecipeError: It is no YAML mapping, or a key is given twice.
    """
    document = parse(path, form="rules and tables are a mapping (name:, rules: or rows:, ...)")
    shown = document.origins[()].text
    # The file was just read and is sound YAML; this walks its nodes for their places.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast where it is there
    root = yaml.compose(path.read_text(encoding="utf-8"), loader)
    _walk(root, (), document, shown, path.parent)
    return document


def _walk(
    node: yaml.Node | None, keys: tuple[str, ...], document: Document, shown: str, folder: Path
) -> None:
    if isinstance(node, yaml.SequenceNode):
        for place, entry in enumerate(node.value):
            mark = entry.start_mark
            below = (*keys, str(place))
            document.origins[below] = Origin(f"{shown}:{mark.line + 1}:{mark.column + 1}", folder)
            _walk(entry, below, document, shown, folder)
    if not isinstance(node, yaml.MappingNode):
        return
    seen = set()
    for key, value in node.value:
        below = (*keys, str(key.value))
        mark = key.start_mark
        origin = Origin(f"{shown}:{mark.line + 1}:{mark.column + 1}", folder)
        if below in seen:
            raise RecipeError(f"{origin.text} {'.'.join(below)}: the key is given twice")
        seen.add(below)
        document.origins[below] = origin
        _walk(value, below, document, shown, folder)
