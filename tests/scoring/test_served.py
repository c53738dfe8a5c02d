"""`medtune eval --server`: what a server answers is scored as what the same weights answer here."""

import sys
from pathlib import Path

import pytest
import yaml
from completions_server import completions_server
from fixtures import question, write_jsonl

import medtune
from medtune.cli import main
from medtune.recipe import Evaluate
from medtune.scoring import completions


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    rows = write_jsonl(tmp_path / "exam.jsonl", [question(n) for n in range(8)])
    sets = {"exam": {"kind": "choice", "rows": {"task": "mcq", "path": str(rows)}}}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"name": "mine", "title": "Ours", "sets": sets}))
    return path


@pytest.mark.parametrize("protocol", ["top_token", "option_likelihood", "cot"])
def test_a_served_model_scores_as_it_does_in_memory(
    tiny_base: Path, suite: Path, tmp_path: Path, protocol: str
):
    section = Evaluate(protocol=protocol, max_new_tokens=8)
    here = medtune.evaluate(str(tiny_base), suite, section, dtype="float32", out=tmp_path / "a")
    with completions_server(tiny_base) as served:
        there = medtune.evaluate_served(
            served.name, suite, section, server=served.url, tokenizer=str(tiny_base),
            offline=True, out=tmp_path / "b",
        )  # fmt: skip
    [ours], [theirs] = here.evaluation.reports, there.evaluation.reports
    for one, other in zip(ours.arms[0].items, theirs.arms[0].items, strict=True):
        assert other.log_likelihoods == pytest.approx(one.log_likelihoods, abs=1e-4)
        assert (other.texts, other.predicted) == (one.texts, one.predicted)
        assert other.prompt_digest == one.prompt_digest
    assert there.evaluation.conditions["weights"].endswith("not verified")
    assert theirs.dtype == "the server's"
    assert not list(there.path.glob(".responses"))
    assert (there.path / "report.html").is_file()


def test_the_command_asks_the_server_and_refuses_what_it_lacks(
    tiny_base: Path,
    suite: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(completions, "FIRST_WAIT_SECONDS", 0.001)

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["medtune", "eval", *words, "--suite", str(suite)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        told = capsys.readouterr()
        return int(left.value.code or 0), told.out + told.err

    with completions_server(tiny_base) as served:
        url = served.url
        code, told = run(served.name, "--server", url, "--tokenizer", str(tiny_base))
        assert (code, "accuracy" in told) == (0, True)
        code, told = run(served.name, "--server", url)
        assert code == 2
        assert "--server needs --tokenizer" in told
    code, told = run(served.name, "--server", url, "--tokenizer", str(tiny_base), "--name", "x")
    assert code == 1
    assert url in told
