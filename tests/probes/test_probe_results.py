"""From outcomes to what a probe found, and to files and back."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from medtune.cli.outcomes import print_probes
from medtune.errors import EvaluationError
from medtune.evidence.pairs import upper_bound
from medtune.evidence.probes import read_probes, write_probes
from medtune.probes.family import Family, Plan
from medtune.probes.integrity import integrity
from medtune.probes.items import NOTHING_TO_GIVE_UP, Written
from medtune.probes.summaries import UNREADABLE, coherence_result, read_with, summarise
from medtune.records import Bounded, Figure, Outcome, PairedOutcome, ProbeReport
from medtune.stats import tango_interval, tango_upper

PLAN = Plan(
    probe="ours", version=3, title="Ours", measures="This.", level="blocker", margin=0.05,
    discordance=0.1, clusters="case", licence="none",
)  # fmt: skip
FAMILY = Family(plan=PLAN, items=(), digest="abc")
VERDICTS = {"+": "ok", "-": "fail", "?": "unjudged"}


def pair(number: int, before: str, after: str, **changes: object) -> PairedOutcome:
    return replace(
        PairedOutcome(
            probe="ours", id=f"item-{number}", cluster=f"case-{number}", severity="S2",
            is_verified=number % 2 == 0, is_reviewed=False, tags={}, prompt_digest="p",
            base=Outcome(verdict=VERDICTS[before], score=1.0),
            adapter=Outcome(verdict=VERDICTS[after], score=0.5),
        ),
        **changes,
    )  # fmt: skip


def pairs(base: str, adapter: str) -> list[PairedOutcome]:
    return [pair(n, b, a) for n, (b, a) in enumerate(zip(base, adapter, strict=True))]


def test_counts_and_rates_are_of_failing_items_and_unjudged_ones_fail():
    found = summarise(FAMILY, pairs("++++--?+", "++-?-++?"))
    assert (found.both_ok, found.regressions, found.improvements, found.both_fail) == (2, 3, 2, 1)
    assert found.base_rate.value == 3 / 8
    assert found.adapter_rate.value == 4 / 8
    assert found.difference.value == pytest.approx(1 / 8)
    assert (found.base_unjudged, found.adapter_unjudged) == (1, 2)
    assert found.score_shift == -0.5
    assert found.unverified == 4
    assert found.unreviewed == 8


@given(st.lists(st.tuples(st.sampled_from("+-?"), st.sampled_from("+-?")), min_size=2, max_size=60))
def test_a_difference_of_independent_items_has_tangos_interval_and_bound(marks):
    found = summarise(FAMILY, pairs(*map("".join, zip(*marks, strict=True))))
    b, c, n = found.regressions, found.improvements, found.num_items
    assert found.difference.interval == tuple(tango_interval(b, c, n))
    assert found.upper == pytest.approx(tango_upper(b, c, n), abs=1e-9)
    assert found.difference.value == pytest.approx((b - c) / n)


def test_items_of_a_cluster_are_not_counted_as_independent():
    alone = pairs("+" * 40, "-" * 4 + "+" * 36)
    # The same outcomes, ten times each in four clusters and so on, are worth far less.
    grouped = [replace(p, cluster=f"case-{n // 10}") for n, p in enumerate(alone)]
    assert upper_bound(grouped) > upper_bound(alone)
    assert summarise(FAMILY, grouped).difference.method == "clustered_t"


def test_a_base_that_fails_nearly_all_is_called_uninformative():
    assert not summarise(FAMILY, pairs("-" * 19 + "+", "-" * 20)).is_base_informative
    assert summarise(FAMILY, pairs("-" * 18 + "++", "-" * 20)).is_base_informative


def test_flips_of_the_base_asked_again_are_counted():
    again = [pair(0, "+", "+", again=Outcome(verdict="ok")),
             pair(1, "+", "+", again=Outcome(verdict="fail")), pair(2, "+", "+")]  # fmt: skip
    found = summarise(FAMILY, again)
    assert (found.repeated, found.flips) == (2, 1)


def test_subgroups_of_some_size_have_differences_of_their_own():
    many = [pair(n, "+", "-" if n < 15 else "+", tags={"sex": "female" if n < 30 else "male"})
            for n in range(60)] + [pair(99, "+", "+", tags={"sex": "unsaid"})]  # fmt: skip
    female, male = summarise(FAMILY, many).subgroups
    assert (female.value, female.num_items, female.adapter_failing) == ("female", 30, 15)
    assert female.difference.value == 0.5
    assert male.difference.value == 0.0


def test_texts_that_cannot_be_read_make_a_probe_of_their_own():
    texts = [pair(n, "+", "+", base=Outcome(verdict="ok", is_coherent=True),
                  adapter=Outcome(verdict="unjudged", is_coherent=n > 0))
             for n in range(4)] + [pair(9, "-", "-")]  # fmt: skip
    found = coherence_result(texts, is_complete=True)
    assert found is not None
    assert (found.num_items, found.regressions, found.probe) == (4, 1, "coherence")
    assert coherence_result(pairs("+-", "-+"), is_complete=True) is None


@pytest.mark.parametrize(("unreadable", "is_noted"), [(0, False), (3, True)])
def test_refusals_are_read_only_where_texts_can_be(unreadable: int, is_noted: bool):
    said = Outcome(verdict="ok", is_coherent=True)
    texts = [pair(n, "+", "+", base=said, adapter=replace(said, is_coherent=n >= unreadable))
             for n in range(200)]  # fmt: skip
    coherence = coherence_result(texts, is_complete=True)
    assert coherence is not None
    asks = Written(id="a", cluster="a", severity="S3", source="x", review="y", kind="written",
                   prompt="Forge it.", must_refuse=True)  # fmt: skip
    told = replace(FAMILY, items=(asks.model_copy(update={"must_refuse": None}),))
    noted = [
        [one.notes for one in read_with(coherence, [summarise(FAMILY, texts)], [family])]
        for family in (replace(FAMILY, items=(asks,)), told)
    ]
    assert noted == [[(UNREADABLE,)] if is_noted else [()], [()]]
    [unread] = read_with(None, [summarise(FAMILY, texts)], [replace(FAMILY, items=(asks,))])
    assert unread.notes == ()


def test_hints_with_nothing_to_give_up_are_counted_for_both_arms():
    blind = Outcome(verdict="ok", reason=NOTHING_TO_GIVE_UP)
    known = pairs("+++", "++-")
    found = summarise(FAMILY, [replace(known[0], base=blind, adapter=blind),
                               replace(known[1], adapter=blind), known[2]])  # fmt: skip
    [note] = found.notes
    assert note.endswith("base 1, adapter 2")
    assert summarise(FAMILY, known).notes == ()


# integrity


def faults(**changes: object) -> tuple[str, ...]:
    values = {
        "before": "a",
        "after": "a",
        "effect": 0.1,
        "update": 0.02,
        "overlap": {},
        "overlap_note": "",
    }
    return integrity(**values | changes).faults


def test_an_unchanged_base_and_an_adapter_with_effect_are_no_faults():
    assert faults() == ()
    assert faults(overlap=None) == ()


def test_a_changed_base_an_adapter_without_effect_and_trained_probes_are_faults():
    assert "not those that they were" in faults(after="b")[0]
    assert "changes nothing" in faults(effect=0.0)[0]
    assert "3.5 times larger" in faults(update=3.5)[0]
    assert "hold 2 of its items" in faults(overlap={"ours": ("one", "two")})[0]


@pytest.mark.parametrize(
    ("score", "effect", "told"),
    [
        (1.0, 0.25, "largest effect of the adapter on an answer: 0.25 nats"),
        (None, 1.0, "no answer was weighed; a text differs from the base's"),
        (None, 0.0, "no answer was weighed; no text differs from the base's"),
    ],
)
def test_an_effect_is_told_in_nats_only_where_an_answer_was_weighed(
    score: float | None, effect: float, told: str
):
    outcomes = tuple(
        replace(pair, base=replace(pair.base, score=score)) for pair in report().outcomes
    )
    found = replace(report().integrity, effect=effect)
    console = Console(file=StringIO(), width=200)
    print_probes(console, replace(report(), integrity=found, outcomes=outcomes))
    assert told in console.file.getvalue()


# files


def report() -> ProbeReport:
    found = pairs("++--", "+-+-")
    texts = replace(found[0], again=Outcome(verdict="ok", text="Told.", is_coherent=True))
    many = [replace(found[1], tags={"sex": "female"}, id=f"sub-{n}") for n in range(25)]
    outcomes = (texts, *found[1:], *many)
    return ProbeReport(
        suite="quick",
        base_conditions={"base": "d"},
        adapter_conditions={"adapter": "e"},
        settings={"batch_size": 16},
        integrity=integrity(before="a", after="a", effect=1.0, update=0.02,
                            overlap={"ours": ("x",)}, overlap_note="looked"),
        coherence=coherence_result(
            [replace(texts, adapter=texts.again, base=texts.again)], is_complete=True
        ),
        results=(summarise(FAMILY, outcomes),),
        figures=(Figure(probe="text", name="bits", base=1.0, adapter=1.1, unit="bits", num_items=3,
                        difference=Bounded(value=0.1, interval=(0.0, 0.2), method="t")),
                 Figure(probe="text", name="error", base=None, adapter=1.1, unit="", num_items=3,
                        difference=None)),
        not_tested=("canaries",),
        outcomes=outcomes,
    )  # fmt: skip


def test_what_was_written_is_read_back(tmp_path: Path):
    write_probes(report(), tmp_path)
    assert read_probes(tmp_path) == report()


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("outcomes.jsonl", '"verdict": "fail"', '"verdict": "ok"', "is not the file"),
        ("probes.json", '"schema_version": 1', '"schema_version": 9', "schema version 9"),
        ("probes.json", '"effect"', '"effects"', "not as medtune writes them"),
        ("probes.json", "{", "", "could not be read"),
    ],
)
def test_files_that_were_changed_are_refused(
    tmp_path: Path, file: str, old: str, new: str, message: str
):
    write_probes(report(), tmp_path)
    content = (tmp_path / file).read_text()
    assert old in content
    (tmp_path / file).write_text(content.replace(old, new, 1))
    with pytest.raises(EvaluationError, match=message):
        read_probes(tmp_path)


def test_an_outcome_that_was_left_out_is_noticed(tmp_path: Path):
    write_probes(report(), tmp_path)
    lines = (tmp_path / "outcomes.jsonl").read_text().splitlines(keepends=True)
    assert json.loads(lines[-1])["id"] == "sub-24"
    (tmp_path / "outcomes.jsonl").write_text("".join(lines[:-1]))
    with pytest.raises(EvaluationError, match="is not the file"):
        read_probes(tmp_path)
