"""medtune's metrics as Hugging Face modules: real loading, no network, never a bare figure."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import datasets
import evaluate
import numpy as np
import pytest
from rouge_score.rouge_scorer import RougeScorer

import medtune
from medtune.errors import DataError, MedtuneError
from medtune.metric_modules import METRIC_FOLDERS
from medtune.stats import calibration_error_interval, expected_calibration_error
from medtune.stats.intervals import fraction_interval, share_interval

NAMES = ["accuracy", "brier", "exact_match", "expected_calibration_error", "rouge_l"]
PROBABILITIES = [[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.4, 0.35, 0.25], [0.2, 0.2, 0.6]]
RIGHT = [0, 2, 0, 2]
TEXTS = ["the patient has a fever", "no pain", "", "take two tablets"]
REFERENCES = ["the patient had fever", "no pain", "a cough", "one tablet a day"]
INPUTS = {
    "accuracy": (["A", "B", "", "C"], ["A", "C", "B", "C"]),
    "exact_match": (TEXTS, REFERENCES),
    "rouge_l": (TEXTS, REFERENCES),
    "brier": (PROBABILITIES, RIGHT),
    "expected_calibration_error": (PROBABILITIES, RIGHT),
}


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where ``evaluate`` keeps copies of the modules and inputs; the user's own stays as it is."""
    folder = tmp_path_factory.mktemp("huggingface")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate.config, "HF_MODULES_CACHE", folder / "modules")
        patch.setattr(evaluate.config, "HF_METRICS_CACHE", folder / "metrics")
        yield folder


def compute(name: str, **others: object) -> dict[str, object]:
    predictions, references = INPUTS[name]
    return medtune.load_metric(name).compute(
        predictions=predictions, references=references, **others
    )


