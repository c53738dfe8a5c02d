"""R36 for the corpus: no field of its recipe is one that nothing reads."""

import ast
from pathlib import Path

import medtune
from medtune.recipe import corpus as schema
from medtune.recipe.section import Section

PARTS = ("guidelines", "abstracts", "papers", "replay")

PACKAGE = Path(medtune.__file__).parent


def names_read() -> set[str]:
    """Attributes and keys that the code of the corpus asks for, anywhere but in the schema."""
    files = [*(PACKAGE / "corpus").rglob("*.py"), PACKAGE / "cli" / "corpus.py"]
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in files]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    slices = [node.slice for node in nodes if isinstance(node, ast.Subscript)]
    return attributes | {str(key.value) for key in slices if isinstance(key, ast.Constant)}


def test_every_field_of_a_corpus_recipe_is_read_by_its_code():
    kinds = [
        kind for kind in vars(schema).values()
        if isinstance(kind, type) and issubclass(kind, Section)
        and kind.__module__ == schema.__name__
    ]  # fmt: skip
    assert len(kinds) > 8
    fields = {(kind.__name__, name) for kind in kinds for name in kind.model_fields}
    # Shares and weights are looked up by the part that a document is of.
    read = names_read() | set(PARTS)
    assert {(kind, name) for kind, name in fields if name not in read} == set()
