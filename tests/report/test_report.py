"""A report says what the files say, what they do not, and nothing else."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import samples
import typer
from hypothesis import given
from hypothesis import strategies as st
from samples import answers, arm, comparison, evaluation, option_item, report, write_scores
from scipy.special import softmax as reference_softmax
from typer.testing import CliRunner

from medtune.cli.report import report as report_command
from medtune.errors import MedtuneError
from medtune.metrics import METRICS
from medtune.pages import REORDERS
from medtune.records import Comparison, ScoreReport
from medtune.report import write_report
from medtune.report.answers import MOST_EXAMPLES, compared_arms, shares_of_examples, softmax
from medtune.report.training import _thinned
from medtune.report.verdict import displayed_difference, unit, verdict

HOSTILE = "</script><script>alert(1)</script> \u202eevil\u2066 \x00\x1b[31m & \"'<!-- ]]> \ud800"


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return samples.rich_run(tmp_path_factory.mktemp("rich") / "run")


@pytest.fixture
def run(rich: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return shutil.copytree(rich, tmp_path / "run")


def body(folder: Path) -> ElementTree.Element:
    found = ElementTree.fromstring(write_report(folder).read_text(encoding="utf-8")).find("body")
    assert found is not None
    return found


def words(element: ElementTree.Element) -> str:
    return " ".join(" ".join(element.itertext()).split())


def part(folder: Path, title: str) -> str:
    """The text below a title of the second level, up to the next one."""
    told: list[str] = []
    is_inside = False
    for element in body(folder):
        if element.tag == "h2":
            is_inside = words(element).startswith(title)
        elif is_inside:
            told.append(words(element))
    return "\n".join(told)


def of_two(rights: tuple[list[bool], list[bool]], **more: Any) -> ScoreReport:
    """A set of base and adapter alone."""
    return report("test", [arm("base", answers(rights[0])), arm("adapter", answers(rights[1]))],
                  **more)  # fmt: skip


def test_the_verdict_comes_first_and_names_what_got_worse(run: Path):
    titles = [words(title) for title in body(run).findall("h2")]
    assert titles == [
        "Adapter against base",
        "Scores: sample",
        "Scores: medical (eval/medical)",
        "Before and after, item by item",
        "Training",
        "Data",
        "Where this comes from",
        "What this does not show",
    ]
    told = part(run, "Adapter against base")
    assert "▲ better in 4 of 7: sample: test, medical: medqa, medical: pubmedqa" in told
    assert "▼ worse in 2 of 7: medical: mmlu_medical, medical: general_text" in told
    assert "○ no difference shown in 1 of 7: medical: clinical_notes" in told
    assert "pubmedqa (300 items, INCOMPLETE)" in told
    assert "adapter minus base, percentage points; right of 0: adapter better" in told
    assert "adapter minus base, bits per byte; left of 0: adapter better" in told


def test_every_difference_is_drawn_and_written_with_its_interval(tmp_path: Path):
    found = of_two(([True] * 10 + [False] * 30, [True] * 30 + [False] * 10))
    exact = replace(found.comparisons[0], difference=0.5, interval=(0.25, 0.75), p_value=0.0004)
    folder = write_scores(tmp_path, evaluation("s", replace(found, comparisons=(exact,))))
    row = body(folder).find(".//div[@class='row']")
    assert row is not None
    assert "+50.0 (+25.0 to +75.0) ▲ better" in words(row)
    assert "20 items gained, 0 lost, exact McNemar p < 0.001" in words(row)
    assert row.find(".//svg[@role='img']/title") is not None


@pytest.mark.parametrize(
    ("metric", "interval", "told"),
    [
        ("accuracy", (0.01, 0.1), "better"),
        ("accuracy", (-0.1, -0.01), "worse"),
        ("accuracy", (0.0, 0.1), "no difference shown"),
        ("accuracy", (-0.1, 0.1), "no difference shown"),
        ("bits_per_byte", (0.01, 0.1), "worse"),
        ("bits_per_byte", (-0.1, -0.01), "better"),
        ("answer_nll_per_token", (-0.1, 0.0), "no difference shown"),
    ],
)
def test_better_is_said_only_where_the_whole_interval_is(
    metric: str, interval: tuple[float, float], told: str
):
    found = Comparison(against="base", difference=0.0, interval=interval, interval_method="m",
                       p_value=None, gained=0, lost=0)  # fmt: skip
    assert verdict(found, METRICS[metric]) == told


def test_differences_are_in_points_and_nothing_is_minus_zero():
    assert displayed_difference(0.631, METRICS["accuracy"]) == "+63.1"
    assert displayed_difference(-0.00004, METRICS["accuracy"]) == "0.0"
    assert displayed_difference(-0.02, METRICS["rouge_l"]) == "-2.0"
    assert displayed_difference(-0.0312, METRICS["answer_nll_per_token"]) == "-0.0312"
    units = {name: unit(METRICS[name]) for name in ("accuracy", "rouge_l", "bits_per_byte")}
    assert units == {
        "accuracy": "percentage points", "rouge_l": "ROUGE-L", "bits_per_byte": "bits per byte",
    }  # fmt: skip


def test_a_score_stands_with_interval_items_protocol_and_standing(run: Path):
    told = part(run, "Scores: sample")
    score = json.loads((run / "scores.json").read_text())["reports"][0]["arms"][0]
    low, high = score["interval"]
    assert f"{score['value']:.1%} ({low:.1%} to {high:.1%}) 160 items; normal approx" in told
    assert "not an official score On 160 rows of test.jsonl." in told
    assert "Protocol: the letter of the likeliest option" in told
    assert "Brier score (less is better)" in told
    assert "34.8% ± 1.6% 3 35.0%, 33.1%, 36.2%" in told
    assert "2 of 160 items share text with the 480 training rows" in told
    assert "clinical_knowledge" in told
    medical = part(run, "Scores: medical")
    assert "official: the whole published test set" in medical
    assert "incomplete: items were left out" in medical


def test_what_could_not_be_read_stands_right_below_its_score(run: Path):
    elements = list(body(run))
    titles = [words(element) for element in elements]
    start = titles.index("pubmedqa (300 items, INCOMPLETE)")
    chart = next(n for n in range(start, len(elements)) if elements[n].get("class") == "plot")
    assert "from 3 items no answer could be read: they count as wrong" in titles[chart + 1]
    assert "2 texts were cut" in titles[chart + 1]


def test_the_same_files_give_the_same_bytes(run: Path, tmp_path: Path):
    first = write_report(run).read_bytes()
    assert write_report(run).read_bytes() == first
    again = samples.rich_run(tmp_path / "again" / "run")
    assert write_report(again).read_bytes() == first


@pytest.mark.parametrize(
    ("file", "title", "told"),
    [
        ("data.json", "Data", "data.json is not there"),
        ("train.json", "Training", "train.json is not there"),
        ("log.jsonl", "Training", "log.jsonl is not there"),
        ("provenance.json", "Where this comes from", "provenance.json is not there"),
        ("recipe.lock.yaml", "Where this comes from", "recipe.lock.yaml is not there"),
        ("items.jsonl", "Before and after", "sample: items.jsonl is not there"),
        ("eval/medical/items.jsonl", "Before and after", "eval/medical/items.jsonl is not there"),
    ],
)
def test_what_is_not_there_is_said(run: Path, file: str, title: str, told: str):
    (run / file).unlink()
    assert told in part(run, title)


def test_a_run_without_scores_says_why_and_draws_nothing_empty(tmp_path: Path):
    run = samples.write_training(tmp_path / "run")
    assert "Nothing was scored: there is no scores.json" in part(run, "Adapter against base")
    assert not body(run).findall(".//div[@class='plot']")


def test_a_run_that_stopped_before_its_first_step_has_no_curves(tmp_path: Path):
    run = samples.write_training(tmp_path / "run")
    (run / "log.jsonl").write_text('{"step": 1, "lo')  # what a crash left of a line is no step
    assert "log.jsonl has no step" in part(run, "Training")
    assert not body(run).findall(".//figure")


def test_one_evaluation_and_a_bare_base_are_reported_without_talk_of_training(tmp_path: Path):
    base = report("test", [arm("base", answers([True, False]))])
    alone = write_scores(tmp_path / "medqa", evaluation("medqa", base))
    slug = tmp_path / "smollm2-135m"
    write_scores(slug / "eval" / "medqa", evaluation("medqa", base))
    for folder in (alone, slug):
        titles = [words(title) for title in body(folder).findall("h2")]
        assert not {"Training", "Data"} & set(titles)
        assert "Nothing is compared here" in part(folder, "Adapter against base")
        assert "One arm alone was scored" in part(folder, "Before and after")


def test_scores_of_another_adapter_in_a_runs_folder_are_marked(run: Path):
    path = run / "eval" / "medical" / "scores.json"
    values = json.loads(path.read_text())
    values["conditions"]["adapter"] = "99" * 32
    path.write_text(json.dumps(values))
    assert "These scores are of another adapter" in part(run, "Scores: medical")
    assert "another adapter" not in part(run, "Scores: sample")


def test_gained_and_lost_are_those_of_the_comparison(run: Path):
    told = part(run, "Before and after")
    found = json.loads((run / "scores.json").read_text())["reports"][0]["comparisons"][0]
    assert f"gained {found['gained']} " in told
    assert f"lost {found['lost']} " in told
    assert "From base, 0 examples in the prompt to adapter, 0 examples in the prompt" in told


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_every_item_is_gained_lost_both_wrong_or_both_right(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[bool, bool]]
):
    found = of_two(([old for old, _ in pairs], [new for _, new in pairs]))
    folder = write_scores(tmp_path_factory.mktemp("run"), evaluation("s", found))
    table = next(
        table
        for table in body(folder).iter("table")
        if words(table).startswith("what became of an item")
    )
    counts = [int(words(row[1])) for row in table.iter("tr") if row[1].tag == "td"]
    expected = [(False, True), (True, False), (False, False), (True, True)]
    assert counts == [pairs.count(pair) for pair in expected]


@given(st.lists(st.integers(0, 40), min_size=3, max_size=4))
def test_examples_fill_the_room_with_gained_and_lost_first(sizes: list[int]):
    shown = shares_of_examples(sizes, MOST_EXAMPLES)
    assert len(shown) == len(sizes)
    assert all(0 <= count <= size for count, size in zip(shown, sizes, strict=True))
    assert sum(shown) == min(MOST_EXAMPLES, sum(sizes))
    assert min(shown[0], shown[1]) >= min(sizes[0], sizes[1], MOST_EXAMPLES // 2)
    assert not any(shown[2:]) or shown[:2] == sizes[:2]


@given(st.lists(st.floats(-1e4, 0), min_size=1, max_size=6))
def test_probabilities_of_options_are_scipys_softmax(values: list[float]):
    assert softmax(values) == pytest.approx(reference_softmax(values), abs=1e-12)


def test_an_item_is_shown_with_both_arms_probabilities_and_the_right_option(tmp_path: Path):
    folder = write_scores(tmp_path, evaluation("s", of_two(([False], [True]))))
    item = body(folder).find(".//div[@class='item']")
    assert item is not None
    told = words(item)
    assert told.startswith("gained: item-1 Case 1: a cough of 1 weeks.")
    before, after = (
        reference_softmax([-2.0, -0.2, -3.0, -4.0]),
        reference_softmax([-0.2, -2, -3, -4]),
    )
    assert f"A ✓ right {before[0]:.1%} chosen {after[0]:.1%}" in told
    assert f"B chosen {before[1]:.1%} {after[1]:.1%}" in told


def test_written_answers_stand_side_by_side_and_long_ones_are_shortened(run: Path):
    told = part(run, "Before and after")
    assert "base wrote The patient says that it hurts. adapter wrote SUBJECTIVE: pain" in told
    assert "(first 1500 of 2700 characters)" in told
    assert "base wrote (1 cut at evaluate.max_new_tokens)" in told


def test_of_items_without_text_only_counts_and_ids_are_shown(tmp_path: Path):
    def private(rights: list[bool]) -> list[Any]:
        return answers(rights, question="", options=("secret-one", *samples.LETTERS[1:]))

    found = report("t", [arm("base", private([False])), arm("adapter", private([True]))])
    folder = write_scores(tmp_path, evaluation("s", found))
    told = part(folder, "Before and after")
    assert "ids alone" in told
    assert "item-1" in told
    assert "secret-one" not in write_report(folder).read_text()


def test_arms_with_the_same_examples_in_the_prompt_are_compared():
    items = answers([True, False])
    arms = [
        arm("base", items),
        arm("base", items, few_shot=5, shot_seed=1),
        arm("adapter", items, few_shot=5, shot_seed=1),
    ]
    assert compared_arms(report("t", arms)) == (arms[1], arms[2])
    assert compared_arms(report("t", [arms[0], arms[2]])) == (arms[0], arms[2])
    assert compared_arms(report("t", arms[:2])) is None


def test_hostile_text_is_shown_and_does_nothing(tmp_path: Path):
    def hostile(rights: list[bool]) -> list[Any]:
        return answers(rights, question=HOSTILE, options=(HOSTILE, *samples.LETTERS[1:]),
                       answer=HOSTILE, texts=(HOSTILE,))  # fmt: skip

    arms = [arm("base", hostile([False])), arm("adapter", hostile([True]))]
    run = samples.write_training(tmp_path / "run")
    (run / "recipe.lock.yaml").write_text(HOSTILE.replace("\ud800", ""))
    found = report(f"set {HOSTILE}", arms, notes=(HOSTILE,), test_set=HOSTILE, protocol=HOSTILE)
    write_scores(run, evaluation(HOSTILE, found))
    page = write_report(run).read_text(encoding="utf-8")
    tags = {element.tag for element in ElementTree.fromstring(page).iter()}
    assert not tags & {"script", "img", "link", "iframe"}
    assert not REORDERS.search(page)
    assert "⟨U+202E⟩evil⟨U+2066⟩" in page
    assert "&lt;/script&gt;" in page


def test_long_tables_say_that_they_are_cut(tmp_path: Path):
    items = answers([True] * 4)
    part_of = samples.parted(items[:3])[0]
    parts = tuple(replace(part_of, name=f"part-{number}") for number in range(300))
    hits = replace(
        samples.Contamination(training_rows=1, ngram=8, share=0.4, hits=(), without=()),
        hits=tuple(f"hit-{number}" for number in range(300)),
    )
    found = report("t", [arm("base", items, parts=parts)], contamination=hits)
    told = part(write_scores(tmp_path, evaluation("s", found)), "Scores")
    assert "300 parts, first 200 of 300" in told
    assert "part-199" in told
    assert "part-200" not in told
    assert "first 50 of 300: hit-0" in told


def test_a_long_log_is_drawn_as_means_and_says_so(tmp_path: Path):
    run = samples.write_training(tmp_path / "run", steps=1000, every=100)
    assert "training (means of 3 steps)" in part(run, "Training")
    line = body(run).find(".//polyline")
    assert line is not None
    points = line.attrib["points"].split()
    assert len(points) == 334
    assert points[0].split(",")[0] == "0.300"  # step 3 of 1000
    assert points[-1].split(",")[0] == "100.000"
    steps = [json.loads(text) for text in (run / "log.jsonl").read_text().splitlines()]
    (drawn, *_), width = _thinned(steps, "loss")
    assert (drawn, width) == ((3, pytest.approx(sum(s["loss"] for s in steps[:3]) / 3)), 3)


@pytest.mark.parametrize("version", [None, 1, 3, "2"])
def test_scores_of_another_version_are_refused(run: Path, version: object):
    values = json.loads((run / "scores.json").read_text())
    values["schema_version"] = version
    (run / "scores.json").write_text(json.dumps(values))
    with pytest.raises(MedtuneError, match=r"scores\.json has .*version"):
        write_report(run)


@pytest.mark.parametrize(
    "file",
    ["scores.json", "data.json", "train.json", "provenance.json", "adapter/medtune.json",
     "items.jsonl", "eval/medical/scores.json", "eval/medical/items.jsonl"],
)  # fmt: skip
def test_a_torn_file_is_one_message_wherever_it_was_torn(run: Path, file: str):
    content = (run / file).read_bytes()
    for share in (0.0, 0.1, 0.5, 0.9):
        (run / file).write_bytes(content[: int(share * len(content))])
        with pytest.raises(MedtuneError, match=Path(file).name):
            write_report(run)


def change(path: Path, edit: Callable[[Any], object]) -> None:
    values = json.loads(path.read_text())
    edit(values)
    path.write_text(json.dumps(values))


@pytest.mark.parametrize(
    ("file", "edit", "told"),
    [
        ("scores.json", lambda v: v["reports"][0].update(arms=[]), "no arm was scored on test"),
        ("scores.json", lambda v: v.update(reports=3), "reports is not what medtune writes"),
        ("scores.json", lambda v: v.update(reports=[3]), "reports.0 is not what"),
        ("scores.json", lambda v: v["reports"][0]["arms"].append(3), r"reports.0.arms.3 is not"),
        ("scores.json", lambda v: v["reports"][0]["arms"][0].update(metric="luck"), "metric"),
        ("scores.json", lambda v: v["reports"][0]["arms"][0]["measures"][0].update(name="luck"),
         "has the figure luck"),
        ("scores.json", lambda v: v["reports"][0]["arms"][0].update(value=float("nan")), "NaN"),
        ("scores.json", lambda v: v["reports"][0]["arms"][0].update(num_items=7),
         "not of one evaluation"),
        ("data.json", lambda v: v["splits"]["train"].pop("kept"), "splits.train.kept"),
        ("train.json", lambda v: v.update(seconds="many"), "seconds"),
    ],
)  # fmt: skip
def test_a_changed_file_is_named_with_the_place(
    run: Path, file: str, edit: Callable[[Any], object], told: str
):
    change(run / file, edit)
    with pytest.raises(MedtuneError, match=told):
        write_report(run)


def test_items_of_arms_that_are_not_the_same_are_refused(tmp_path: Path):
    old, new = answers([True, False]), answers([True, True])
    found = report("t", [arm("base", old), arm("adapter", new[::-1])], comparisons=())
    folder = write_scores(tmp_path, evaluation("s", found))
    with pytest.raises(MedtuneError, match="other items or another order"):
        write_report(folder)


def test_an_item_that_is_no_item_is_refused_where_it_is_shown(tmp_path: Path):
    folder = write_scores(tmp_path, evaluation("s", of_two(([False], [True]))))
    lines = (
        (folder / "items.jsonl").read_text().replace('"question": "Case', '"question": 3, "x": "')
    )
    (folder / "items.jsonl").write_text(lines)
    with pytest.raises(MedtuneError, match="item-1: question is not what medtune writes"):
        write_report(folder)


def test_a_log_with_a_line_that_is_no_step_is_refused(tmp_path: Path):
    run = samples.write_training(tmp_path / "run")
    (run / "log.jsonl").write_text('{"step": 1}\n')
    with pytest.raises(MedtuneError, match=r"log\.jsonl:1 has no step, loss"):
        write_report(run)


def test_a_folder_that_is_no_run_is_refused_with_what_to_give(tmp_path: Path):
    with pytest.raises(MedtuneError, match="none of a run's files"):
        write_report(tmp_path)
    with pytest.raises(MedtuneError, match="is no folder"):
        write_report(tmp_path / "nothing")
    samples.write_training(tmp_path / "seed-17")
    (tmp_path / "seeds.json").write_text("{}")
    with pytest.raises(MedtuneError, match=r"several seeds.*seed-17"):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_the_command_prints_where_the_page_is(run: Path):
    app = typer.Typer()
    app.command()(report_command)
    done = CliRunner().invoke(app, [str(run)])
    assert (done.exit_code, done.stdout) == (0, f"{run / 'report.html'}\n")


def test_better_and_worse_items_of_other_metrics_are_counted_by_the_metrics_own_direction(
    tmp_path: Path,
):
    def text(values: list[float]) -> list[Any]:
        return [option_item(n, sure=(-v,), options=(), predicted="", answer="", value=v)
                for n, v in enumerate(values)]  # fmt: skip

    old = arm("base", text([1.0, 1.0, 1.0]), metric="bits_per_byte")
    new = arm("adapter", text([0.5, 1.5, 1.0]), metric="bits_per_byte")
    found = report("t", [old, new], comparisons=(comparison(new, old),))
    told = part(write_scores(tmp_path, evaluation("s", found)), "Before and after")
    assert "better 1 33.3% worse 1 33.3% the same 1 33.3%" in told
