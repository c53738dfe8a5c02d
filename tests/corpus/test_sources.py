"""Formats of lines, pages and text: what each reader makes of its published schema."""

import gzip
import json
import os
from pathlib import Path

import pytest
from articles import PROSE, json_lines, read

from medtune.corpus.document import Document
from medtune.corpus.sources import READERS
from medtune.errors import DataError
from medtune.recipe.corpus import Format


def test_every_format_of_the_recipe_has_a_reader():
    assert set(READERS) == set(Format.__args__)


def test_a_guideline_is_read_from_its_raw_text(tmp_path):
    row = {
        "id": "a1",
        "source": "who",
        "title": "Dosing",
        "clean_text": "-besity (p30 kg/m2)",
        "raw_text": "# Dosing\n\nobesity (p<0.001; BMI >30 kg/m2)\n\n| Drug | Dose |\n"
        "| --- | --- |\n| A | 5 mg |",
        "url": "https://example.org/1",
        "overview": None,
    }
    (found,) = read(json_lines(tmp_path / "g.jsonl", row), "guidelines_jsonl", licence="CC0")
    assert found.text == row["raw_text"]
    assert (found.id, found.licence) == ("guideline:a1", "cc0")
    assert found.identifiers == {"url": "https://example.org/1"}


def test_a_guideline_without_raw_text_is_read_from_the_cleaned_one(tmp_path):
    rows = [{"id": "1", "title": "T", "clean_text": PROSE, "raw_text": ""}, {"id": "2"}]
    kept, dropped = read(json_lines(tmp_path / "g.jsonl", *rows), "guidelines_jsonl")
    assert kept.text == f"# T\n\n{PROSE}"
    assert dropped.reason == "malformed"
    assert dropped.detail == "g.jsonl:2: no text in raw_text or clean_text or text; it has id"


def test_bad_lines_are_drops_that_name_file_and_line(tmp_path):
    path = json_lines(tmp_path / "a.jsonl", "{", "[1]", {"abstract": 5}, "", {"abstract": PROSE})
    *bad, good = read(path, "abstracts_jsonl")
    assert [one.detail.split(":")[1] for one in bad] == ["1", "2", "3"]
    assert {one.reason for one in bad} == {"malformed"}
    assert good.text == PROSE


def test_packed_lines_that_are_cut_off_are_an_error(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps({"abstract": PROSE}).encode() * 50)[:-20])
    with pytest.raises(DataError, match=r"a\.jsonl\.gz: it is cut off"):
        read(path, "abstracts_jsonl")


def test_ids_do_not_depend_on_where_the_source_lies(tmp_path):
    found = []
    for name in ("one", "two"):
        (tmp_path / name / "in").mkdir(parents=True)
        json_lines(tmp_path / name / "in/a.jsonl", {"text": PROSE}, {"text": PROSE})
        found.append([one.id for one in read(tmp_path / name, "redpajama_jsonl")])
    assert found[0] == found[1]
    assert len(set(found[0])) == 2


def test_pages_of_questions_become_sections(tmp_path):
    row = {
        "id": "7",
        "focus": "Measles",
        "url": "u",
        "qa": [
            {"question": "What is (are) Measles ?", "answer": "It is: - A fever. - Red spots."},
            {"question": "Empty ?", "answer": ""},
        ],
    }
    (found,) = read(json_lines(tmp_path / "q.jsonl", row), "medquad_jsonl")
    assert found.text == "# Measles\n\n## What is Measles?\n\nIt is:\n- A fever.\n- Red spots."


