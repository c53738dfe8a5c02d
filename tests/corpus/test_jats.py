"""JATS articles become Markdown without losing what they say."""

# ruff: noqa: RUF001 - Greek letters are what is tested

import gzip
import json
import os
from pathlib import Path

import pytest
from articles import CC_BY, PROSE, archive, article, read

from medtune.corpus.document import Deletion, Document, Drop
from medtune.errors import DataError

TABLE = """<table-wrap id="t1"><label>Table 1</label><caption><p>Doses.</p></caption><table>
<thead><tr><th>Drug</th><th>Child</th></tr></thead>
<tbody><tr><td>amoxicillin</td><td>50&#160;mg/kg (p&lt;0.001)<sup>a</sup></td></tr></tbody></table>
<table-wrap-foot><fn><p><sup>a</sup>daily</p></fn></table-wrap-foot></table-wrap>"""
REFERENCES = """<ref-list><ref id="r1"><element-citation><person-group><name><surname>Doe</surname>
</name></person-group><article-title>On pills</article-title></element-citation></ref>
<ref id="r2"><mixed-citation>no title</mixed-citation></ref></ref-list>"""
CITED = """<p>It helps [<xref ref-type="bibr" rid="r1">1</xref>,
<xref ref-type="bibr" rid="r2">2
</xref>] some<sup><xref ref-type="bibr" rid="r1">1</xref></sup> (<xref
ref-type="fig" rid="f1">Fig. 1
</xref>). <xref ref-type="bibr" rid="r1">Doe (2005)</xref> agrees.</p>
<fig id="f1"><label>Fig. 1</label><caption><p>A curve.</p></caption></fig>"""


def text_of(tmp_path: Path, body: str, back: str = "", doctype: str = "", **cleaning) -> str:
    (tmp_path / "a.nxml").write_text(article(body, back=back, doctype=doctype), encoding="utf-8")
    (found,) = read(tmp_path, "jats", languages=[], **cleaning)
    assert isinstance(found, Document), found
    return found.text.removeprefix("# A trial of amoxicillin\n\n")


def test_an_article_says_what_it_is(tmp_path):
    (tmp_path / "a.nxml").write_text(article(), encoding="utf-8")
    (found,) = read(tmp_path, "jats")
    assert found == Document(
        id="pmc:PMC1",
        part="papers",
        source="src",
        title="A trial of amoxicillin",
        text=f"# A trial of amoxicillin\n\n{PROSE}",
        licence="cc-by",
        identifiers={"pmid": "100", "pmcid": "PMC1", "doi": "10.1/1"},
        publication_types=("research-article",),
    )


def test_comparisons_brackets_letters_and_scripts_survive(tmp_path):
    body = """<p>p&lt;0.001 in BMI &gt;30 kg/m<sup>2</sup>, [Na<sup>+</sup>],
    <italic>&#945;</italic>-blockers, PCO<sub>2</sub>, C<sub>max</sub>, 10<sup>-3</sup></p>
    <p>obesity</p>"""
    assert text_of(tmp_path, body) == (
        "p<0.001 in BMI >30 kg/m², [Na⁺], α-blockers, PCO₂, C_{max}, 10⁻³\n\nobesity"
    )


def test_nested_sections_are_headings_of_their_depth_and_the_back_goes(tmp_path):
    body = """<sec><title>Methods</title><p>a</p><sec><title>Drugs</title><p>b</p>
    <list list-type="order"><list-item><p>c</p><list><list-item><p>d</p></list-item></list>
    </list-item></list></sec></sec><sec><title>Competing interests</title><p>none</p></sec>
    <sec><title>Empty</title></sec>"""
    back = (
        "<ack><p>thanks</p></ack><app-group><app><title>Appendix</title><p>e</p></app></app-group>"
    )
    assert text_of(tmp_path, body, back) == (
        "## Methods\n\na\n\n### Drugs\n\nb\n\n1. c\n   - d\n\n## Appendix\n\ne"
    )


def test_a_table_inside_a_paragraph_keeps_its_numbers(tmp_path):
    assert text_of(tmp_path, f"<p>before {TABLE} after</p>") == (
        "before\n\n**Table 1.** Doses.\n\n| Drug | Child |\n| --- | --- |\n"
        "| amoxicillin | 50 mg/kg (p<0.001)^a |\n\n^adaily\n\nafter"
    )


