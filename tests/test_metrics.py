"""A score is shown with its unit, and which way is better is known for each."""

from typing import get_args

from medtune.metrics import METRICS, MetricName


def test_every_metric_is_described():
    assert set(METRICS) == set(get_args(MetricName))


def test_scores_and_differences_are_shown_with_their_units():
    shown = {
        name: (metric.number(0.2345), metric.figure(0.2345), metric.figure(-0.2345, sign="+"))
        for name, metric in METRICS.items()
    }
    share, score = ("23.4%", "23.4%", "-23.4%"), ("0.234", "0.234", "-0.234")
    assert shown == {
        "accuracy": share,
        "answer_nll_per_token": ("0.2345", "0.2345 nats", "-0.2345 nats"),
        "rouge_l": ("23.4", "ROUGE-L 23.4", "ROUGE-L -23.4"),
        "mc2": share,
        "bits_per_byte": ("0.2345", "0.2345 bits per byte", "-0.2345 bits per byte"),
        "section_f1": share,
        "number_support": share,
        "brier": score,
        "ece": score,
        "option_mass": share,
        "parsed_accuracy": share,
        "macro_average": share,
        "consistency": share,
    }
    assert METRICS["rouge_l"].figure(0.05, sign="+") == "ROUGE-L +5.0"


def test_more_is_better_but_for_a_loss():
    worse = {name for name, metric in METRICS.items() if not metric.is_better(0.1)}
    assert worse == {"answer_nll_per_token", "bits_per_byte", "brier", "ece"}
    for metric in METRICS.values():
        assert metric.is_better(-0.1) != metric.is_better(0.1)
        assert not metric.is_better(0.0)
