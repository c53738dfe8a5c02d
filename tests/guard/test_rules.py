"""Rule files and tables that are refused, each with the place of its fault."""

from pathlib import Path

import pytest

from medtune.errors import RecipeError
from medtune.guard import load_rules
from medtune.guard.reading import FOLDER
from medtune.guard.tables import load_citations, load_doses
from medtune.guard.units import measure_of

ROW = (
    "{ingredient: alpha, synonyms: [], route: oral, population: adult, unit: mg, max_single: 5, "
    "source: made up, reviewer: none}"
)
RULES = """name: mine
title: Mine
rules:
  - id: doses
    kind: dose_range
    table: ./limits.yaml
  - id: identifiers
    kind: phi
"""


def table(*rows: str) -> str:
    return "name: mine\nnotice: made up\nrows:\n" + "".join(f"  - {row}\n" for row in rows)


def refused(folder: Path, rules: str, limits: str = table(ROW)) -> str:
    (folder / "limits.yaml").write_text(limits, encoding="utf-8")
    path = folder / "rules.yaml"
    path.write_text(rules, encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        load_rules(path)
    return str(caught.value).replace(f"{folder}/", "")


def test_a_sound_file_loads_with_its_table(tmp_path: Path):
    (tmp_path / "limits.yaml").write_text(table(ROW), encoding="utf-8")
    (tmp_path / "rules.yaml").write_text(RULES, encoding="utf-8")
    rules = load_rules(tmp_path / "rules.yaml")
    assert [rule.id for rule in rules.rules] == ["doses", "identifiers"]
    assert rules.notices == (
        "limits of mine: made up; of 1 rows 0 are unverified and 1 without a reviewer",
    )


def test_what_comes_with_medtune_is_marked_as_a_demonstration_that_nobody_reviewed():
    rules = load_rules("demo_rules")
    limits = load_doses(FOLDER / "demo.yaml")
    assert len(limits.by_ingredient) >= 60
    assert limits.notice == "demonstration: not for clinical use"
    assert {(row.source, row.reviewer) for row in limits.rows} == {("unverified", "none")}
    assert any("not for clinical use" in notice for notice in rules.notices)
    assert len(load_citations(FOLDER / "citations.yaml").bodies) >= 60


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("    kind: phi", "    kind: phi\n    verdit: flag",
         "rules.yaml:9:5 verdit: unknown key. Did you mean verdict?"),
        ("title: Mine", "titel: Mine", "rules.yaml:2:1 titel: unknown key. Did you mean title?"),
        ("kind: phi", "kind: phy", "rules.yaml:7:5 rules.1: a rule has kind: dose_range"),
        ("kind: phi", "kind: phi\n    of: [ssn, shoe]", "rules.yaml:9:15 of.1: input should be"),
        ("kind: phi", "kind: phi\n    of: []", "rules.yaml:9:5 of: list should have at least 1"),
        ("kind: phi", "kind: phi\n    kind: phi", "the key is given twice"),
        ("id: identifiers", "id: doses", "rules.yaml:7:5 id: the rule at rules.yaml:4:5 is called"),
        ("./limits.yaml", "./missing.yaml", "rules.yaml:6:5 table: there are no limits"),
        ("./limits.yaml", "missing", "with medtune come citations, demo, demo_rules"),
        ("kind: phi", "kind: forbidden_drug\n    drugs: {}", "rules.yaml:9:5 drugs: dictionary"),
        ("kind: phi", "kind: forbidden_drug\n    drugs: {x: []}\n    when: {}",
         "rules.yaml:10:5 when: needs allergies, conditions or populations"),
        ("kind: phi", "kind: disallowed_recommendation", "needs actions with objects, or phrases"),
        ("kind: phi", "kind: disallowed_recommendation\n    actions: [stop]",
         "actions and objects go together"),
        ("kind: phi", 'kind: disallowed_recommendation\n    phrases: ["... x"]', "expected words"),
    ],
)  # fmt: skip
def test_a_fault_in_the_rules_is_told_with_file_line_and_column(
    tmp_path: Path, old: str, new: str, told: str
):
    assert told in refused(tmp_path, RULES.replace(old, new))


def test_an_empty_list_of_rules_is_refused(tmp_path: Path):
    told = refused(tmp_path, "name: mine\ntitle: Mine\nrules: []\n")
    assert "rules.yaml:3:1 rules: list should have at least 1 item" in told