def test_tables_can_be_left_at_their_captions(tmp_path):
    assert text_of(tmp_path, TABLE, tables="captions") == "**Table 1.** Doses."


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"citations": "drop", "figures": "drop"},
            "It helps some. Doe (2005) agrees.",
        ),
        (
            {"citations": "text", "figures": "text"},
            "It helps [1, 2 ] some¹ (Fig. 1 ). Doe (2005) agrees.\n\n**Fig. 1.** A curve.",
        ),
        (
            {"citations": "tokens", "figures": "tokens"},
            "It helps [bib_ref] On pills, Doe [/bib_ref] some [bib_ref] On pills, Doe [/bib_ref] "
            "[fig_ref] Fig. 1: A curve. [/fig_ref]. [bib_ref] On pills, Doe [/bib_ref] agrees."
            "\n\n[fig] **Fig. 1.** A curve. [/fig]",
        ),
    ],
)
def test_citations_and_figures_are_dropped_written_or_tokens(tmp_path, options, text):
    assert text_of(tmp_path, CITED, REFERENCES, **options) == text


def test_formulas_are_a_line_of_text(tmp_path):
    body = """<p>with <inline-formula><alternatives><tex-math>\\documentclass{minimal}
    \\begin{document}$$\\alpha_1$$\\end{document}</tex-math><mml:math><mml:mi>x</mml:mi></mml:math>
    </alternatives></inline-formula> and <mml:math><mml:mfrac><mml:mrow><mml:mi>a</mml:mi>
    <mml:mo>+</mml:mo><mml:mn>1</mml:mn></mml:mrow><mml:msup><mml:mi>b</mml:mi><mml:mn>2</mml:mn>
    </mml:msup></mml:mfrac></mml:math></p>"""
    assert text_of(tmp_path, body) == "with \\alpha_1 and (a+1)/(b^2)"


def test_entities_of_a_dtd_that_is_not_there_are_letters(tmp_path):
    doctype = '<!DOCTYPE article PUBLIC "-//NLM//DTD JATS//EN" "JATS-archivearticle1.dtd">'
    assert text_of(tmp_path, "<p>TNF-&alpha; &lt; 5 &mu;g</p>", doctype=doctype) == "TNF-α < 5 μg"


def test_entities_are_never_expanded_nor_files_read(tmp_path):
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    doctype = f'<!DOCTYPE article [<!ENTITY x SYSTEM "file://{tmp_path}/secret">]>'
    assert "secret" not in text_of(tmp_path, "<p>a &x; b</p>", doctype=doctype).split()


def test_an_address_in_brackets_goes_and_a_named_link_stays(tmp_path):
    body = """<p>Code (<ext-link xlink:href="http://a.org">http://a.org</ext-link>) and
    <ext-link xlink:href="http://b.org">the registry</ext-link> exist.</p>"""
    assert text_of(tmp_path, body) == "Code and the registry exist."


@pytest.mark.parametrize(
    ("xml", "name"),
    [
        (CC_BY, "cc-by"),
        ('<license license-type="CC BY-NC-ND"><p>Open.</p></license>', "cc-by-nc-nd"),
        (
            '<license><p><ext-link xlink:href="https://creativecommons.org/licenses/by-nc/4.0/">x'
            "</ext-link></p></license>",
            "cc-by-nc",
        ),
        (
            '<license xmlns:ali="http://www.niso.org/schemas/ali/1.0/"><ali:license_ref>'
            "https://creativecommons.org/licenses/by-sa/4.0/</ali:license_ref></license>",
            "cc-by-sa",
        ),
        ("<copyright-statement>© 2020 Publisher</copyright-statement>", "unknown:© 2020 Publisher"),
        ("", "none"),
    ],
)
def test_every_way_to_state_a_licence_is_read(tmp_path, xml, name):
    (tmp_path / "a.nxml").write_text(article(licence=xml), encoding="utf-8")
    (found,) = read(tmp_path, "jats")
    assert found.licence == name


@pytest.mark.parametrize(
    "marked",
    [
        {"kind": "retracted-article"},
        {"title": "RETRACTED: A trial of amoxicillin"},
        {"meta": '<related-article related-article-type="retraction-forward"/>'},
    ],
)
def test_a_retracted_paper_goes_from_every_source(tmp_path, marked):
    (tmp_path / "a.nxml").write_text(article(**marked), encoding="utf-8")
    drop, deletion = read(tmp_path, "jats")
    assert (drop.reason, drop.id) == ("retracted", "pmc:PMC1")
    assert deletion.reason == "retracted"
    assert deletion.identifiers["pmid"] == "100"


