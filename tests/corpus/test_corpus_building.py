"""A corpus from raw files to shards: what stays, what goes, and that the bytes never differ."""

import json
from pathlib import Path

import pytest
from raw_files import abstract_row, prose, recipe_of, title, write_paper, write_rows

from medtune.corpus.building import Built, build_corpus
from medtune.corpus.reading import Corpus
from medtune.corpus.store import read_lines
from medtune.corpus.tokens import Encoder
from medtune.digests import sha256_file
from medtune.errors import DataError, DriftError, RunExistsError
from medtune.recipe.corpus import Part

PARTS: tuple[Part, ...] = ("guidelines", "papers", "abstracts", "replay")


def bytes_of(corpus: Path) -> dict[str, str]:
    """Every file of a corpus but the one that says when it was finished."""
    return {
        str(path.relative_to(corpus)): sha256_file(path)
        for path in sorted(corpus.rglob("*"))
        if path.is_file() and path.name != "provenance.json"
    }


def documents(built: Built) -> dict[str, dict]:
    """Id -> where each kept document is from."""
    files = built.path.glob("shards/*.jsonl.gz")
    return {row["id"]: row for file in files for row in read_lines(file)}


def drops(built: Built, reason: str) -> dict[str, str]:
    """Id -> detail of what went for a reason, where the recipe keeps what is dropped."""
    return {
        row["id"]: row["detail"]
        for file in built.path.glob("dropped/*.jsonl.gz")
        for row in read_lines(file)
        if row["reason"] == reason
    }


def build_with(recipe: Path, tmp_path: Path, *overrides: str, name: str = "out") -> Built:
    return build_corpus(recipe_of(recipe, "keep_dropped=true", *overrides), out=tmp_path / name)


def test_every_document_is_one_sequence_between_the_bases_own_borders(small_corpus):
    corpus = Corpus(small_corpus.path)
    borders = Encoder(small_corpus.path / "tokenizer").borders
    sequences = [
        part_sequences[number]
        for part in PARTS
        for split in ("train", "validation")
        for part_sequences in [corpus.sequences(part, split)]
        for number in range(len(part_sequences))
    ]
    for tokens in sequences:
        assert tokens[0] == borders.bos
        assert tokens[-1] == borders.eos
        assert borders.eos not in tokens[1:-1]
    assert len(sequences) == len(documents(small_corpus)) == 6 + 40 + 10 + 6


def test_the_tokens_of_a_shard_are_the_texts_that_its_provenance_names(small_corpus, raw_corpus):
    corpus, encoder = Corpus(small_corpus.path), Encoder(small_corpus.path / "tokenizer")
    texts = corpus.sequences("replay", "train")
    found = {encoder.decode(texts[number]) for number in range(len(texts))}
    assert found == {
        path.read_text(encoding="utf-8") for path in raw_corpus.parent.glob("texts/*.txt")
    }


def test_special_tokens_that_a_document_spells_do_not_end_it(own_raw, tmp_path):
    write_paper(own_raw.parent / "papers", 300, body="It says &lt;/s&gt;. " + prose("x", 40))
    built = build_with(own_raw, tmp_path, "splits={papers: 0}")
    borders = Encoder(built.path / "tokenizer").borders
    papers = Corpus(built.path).sequences("papers", "train")
    counts = [int((papers[number] == borders.eos).sum()) for number in range(len(papers))]
    assert counts == [1] * 7


def test_a_rebuilt_corpus_is_the_same_to_the_byte_wherever_its_raw_files_lie(
    small_corpus, own_raw, tmp_path
):
    again = build_corpus(recipe_of(own_raw), out=tmp_path)
    assert bytes_of(again.path) == bytes_of(small_corpus.path)


def test_two_processes_give_the_bytes_of_one(small_corpus, own_raw, tmp_path):
    again = build_corpus(recipe_of(own_raw, "executor.workers=2"), out=tmp_path)
    assert bytes_of(again.path) == bytes_of(small_corpus.path)


def test_a_corpus_that_is_there_is_not_built_over(small_corpus, raw_corpus):
    with pytest.raises(RunExistsError, match="finished"):
        build_corpus(recipe_of(raw_corpus), out=small_corpus.path.parent)