def test_all_faults_are_told_at_once(tmp_path: Path):
    told = refused(tmp_path, RULES.replace("kind: phi", "kind: phy").replace("table:", "tabel:"))
    assert told.startswith("3 faults in the rules\n")


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ((ROW.replace("source: made up, ", ""),), "limits.yaml:4:5 rows.0.source: missing"),
        ((ROW.replace("reviewer: none", "r: x"),), "rows.0.reviewer: missing"),
        ((ROW, ROW), "limits.yaml:5:5 alpha: oral, adult has a row already, limits.yaml:4:5"),
        ((ROW, ROW.replace("oral", "iv").replace("unit", "usual: true, unit")), None),
        ((ROW.replace("unit", "usual: true, unit"),
          ROW.replace("oral", "iv").replace("unit", "usual: true, unit")),
         "limits.yaml:5:5 alpha: a drug has one usual route; the other is limits.yaml:4:5"),
        ((ROW, ROW.replace("alpha, synonyms: []", "beta, synonyms: [Alpha]")),
         "limits.yaml:5:5 beta: Alpha is a name of alpha too"),
        ((ROW.replace("max_single: 5", "max_single: 5, min_single: 6"),),
         "limits.yaml:4:5 rows.0: min_single 6 is above max_single 5: the limits contradict"),
        ((ROW.replace("max_single: 5", "max_single: 5, max_daily: 4"),), "contradict"),
        ((ROW.replace("max_single: 5", "max_single: 5, max_weekly: 4"),), "contradict"),
        ((ROW.replace("max_single: 5", "min_single: 5"),), "a row needs a highest dose"),
        ((ROW.replace("unit: mg", "unit: mgs"),), "not a unit: 'mgs'"),
        ((ROW.replace("unit: mg", "unit: mg/day"),), "not a unit: 'mg/day'"),
        ((ROW.replace("unit: mg", "unit: mg/hour"),), "a rate is given by infusion"),
        ((ROW.replace("oral", "infusion"),), "a rate is given by infusion"),
        ((ROW.replace("unit: mg", "unit: mg/kg, max_single_per_kg: 1"),), "limits per kg stand"),
        ((ROW.replace("oral", "nasal"),), "limits.yaml:4:39 rows.0.route: input should be"),
        ((ROW.replace("max_single: 5", "max_single: -5"),), "greater than or equal to 0"),
        ((), "limits.yaml:3:1 rows: input should be a valid list"),
    ],
)  # fmt: skip
def test_a_table_that_is_incomplete_or_contradicts_itself_is_refused(
    tmp_path: Path, rows: tuple[str, ...], told: str | None
):
    path = tmp_path / "limits.yaml"
    path.write_text(table(*rows), encoding="utf-8")
    if told is None:
        assert len(load_doses(path).rows) == 2
        return
    with pytest.raises(RecipeError) as caught:
        load_doses(path)
    assert told in str(caught.value).replace(f"{tmp_path}/", "")


def test_a_list_of_citations_needs_a_source_in_every_row_too(tmp_path: Path):
    path = tmp_path / "list.yaml"
    path.write_text("name: x\nnotice: x\nbodies:\n  - {name: WHO, short: []}\n", encoding="utf-8")
    with pytest.raises(RecipeError, match=r"bodies\.0\.source: missing"):
        load_citations(path)


def test_the_digest_changes_with_a_rule_and_with_a_limit(tmp_path: Path):
    def digest(rules: str = RULES, limits: str = table(ROW)) -> str:
        (tmp_path / "limits.yaml").write_text(limits, encoding="utf-8")
        (tmp_path / "rules.yaml").write_text(rules, encoding="utf-8")
        return load_rules(tmp_path / "rules.yaml").digest

    assert digest() == digest()
    assert digest(RULES.replace("kind: phi", "kind: phi\n    verdict: flag")) != digest()
    assert digest(limits=table(ROW.replace("max_single: 5", "max_single: 6"))) != digest()
    # Where the table lies is not what it says.
    (tmp_path / "other.yaml").write_text(table(ROW), encoding="utf-8")
    assert digest(RULES.replace("./limits.yaml", "./other.yaml")) == digest()


@pytest.mark.parametrize(
    "name", ["mg", "mcg/kg/minute", "units/hour", "mg/m2", "%", "mEq", "units/kg/hour"]
)
def test_a_unit_is_written_as_it_is_read(name: str):
    assert measure_of(name).name == name
