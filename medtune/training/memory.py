"""How much memory a training step will need, found out without taking it.

The step runs once on tensors that have shapes and no contents (torch's fake tensors), with the
base's own architecture, the recipe's adapter and the largest pass of the run; what would be
allocated and freed is added up. So the figures follow the code that will run, for any architecture,
and no formula has to be kept in step with it.
"""

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import AutoConfig, AutoModelForCausalLM

from medtune.data import Encoded
from medtune.errors import BaseError
from medtune.models import FrozenBase, LocatedBase, attach
from medtune.models.loading import DTYPES
from medtune.recipe import Base, Recipe
from medtune.training.batches import Batch, Passes, batches, cut, pass_tokens, rows_of_step
from medtune.training.loss import MAX_LOGITS, supervised_loss_sum
from medtune.training.optimizers import state_bytes
from medtune.training.selftest import pass_attention

STEPS_LOOKED_AT = 500
"""Steps among which the largest pass is looked for."""
NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)
"""Bytes a weight: four bits, a byte of scale for 64, doubly quantised (arXiv:2305.14314)."""
GIB = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """``bytes`` by purpose; together they are the peak of one process."""

    runtime: int
    """Python, torch, libraries and rows, as they lie in memory now; 0 on a GPU."""
    weights: int
    adapter: int
    """Its weights and their gradients."""
    optimizer: int
    activations: int
    """What the forward pass keeps for the backward pass."""
    logits: int
    """The head's logits and their gradients, one chunk of them."""
    working: int
    """What comes and goes within single layers at the worst moment."""
    tokens: int
    """Of the pass that this was found for."""

    @property
    def total(self) -> int:
        """The peak."""
        return sum(size for _, size in self.rows())

    def rows(self) -> list[tuple[str, int]]:
        """Purposes and bytes."""
        return [
            ("Python and torch", self.runtime),
            ("base weights", self.weights),
            ("adapter and gradients", self.adapter),
            ("optimiser", self.optimizer),
            ("activations", self.activations),
            ("logits", self.logits),
            ("working space", self.working),
        ]

    def table(self) -> str:
        """As it is printed: GiB by purpose."""
        lines = [f"  {what:<22}{size / GIB:8.2f} GiB" for what, size in self.rows()]
        total = f"  {'peak':<22}{self.total / GIB:8.2f} GiB, in passes of {self.tokens} tokens"
        return "\n".join([*lines, total])