def test_a_clearinghouse_summary_keeps_medicine_and_leaves_the_committee(tmp_path):
    (tmp_path / "ngc-12.xml").write_text(
        """<Version><Section Name="General"><Field Name="Guideline Title" Type="text">
        <FieldValue Value="&lt;div&gt;Sepsis.&lt;/div&gt;"/></Field></Section>
        <Section Name="Recommendations"><Field Name="Major Recommendations">
        <FieldValue Value="&lt;table&gt;&lt;tr&gt;&lt;th&gt;Drug&lt;/th&gt;&lt;th&gt;Dose&lt;/th&gt;
        &lt;/tr&gt;&lt;tr&gt;&lt;td&gt;A&lt;/td&gt;
        &lt;td&gt;5 mg (p&amp;lt;0.01)&lt;/td&gt;&lt;/tr&gt;
        &lt;/table&gt;"/></Field></Section><Section Name="Scope"><Field Name="Intended Users">
        <FieldValue Value="Nurses"/><FieldValue Value="Physicians"/></Field>
        <Field Name="Other"><FieldValue Value="Not stated"/></Field></Section>
        <Section Name="Identifying Information and Availability"><Field Name="Guideline Committee">
        <FieldValue Value="Committee"/></Field><Field Name="Copyright Statement">
        <FieldValue Value="No copyright restrictions apply."/></Field></Section></Version>""",
        encoding="utf-8",
    )
    (found,) = read(tmp_path, "ngc_xml")
    assert found.text == (
        "# Sepsis.\n\n## Recommendations\n\n### Major Recommendations\n\n| Drug | Dose |\n"
        "| --- | --- |\n| A | 5 mg (p<0.01) |\n\n## Scope\n\n### Intended Users\n\n"
        "- Nurses\n- Physicians"
    )
    assert (found.id, found.licence) == ("ngc:12", "public-domain")


def test_a_page_has_its_main_text_and_the_licence_that_it_links(tmp_path):
    (tmp_path / "a.html").write_text(
        f"<title>T</title><nav>menu</nav><article><p>{PROSE}</p></article><footer><a rel='license' "
        "href='https://creativecommons.org/licenses/by-nc/4.0/'>x</a></footer>",
        encoding="utf-8",
    )
    (found,) = read(tmp_path, "html")
    assert (found.text, found.licence) == (f"# T\n\n{PROSE}", "cc-by-nc")


def test_a_markdown_file_keeps_its_headings_and_tables(tmp_path):
    text = "# T\n\n## A\n\n- one\n  - two\n\n| a | b |\n| --- | --- |\n| 1 | 2 |"
    (tmp_path / "a.md").write_text(text, encoding="utf-8")
    (found,) = read(tmp_path, "markdown", licence="cc-by-4.0")
    assert (found.title, found.text, found.licence) == ("T", text, "cc-by")


def test_text_is_one_document_or_as_many_as_begin(tmp_path):
    (tmp_path / "a.txt").write_text(" = A = \nx\n = = B = = \n = C = \ny\n", encoding="utf-8")
    assert len(read(tmp_path, "text")) == 1
    found = read(tmp_path, "text", begins=r" = [^=]+ = ?$")
    assert [one.text for one in found] == ["= A =\nx\n = = B = =", "= C =\ny"]


def test_replay_is_left_as_it_is(tmp_path):
    text = "if a<b and c>d: x[1] = '•' # see [2] http://a.org"
    row = {"text": text, "meta": {"url": "u"}}
    (found,) = read(json_lines(tmp_path / "r.jsonl", row), "redpajama_jsonl")
    assert (found.text, found.identifiers) == (text, {"url": "u"})


def s2(**row: object) -> dict[str, object]:
    return {"corpusid": 5, "externalids": {"PubMed": "9", "PubMedCentral": None}, **row}


def test_an_abstract_with_a_pubmed_id_alone_is_kept_and_others_are_not(tmp_path):
    rows = [
        s2(abstract=PROSE, title="T", openaccessinfo={"license": "CCBYNCND"}),
        {"corpusid": 6, "abstract": PROSE, "externalids": {"DOI": "10.1/x"}},
        {"abstract": PROSE},
    ]
    kept, other, nameless = read(json_lines(tmp_path / "s.jsonl", *rows), "s2orc_abstracts")
    assert kept.identifiers == {"corpusid": "5", "pmid": "9"}
    assert kept.licence == "cc-by-nc-nd"
    assert (other.reason, nameless.reason) == ("not_pubmed", "malformed")


