"""Families of probes are strict folders; what a family can carry is checked."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from medtune.errors import DataError, RecipeError
from medtune.probes.checks import check_family, independent_items
from medtune.probes.family import (
    RESERVED,
    Family,
    Plan,
    find_families,
    load_family,
    sealed_family,
    taken,
)
from medtune.probes.items import Contrast, parse_items
from medtune.probes.privacy import CANARY_PLAN, VERBATIM_PLAN
from medtune.probes.starter import write_family
from medtune.probes.suites import read_families
from medtune.probes.summaries import COHERENCE
from medtune.probes.templates import num_templates
from medtune.stats import required_pairs

PLAN = {
    "probe": "ours", "version": 1, "title": "Ours", "measures": "What we say.", "level": "warning",
    "margin": 0.05, "discordance": 0.15, "clusters": "case", "licence": "none",
}  # fmt: skip


def contrast(number: int, **changes: object) -> dict[str, object]:
    row = {
        "id": f"item-{number}", "cluster": f"case-{number}", "severity": "S2", "kind": "contrast",
        "prompt": f"What is given in case {number}, a case like no other?",
        "safe": [f"Drug {number} by mouth."], "unsafe": [f"Drug {number} by vein."],
        "source": "unverified", "review": "none",
    }  # fmt: skip
    return row | changes


def unlike(number: int, **changes: object) -> dict[str, object]:
    """A row that fills no template of the others."""
    return contrast(
        number, prompt=f"Ward {number} asks what is given today in case {number}?", **changes
    )


def write(folder: Path, rows: list[dict[str, object]], **plan: object) -> Path:
    folder = folder / str(plan.get("probe", "ours"))
    folder.mkdir(parents=True)
    (folder / "probe.yaml").write_text(yaml.safe_dump(PLAN | plan))
    (folder / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def faults(tmp_path: Path, *rows: dict[str, object], **plan: object) -> str:
    return "\n".join(check_family(load_family(write(tmp_path, list(rows), **plan))).faults)


def test_a_family_is_read_with_its_items(tmp_path: Path):
    family = load_family(write(tmp_path, [contrast(1), contrast(2, source="A label, 2024")]))
    assert [item.id for item in family.items] == ["item-1", "item-2"]
    assert [item.is_verified for item in family.items] == [False, True]
    assert not family.items[0].is_reviewed
    assert family.total is None


@pytest.mark.parametrize(
    "nothing",
    [
        "unverified", "Unverified.", "unverified (from memory)", "UNVERIFIED: ask Dr Rossi", " ",
        "not verified", "Not yet", "unknown", "unsigned", "None", "none yet", "-", "TODO ", "tbd",
        "?", "n/a", "N.A.", "Not signed", "not opened", "general knowledge", "My own knowledge",
        "clinical experience", "the author's own judgement",
    ],
)  # fmt: skip
def test_a_source_or_signature_that_says_nothing_is_none(tmp_path: Path, nothing: str):
    row = contrast(1, source=nothing, review=nothing)
    [item] = load_family(write(tmp_path, [row])).items
    assert (item.is_verified, item.is_reviewed) == (False, False)


@pytest.mark.parametrize(
    "something", ["Nair 2020, BMJ", "N. A. Smith", "Dr Noone", "own audit of 2024"]
)
def test_a_source_or_signature_that_says_something_counts(tmp_path: Path, something: str):
    row = contrast(1, source=something, review=something)
    [item] = load_family(write(tmp_path, [row])).items
    assert (item.is_verified, item.is_reviewed) == (True, True)


@pytest.mark.parametrize("source", ["constructed", "Constructed "])
def test_a_constructed_answer_is_verified_by_nobody(tmp_path: Path, source: str):
    [item] = load_family(write(tmp_path, [contrast(1, source=source)])).items
    assert not item.is_verified


@pytest.mark.parametrize(
    ("rules", "source", "is_verified"),
    [([], "constructed", True), (["doses"], "constructed", False), (["doses"], "SPC, 2024", True)],
)
def test_a_constructed_prompt_does_not_vouch_for_the_tables_of_its_rules(
    rules, source, is_verified
):
    shared = {key: contrast(1)[key] for key in ("id", "cluster", "severity", "prompt", "review")}
    row = shared | {"kind": "written", "rules": rules, "source": source}
    [item] = parse_items(json.dumps(row), "rows")
    assert item.is_verified == is_verified


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"serverity": "S2"}, "items.jsonl:1: contrast.serverity: Extra inputs are not permitted"),
        ({"severity": "S5"}, "items.jsonl:1: contrast.severity"),
        ({"kind": "essay"}, "items.jsonl:1: the line"),
        ({"safe": []}, "items.jsonl:1: contrast.safe"),
        ({"unsafe": [""]}, "items.jsonl:1: contrast.unsafe.0"),
        ({"prompt": " \n "}, "items.jsonl:1: contrast.prompt"),
        ({"id": "Item 1"}, "items.jsonl:1: contrast.id"),
    ],
)
def test_a_bad_row_is_told_with_its_line_and_without_its_values(
    tmp_path: Path, change: dict[str, object], message: str
):
    folder = write(tmp_path, [contrast(1, prompt="a prompt of a patient") | change])
    with pytest.raises(DataError) as caught:
        load_family(folder)
    assert message in str(caught.value)
    assert "patient" not in str(caught.value)


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85"])
def test_a_separator_of_lines_within_a_text_of_json_ends_no_row(separator: str):
    rows = [contrast(1, prompt=f"One.{separator}Two."), contrast(2)]
    content = "".join(json.dumps(row, ensure_ascii=False) + "\r\n" for row in rows)
    first, second = parse_items(content, "rows")
    assert (first.prompts, second.id) == ((f"One.{separator}Two.",), "item-2")


def test_two_items_with_one_id_are_refused(tmp_path: Path):
    with pytest.raises(DataError, match="2 items have the id item-1"):
        load_family(write(tmp_path, [contrast(1), contrast(1)]))


def test_a_key_that_a_row_has_twice_is_refused():
    once = json.dumps(contrast(1))
    with pytest.raises(DataError, match="rows:1: the key prompt is given twice in one object"):
        parse_items(once.replace('"prompt":', '"prompt": "Another?", "prompt":'), "rows")


def test_a_line_that_is_no_json_is_refused():
    with pytest.raises(DataError, match="rows:2: the line"):
        parse_items(json.dumps(contrast(1)) + "\n{", "rows")


def test_a_plan_with_an_unknown_key_or_another_name_is_refused(tmp_path: Path):
    with pytest.raises(RecipeError, match="margins"):
        load_family(write(tmp_path / "one", [contrast(1)], margins=0.1))
    folder = write(tmp_path / "two", [contrast(1)])
    with pytest.raises(RecipeError, match="lies in a folder called other"):
        load_family(folder.rename(folder.parent / "other"))


def test_the_digest_changes_with_plan_and_items_and_not_with_the_card(tmp_path: Path):
    folder = write(tmp_path, [contrast(1)])
    first = load_family(folder).digest
    (folder / "CARD.md").write_text("Told.")
    assert load_family(folder).digest == first
    (folder / "items.jsonl").write_text(json.dumps(contrast(1, severity="S4")) + "\n")
    assert load_family(folder).digest != first


def test_a_folder_of_a_site_adds_families_and_cannot_replace_one(tmp_path: Path):
    write(tmp_path / "site", [contrast(1)], probe="site_orders")
    assert "site_orders" in find_families([tmp_path / "site"])
    assert "site_orders" in find_families([tmp_path / "site" / "site_orders"])
    known = next(iter(find_families()))
    write(tmp_path / "again", [contrast(1)], probe=known)
    with pytest.raises(RecipeError, match=f"another probe {known} already"):
        find_families([tmp_path / "again"])
    with pytest.raises(RecipeError, match=r"there is no probe\.yaml"):
        find_families([tmp_path / "site" / "site_orders" / "nothing"])


def many(clusters: int, each: int) -> Family:
    items = tuple(
        Contrast.model_validate_json(
            json.dumps(contrast(number, cluster=f"case-{number % clusters}"))
        )
        for number in range(clusters * each)
    )
    return Family(plan=Plan(**PLAN), items=items, digest="d")


@given(st.integers(1, 20), st.integers(1, 6), st.integers(1, 130))
def test_a_part_of_a_family_hears_every_cluster_before_any_twice(clusters, each, count):
    family = taken(many(clusters, each), count)
    sizes = [sum(item.cluster == name for item in family.items) for name in family.clusters]
    assert len(family.items) == min(count, clusters * each)
    assert max(sizes) - min(sizes) <= 1
    assert len(family.clusters) == min(count, clusters)
    assert family.total == (clusters * each if count < clusters * each else None)


def test_which_items_are_taken_does_not_depend_on_their_order():
    family = many(9, 4)
    turned = Family(plan=family.plan, items=family.items[::-1], digest="d")
    assert {i.id for i in taken(family, 13).items} == {i.id for i in taken(turned, 13).items}


# check


def test_a_family_in_order_has_no_fault(tmp_path: Path):
    assert faults(tmp_path, *(contrast(number) for number in range(5))) == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"safe": ["Drug 1 by mouth, if the patient can swallow."]}, "their length would decide"),
        ({"safe": ["Drug 1 by mouth"]}, "one answer ends in a mark"),
        ({"safe": ["drug 1 by mouth."]}, "begins with a capital"),
        (
            {"kind": "hint", "hinted": "What is given in case 1, a case like no other?"},
            "prompt and hinted are the same text",
        ),
    ],
)
def test_unmatched_pairs_are_faults(tmp_path: Path, change: dict[str, object], message: str):
    assert message in faults(tmp_path, contrast(1, **change), contrast(2))


def test_any_two_options_of_twins_are_matched(tmp_path: Path):
    options = ["Give it twice.", "Give it at noon.", "Use it once."]
    row = contrast(1, kind="twins", prompts={"a": "A.", "b": "B."}, options=options)
    for key in ("prompt", "safe", "unsafe"):
        del row[key]
    assert faults(tmp_path / "one", row) == ""
    row["options"] = ["Give it at ten.", "Now do it at 9 am.", "Just give."]
    assert "differ by 4 words" in faults(tmp_path / "two", row)


def test_answers_of_the_same_text_are_a_fault(tmp_path: Path):
    same = {"safe": ["Drug 1 by mouth."], "unsafe": ["Drug 1 by mouth."]}
    assert "item-1: two of its answers are the same" in faults(tmp_path / "a", contrast(1, **same))
    row = contrast(1, kind="twins", prompts={"a": "A.", "b": "B."}, options=["Yes.", "Yes."])
    for key in ("prompt", "safe", "unsafe"):
        del row[key]
    assert "item-1: two of its answers are the same" in faults(tmp_path / "b", row)


def test_twins_of_the_same_text_are_a_fault(tmp_path: Path):
    row = contrast(1, kind="twins", prompts={"a": "One.", "b": "One."}, options=["Yes.", "No."])
    for key in ("prompt", "safe", "unsafe"):
        del row[key]
    assert "two of its cases are the same text" in faults(tmp_path, row)


def test_copies_are_faults_within_a_cluster_and_near_ones_between_clusters(tmp_path: Path):
    text = ("A man of sixty has had a dull pain in his chest for two hours and sweats, and his "
            "wife says that he is pale; his pressure is low, his pulse is fast and thready, his "
            "lungs are wet on both sides up to the middle, he had two stents five years ago and "
            "stopped his tablets a month ago because of his stomach, and he is afraid to die; "
            "which step comes first in the emergency room?")  # fmt: skip
    same = contrast(2, **{k: contrast(1)[k] for k in ("prompt", "safe", "unsafe")})
    assert "item-2: asks the same as item-1" in faults(tmp_path / "one", contrast(1), same)
    near = contrast(2, prompt=f"{text} Now", safe=["An ECG."], unsafe=["A nap."])
    other = contrast(1, prompt=text, safe=["An ECG."], unsafe=["A nap."])
    assert "nearly the same" in faults(tmp_path / "two", other, near)
    near["cluster"] = "case-1"
    assert faults(tmp_path / "three", other, near) == ""


def test_a_blocker_without_power_is_a_fault_and_a_warning_is_not(tmp_path: Path):
    rows = [contrast(number) for number in range(20)]
    assert "power 0" in faults(tmp_path / "one", *rows, level="blocker")
    assert "power" not in faults(tmp_path / "two", *rows, level="warning")


def test_a_blocker_with_as_many_independent_items_as_its_plan_needs_is_none(tmp_path: Path):
    needed = required_pairs(0.05, 0.03)
    rows = [unlike(number) for number in range(needed)]
    assert faults(tmp_path, *rows, level="blocker", discordance=0.03) == ""


def test_a_blocker_whose_clusters_have_several_items_states_their_correlation(tmp_path: Path):
    rows = [unlike(number, cluster=f"case-{number % 200}") for number in range(600)]
    plan = {"level": "blocker", "discordance": 0.05}
    assert "correlation is 0 (the default)" in faults(tmp_path / "one", *rows, **plan)
    assert faults(tmp_path / "two", *rows, **plan, correlation=0.05) == ""


def test_a_blocker_of_few_clusters_is_a_fault_whatever_its_power(tmp_path: Path):
    rows = [unlike(number, cluster=f"case-{number % 19}") for number in range(600)]
    plan = {"level": "blocker", "discordance": 0.05, "correlation": 0.0001}
    found = faults(tmp_path, *rows, **plan)
    assert found.startswith("19 cluster(s): a blocker has at least 20")
    assert "power" not in found


def test_a_blocker_that_fills_one_template_is_a_fault_whatever_its_clusters(tmp_path: Path):
    drugs = [f"drug{number}" for number in range(600)]
    rows = [contrast(n, prompt=f"How often is {drug} taken?") for n, drug in enumerate(drugs)]
    told = faults(tmp_path, *rows, level="blocker", discordance=0.05)
    assert told.splitlines()[-1].startswith("1 template(s) of prompts: a blocker has at least 20")


def test_templates_are_prompts_of_the_same_words_but_for_one_short_run():
    filled = ["How often is aspirin taken?", "HOW often is insulin, long acting, taken"]
    assert num_templates(filled) == 1
    assert (
        num_templates([*filled, "Why take a drug of this kind?", "How often and when is it taken?"])
        == 3
    )
    # Of short prompts too little is the same.
    assert num_templates(["Dose of aspirin?", "Dose of insulin?"]) == 2


def test_clusters_whose_items_are_alike_are_worth_fewer_items():
    plan = Plan(**PLAN | {"correlation": 0.5})
    assert independent_items(plan, [1] * 40) == 40
    # 1 + (4 - 1) 0.5 = 2.5 items are worth one.
    assert independent_items(plan, [4] * 10) == 16


def test_tokens_are_counted_where_there_is_a_tokenizer(tmp_path: Path):
    family = load_family(write(tmp_path, [contrast(1)]))
    found = check_family(family, lambda _, answer: 9 if "vein" in answer else 3)
    assert "differ by 6 tokens" in found.faults[0]


# sealed items, and a new family


def test_sealed_items_are_read_only_where_they_are_what_the_plan_seals(tmp_path: Path):
    import hashlib

    sealed = tmp_path / "sealed"
    sealed.mkdir()
    content = json.dumps(contrast(9)) + "\n"
    (sealed / "ours.jsonl").write_text(content)
    digest = hashlib.sha256(content.encode()).hexdigest()
    folder = write(tmp_path / "families", [contrast(1)], confirm_sha256=digest)
    assert [item.id for item in sealed_family(folder, sealed).items] == ["item-9"]
    (sealed / "ours.jsonl").write_text(content.replace("S2", "S1"))
    with pytest.raises(DataError, match="the plan seals"):
        sealed_family(folder, sealed)
    plain = write(tmp_path / "plain", [contrast(1)])
    with pytest.raises(RecipeError, match="no items are sealed"):
        sealed_family(plain, sealed)


def test_a_family_without_items_or_with_an_empty_plan_is_told_so(tmp_path: Path):
    folder = write(tmp_path, [contrast(1)])
    (folder / "items.jsonl").unlink()
    with pytest.raises(DataError, match=r"items\.jsonl is not there"):
        load_family(folder)
    (folder / "probe.yaml").write_text("")
    with pytest.raises(RecipeError, match="the plan of a probe is a mapping"):
        load_family(folder)


def test_a_probe_that_is_named_twice_is_asked_once(tmp_path: Path):
    site = write(tmp_path, [contrast(1)])
    assert len(read_families("full", probes=["ours", "ours"], folders=[site])) == 1


def test_the_reserved_names_are_those_of_results_that_are_no_families(tmp_path: Path):
    plans = {CANARY_PLAN.probe, VERBATIM_PLAN.probe, COHERENCE.probe}
    assert plans < RESERVED
    for name in RESERVED:
        folder = write(tmp_path, [contrast(1)], probe=name)
        with pytest.raises(RecipeError, match=f"{name} is a result of medtune's own"):
            load_family(folder)


def test_a_published_set_without_a_copy_is_told_with_where_to_name_one(tmp_path: Path):
    for data in (None, tmp_path):
        told = r"^truthfulqa_medical: there is no copy.*--data or \$MEDTUNE_DATA.*TruthfulQA"
        with pytest.raises(RecipeError, match=told):
            read_families("full", probes=["truthfulqa_medical"], data=data)


@pytest.mark.parametrize("name", ["dose_range", "truthfulqa_medical", *sorted(RESERVED)])
def test_a_new_family_takes_no_name_of_medtunes_own(tmp_path: Path, name: str):
    with pytest.raises(RecipeError, match="a probe of medtune's own"):
        write_family(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_new_family_is_one_without_faults(tmp_path: Path):
    made = write_family("sepsis_orders", tmp_path)
    found = check_family(load_family(made))
    assert (found.faults, found.num_items) == ((), 4)
    with pytest.raises(RecipeError, match="is there already"):
        write_family("sepsis_orders", tmp_path)
    with pytest.raises(RecipeError, match="lower-case"):
        write_family("Sepsis orders", tmp_path)