def test_a_notice_of_retraction_is_no_text_and_names_the_paper(tmp_path):
    meta = """<related-article related-article-type="retracted-article" ext-link-type="doi"
    xlink:href="10.1/7"/>"""
    (tmp_path / "a.nxml").write_text(article(kind="retraction", meta=meta), encoding="utf-8")
    deletion, drop = read(tmp_path, "jats")
    assert deletion == Deletion("doi:10.1/7", "src", 0, "retracted", {"doi": "10.1/7"})
    assert drop.reason == "notice"


def test_a_malformed_article_of_a_package_is_one_drop_with_its_line(tmp_path):
    members = {
        "p/a.nxml": article(),
        "p/b.nxml": "<article>\n<p>",
        "p/c.xml": "<x/>",
        "p/d.pdf": "",
    }
    archive(tmp_path / "p.tar.gz", members)
    kept, broken, other = read(tmp_path, "jats")
    assert isinstance(kept, Document)
    assert broken.reason == other.reason == "malformed"
    assert broken.detail.startswith("p.tar.gz/p/b.nxml:2:")
    assert "<x> where <article> belongs" in other.detail


@pytest.mark.parametrize("kept", [0.3, 0.9, 0.999])
def test_an_archive_that_is_cut_off_is_an_error(tmp_path, kept):
    whole = archive(tmp_path / "p.tar.gz", {f"{n}.nxml": article(pmcid=str(n)) for n in range(40)})
    content = whole.read_bytes()
    whole.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(DataError, match=r"p\.tar\.gz: the archive is cut off or broken"):
        read(tmp_path, "jats")


def test_a_cut_tar_inside_whole_gzip_is_an_error(tmp_path):
    packed = archive(tmp_path / "p.tar.gz", {"a.nxml": article()})
    packed.write_bytes(gzip.compress(gzip.decompress(packed.read_bytes())[:900]))
    with pytest.raises(DataError, match="cut off or broken"):
        read(tmp_path, "jats")


def test_a_set_of_articles_gives_each(tmp_path):
    both = article(pmcid="1") + article(pmcid="2")
    (tmp_path / "set.xml").write_text(f"<pmc-articleset>{both}</pmc-articleset>", encoding="utf-8")
    assert [one.id for one in read(tmp_path, "jats")] == ["pmc:PMC1", "pmc:PMC2"]


def test_an_article_of_another_language_is_told_by_its_body(tmp_path):
    spanish = (
        "Los pacientes con infección respiratoria fueron tratados con un antibiótico durante diez "
        "días, y después se observó que la mayoría había mejorado. No hubo diferencias entre los "
        "grupos según la edad, aunque los niños pequeños necesitaron más tiempo. "
    ) * 20
    body = f"<p>{PROSE * 6}</p><p>{spanish}</p>"
    (tmp_path / "a.nxml").write_text(article(body), encoding="utf-8")
    (found,) = read(tmp_path, "jats")
    assert isinstance(found, Drop)
    assert (found.reason, found.detail) == ("language", "es")


def test_real_papers_are_read_whole_with_their_licences():
    folder = os.environ.get("MEDTUNE_DATA")
    if not folder:
        pytest.skip("MEDTUNE_DATA is not set")
    found = read(Path(folder) / "gap/papers_jats", "jats")
    assert len(found) == 320
    assert all(isinstance(one, Document) for one in found)
    index = {}
    for line in (Path(folder) / "gap/papers_index.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        index[f"pmc:{row['pmcid']}"] = row
    assert {one.id for one in found} == index.keys()
    for one in found:
        assert one.identifiers["pmid"] == index[one.id]["pmid"]
        # Tables, lists and abstract come on top; what the back says goes.
        assert len(one.text) > 0.7 * index[one.id]["body_chars"], one.id
    # Four of them link CC BY beneath words that forbid commerce.
    narrower = sorted(one.id for one in found if one.licence == "cc-by-nc")
    assert narrower == ["pmc:PMC2800200", "pmc:PMC3570228", "pmc:PMC4061186", "pmc:PMC4794540"]
    assert {one.licence for one in found} == {"cc-by", "cc-by-nc", "cc0", "public-domain"}