def test_the_folder_holds_the_five_metrics():
    assert list(METRIC_FOLDERS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_no_figure_comes_without_its_interval_and_its_items(name):
    found = compute(name)
    assert found["interval_low"] <= found[name] <= found["interval_high"]
    assert found["interval_high"] - found["interval_low"] > 0.05, "four items show little"
    assert (found["num_items"], found["num_groups"]) == (4, 4)
    assert found["interval_method"] in ("wilson", "student_t", "calibration_bounds")


@pytest.mark.parametrize("name", NAMES)
def test_evaluate_loads_the_folder_itself_and_computes_the_same(name):
    module = evaluate.load(str(METRIC_FOLDERS[name]))
    assert isinstance(module, evaluate.Metric)
    assert module.name == name
    predictions, references = INPUTS[name]
    assert module.compute(predictions=predictions, references=references) == compute(name)


@pytest.mark.parametrize("name", NAMES)
def test_batches_add_up_to_the_whole(name):
    predictions, references = INPUTS[name]
    module = medtune.load_metric(name)
    module.add_batch(predictions=predictions[:1], references=references[:1])
    module.add_batch(predictions=predictions[1:], references=references[1:])
    assert module.compute() == compute(name)


@pytest.mark.parametrize("name", NAMES)
def test_groups_are_counted_and_widen_the_interval_of_copies(name):
    predictions, references = INPUTS[name]
    module = medtune.load_metric(name)
    often = {"predictions": predictions * 10, "references": references * 10}
    alone = module.compute(**often)
    grouped = module.compute(**often, groups=["p1", "p2", "p3", "p4"] * 10)
    assert (alone["num_groups"], grouped["num_groups"]) == (40, 4)
    assert grouped[name] == pytest.approx(alone[name])

    def width(found):
        return found["interval_high"] - found["interval_low"]

    assert width(grouped) > 1.5 * width(alone)


def test_accuracy_is_that_of_medtunes_own_evaluation_and_counts_the_unparsed():
    found = compute("accuracy", groups=[1, 1, 2, 3])
    low, high, method = share_interval([1.0, 0.0, 0.0, 1.0], ["1", "1", "2", "3"])
    assert found == {
        "accuracy": 0.5, "interval_low": low, "interval_high": high, "interval_method": method,
        "num_items": 4, "num_groups": 3, "num_unparsed": 1,
    }  # fmt: skip
    numbers = medtune.load_metric("accuracy").compute(predictions=[0, 1, 1], references=[0, 0, 1])
    assert numbers["accuracy"] == pytest.approx(2 / 3)
    assert numbers["num_unparsed"] == 0


def test_exact_match_normalises_nothing():
    module = medtune.load_metric("exact_match")
    found = module.compute(
        predictions=["Fever", "fever", "fever ", "fever."], references=["fever"] * 4
    )
    assert found["exact_match"] == 0.25


def test_rouge_l_is_that_of_the_library_and_counts_empty_texts():
    scorer = RougeScorer(["rougeL"], use_stemmer=True)
    values = [
        scorer.score(reference, text)["rougeL"].fmeasure
        for reference, text in zip(REFERENCES, TEXTS, strict=True)
    ]
    found = compute("rouge_l")
    assert found["rouge_l"] == pytest.approx(np.mean(values))
    expected = fraction_interval(values, ["0", "1", "2", "3"])
    assert (found["interval_low"], found["interval_high"]) == pytest.approx(expected[:2])
    assert found["num_empty"] == 1


def test_brier_is_the_summed_squared_distance_and_items_may_differ_in_options():
    found = medtune.load_metric("brier").compute(
        predictions=[[0.5, 0.5], [0.25, 0.25, 0.25, 0.25], [1.0, 0.0, 0.0]], references=[0, 3, 1]
    )
    assert found["brier"] == pytest.approx((0.5 + 0.75 + 2.0) / 3)
    assert 0 <= found["interval_low"] < found["interval_high"] <= 2


def test_calibration_takes_the_most_probable_option_as_the_answer():
    found = compute("expected_calibration_error", bins=5)
    sure, right = [0.7, 0.6, 0.4, 0.6], [1, 0, 1, 1]
    assert found["expected_calibration_error"] == expected_calibration_error(sure, right, 5)
    expected = calibration_error_interval(sure, right, ["0", "1", "2", "3"], seed=0, bins=5)
    assert (found["interval_low"], found["interval_high"]) == expected[:2]
    assert found["bins"] == 5


def test_an_unknown_name_is_told_the_names_there_are():
    with pytest.raises(MedtuneError, match=r"'bleu' is no metric .* accuracy, brier, exact_match"):
        medtune.load_metric("bleu")


@pytest.mark.parametrize("name", NAMES)
def test_groups_that_do_not_match_are_refused(name):
    with pytest.raises(DataError, match="3 groups for 4 items"):
        compute(name, groups=["a", "b", "c"])


@pytest.mark.parametrize("name", ["exact_match", "rouge_l", "brier"])
def test_without_items_there_is_no_figure(name):
    with pytest.raises(DataError, match="no item to score"):
        medtune.load_metric(name).compute(predictions=[], references=[])


@pytest.mark.parametrize(
    ("name", "predictions", "references", "message"),
    [
        ("accuracy", ["A", "B"], ["A", ""], "a reference is empty"),
        ("rouge_l", ["fever", "cough"], ["fever", "..."], "reference 1 has no word"),
        ("brier", [[0.5, 0.5], [0.5, 0.4]], [0, 0], "item 1: .* add up to 0.9"),
        ("brier", [[0.5, 0.5]], [2], "item 0: the right option is number 2 of 2"),
        ("expected_calibration_error", [[1.2, -0.2]], [0], "item 0: .* the smallest is -0.2"),
        ("expected_calibration_error", [[]], [0], "item 0: the right option is number 0 of 0"),
    ],
)
def test_what_cannot_be_scored_is_named_by_its_position(name, predictions, references, message):
    with pytest.raises(DataError, match=message):
        medtune.load_metric(name).compute(predictions=predictions, references=references)


def test_texts_stay_in_memory(cache):
    written = {}
    for way, module in (
        ("medtune", medtune.load_metric("rouge_l")),
        ("evaluate", evaluate.load(str(METRIC_FOLDERS["rouge_l"]))),
    ):
        module.add_batch(predictions=["a private note"], references=["another private note"])
        written[way] = list((cache / "metrics").rglob("*.arrow"))
        assert module.compute()["num_items"] == 1
    assert written["medtune"] == []
    assert written["evaluate"], "which is why load_metric does not load as evaluate does"


def test_the_modules_work_with_rows_of_a_dataset():
    rows = datasets.Dataset.from_dict({"said": ["A", "B"], "right": ["A", "A"]})
    found = medtune.load_metric("accuracy").compute(
        predictions=rows["said"], references=rows["right"]
    )
    assert found["accuracy"] == 0.5


NO_NETWORK = """
    import os, sys

    def watch(event, arguments):
        if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
            os.write(2, f"network: {event} {arguments}".encode())
            os._exit(9)  # past every handler that would swallow an exception

    sys.addaudithook(watch)
"""


@pytest.mark.parametrize("offline", [True, False], ids=["told_offline", "not_told"])
def test_loading_and_computing_touch_no_network(tmp_path, offline):
    script = textwrap.dedent(NO_NETWORK) + textwrap.dedent(f"""
        import evaluate, medtune
        from medtune.metric_modules import METRIC_FOLDERS

        for name, (predictions, references) in {INPUTS!r}.items():
            for metric in (medtune.load_metric(name), evaluate.load(str(METRIC_FOLDERS[name]))):
                found = metric.compute(predictions=predictions, references=references)
                print(name, found["num_items"])
    """)
    switches = ("HF_HUB_OFFLINE", "HF_EVALUATE_OFFLINE", "HF_DATASETS_OFFLINE")
    environment = {name: value for name, value in os.environ.items() if name not in switches}
    environment |= {"HF_HOME": str(tmp_path)} | (dict.fromkeys(switches, "1") if offline else {})
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        capture_output=True, text=True, env=environment, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [word for name in INPUTS for word in (name, "4") * 2]


@pytest.mark.parametrize("call", ["getaddrinfo('localhost', 80)", "create_connection(('::1', 9))"])
def test_the_watch_ends_a_process_that_reaches_for_the_network(call):
    script = textwrap.dedent(NO_NETWORK) + f"import socket\ntry: socket.{call}\nfinally: pass"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 9
    assert "network: socket." in done.stderr