def full_text(**options: object) -> dict[str, object]:
    """A row of S2ORC; spans are found by their words."""
    text = (
        "On pills\nAnn Author\nMETHODS\nWe gave 5 mg (p<0.001) [1]. Smith (2005) agreed (Fig. 1).\n"
        "Figure 1: A curve.\nHIV\nIt was [Na+].\nReferences\nDoe On drugs"
    )

    def span(words: str, **attributes: str) -> str:
        start = text.index(words)
        row = {"start": start, "end": start + len(words), "attributes": attributes}
        return json.dumps([row])

    heads = json.loads(span("METHODS")) + json.loads(span("HIV"))
    annotations = {
        "title": span("On pills"),
        "author": span("Ann Author"),
        "sectionheader": json.dumps(heads),
        "bibref": span("[1]", ref_id="b0"),
        "figureref": span("Fig. 1", ref_id="f0"),
        "figure": span("Figure 1: A curve.", id="f0"),
        "figurecaption": span("Figure 1: A curve."),
        "bibentry": span("References\nDoe On drugs", id="b0"),
        "bibtitle": span("On drugs"),
        "bibauthorlastname": span("Doe"),
        "formula": None,
    }
    return s2(content={"text": text, "annotations": annotations | options})


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"citations": "drop", "figures": "drop"},
            "We gave 5 mg (p<0.001). Smith (2005) agreed.\n\n## HIV\n\nIt was [Na+].",
        ),
        (
            {"citations": "text", "figures": "text"},
            "We gave 5 mg (p<0.001) [1]. Smith (2005) agreed (Fig. 1).\n\n## HIV\n\nIt was [Na+]."
            "\n\nFigure 1: A curve.",
        ),
        (
            {"citations": "tokens", "figures": "tokens"},
            "We gave 5 mg (p<0.001) [bib_ref] On drugs, Doe [/bib_ref]. Smith (2005) agreed "
            "[fig_ref] Fig. 1: Figure 1: A curve. [/fig_ref].\n\n## HIV\n\nIt was [Na+]."
            "\n\n[fig] Figure 1: A curve. [/fig]",
        ),
    ],
)
def test_annotations_of_s2orc_make_headings_and_references(tmp_path, options, text):
    (found,) = read(json_lines(tmp_path / "s.jsonl", full_text()), "s2orc", **options)
    assert isinstance(found, Document), found
    assert found.text == f"# On pills\n\n## Methods\n\n{text}"


@pytest.mark.parametrize(
    ("annotation", "told"),
    [
        ("{", "annotation bibref cannot be read"),
        ('[{"start": 1}]', "annotation bibref cannot be read"),
        ('[{"start": 5, "end": 99999}]', "annotation bibref has 5-99999 in"),
    ],
)
def test_annotations_that_cannot_be_right_are_malformed(tmp_path, annotation, told):
    (found,) = read(json_lines(tmp_path / "s.jsonl", full_text(bibref=annotation)), "s2orc")
    assert found.reason == "malformed"
    assert told in found.detail


def test_any_set_that_datasets_reads_is_streamed(tmp_path):
    json_lines(tmp_path / "rows.jsonl", {"body": PROSE}, {"body": ""})
    described = {
        "path": "json",
        "data_files": str(tmp_path / "rows.jsonl"),
        "split": "train",
        "column": "body",
    }
    (tmp_path / "rows.dataset.json").write_text(json.dumps(described), encoding="utf-8")
    kept, empty = read(tmp_path / "rows.dataset.json", "datasets", licence="cc0")
    assert (kept.text, kept.licence, empty.reason) == (PROSE, "cc0", "malformed")
    with pytest.raises(DataError, match="row 1 has no text, but body"):
        read(tmp_path / "rows.jsonl", "datasets")


