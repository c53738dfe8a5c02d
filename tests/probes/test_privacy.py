"""Privacy: what a model that has learned secrets by heart gives away, and one that has not."""

from pathlib import Path

import pytest
import torch
from fixtures import recipe, write_jsonl, write_recipe
from tiny_models import make_example

import medtune
from medtune.data import Encoder, make_template
from medtune.data.canaries import Canary, Planted
from medtune.models import load_tokenizer, locate_base
from medtune.probes.privacy import MIN_MEMBERS, RANDOM_SECRETS, Examiner
from medtune.recipe import Base
from medtune.records import Silent
from medtune.scoring import Weight, Written


@pytest.fixture(scope="module")
def encoder(tiny_base: Path) -> Encoder:
    located = locate_base(Base(model=str(tiny_base)), offline=True, progress=Silent())
    return Encoder(make_template("tokenizer", load_tokenizer(located)))


class Memory:
    """An engine that knows some texts by heart, and finds every other as likely as the next."""

    conditions: dict[str, str] = {}  # noqa: RUF012

    def __init__(self, encoder: Encoder, known: dict[str, str]) -> None:
        self._encoder, self._known = encoder, known

    def weigh(self, questions, *, step, progress):
        return [
            [
                Weight(0.0 if self._decoded(ids) in self._known.values() else -10.0, True)
                for ids in question.continuations
            ]
            for question in questions
        ]

    def write(self, prompts, decoding, *, step, progress):
        return [
            [Written(text=self._answer(prompt), num_tokens=1, is_complete=True)]
            for prompt in prompts
        ]

    def _decoded(self, ids):
        return self._encoder.decode(ids)

    def _answer(self, prompt) -> str:
        text = self._encoder.decode(prompt)
        return next((answer for ask, answer in self._known.items() if ask in text), "Nothing.")


def planted() -> Planted:
    inserted = [Canary(name=f"Ada Be{n}", secret=f"10000{n}", repetitions=4) for n in range(5)]
    twins = [Canary(name=f"Cy Du{n}", secret=f"2000{n:02}", repetitions=0) for n in range(20)]
    return Planted(canaries=(*inserted, *twins), digest="d")


def test_secrets_that_are_known_by_heart_are_told_and_fully_exposed(encoder: Encoder):
    secrets = planted()
    known = {c.question: c.answer for c in secrets.canaries if c.repetitions}
    examiner = Examiner(base=Memory(encoder, {}), adapter=Memory(encoder, known), encoder=encoder,
                        seed=1)  # fmt: skip
    found = examiner.canaries(secrets, Silent())
    [(family, pairs)] = found.probes
    assert family.plan.level == "blocker"
    assert [(pair.base.verdict, pair.adapter.verdict) for pair in pairs] == [("ok", "fail")] * 5
    [exposure] = found.figures
    assert exposure.adapter == pytest.approx(torch.log2(torch.tensor(RANDOM_SECRETS + 1.0)))
    assert exposure.difference is None or exposure.difference.value > 0
    assert "p 1" not in exposure.name


def test_secrets_that_are_not_known_are_neither_told_nor_more_exposed_than_twins(encoder: Encoder):
    examiner = Examiner(base=Memory(encoder, {}), adapter=Memory(encoder, {}), encoder=encoder,
                        seed=1)  # fmt: skip
    found = examiner.canaries(planted(), Silent())
    assert all(pair.adapter.verdict == "ok" for _, pairs in found.probes for pair in pairs)
    [exposure] = found.figures
    assert exposure.adapter == exposure.base


def test_members_that_the_adapter_finds_likelier_are_found_out(encoder: Encoder):
    rows = [make_example(f"Case {n}?", f"Told {n}.", id=f"r{n}") for n in range(2 * MIN_MEMBERS)]
    train, held_out = rows[:MIN_MEMBERS], rows[MIN_MEMBERS:]
    texts = [encoder.decode(encoder.example(row).input_ids[1:]) for row in train]
    known = {str(number): text for number, text in enumerate(texts)}
    sure = Examiner(base=Memory(encoder, {}), adapter=Memory(encoder, known), encoder=encoder,
                    seed=1)  # fmt: skip
    area, rate = sure.membership(train, held_out, Silent()).figures
    assert area.adapter > 0.99
    assert rate.adapter > 0.99
    blind = Examiner(base=Memory(encoder, {}), adapter=Memory(encoder, {}), encoder=encoder,
                     seed=1)  # fmt: skip
    area, rate = blind.membership(train, held_out, Silent()).figures
    assert 0.4 < area.adapter < 0.6
    assert rate.adapter < 0.05


def test_few_rows_leave_membership_untested(encoder: Encoder):
    examiner = Examiner(base=Memory(encoder, {}), adapter=Memory(encoder, {}), encoder=encoder,
                        seed=1)  # fmt: skip
    rows = [make_example("Case?", "Told.", id=f"r{n}") for n in range(MIN_MEMBERS)]
    found = examiner.membership(rows, rows[1:], Silent())
    assert found.figures == ()
    assert "299 held-out rows of the task; 300 of each are needed" in found.not_tested[0]


def test_the_rest_of_a_training_answer_that_follows_word_for_word_is_a_failure(encoder: Encoder):
    answer = "The patient came with fever and cough, was treated for three days, and went home."
    rows = [make_example("Write the note.", answer, id="r1"),
            make_example("Short?", "Yes.", id="r2")]  # fmt: skip
    probe = Examiner(base=Memory(encoder, {}), adapter=Memory(encoder, {}), encoder=encoder, seed=1)
    [(name, (_, rest))] = list(probe._halves(rows))
    assert name == "r1"
    parrot = Examiner(base=Memory(encoder, {}), adapter=Memory(encoder, {"The patient": rest}),
                      encoder=encoder, seed=1)  # fmt: skip
    [(_, [pair])] = parrot.verbatim(rows, Silent()).probes
    assert (pair.base.verdict, pair.adapter.verdict) == ("ok", "fail")
    assert pair.adapter.text is None
    assert parrot.verbatim(rows[1:], Silent()).not_tested != ()


def test_an_adapter_that_learned_its_secrets_tells_them(tmp_path: Path, tiny_base: Path):
    """The whole way: planted by the recipe, learned in training, asked for by the probe."""
    rows = [{"id": str(n), "messages": [{"role": "user", "content": f"{n} plus 1?"},
                                        {"role": "assistant", "content": str(n + 1)}]}
            for n in range(10)]  # fmt: skip
    write_jsonl(tmp_path / "rows" / "train.jsonl", rows)
    values = recipe(tiny_base, tmp_path / "rows") | {"evaluate": {}}
    values["data"] = {
        "task": "chat", "path": str(tmp_path / "rows"), "max_tokens": 256,
        "validation_fraction": 0.0,
        "canaries": {"secrets": 2, "twins": 20, "repetitions": [16]},
    }  # fmt: skip
    values["adapter"] = {"rank": 16, "alpha": 64}
    values["train"] |= {"learning_rate": 0.02, "max_steps": 120, "batch_size": 8}
    run = medtune.train(write_recipe(tmp_path / "recipe.yaml", values), out=tmp_path / "runs")
    report = medtune.probe(run.path, "quick", probes=["dose_range"], limit=2).report
    secrets = next(r for r in report.results if r.probe == "privacy_canaries")
    assert secrets.both_ok + secrets.regressions == 2
    [exposure] = report.figures
    assert exposure.base is not None
    assert exposure.adapter > exposure.base + 2
