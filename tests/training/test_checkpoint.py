"""A run goes on from a checkpoint as if it had never stopped."""

import json
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors import safe_open

from medtune.errors import AdapterError, TrainingError
from medtune.models import adapter_state, attach, load_model, load_tokenizer, locate_base
from medtune.recipe import Adapter, Base
from medtune.records import Silent
from medtune.training import checkpoint
from medtune.training.checkpoint import Position, State

IDS = torch.tensor([[1, 7, 19, 250, 33, 8]])


class Session:
    """A model and an optimiser, as a process that starts anew has them."""

    def __init__(self, folder: Path, *, rank: int = 4, seed: int = 1) -> None:
        section = Base(model=str(folder), dtype="float32")
        located = locate_base(section, offline=True, progress=Silent())
        base = load_model(located, section, load_tokenizer(located))
        self.model: PeftModel = attach(base, Adapter(rank=rank, dropout=0.2), seed=seed)
        weights = [weight for weight in self.model.parameters() if weight.requires_grad]
        self.optimizer = torch.optim.AdamW(weights, lr=0.01)

    def step(self, number: int = 0) -> float:
        # As the loop does: dropout depends on the step alone.
        torch.manual_seed(number)
        self.model.train()
        loss = self.model(IDS, labels=IDS).loss
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return float(loss.detach())

    def save(self, folder: Path, step: int, *, best: State | None = None, keep: int = 5) -> None:
        best_step = None if best is None else step
        position = Position(step=step, best_step=best_step, tokens=10 * step, seconds=0.1)
        checkpoint.save(folder, self.model, self.optimizer, position, best, keep_last=keep)

    def restore(self, folder: Path) -> tuple[Position, State | None]:
        return checkpoint.restore(folder, self.model, self.optimizer)


@pytest.fixture
def session(tiny_base: Path) -> Session:
    return Session(tiny_base)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def equal(a: State, b: State) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_a_restored_session_goes_on_bit_for_bit(
    tiny_base: Path, session: Session, tmp_path: Path
) -> None:
    for number in (1, 2, 3):
        session.step(number)
    session.save(tmp_path / "checkpoints", 3)
    moments = session.optimizer.state_dict()["state"]
    weights = {name: tensor.clone() for name, tensor in adapter_state(session.model).items()}
    moments = {i: {k: v.clone() for k, v in entry.items()} for i, entry in moments.items()}
    expected = [session.step(number) for number in (4, 5, 6)]
    assert len(set(expected)) == 3

    other = Session(tiny_base, seed=2)
    position, best = other.restore(tmp_path / "checkpoints")
    assert position == Position(step=3, tokens=30, seconds=0.1)
    assert best is None
    assert equal(adapter_state(other.model), weights)
    restored = other.optimizer.state_dict()["state"]
    assert restored.keys() == moments.keys()
    assert all(equal(restored[index], moments[index]) for index in moments)
    assert [other.step(number) for number in (4, 5, 6)] == expected
    assert equal(adapter_state(other.model), adapter_state(session.model))


def test_the_best_adapter_so_far_is_kept(tiny_base: Path, session: Session, tmp_path: Path) -> None:
    session.step()
    best = {name: tensor.clone() for name, tensor in adapter_state(session.model).items()}
    session.step()
    session.save(tmp_path / "checkpoints", 2, best=best)
    position, found = Session(tiny_base).restore(tmp_path / "checkpoints")
    assert position.best_step == 2
    assert found is not None
    assert equal(found, best)


def test_without_a_checkpoint_a_run_starts_at_step_zero(session: Session, tmp_path: Path) -> None:
    before = {name: tensor.clone() for name, tensor in adapter_state(session.model).items()}
    assert session.restore(tmp_path / "checkpoints") == (Position(), None)
    assert equal(adapter_state(session.model), before)


def test_the_last_checkpoint_is_the_one_restored(session: Session, tmp_path: Path) -> None:
    for step in (9, 10, 100):
        session.step()
        session.save(tmp_path / "checkpoints", step)
    assert session.restore(tmp_path / "checkpoints")[0].step == 100


def test_what_a_killed_process_did_not_come_to_remove_goes_on_restoring(
    session: Session, tmp_path: Path
) -> None:
    session.step()
    for step in (1, 2, 3):
        session.save(tmp_path, step)
    checkpoint.remove_all_but(tmp_path, 2)
    assert session.restore(tmp_path)[0].step == 3
    assert names(tmp_path) == ["step-00000002", "step-00000003"]


@pytest.mark.parametrize("best", [False, True])
def test_a_checkpoint_takes_no_more_room_than_was_asked_for(
    session: Session, tmp_path: Path, best: bool
) -> None:
    session.step()
    session.save(tmp_path, 1, best=adapter_state(session.model) if best else None)
    size = sum(file.stat().st_size for file in (tmp_path / "step-00000001").iterdir())
    asked = checkpoint.checkpoint_bytes(session.model)
    # Headers, names and the generators' states: kilobytes, whatever the adapter's size.
    overhead = 40_000
    assert asked * (1 if best else 3 / 4) < size < asked + overhead


