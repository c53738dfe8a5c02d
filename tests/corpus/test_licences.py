"""Licences are read as their publishers write them, and never read as wider than they are."""

import json
import os
from pathlib import Path

import pytest

from medtune.corpus.licences import normalise

CC = "http://creativecommons.org"


@pytest.mark.parametrize(
    ("words", "links", "name"),
    [
        ("by-4.0", [], "cc-by"),
        ("cc-by-3", [], "cc-by"),
        ("CC BY-NC-ND 4.0", [], "cc-by-nc-nd"),
        ("CCBYNCND", [], "cc-by-nc-nd"),
        ("CCBYSA", [], "cc-by-sa"),
        ("cc-zero-1.0", [], "cc0"),
        ("zero-1.0", [], "cc0"),
        ("CC0", [], "cc0"),
        ("mark-1.0", [], "public-domain"),
        ("", [f"{CC}/licenses/by/2.0"], "cc-by"),
        ("", [f"{CC}/licenses/by-sa/3.0/"], "cc-by-sa"),
        ("", [f"{CC}/licenses/by-nc/4.0/"], "cc-by-nc"),
        ("", [f"{CC}/licenses/by-nc-sa/3.0/us/"], "cc-by-nc-sa"),
        ("", [f"{CC}/licenses/by-nc-nd/4.0/legalcode"], "cc-by-nc-nd"),
        ("", [f"{CC}/publicdomain/zero/1.0/"], "cc0"),
        ("", [f"{CC}/publicdomain/mark/1.0/"], "public-domain"),
        ("Open Access under the Creative Commons Attribution License", [], "cc-by"),
        ("the Creative Commons Attribution Noncommercial License", [], "cc-by-nc"),
        ("the Creative Commons Attribution-NonCommercial-NoDerivs 3.0", [], "cc-by-nc-nd"),
        ("under the terms of the CC BY license (see the web)", [], "cc-by"),
        ("distributed under the terms of the CC BY-NC-SA licence", [], "cc-by-nc-sa"),
        ("This journal lies in the public domain and is without copyright.", [], "public-domain"),
        ("No copyright restrictions apply.", [], "public-domain"),
        ("a work of the U.S. Government", [], "public-domain"),
        ("This text is not in the public domain", [], "unknown:This text is not in the public domain"),  # noqa: E501
        ("© 2019 The Publisher. All rights reserved.", [], "unknown:© 2019 The Publisher. All rights reserved."),  # noqa: E501
        ("NO-CC CODE", [], "unknown:NO-CC CODE"),
        ("", ["http://example.org/terms.pdf"], "unknown:http://example.org/terms.pdf"),
        ("  \n", [], "none"),
    ],
)  # fmt: skip
def test_each_spelling_has_its_name(words, links, name):
    assert normalise(words, *links) == name


def test_words_that_forbid_commerce_narrow_a_link_that_allows_it():
    words = "licensed under a Creative Commons Attribution-NonCommercial 3.0 Unported License"
    assert normalise(words, f"{CC}/licenses/by/3.0") == "cc-by-nc"


def test_data_under_cc0_make_no_article_cc0():
    words = (
        "distributed under the terms of the Creative Commons Attribution 4.0 License. The Creative "
        "Commons Public Domain Dedication waiver applies to the data made available in this article"
    )
    assert normalise(words, f"{CC}/publicdomain/zero/1.0/") == "cc-by"


def test_real_abstracts_carry_no_licence_without_a_name():
    folder = os.environ.get("MEDTUNE_DATA")
    if not folder:
        pytest.skip("MEDTUNE_DATA is not set")
    with (Path(folder) / "gap/abstracts.jsonl").open(encoding="utf-8") as lines:
        names = {normalise(json.loads(line)["licence"]) for line in lines}
    assert names == {"cc-by", "cc0", "public-domain"}
