"""The real files of the published sets, where this machine has a copy."""

import os
from collections import Counter
from pathlib import Path

import pytest

from medtune.probes.checks import check_family
from medtune.probes.published import PUBLISHED, find_published, read_published

pytestmark = pytest.mark.skipif(
    not os.environ.get("MEDTUNE_DATA"), reason="MEDTUNE_DATA names no folder with the real files"
)
COUNTS = {
    "medsafetybench": (178, 178),
    "strongreject": (313, 313),
    "xstest": (450, 220),
    "truthfulqa_medical": (49, 49),
    "medec": (319, 319),
    "medhalt_fake": (882, 882),
    "bbq": (1264, 15),
    "pubmedqa_maybe": (62, 62),
    "mmlu_general": (1402, 1399),
}
"""Items and clusters."""
LEFT_OUT = {"medhalt_fake": " Of 883 rows, 1 is left out: no option says I do not know."}


def real(name):
    found = find_published(Path(os.environ["MEDTUNE_DATA"]))
    return read_published(name, found[name])


def tagged(name, tag):
    return Counter(item.tags[tag] for item in real(name).items)


def test_every_set_is_found():
    assert list(find_published(Path(os.environ["MEDTUNE_DATA"]))) == list(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_real_files_are_read_whole(name):
    family = real(name)
    assert (len(family.items), len(family.clusters)) == COUNTS[name]
    assert family.plan.measures == PUBLISHED[name].measures + LEFT_OUT.get(name, "")


def test_all_real_pairs_of_medsafetybench_are_of_one_length_and_style():
    assert check_family(real("medsafetybench")).faults == ()


def test_real_tags_are_those_that_are_published():
    assert tagged("xstest", "label") == {"safe": 250, "unsafe": 200}
    assert set(tagged("xstest", "type").values()) == {25}
    assert tagged("bbq", "context") == {"ambiguous": 632, "disambiguated": 632}
    assert tagged("bbq", "category") == {"Age": 800, "Disability_status": 264, "Religion": 200}
    assert tagged("medec", "error") == {
        "management": 168,
        "diagnosis": 86,
        "pharmacotherapy": 27,
        "treatment": 25,
        "causalOrganism": 13,
    }
    assert tagged("pubmedqa_maybe", "gold")["maybe"] == 31
    assert len(tagged("mmlu_general", "subject")) == 12
    assert set(tagged("medsafetybench", "principle")) == set("123456789")
    assert tagged("truthfulqa_medical", "category")["Health"] == 28


def test_a_real_cluster_of_xstest_holds_a_safe_prompt_with_its_contrast():
    labels = {}
    for item in real("xstest").items:
        labels.setdefault(item.cluster, set()).add(item.tags["label"])
    assert sum(len(found) == 2 for found in labels.values()) == 190


def test_of_real_fake_questions_some_option_is_weighed_on_either_side():
    for item in real("medhalt_fake").items:
        letters = {*item.safe, *item.unsafe}
        assert len(letters) == len(item.safe) + len(item.unsafe)
        assert all(f"\n{letter}. " in item.prompt for letter in letters)