def test_a_stopped_build_goes_on_only_with_the_same_recipe_and_raw_files(own_raw, tmp_path):
    broken = own_raw.parent / "abstracts" / "b.jsonl.gz"
    broken.write_bytes(b"\x1f\x8b\x08\x00")
    with pytest.raises(DataError, match=r"b\.jsonl\.gz"):
        build_corpus(recipe_of(own_raw), out=tmp_path / "out")
    with pytest.raises(DriftError, match="seed"):
        build_corpus(recipe_of(own_raw, "seed=8"), out=tmp_path / "out", resume=True)
    broken.unlink()
    with pytest.raises(DriftError, match="raw_files"):
        build_corpus(recipe_of(own_raw), out=tmp_path / "out", resume=True)


def test_no_abstract_of_an_evaluation_set_gets_in_nor_its_paper(own_raw, tmp_path):
    question = {
        "QUESTION": "Does it help?",
        "CONTEXTS": [prose("abstract 9001", 120)],
        "LABELS": ["RESULTS"],
        "MESHES": [],
        "LONG_ANSWER": "It does.",
        "final_decision": "yes",
    }
    suite = tmp_path / "pubmedqa" / "test.json"
    suite.parent.mkdir()
    suite.write_text(json.dumps({"9001": question}), encoding="utf-8")
    write_rows(own_raw.parent / "abstracts" / "c.jsonl", [abstract_row(9001)])
    write_paper(own_raw.parent / "papers", 9002, abstract=prose("abstract 9001", 120))
    rows = f"decontamination={{rows: [{{task: pubmedqa, path: {suite}}}]}}"
    built = build_with(own_raw, tmp_path, rows)
    assert set(drops(built, "contaminated")) == {"pmid:9001", "pmc:PMC9002"}
    assert len(documents(built)) == 62


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="with the paper's pmid"),
        pytest.param({"pmid": "555", "doi": "10.1/100", "abstract": prose("other", 90)}, id="doi"),
        pytest.param({"pmid": "555", "abstract": prose("other", 90)}, id="with its title"),
        pytest.param({"pmid": "555", "title": "Another one"}, id="with its text"),
    ],
)
def test_the_abstract_of_a_paper_that_is_there_goes(own_raw, tmp_path, fields):
    row = abstract_row(100, **fields)
    write_rows(own_raw.parent / "abstracts" / "c.jsonl", [row])
    built = build_with(own_raw, tmp_path)
    found = drops(built, "abstract_of_paper")
    assert list(found) == [f"pmid:{row['pmid']}"]
    assert found[f"pmid:{row['pmid']}"].startswith("pmc:PMC100")
    assert len(documents(built)) == 62


def test_an_abstract_stays_where_its_paper_was_not_kept(own_raw, tmp_path):
    write_paper(
        own_raw.parent / "papers", 300, licence="https://creativecommons.org/licenses/by-nc/4.0/"
    )
    write_rows(own_raw.parent / "abstracts" / "c.jsonl", [abstract_row(300)])
    built = build_with(own_raw, tmp_path)
    assert drops(built, "licence") == {"pmc:PMC300": "cc-by-nc"}
    assert "pmid:300" in documents(built)


