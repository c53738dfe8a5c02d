"""``medtune corpus``: building, statistics, the page, and what mistakes are answered with."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from raw_files import RECIPE, prose, write_paper

from medtune.corpus.building import build_corpus
from medtune.errors import RecipeError
from medtune.recipe.corpus import load_corpus, require_sources

PARTS = ("Clinical guidelines", "PubMed abstracts", "PubMed papers", "Experience replay", "Total")


def medtune(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "medtune", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def test_build_prints_what_was_built_beside_the_papers_table(own_raw, tmp_path):
    write_paper(
        own_raw.parent / "papers", 300, licence="https://creativecommons.org/licenses/by-nc/4.0/"
    )
    done = medtune("corpus", "build", own_raw, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    for part in PARTS:
        at = next(number for number, line in enumerate(lines) if line.startswith(part))
        assert lines[at + 1].startswith("  the paper")
    assert "pmc: 7 read, 6 kept; dropped: 1 licence" in lines
    assert lines[-1] == "the corpus is in corpora/small"
    told = [json.loads(line) for line in done.stderr.splitlines()]
    assert [one["step"] for one in told if one["event"] == "start"] == [
        "read", "identity", "candidates", "shards",
    ]  # fmt: skip
    assert all("per_second" in one for one in told if one["event"] == "progress")
    again = medtune("corpus", "stats", "corpora/small", cwd=tmp_path)
    assert again.stdout == done.stdout


def test_validate_knows_the_recipe_of_a_corpus(own_raw):
    done = medtune("validate", own_raw)
    assert done.stdout == f"{own_raw} describes the corpus small.\n"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (("licences: {allow", "licences: {alow"), "Did you mean allow?"),
        (("format: jats", "format: jatz"), "'jats'"),
        (("name: pmc", "name: pages"), "several sources are called pages"),
        (("path: papers", "path: nowhere"), "source pmc: there is no file or folder"),
        (("replay: 0.2", "replay: 0.2, weights: {papers: 1}"), "either replay: or weights:"),
        (("seed: 7", "executor: {kind: slurm}"), "needs a section slurm:"),
    ],
)
def test_a_mistake_in_the_recipe_is_told_with_its_place(own_raw, change, found):
    assert change[0] in RECIPE
    own_raw.write_text(RECIPE.replace(*change), encoding="utf-8")
    with pytest.raises(RecipeError) as told:
        require_sources(load_corpus(own_raw))
    assert found in str(told.value)


def test_a_raw_file_that_is_cut_off_is_named_and_the_build_can_go_on(own_raw, tmp_path):
    broken = own_raw.parent / "abstracts" / "c.jsonl.gz"
    broken.write_bytes(b"\x1f\x8b\x08\x00")
    command = ("corpus", "build", own_raw, "executor.workers=2", "--out", tmp_path)
    for found in ("c.jsonl.gz", "--resume"):  # the second time it is there, unfinished
        done = medtune(*command)
        assert done.returncode == 2
        assert found in done.stderr
        assert "Traceback" not in done.stderr


def test_a_folder_without_corpus_has_no_statistics(tmp_path):
    done = medtune("corpus", "stats", tmp_path)
    assert done.returncode == 2
    assert "no finished corpus" in done.stderr


def test_the_page_tells_sources_drops_lengths_clusters_and_licences(small_corpus):
    page = (small_corpus.path / "corpus.html").read_text(encoding="utf-8")
    ElementTree.fromstring(page.partition("\n")[2])
    for heading in ("Documents and tokens", "Sources", "Mixture", "Dropped, by reason",
                    "Lengths of documents", "Clusters of duplicates", "Licences"):  # fmt: skip
        assert heading in page
    assert "<script" not in page


def test_texts_of_dropped_documents_cannot_break_the_page(own_raw, tmp_path):
    text = f"<script>alert(1)</script> {prose('evil', 60)}"
    for name in ("e1", "e2"):
        (own_raw.parent / "texts" / f"{name}.txt").write_text(text, encoding="utf-8")
    built = build_corpus(load_corpus(own_raw), out=tmp_path)
    page = (built.path / "corpus.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;" in page
    assert "<script" not in page
