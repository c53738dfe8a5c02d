"""What was answered is not asked again, and never stands for another model's answer."""

import json
import multiprocessing
import stat
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from tiny_models import make_tiny_base

from medtune.errors import MedtuneError
from medtune.models import FrozenBase, attach, load_model, load_tokenizer, locate_base
from medtune.recipe import Adapter, Base
from medtune.records import Silent
from medtune.scoring import Decoding, LocalEngine, Question, ResponseCache, local_conditions

QUESTIONS = [
    Question(prompt=tuple(range(3, 12 + n)), continuations=((5,), (6,), (7, 8))) for n in range(6)
]
DECODING = Decoding(max_new_tokens=5, stop_ids=frozenset({2}))


@pytest.fixture(scope="module")
def base(tiny_base: Path) -> FrozenBase:
    section = Base(model=str(tiny_base), dtype="float32")
    located = locate_base(section, offline=True, progress=Silent())
    return load_model(located, section, load_tokenizer(located))


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> tuple[FrozenBase, PeftModel]:
    folder = make_tiny_base(tmp_path_factory.mktemp("bases") / "adapted")
    section = Base(model=str(folder), dtype="float32")
    located = locate_base(section, offline=True, progress=Silent())
    frozen = load_model(located, section, load_tokenizer(located))
    model = attach(frozen, Adapter(rank=4), seed=1)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    return frozen, model.eval()


class Passes:
    """Counts forward passes of a model."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.count = 0
        model.get_input_embeddings().register_forward_hook(self._count)

    def _count(self, *_: object) -> None:
        self.count += 1


def engine(
    frozen: FrozenBase,
    model: torch.nn.Module,
    folder: Path,
    *,
    adapter: str | None = None,
    template: str = "t",
    **changes: object,
) -> LocalEngine:
    conditions = local_conditions(frozen, adapter=adapter, template=template) | changes
    return LocalEngine(
        model,
        conditions,
        is_adapter_on=adapter is not None,
        decode=lambda ids: " ".join(map(str, ids)),
        batch_size=2,
        pad_id=0,
        kept=ResponseCache(folder, conditions),
    )


def ask(asked: LocalEngine) -> tuple[object, object]:
    weights = asked.weigh(QUESTIONS, step="", progress=Silent())
    prompts = [question.prompt for question in QUESTIONS]
    return weights, asked.write(prompts, DECODING, step="", progress=Silent())


def test_the_same_questions_under_the_same_conditions_run_nothing_again(
    base: FrozenBase, tmp_path: Path
) -> None:
    passes = Passes(base.model)
    first = ask(engine(base, base.model, tmp_path))
    assert passes.count > 0
    run = passes.count
    assert ask(engine(base, base.model, tmp_path)) == first
    assert passes.count == run


def test_an_adapter_never_gets_an_answer_of_its_base_nor_of_another_adapter(
    adapted: tuple[FrozenBase, PeftModel], tmp_path: Path
) -> None:
    frozen, model = adapted
    kept, alone = tmp_path / "kept", tmp_path / "alone"
    before = ask(engine(frozen, model, kept))
    after = ask(engine(frozen, model, kept, adapter="a" * 64))
    assert after == ask(engine(frozen, model, alone, adapter="a" * 64))
    assert after[0] != before[0]
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.mul_(3)
    changed = ask(engine(frozen, model, kept, adapter="b" * 64))
    assert changed[0] != after[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"template": "u"},
        {"tokenizer": "0" * 64},
        {"base": "0" * 64},
        {"dtype": "bfloat16"},
        {"quantization": "nf4"},
        {"code": "0" * 64},
        {"packages": {}},
        {"device": "another"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_changed_condition_misses(
    base: FrozenBase, tmp_path: Path, changes: dict[str, object]
) -> None:
    ask(engine(base, base.model, tmp_path))
    passes = Passes(base.model)
    template = str(changes.pop("template", "t"))
    ask(engine(base, base.model, tmp_path, template=template, **changes))
    assert passes.count > 0
    assert len(list(tmp_path.glob("*.jsonl"))) == 2


@pytest.mark.parametrize(
    "decoding",
    [
        replace(DECODING, max_new_tokens=6),
        replace(DECODING, stop_ids=frozenset({2, 3})),
        replace(DECODING, temperature=0.8),
        replace(DECODING, temperature=0.8, seed=1),
        replace(DECODING, temperature=0.8, samples=3),
    ],
)
def test_another_way_of_writing_misses(
    base: FrozenBase, tmp_path: Path, decoding: Decoding
) -> None:
    prompts = [question.prompt for question in QUESTIONS]
    drawn = (
        replace(DECODING, temperature=0.8) if decoding.seed or decoding.samples > 1 else DECODING
    )
    engine(base, base.model, tmp_path).write(prompts, drawn, step="", progress=Silent())
    passes = Passes(base.model)
    engine(base, base.model, tmp_path).write(prompts, decoding, step="", progress=Silent())
    assert passes.count > 0


def test_a_changed_question_or_batch_misses(base: FrozenBase, tmp_path: Path) -> None:
    asked = engine(base, base.model, tmp_path)
    asked.weigh(QUESTIONS, step="", progress=Silent())
    passes = Passes(base.model)
    other = replace(QUESTIONS[0], prompt=(9, *QUESTIONS[0].prompt[1:]))
    asked.weigh([other, *QUESTIONS[1:]], step="", progress=Silent())
    assert passes.count > 0


def test_what_a_killed_process_left_of_a_line_is_cut_off_and_asked_again(
    base: FrozenBase, tmp_path: Path
) -> None:
    whole = ask(engine(base, base.model, tmp_path))
    [file] = tmp_path.glob("*.jsonl")
    content = file.read_bytes()
    for length in (0, 10, len(content) // 2, len(content) - 1):
        file.write_bytes(content[:length])
        assert ask(engine(base, base.model, tmp_path)) == whole
        assert sorted(file.read_bytes().splitlines()) == sorted(content.splitlines())


def test_the_file_is_its_owners_alone_and_tells_its_conditions(
    base: FrozenBase, tmp_path: Path
) -> None:
    ask(engine(base, base.model, tmp_path / "new"))
    [file] = (tmp_path / "new").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    first = json.loads(file.read_text().splitlines()[0])
    assert first == {"conditions": local_conditions(base, adapter=None, template="t")}


@pytest.mark.parametrize(
    "content", [b"nonsense\n", b'{"conditions": {"a": 2}}\n', b"[]\n", b"{}\n"]
)
def test_a_file_that_is_none_of_its_own_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    cache = ResponseCache(tmp_path, {"a": 1})
    cache.put("key", [1.5])
    cache.path.write_bytes(content)
    with pytest.raises(MedtuneError, match=rf"{cache.path.name}: kept answers cannot be read"):
        ResponseCache(tmp_path, {"a": 1})


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    cache = ResponseCache(tmp_path / "taken" / "below", {"a": 1})
    with pytest.raises(MedtuneError, match="answers cannot be kept there"):
        cache.put("key", [1.5])


def _put_many(folder: Path, name: str) -> None:
    cache = ResponseCache(folder, {"a": 1})
    for number in range(200):
        cache.put(f"{name} {number}", ["x" * (number % 50)])


def test_processes_that_ask_the_same_model_lose_no_answer(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_put_many, args=(tmp_path, name)) for name in "abc"]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    cache = ResponseCache(tmp_path, {"a": 1})
    assert len(cache) == 600
    assert cache.get("b 199") == ["x" * 49]
