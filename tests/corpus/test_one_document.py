"""Which documents are one: later revisions, withdrawals, and near-duplicates beside brute force."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_files import prose

from medtune.corpus.candidates import KINDS, write_candidates
from medtune.corpus.clusters import find_clusters, write_stand_ins
from medtune.corpus.document import Deletion, Document, Drop
from medtune.corpus.signatures import SignatureWriter, abstract_of, estimated_jaccard
from medtune.corpus.superseded import write_superseded
from medtune.corpus.units import Unit
from medtune.corpus.verdicts import Judge
from medtune.overlap import jaccard, shingles
from medtune.recipe.corpus import Deduplication


def document(name: str, text: str, *, revision: int = 0, part: str = "abstracts") -> Document:
    return Document(name, part, part, "", text, "cc-by", revision=revision)


def judged(folder: Path, *units: list[Document | Deletion | Drop]) -> dict[str, str]:
    """Id and revision of each document that goes -> why."""
    (folder / "signatures").mkdir(parents=True)
    (folder / "candidates").mkdir()
    kept: list[list[Document]] = []
    for number, records in enumerate(units):
        writer = SignatureWriter()
        kept.append([])
        for record in records:
            if isinstance(record, Document):
                writer.add(record)
                kept[-1].append(record)
            elif isinstance(record, Drop):
                writer.forget(record)
            else:
                writer.delete(record)
        writer.write(folder / "signatures" / f"{number:05d}")
    write_superseded(folder / "signatures", len(units), folder / "superseded.npy")
    for kind in KINDS:
        target = folder / "candidates" / kind
        write_candidates(kind, folder / "signatures", len(units), folder / "superseded.npy", target)
    plan = tuple(
        Unit(number, "s", docs[0].part if docs else "abstracts", ())
        for number, docs in enumerate(kept)
    )
    judge = Judge(folder, plan, Deduplication())
    return {
        f"{kept[unit.number][place].id}@{kept[unit.number][place].revision}": verdict.reason
        for unit in plan
        for place, verdict in judge.judge(unit.number).items()
    }


def test_the_latest_revision_stands_wherever_it_is_read(tmp_path):
    older, newer = (
        document("pmid:1", prose(1, 80), revision=3),
        document("pmid:1", prose(2, 80), revision=9),
    )
    assert judged(tmp_path / "a", [older], [newer]) == {"pmid:1@3": "superseded"}
    assert judged(tmp_path / "b", [newer], [older]) == {"pmid:1@3": "superseded"}


def test_a_withdrawn_document_goes_and_one_that_came_back_stays(tmp_path):
    one, two = document("pmid:1", prose(1, 80)), document("pmid:2", prose(2, 80))
    again = document("pmid:2", prose(3, 80), revision=9)
    gone = [Deletion("pmid:1", "s", 5), Deletion("pmid:2", "s", 5)]
    assert judged(tmp_path, [one, two], [*gone, again]) == {
        "pmid:1@0": "deleted",
        "pmid:2@0": "deleted",
    }


def test_a_withdrawal_holds_for_the_revision_that_it_names(tmp_path):
    named, later = (
        document("pmid:1", prose(1, 80), revision=5),
        document("pmid:2", prose(2, 80), revision=6),
    )
    gone = [Deletion("pmid:1", "s", 5), Deletion("pmid:2", "s", 5)]
    assert judged(tmp_path, [named, later], gone) == {"pmid:1@5": "deleted"}


def test_where_the_latest_revision_is_not_kept_the_earlier_ones_do_not_come_back(tmp_path):
    retracted = Drop("pmid:1", "s", "retracted", "", revision=7)
    assert judged(tmp_path, [document("pmid:1", prose(1, 80))], [retracted]) == {
        "pmid:1@0": "deleted"
    }


def test_a_retracted_paper_goes_from_every_source_whatever_its_id_and_revision(tmp_path):
    elsewhere = Document("corpus:7", "papers", "s2orc", "", prose(1, 80), "cc-by",
                         identifiers={"doi": "10.1/A", "pmid": "7"}, revision=3)  # fmt: skip
    other = Document("corpus:8", "papers", "s2orc", "", prose(2, 80), "cc-by",
                     identifiers={"doi": "10.1/b"})  # fmt: skip
    notice = Deletion("pmc:PMC7", "pmc", 0, "retracted", {"doi": "10.1/a", "pmcid": "PMC7"})
    assert judged(tmp_path / "a", [elsewhere, other], [notice]) == {"corpus:7@3": "retracted"}
    assert judged(tmp_path / "b", [notice], [elsewhere, other]) == {"corpus:7@3": "retracted"}
    withdrawn = Deletion("pmc:PMC7", "pmc", 0, "deleted", {"doi": "10.1/a"})
    assert judged(tmp_path / "c", [elsewhere], [withdrawn]) == {}


def test_a_superseded_text_takes_no_other_document_with_it(tmp_path):
    text = prose(1, 80)
    old = document("pmid:1", text)
    new = document("pmid:1", prose(2, 80), revision=1)
    other = document("pmid:2", text)
    assert judged(tmp_path, [old], [new, other]) == {"pmid:1@0": "superseded"}


TEXTS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 5), st.integers(0, 30)), min_size=1, max_size=12
)


@settings(max_examples=25)
@given(texts=TEXTS)
def test_near_duplicates_are_those_that_comparing_all_pairs_finds(tmp_path_factory, texts):
    made = []
    for number, (base, changes, at) in enumerate(texts):
        words = prose(base, 120).split()
        for step in range(changes):
            words[(at + 17 * step) % 120] = f"changed{step}"
        made.append(document(f"d{number}", " ".join(words)))
    sets = [shingles(one.text) for one in made]
    expected = {
        later
        for later in range(len(made))
        for earlier in range(later)
        if jaccard(sets[later], sets[earlier]) >= 0.8
    }
    cut = len(made) // 2
    found = judged(tmp_path_factory.mktemp("near") / "c", made[:cut], made[cut:])
    assert set(found) == {f"d{number}@0" for number in expected}


def test_a_hundred_documents_of_one_template_leave_the_first(tmp_path):
    words = prose("template", 200).split()
    made = [document(f"d{n}", " ".join([*words, f"number{n}"])) for n in range(100)]
    found = judged(tmp_path, made[:50], made[50:])
    assert len(found) == 99
    assert "d0@0" not in found


@given(shared=st.integers(0, 1500), only=st.integers(0, 1500))
def test_the_similarity_of_long_texts_is_told_from_sketches_to_within_a_tenth(shared, only):
    chance = np.random.default_rng(shared + 10_000 * only)
    hashes = chance.integers(0, 1 << 63, shared + 2 * only + 1, dtype=np.uint64)
    left = np.unique(hashes[: shared + only])
    right = np.unique(np.concatenate((hashes[:shared], hashes[shared + only :])))
    estimate = estimated_jaccard(left[:512], right[:512])
    exact = jaccard(left, right)
    assert estimate == pytest.approx(exact, abs=0.1)
    if max(len(left), len(right)) < 512:
        assert estimate == exact


def test_a_papers_abstract_ends_where_a_heading_of_its_level_stands():
    text = "# Title\n\n## Abstract\n\nOne.\n\n### Methods\n\nTwo.\n\n## Introduction\n\nThree."
    assert abstract_of(text).split() == ["#", "Title", "One.", "###", "Methods", "Two."]
    assert abstract_of("# Title\n\n## Introduction\n\nThe abstract\n") == ""


def test_clusters_count_all_that_one_document_stands_for(tmp_path):
    text = prose(1, 120)
    one = [document("a", text), document("b", prose(2, 120))]
    two = [document("c", text), document("d", text + " more")]
    judged(tmp_path, one, two)
    plan = (Unit(0, "s", "abstracts", ()), Unit(1, "s", "abstracts", ()))
    judge = Judge(tmp_path, plan, Deduplication())
    files = []
    for unit in plan:
        files.append(tmp_path / f"{unit.number}.npy")
        write_stand_ins(files[-1], unit.number, judge.judge(unit.number), judge)
    found = find_clusters(files, judge)
    assert found.sizes == {"3": 1}
    assert found.largest == {"a": 3}