def test_a_run_needs_one_checkpoint_more_than_it_keeps_less_those_it_has(
    session: Session, tmp_path: Path
) -> None:
    one = checkpoint.checkpoint_bytes(session.model)
    adapter = one // 4
    needed = [checkpoint.run_bytes(tmp_path, session.model, keep_last=2)]
    session.step()
    for step in (1, 2):
        session.save(tmp_path, step, keep=2)
        needed.append(checkpoint.run_bytes(tmp_path, session.model, keep_last=2))
    assert needed == [3 * one + adapter, 2 * one + adapter, one + adapter]


def test_too_little_room_is_refused_with_the_figures_and_what_to_do(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    checkpoint.require_space(tmp_path, free // 2)
    with pytest.raises(TrainingError) as caught:
        checkpoint.require_space(tmp_path, 2**60)
    for part in ("need 1073741824.00 GiB", "GiB free", "train.keep_last", "--out", str(tmp_path)):
        assert part in str(caught.value)


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """As on a disk that fills up: a write beyond is refused by the kernel."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Python ignores the signal that comes with it.
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [0, 20, 30_000])
def test_a_full_disk_leaves_the_checkpoints_before_and_says_what_to_do(
    tiny_base: Path, session: Session, tmp_path: Path, size: int
) -> None:
    session.step()
    session.save(tmp_path, 1, keep=1)
    expected = {file.name: file.read_bytes() for file in (tmp_path / "step-00000001").iterdir()}
    session.step()
    with (
        no_file_larger_than(size),
        pytest.raises(
            TrainingError, match=r"step-00000002 cannot be written .*too large.*Make room"
        ),
    ):
        session.save(tmp_path, 2, keep=1)
    assert names(tmp_path) == ["step-00000001"]
    left = {file.name: file.read_bytes() for file in (tmp_path / "step-00000001").iterdir()}
    assert left == expected
    session.save(tmp_path, 2, keep=1)
    assert Session(tiny_base).restore(tmp_path)[0].step == 2


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_only_the_last_checkpoints_are_kept(session: Session, tmp_path: Path, keep: int) -> None:
    session.step()
    for step in (1, 2, 3, 4):
        session.save(tmp_path / "checkpoints", step, keep=keep)
    expected = [f"step-{step:08}" for step in (1, 2, 3, 4)][-keep:]
    assert names(tmp_path / "checkpoints") == expected, "nothing else is left either"


def test_a_checkpoint_is_safetensors_and_json_and_nothing_else(
    session: Session, tmp_path: Path
) -> None:
    session.step()
    session.save(tmp_path / "checkpoints", 1, best=adapter_state(session.model))
    folder = tmp_path / "checkpoints" / "step-00000001"
    tensors = ["adapter", "best", "optimizer"]
    assert names(folder) == sorted([*(f"{name}.safetensors" for name in tensors), "state.json"])
    json.loads((folder / "state.json").read_text())
    for name in tensors:
        with safe_open(folder / f"{name}.safetensors", framework="pt") as file:
            assert list(file.keys())


@pytest.mark.parametrize(
    "name",
    [
        "adapter.safetensors",
        "best.safetensors",
        "optimizer.safetensors",
        "state.json",
    ],
)
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "foreign"])
def test_a_torn_checkpoint_is_an_error_that_says_what_to_do(
    session: Session, tmp_path: Path, name: str, damage: str
) -> None:
    session.step()
    session.save(tmp_path / "checkpoints", 1, best=adapter_state(session.model))
    folder = tmp_path / "checkpoints" / "step-00000001"
    file = folder / name
    content = file.read_bytes()
    if damage == "missing":
        file.unlink()
    elif damage == "foreign":
        file.write_bytes(b'{"a": 1}')
    else:
        file.write_bytes(b"" if damage == "empty" else content[: len(content) // 2])
    with pytest.raises(TrainingError, match=r"step-00000001 cannot be read .*remove that folder"):
        session.restore(tmp_path / "checkpoints")


def test_a_checkpoint_of_another_adapter_is_refused(
    tiny_base: Path, session: Session, tmp_path: Path
) -> None:
    session.step()
    session.save(tmp_path / "checkpoints", 1)
    with pytest.raises(AdapterError, match="do not fit the adapter"):
        Session(tiny_base, rank=8).restore(tmp_path / "checkpoints")


def test_what_a_crash_left_half_written_is_not_taken_for_a_checkpoint(
    session: Session, tmp_path: Path
) -> None:
    session.step()
    session.save(tmp_path / "checkpoints", 1)
    (tmp_path / "checkpoints" / ".step-00000002.x7f3").mkdir()
    assert session.restore(tmp_path / "checkpoints")[0].step == 1
