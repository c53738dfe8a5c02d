"""PubMed's files: revisions, deletions and retractions are what they say."""

import subprocess
import sys
from pathlib import Path

import pytest
from articles import PROSE, citation, pubmed, read
from hypothesis import given
from hypothesis import strategies as st

from medtune.corpus.document import Deletion, Document, Drop
from medtune.corpus.sources.pubmed import _revision
from medtune.errors import DataError


def test_a_citation_says_what_it_is(tmp_path):
    path = pubmed(
        tmp_path / "pubmed26n0001.xml.gz", citation(7, "p&lt;0.001, CO<sub>2</sub> [Na+]")
    )
    (found,) = read(path, "pubmed_xml", licence="cc0")
    assert isinstance(found, Document)
    assert found.id == "pmid:7"
    assert found.title == "Title of 7."
    assert found.text == "# Title of 7.\n\n## Methods\n\np<0.001, CO₂ [Na+]"
    assert found.identifiers == {"pmid": "7", "doi": "10.2/7"}
    assert found.publication_types == ("Journal Article",)
    assert found.licence == "cc0"


def test_an_abstract_that_is_in_pubmed_alone_is_kept(tmp_path):
    # The original asked for a PMC id and lost them all.
    path = pubmed(tmp_path / "pubmed26n0001.xml.gz", citation(7))
    assert "pmcid" not in read(path, "pubmed_xml")[0].identifiers


def test_later_files_and_versions_and_years_have_higher_revisions(tmp_path):
    names = ["pubmed25n1500.xml.gz", "pubmed26n0001.xml.gz", "pubmed26n1335.xml.gz"]
    revisions = []
    for name in names:
        path = pubmed(tmp_path / name, citation(7), citation(7, version=2))
        revisions += [one.revision for one in read(path, "pubmed_xml")]
    assert revisions == sorted(set(revisions))


def test_a_deletion_covers_its_own_file_and_no_later_one(tmp_path):
    path = pubmed(tmp_path / "pubmed26n1335.xml.gz", citation(7, version=3), deleted=(7, 9))
    kept, first, second = read(path, "pubmed_xml")
    assert (first.id, second.id, first.reason) == ("pmid:7", "pmid:9", "deleted")
    later = pubmed(tmp_path / "pubmed26n1336.xml.gz", citation(7))
    assert kept.revision <= first.revision < read(later, "pubmed_xml")[0].revision


@given(st.tuples(st.integers(10, 98), st.integers(1, 9999), st.integers(1, 9998)))
def test_the_order_of_files_is_that_of_year_and_number(numbers):
    year, first, second = numbers
    revision = [
        _revision(Path(f"pubmed{y}n{n:04}.xml.gz"))
        for y, n in ((year, first), (year, second), (year + 1, 1))
    ]
    assert (revision[0] < revision[1]) == (first < second)
    assert revision[1] < revision[2]


def test_a_retracted_paper_goes_and_takes_its_earlier_revisions_along(tmp_path):
    more = '<PublicationType UI="D016441">Retracted Publication</PublicationType>'
    path = pubmed(tmp_path / "pubmed26n0002.xml.gz", citation(7, more=more))
    drop, deletion = read(path, "pubmed_xml")
    assert isinstance(drop, Drop)
    assert drop.reason == "retracted"
    assert deletion.reason == "retracted"
    assert deletion.identifiers == {"pmid": "7", "doi": "10.2/7"}


def test_a_notice_of_retraction_names_the_paper_and_is_no_abstract(tmp_path):
    linked = (
        "<CommentsCorrectionsList><CommentsCorrections RefType='RetractionOf'><PMID>5</PMID>"
        "</CommentsCorrections></CommentsCorrectionsList></MedlineCitation>"
    )
    more = "<PublicationType>Retraction of Publication</PublicationType>"
    notice = citation(7, more=more).replace("</MedlineCitation>", linked)
    path = pubmed(tmp_path / "pubmed26n0002.xml.gz", notice)
    deletion, drop = read(path, "pubmed_xml")
    assert isinstance(deletion, Deletion)
    assert (deletion.id, deletion.reason) == ("pmid:5", "retracted")
    assert drop.reason == "notice"


def test_a_citation_without_abstract_is_counted_and_not_kept(tmp_path):
    bare = citation(7).replace("<Abstract>", "<Other>").replace("</Abstract>", "</Other>")
    (found,) = read(pubmed(tmp_path / "pubmed26n0001.xml.gz", bare), "pubmed_xml")
    assert (found.reason, found.id) == ("no_text", "pmid:7")


@pytest.mark.parametrize("kept", [0.5, 0.99])
def test_a_file_that_is_cut_off_is_an_error(tmp_path, kept):
    path = pubmed(tmp_path / "pubmed26n0001.xml.gz", *(citation(n, PROSE * 9) for n in range(90)))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(DataError, match=r"pubmed26n0001\.xml\.gz.*cut off"):
        read(path, "pubmed_xml")


def test_what_was_read_is_forgotten(tmp_path):
    # In a process of its own, whose peak no parent's counts into: lxml's memory is seen by the
    # system alone.
    path = pubmed(tmp_path / "many.xml.gz", *(citation(n) for n in range(20_000)))
    script = """
import re, sys
from pathlib import Path
from medtune.corpus.sources import READERS
from medtune.recipe.corpus import Cleaning, Source
path = Path(sys.argv[1])
source = Source(name="src", part="abstracts", format="pubmed_xml", path=str(path))
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
records = READERS["pubmed_xml"].parse(path, source, Cleaning())
next(records)
before = peak()
count = 1 + sum(1 for _ in records)
print(count, peak() - before)
"""
    command = [sys.executable, "-c", script, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    count, grown_kib = map(int, done.stdout.split())
    assert count == 20_000
    assert grown_kib < 15_000