def test_a_description_without_a_split_is_refused(tmp_path):
    (tmp_path / "a.dataset.json").write_text('{"path": "x"}', encoding="utf-8")
    with pytest.raises(DataError, match='needs an object with "path" and "split"'):
        read(tmp_path, "datasets")


@pytest.mark.parametrize("kind", sorted(READERS))
def test_a_source_without_files_is_an_error(tmp_path, kind):
    with pytest.raises(DataError, match=r"has no file \*\."):
        read(tmp_path, kind)
    with pytest.raises(DataError, match="is not there"):
        read(tmp_path / "missing", kind)


@pytest.mark.parametrize(
    ("options", "reason", "detail"),
    [
        ({"min_words": 99}, "too_short", "27 words"),
        ({"languages": ["fr"]}, "language", "en"),
        ({"quality": True, "tables": "markdown"}, None, None),
    ],
)
def test_a_document_that_is_not_kept_says_why(tmp_path, options, reason, detail):
    path = json_lines(tmp_path / "a.jsonl", {"abstract": PROSE})
    (found,) = read(path, "abstracts_jsonl", **options)
    if reason is None:
        assert isinstance(found, Document)
    else:
        assert (found.reason, found.detail, found.text) == (reason, detail, PROSE)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("120 1234 5678 of the 12345 67890 1234", "words have a letter"),
        ("- the doses given\n- of something else\n- and that", "bullets"),
        ("lorem ipsum dolor sit amet", "stop words"),
        ("| the | and |", "no words beside tables"),
    ],
)
def test_what_is_no_prose_is_left_out_by_option(tmp_path, text, told):
    path = json_lines(tmp_path / "a.jsonl", {"abstract": text})
    (found,) = read(path, "abstracts_jsonl", quality=True, languages=[])
    assert found.reason == "quality"
    assert told in found.detail


def test_identifiers_of_people_are_masked_or_lead_to_a_drop_that_hides_them(tmp_path):
    text = f"{PROSE} Write to jane.roe@example.org, SSN 123-45-6789."
    path = json_lines(tmp_path / "a.jsonl", {"abstract": text})
    (masked,) = read(path, "abstracts_jsonl", pii={"action": "mask"})
    assert masked.text == f"{PROSE} Write to [email], [ssn]."
    (dropped,) = read(path, "abstracts_jsonl", pii={"action": "drop"})
    assert (dropped.reason, dropped.detail) == ("pii", "ssn 1, email 1")
    assert "jane" not in dropped.text


def real(name: str) -> Path:
    folder = os.environ.get("MEDTUNE_DATA")
    if not folder:
        pytest.skip("MEDTUNE_DATA is not set")
    return Path(folder) / "gap" / name


def test_real_abstracts_lose_no_word_but_markup():
    found = read(real("abstracts.jsonl"), "abstracts_jsonl")
    assert len(found) == 1782
    assert all(isinstance(one, Document) for one in found)
    lines = real("abstracts.jsonl").read_text(encoding="utf-8").splitlines()
    for one, line in zip(found, lines, strict=True):
        row = json.loads(line)
        assert one.id == f"pmid:{row['pmid']}"
        assert len(one.text.split()) >= 0.97 * len(row["abstract"].split()), one.id


def test_real_summaries_and_pages_are_kept_with_their_tables():
    summaries = read(real("guidelines/ngc_xml"), "ngc_xml")
    assert len(summaries) == 46
    assert {one.licence for one in summaries} == {"public-domain"}
    assert sum("\n| --- |" in one.text for one in summaries) > 15
    pages = read(real("guidelines/medquad_nih_cdc.jsonl"), "medquad_jsonl", licence="cc-by-4.0")
    assert len(pages) == 622
    assert {one.licence for one in pages if isinstance(one, Document)} == {"cc-by"}


def test_real_general_text_is_divided_into_its_articles():
    found = read(real("replay/wikitext2_valid.txt"), "text", begins=r" = [^=].*[^=] = ?$")
    assert len(found) > 50
    assert all(one.text.startswith("= ") for one in found)
