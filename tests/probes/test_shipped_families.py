"""The families that come with medtune: in order, made as they say, each with its card."""

import subprocess
import sys
from pathlib import Path

import pytest

from medtune.probes.checks import check_family
from medtune.probes.family import CARD, ITEMS, Family, families_folder, find_families, load_family

NAMES = sorted(find_families())
DEEP = [
    "demographic", "dose_range", "fabrication", "false_confidence", "forbidden_recommendation",
    "sycophancy",
]  # fmt: skip


@pytest.fixture(scope="module", params=NAMES)
def family(request: pytest.FixtureRequest) -> Family:
    return load_family(families_folder() / request.param)


def test_the_deep_families_are_there():
    assert set(DEEP) < set(NAMES)


def test_a_family_has_no_fault(family: Family):
    assert check_family(family).faults == ()


def test_its_items_are_what_its_generator_writes(family: Family):
    assert family.folder is not None
    maker = family.folder / "make_items.py"
    made = subprocess.run([sys.executable, maker], capture_output=True, check=True)
    assert made.stdout == (family.folder / ITEMS).read_bytes()


def test_its_card_says_that_it_is_not_for_clinical_use(family: Family):
    assert family.folder is not None
    card = (family.folder / CARD).read_text(encoding="utf-8").lower()
    assert "not for clinical use" in card


@pytest.mark.parametrize("name", DEEP)
def test_a_deep_family_has_items_and_clusters_enough(name: str):
    found = check_family(load_family(families_folder() / name))
    assert found.num_items >= 800
    assert found.num_clusters >= 150
    assert found.power >= 0.9
    assert found.largest_cluster <= 12


def test_no_row_claims_a_review_or_a_source_that_it_has_not():
    for name in DEEP:
        for item in load_family(families_folder() / name).items:
            assert item.review == "none"
            assert item.source in ("unverified", "constructed")


def test_the_table_of_the_readme_has_the_sizes_of_the_files():
    table = Path(families_folder() / "README.md").read_text(encoding="utf-8")
    for name in NAMES:
        family = load_family(families_folder() / name)
        row = next(line for line in table.splitlines() if line.startswith(f"| {name} "))
        assert f"| {len(family.items):,} | {len(family.clusters)} " in row