def predict(
    located: LocatedBase,
    recipe: Recipe,
    examples: Sequence[Encoded],
    *,
    pad_id: int,
    device: torch.device,
    seed: int,
    num_steps: int,
    runtime: int | None = None,
) -> Memory:
    """Predict the peak of a training step of this recipe on these examples.

    Args:
        located: The base.
        recipe: What to train on it.
        examples: The training rows.
        pad_id: The padding token.
        device: Where the step will be taken.
        seed: The training seed, which orders the rows.
        num_steps: Steps of the run.
        runtime: Bytes that the process held before the base was loaded; what it holds now by
            default.

    Raises:
        BaseError: The base's code cannot run on tensors without contents.
    """
    passes = Passes(packing=recipe.train.packing, tokens=recipe.train.pack_tokens, pad_id=pad_id)
    if device.type != "cpu":
        runtime = 0
    elif runtime is None:
        runtime = resident_bytes()
    chosen = _largest_pass(
        examples, recipe.train.batch_size, passes, seed, min(STEPS_LOOKED_AT, num_steps)
    )
    try:
        model, batch, activations, peak = _simulate(located, recipe, chosen, passes, device)
    except (RuntimeError, ValueError, TypeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise BaseError(
            f"the memory of a step cannot be predicted for this base: {reason}"
        ) from error
    trainable = [w for w in model.parameters() if w.requires_grad]
    frozen = [w for w in model.parameters() if not w.requires_grad]
    adapter = sum(map(_size, trainable))
    logits = _logits_bytes(model, batch)
    return Memory(
        runtime=runtime,
        weights=sum(map(_size, frozen)) - _saved_by_quantization(model, recipe),
        adapter=2 * adapter,
        optimizer=state_bytes(trainable, recipe.train),
        activations=activations,
        logits=logits,
        # Gradients are there at the end and not at the peak's beginning; count them once.
        working=max(0, peak - activations - logits - adapter),
        tokens=batch.num_tokens,
    )


def _simulate(
    located: LocatedBase,
    recipe: Recipe,
    examples: Sequence[Encoded],
    passes: Passes,
    device: torch.device,
) -> tuple[PeftModel, Batch, int, int]:
    """Take the pass without contents: bytes kept for the backward pass, and at the peak."""
    model = _hollow(located, recipe)
    with FakeTensorMode():
        _fill(model, device)
        if recipe.train.gradient_checkpointing:
            model.activation_checkpointing_enable({"use_reentrant": False})
        model.train()
        with pass_attention(model, passes), _Allocations() as allocations:
            (batch,) = batches(examples, passes, device)
            loss = supervised_loss_sum(model, batch)
            activations = allocations.now
            loss.backward()  # type: ignore[no-untyped-call]
    return model, batch, activations, allocations.peak


def too_much(memory: Memory, recipe: Recipe, reason: str) -> str:
    """What to tell somebody whose memory was not enough: the table and three ways out."""
    train, adapter, smallest = recipe.train, recipe.adapter, recipe.data.max_tokens
    ways = {
        "train.gradient_checkpointing=true (activations of one layer at a time, for about a third "
        "more time)": not train.gradient_checkpointing,
        f"train.pack_tokens={max(smallest, train.pack_tokens // 2)} (smaller passes, the same "
        "losses)": train.pack_tokens > smallest,
        "base.quantization=nf4 (base weights in a quarter of the memory)": (
            recipe.base.quantization != "nf4" and adapter.init not in ("pissa", "olora")
        ),
        "train.optimizer=adamw_8bit (moments in a quarter of the memory)": (
            train.optimizer in ("adamw", "paged_adamw")
        ),
        f"data.max_tokens={smallest // 2} train.pack_tokens={smallest // 2} with "
        "data.on_overlength=drop (shorter examples only)": True,
        "adapter.targets=attention (fewer weights to train)": adapter.targets != "attention",
        f"adapter.rank={max(1, adapter.rank // 2)} (half the weights to train)": True,
    }
    open_to_try = [change for change, is_open in ways.items() if is_open][:3]
    listed = "\n".join(f"  {number}. {change}" for number, change in enumerate(open_to_try, 1))
    return (
        f"memory was not enough: {reason}\nA step was expected to need\n{memory.table()}\n"
        "Change one of these and start anew, under another name or after removing the run's "
        f"folder:\n{listed}"
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch could not allocate: it has a class for that on GPUs, and a text on CPUs."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "allocate memory" in str(error)
    )


class _Allocations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the storages that operations make and drop."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401 - torch's signature
        types: Any,  # noqa: ANN401
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self._note(tensor.untyped_storage())
        return result

    def _note(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key not in self._sizes:
            self._sizes[key] = storage.nbytes()
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._drop, key)

    def _drop(self, key: int) -> None:
        self.now -= self._sizes.pop(key)


def hollow_base(located: LocatedBase, section: Base) -> FrozenBase:
    """The base's architecture without any weight: its tensors have shapes and no contents."""
    config = AutoConfig.from_pretrained(located.folder, local_files_only=True)
    config.use_cache = False
    attention = "eager" if section.attention == "eager" else "sdpa"
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(
            config, dtype=DTYPES[section.dtype], attn_implementation=attention
        )
    model.requires_grad_(False)
    model.name_or_path = located.reference
    return FrozenBase(model=model, tokenizer=None, located=located, section=section)


def _hollow(located: LocatedBase, recipe: Recipe) -> PeftModel:
    """The hollow base with its adapter."""
    # Where it starts does not change how large it is, and some starts need the weights.
    plain = recipe.adapter.model_copy(update={"init": "default"})
    with torch.device("meta"):
        return attach(hollow_base(located, recipe.base), plain, seed=recipe.seed)


def _fill(model: torch.nn.Module, device: torch.device) -> None:
    """Replace weightless tensors by fake ones that say they are on the device; ties stay."""
    made: dict[int, torch.Tensor] = {}
    for module in model.modules():
        for held in (module._parameters, module._buffers):
            for name, old in held.items():
                if old is None:
                    continue
                if id(old) not in made:
                    new = torch.empty(old.shape, dtype=old.dtype, device=device)
                    is_weight = isinstance(old, torch.nn.Parameter)
                    made[id(old)] = (
                        torch.nn.Parameter(new, requires_grad=old.requires_grad)
                        if is_weight
                        else new
                    )
                held[name] = made[id(old)]  # type: ignore[assignment]


def _largest_pass(
    examples: Sequence[Encoded], batch_size: int, passes: Passes, seed: int, num_steps: int
) -> list[Encoded]:
    """The examples of the largest pass among the run's first steps."""
    size, largest = 0, list(examples[:1])
    for step in range(1, num_steps + 1):
        rows = rows_of_step(len(examples), batch_size, step, seed)
        for group in cut([examples[row] for row in rows], passes):
            if (tokens := pass_tokens(group, passes)) > size:
                size, largest = tokens, group
    return largest


def _logits_bytes(model: PeftModel, batch: Batch) -> int:
    """In the base's precision and in float32, and the gradient of each."""
    base = model.get_base_model()
    vocabulary = base.get_output_embeddings().weight.shape[0]
    positions = min(batch.num_supervised, max(1, MAX_LOGITS // vocabulary))
    return int(2 * positions * vocabulary * (4 + base.dtype.itemsize))


def _saved_by_quantization(model: PeftModel, recipe: Recipe) -> int:
    """Bytes that storing the base's linear layers in 4 or 8 bits saves."""
    if recipe.base.quantization == "none":
        return 0
    stored = NF4_BYTES if recipe.base.quantization == "nf4" else 1.0
    base = model.get_base_model()
    head = base.get_output_embeddings()
    linear = [
        module.weight
        for name, module in base.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head and "lora_" not in name
    ]
    return int(sum(weight.numel() * (weight.element_size() - stored) for weight in linear))


def _size(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def resident_bytes() -> int:
    """Memory of this process now, where the system tells (Linux)."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return 0
    lines = status.read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))