def test_near_duplicates_go_across_sources_and_the_earlier_part_stays(own_raw, tmp_path):
    words = prose("text 3", 200).split()
    nearly = " ".join([*words[:100], "changed", *words[101:]])
    page = {"id": "near", "focus": title("near"), "qa": [{"question": "What?", "answer": nearly}]}
    with (own_raw.parent / "pages.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(page) + "\n")
    built = build_with(own_raw, tmp_path)
    found = drops(built, "near_duplicate")
    assert len(found) == 1
    assert next(iter(found.values())).startswith("medquad:near, similarity 0.9")
    kept = [row["source"] for row in documents(built).values()]
    assert kept.count("general") == 5
    assert kept.count("pages") == 11


def test_the_same_words_go_and_texts_below_the_threshold_stay(own_raw, tmp_path):
    texts = own_raw.parent / "texts"
    (texts / "same.txt").write_text(prose("text 2", 200).upper(), encoding="utf-8")
    half = " ".join(prose("text 1", 200).split()[:100])
    (texts / "half.txt").write_text(f"{half} {prose('half', 100)}", encoding="utf-8")
    built = build_with(own_raw, tmp_path)
    assert len(drops(built, "same_words")) == 1
    assert not drops(built, "near_duplicate")
    assert built.summary.cluster_sizes == {"2": 1}


def test_documents_of_one_name_and_different_text_all_stay(own_raw, tmp_path):
    page = {
        "id": "g0",
        "focus": title("second"),
        "qa": [{"question": "Q?", "answer": prose(5, 80)}],
    }
    with (own_raw.parent / "pages.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(page) + "\n")
    built = build_with(own_raw, tmp_path)
    assert built.summary.parts["guidelines"].dropped == {}
    assert built.summary.parts["guidelines"].read == 11


def test_a_document_is_held_out_by_its_id_alone(small_corpus, own_raw, tmp_path):
    write_rows(
        own_raw.parent / "abstracts" / "0.jsonl", [abstract_row(n) for n in range(4000, 4050)]
    )
    larger = build_with(own_raw, tmp_path)

    def held_out(built: Built) -> set[str]:
        files = built.path.glob("shards/*.validation.jsonl.gz")
        return {row["id"] for file in files for row in read_lines(file)}

    before = held_out(small_corpus)
    assert before
    assert held_out(larger) & set(documents(small_corpus)) == before


def test_documents_are_repeated_by_their_kind_of_publication(own_raw, tmp_path):
    built = build_with(
        own_raw, tmp_path, "upsampling={research-article: 1.5}", "splits={papers: 0}"
    )
    copies = [row["copies"] for row in documents(built).values() if row["part"] == "papers"]
    assert set(copies) <= {2, 3}
    counts = built.summary.parts["papers"].splits["train"]
    assert (counts.documents, counts.sequences) == (6, sum(copies))
    assert len(Corpus(built.path).sequences("papers", "train")) == sum(copies)


def test_a_share_of_a_source_is_drawn_by_seed(own_raw, tmp_path):
    sources = recipe_of(own_raw).sources
    told = [source.model_dump(exclude_none=True) for source in sources]
    told[2]["sample"] = 0.5
    built = build_with(own_raw, tmp_path, f"sources={json.dumps(told)}")
    went = drops(built, "not_sampled")
    assert 10 < len(went) < 30
    assert all(name.startswith("pmid:") for name in went)


def test_manifest_and_statistics_tell_the_bytes_and_numbers_of_the_shards(small_corpus):
    manifest = json.loads((small_corpus.path / "manifest.json").read_text())
    shards = {path.name: sha256_file(path) for path in (small_corpus.path / "shards").iterdir()}
    assert manifest["shards"] == shards
    corpus = Corpus(small_corpus.path)
    for part in PARTS:
        for split, counts in small_corpus.summary.parts[part].splits.items():
            sequences = corpus.sequences(part, split)
            assert counts.sequences == len(sequences)
            assert counts.tokens == sequences.lengths.sum()
            assert sum(counts.lengths.values()) == counts.documents


def test_no_file_of_a_corpus_names_a_folder_of_this_machine(small_corpus, raw_corpus):
    for path in small_corpus.path.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert str(raw_corpus.parent).encode() not in content, path
            assert str(small_corpus.path.parent).encode() not in content, path


def test_small_units_change_the_shards_and_neither_documents_nor_tokens(
    small_corpus, own_raw, tmp_path, monkeypatch
):
    monkeypatch.setattr("medtune.corpus.units.MIB", 4096)
    many = build_corpus(recipe_of(own_raw, "shard_mb=1"), out=tmp_path)
    assert len(list(many.path.glob("shards/*.idx"))) > len(
        list(small_corpus.path.glob("shards/*.idx"))
    )
    assert documents(many) == documents(small_corpus)


def test_a_part_without_documents_cannot_be_mixed_in(own_raw, tmp_path):
    for path in own_raw.parent.glob("texts/*.txt"):
        path.write_text("short", encoding="utf-8")
    with pytest.raises(DataError, match="replay"):
        build_with(own_raw, tmp_path)


def test_a_corpus_of_which_nothing_is_left_is_an_error_that_says_why(own_raw, tmp_path):
    with pytest.raises(DataError, match="62 licence"):
        build_with(own_raw, tmp_path, "licences.allow=[none]", "cleaning.min_words=0")
