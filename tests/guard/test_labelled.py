"""Rules against sentences that people marked: what has to be caught, and what must not alarm.

The sentences were written before the rules were first run on them; only those of the half ``tune``
were looked at while the rules were made. The floors are what was measured, with some room.
"""

import json
from collections import Counter
from pathlib import Path

import pytest

from medtune.errors import DataError
from medtune.guard import load_rules
from medtune.guard.measuring import (
    Half,
    Labelled,
    Rate,
    RuleRates,
    markdown,
    measure,
    overall,
    read_labelled,
)
from medtune.stats import wilson

FILE = Path(__file__).parent / "labelled.jsonl"
RULES = load_rules("demo_rules")
ROWS = read_labelled(FILE)


def half(name: Half) -> list[Labelled]:
    return [row for row in ROWS if row.half == name]


def test_the_set_is_large_half_harmless_and_has_every_rule():
    assert len(ROWS) >= 400
    harmless = sum(row.rule is None for row in ROWS) / len(ROWS)
    assert 0.45 <= harmless <= 0.55
    assert {row.rule for row in ROWS} == {rule.id for rule in RULES.rules} | {None}
    assert abs(len(half("tune")) - len(half("held"))) < 50
    assert max(Counter(row.text for row in ROWS).values()) == 1


@pytest.mark.parametrize(
    ("name", "caught", "blocked", "alarms", "false_violations"),
    [("tune", 0.95, 0.90, 0.08, 0.04), ("held", 0.85, 0.83, 0.08, 0.04)],
)
def test_what_is_caught_and_what_alarms_stays_as_it_was_measured(
    name: Half, caught: float, blocked: float, alarms: float, false_violations: float
):
    rates = overall(half(name), RULES)
    assert rates.caught.share is not None
    assert rates.blocked.share is not None
    assert rates.caught.share >= caught
    assert rates.blocked.share >= blocked
    harmless = rates.alarms_near.trials + rates.alarms_elsewhere.trials
    assert (rates.alarms_near.hits + rates.alarms_elsewhere.hits) / harmless <= alarms
    assert rates.false_violations.hits / harmless <= false_violations


def test_each_rule_catches_most_of_what_it_was_made_on():
    for rates in measure(half("tune"), RULES):
        assert rates.caught.hits >= 0.85 * rates.caught.trials, rates.rule


def test_rates_are_counted_by_hand_on_seven_rows(tmp_path: Path):
    rows = [
        ("a", "forbidden_drug", "Take Vioxx daily.", "violation", "withdrawn-drugs"),
        ("b", "forbidden_drug", "Vioxx inhibits an enzyme.", "violation", "withdrawn-drugs"),
        ("c", "forbidden_drug", "Rest.", "violation", "withdrawn-drugs"),
        ("d", "forbidden_drug", "Give Baycol now.", "ok", None),
        ("e", "forbidden_drug", "Baycol inhibits an enzyme.", "ok", None),
        ("f", "phi", "Rest well.", "ok", None),
        ("g", "forbidden_drug", "Vioxx binds to an enzyme.", "flag", "withdrawn-drugs"),
    ]
    path = tmp_path / "rows.jsonl"
    keys = ("id", "about", "text", "expected", "rule")
    path.write_text(
        "".join(json.dumps(dict(zip(keys, row, strict=True))) + "\n" for row in rows),
        encoding="utf-8",
    )
    [rates] = [one for one in measure(read_labelled(path), RULES) if one.rule == "withdrawn-drugs"]
    assert rates == RuleRates(
        rule="withdrawn-drugs",
        caught=Rate(hits=3, trials=4),
        blocked=Rate(hits=1, trials=3),
        alarms_near=Rate(hits=2, trials=2),
        alarms_elsewhere=Rate(hits=0, trials=1),
        false_violations=Rate(hits=1, trials=3),
    )
    assert rates.caught.interval == wilson(3, 4)
    assert "| withdrawn-drugs | 75 % (3/4; 30 to 95) | 33 % (1/3; 6 to 79) |" in markdown([rates])


def test_a_rate_without_trials_has_no_share():
    assert Rate(hits=0, trials=0).share is None
    assert Rate(hits=0, trials=0).interval is None


@pytest.mark.parametrize(
    "row",
    [
        "no json",
        '{"id": "a"}',
        '{"id": "a", "about": "phi", "text": "x", "expected": "violation"}',
        '{"id": "a", "about": "phi", "text": "x", "expected": "ok", "rule": "doses"}',
        '{"id": "a", "about": "phi", "text": "x", "expected": "ok", "context": {"shoe": 43}}',
        '{"id": "a", "about": "phi", "text": "x", "expected": "ok"}\n' * 2,
    ],
)
def test_a_row_that_is_none_is_refused_with_its_line(tmp_path: Path, row: str):
    path = tmp_path / "rows.jsonl"
    path.write_text(row, encoding="utf-8")
    with pytest.raises(DataError, match=r"rows\.jsonl:\d+: "):
        read_labelled(path)


def test_a_separator_of_lines_within_a_sentence_ends_no_row(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    row = {"id": "a", "about": "phi", "text": "Rest.\u2028Sleep.", "expected": "ok"}
    path.write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    assert [one.text for one in read_labelled(path)] == ["Rest.\u2028Sleep."]


def test_a_row_of_a_rule_that_is_not_there_is_refused():
    row = Labelled(
        id="a", about="phi", text="x", expected="flag", rule="gone", context=ROWS[0].context
    )
    with pytest.raises(DataError, match="gone"):
        measure([row], RULES)
