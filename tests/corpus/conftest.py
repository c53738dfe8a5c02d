"""A small corpus, built once, and the tokenizer of a tiny base beside its raw files."""

import shutil
from pathlib import Path

import pytest
from raw_files import recipe_of, write_corpus

from medtune.corpus.building import Built, build_corpus


@pytest.fixture(scope="session")
def raw_corpus(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Path:
    """The recipe; raw files lie beside it. Copy the folder before changing it."""
    recipe = write_corpus(tmp_path_factory.mktemp("raw"))
    shutil.copytree(tiny_base, recipe.parent / "tokenizer")
    return recipe


@pytest.fixture(scope="session")
def small_corpus(raw_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build_corpus(recipe_of(raw_corpus), out=tmp_path_factory.mktemp("corpora"))


@pytest.fixture
def own_raw(raw_corpus: Path, tmp_path: Path) -> Path:
    """A copy of the raw files that a test may change; the recipe."""
    shutil.copytree(raw_corpus.parent, tmp_path / "raw")
    return tmp_path / "raw" / raw_corpus.name
