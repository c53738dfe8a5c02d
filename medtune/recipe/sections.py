"""The sections of a recipe: frozen, typed, and closed to unknown keys.

One section is one part of the pipeline and is handed to its owner whole. The order of the fields
in ``Recipe`` is the order in which the parts run. A string below a field is its documentation:
``medtune schema`` prints it, and editors show it.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from medtune.recipe.data import Data
from medtune.recipe.section import NO_EFFECT, PATH, Fraction, Positive, Section, Seed


class Base(Section):
    """The frozen model that the adapter is trained on."""

    model: str = Field(json_schema_extra=PATH)
    """Alias of the catalogue (smollm2-135m, meditron-7b, meditron-70b), hub id, folder, or .gguf
    file. Paths start with ./ or ../ or / and are relative to the recipe."""
    revision: str | None = Field(default=None, json_schema_extra=NO_EFFECT)
    """Commit, tag or branch on the hub; resolved to a commit, which the lock records."""
    dtype: Literal["bfloat16", "float32"] = "bfloat16"
    """Precision of the base's weights and activations; adapter weights are always float32."""
    quantization: Literal["none", "nf4", "int8"] = "none"
    """nf4 stores the linear layers in 4 bits with double quantisation (QLoRA, arXiv:2305.14314),
    int8 in 8 bits (arXiv:2208.07339)."""
    attention: Literal["auto", "sdpa", "eager", "flash_attention_2"] = "auto"
    """auto takes flash_attention_2 on a GPU that has it installed, and sdpa elsewhere. Packed
    training attends each example alone: with flash_attention_2, or else in medtune's own way."""


class Adapter(Section):
    """The trained part."""

    method: Literal["lora", "dora"] = "lora"
    """LoRA (arXiv:2106.09685); QLoRA is the same over `base.quantization: nf4`. dora also trains
    the length of each row of the adapted weight (arXiv:2402.09353)."""
    rank: Positive = 16
    """Inner dimension of the update."""
    alpha: float = Field(default=32.0, gt=0)
    """The update is scaled by alpha / rank."""
    rslora: bool = False
    """Scale the update by alpha / sqrt(rank) instead (arXiv:2312.03732)."""
    init: Literal["default", "pissa", "olora", "eva", "loftq"] = "default"
    """Where the adapter starts. default: without effect on the base. eva: the same, with the first
    matrix from the training rows' activations (arXiv:2410.07170). pissa (arXiv:2404.02948), olora
    (arXiv:2406.01775): with a part of the base's weights, which is taken out of the base while it
    trains; exported as plain LoRA of twice the rank on the untouched base. loftq: with what nf4
    rounded off (arXiv:2310.08659). The last three are for method: lora."""
    dropout: Fraction = 0.0
    """Dropout before the adapter's first matrix."""
    targets: (
        Literal["all-linear", "attention", "mlp"] | Annotated[list[str], Field(min_length=1)]
    ) = "all-linear"
    """Which linear layers: all but the head, a group, or the last parts of their names."""

    @model_validator(mode="after")
    def _start_fits_the_method(self) -> Self:
        if self.method == "dora" and self.init not in ("default", "eva"):
            raise ValueError(
                f"method: dora cannot start from init: {self.init}: its lengths are those of the "
                "base's weights, and that start puts another weight in their place; use default "
                "or eva, or method: lora"
            )
        return self


class Train(Section):
    """How the adapter is trained."""

    seeds: Annotated[list[Seed], Field(min_length=1)] | None = None
    """Training seeds: one full run for each, with mean and standard deviation over them. Each
    seeds the adapter's start, dropout and the order of the rows; splits and examples in the prompt
    stay those of the recipe's `seed`. null: one run, with the recipe's `seed`."""
    learning_rate: float = Field(gt=0, lt=1)
    """Peak learning rate."""
    lora_plus_ratio: float = Field(default=1.0, gt=0)
    """Learning rate of the adapter's second matrices (B) as a multiple of learning_rate: LoRA+
    (arXiv:2402.12354), whose authors advise 16."""
    schedule: Literal["cosine", "linear", "constant", "warmup-stable-decay"] = "cosine"
    """Shape after the warm-up. constant stays at the peak; warmup-stable-decay falls linearly in
    the last tenth."""
    warmup_fraction: Fraction = 0.1
    """Share of the steps in which the rate rises linearly from zero."""
    final_fraction: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Rate at the last step as a share of the peak; not for constant, which stays at the peak."""
    epochs: Positive = 1
    """Passes over the training rows, where max_steps is not given."""
    max_steps: Positive | None = None
    """Optimiser steps; overrides epochs."""
    batch_size: Positive = 16
    """Examples in one optimiser step."""
    packing: bool = True
    """Examples share a forward pass one after another, each blind to the others; false: one
    example a row, padded. Changes memory and speed, never which examples a step sees."""
    pack_tokens: Positive = 2048
    """Tokens in one forward pass at most, padding included; changes memory and speed, not the
    loss. At least data.max_tokens, which says how long one example may be."""
    optimizer: Literal["adamw", "adamw_8bit", "paged_adamw", "paged_adamw_8bit"] = "adamw"
    """AdamW with float32 or 8-bit moments (arXiv:2110.02861); paged ones move to the host's memory
    when a GPU's is short, and are the same without paging on a CPU."""
    weight_decay: float = Field(default=0.0, ge=0)
    """AdamW's decoupled decay, on the adapter's weights."""
    adam_beta1: Fraction = 0.9
    """Decay of the first moment."""
    adam_beta2: Fraction = 0.95
    """Decay of the second moment."""
    adam_epsilon: float = Field(default=1e-8, gt=0)
    """Added to the root of the second moment."""
    clip_norm: float | None = Field(default=1.0, gt=0)
    """Gradients are scaled down to this L2 norm; null: never."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, about a third more time."""
    eval_every: Positive | None = None
    """Steps between validation losses; null: after each fifth of the run. The last step is
    always measured, and the best one is exported."""
    patience: Positive | None = None
    """Validation losses in a row that bring nothing better before training stops early."""
    checkpoint_every: Positive = Field(default=50, json_schema_extra=NO_EFFECT)
    """Steps between checkpoints that --resume can continue from."""
    keep_last: Positive = Field(default=2, json_schema_extra=NO_EFFECT)
    """Checkpoints kept."""

    @model_validator(mode="after")
    def _no_setting_is_ignored(self) -> Self:
        if self.schedule == "constant" and self.final_fraction:
            raise ValueError("final_fraction has no meaning with schedule: constant; remove it")
        return self

    @model_validator(mode="after")
    def _seeds_are_distinct(self) -> Self:
        if self.seeds and len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds has a number twice: each run would be trained twice")
        return self


class Evaluate(Section):
    """How base and adapter are scored, on the test rows and on suites."""

    suites: list[str] = Field(default=[], json_schema_extra=PATH)
    """Suites that base and adapter are scored on after the recipe's own test rows: names
    (`medtune suites list`), or files of your own, whose paths begin with ./ or ../ or /."""
    protocol: Literal["top_token", "option_likelihood", "cot", "sc_cot"] = "top_token"
    """How an option is chosen. top_token: the likeliest first token among the options, at the
    answer's place. option_likelihood: the likeliest option text, which the question does not show.
    cot: the model writes its reasoning, greedily, and the answer is read from it. sc_cot: so often
    as `samples` says, at a temperature, and most votes count (arXiv:2203.11171)."""
    normalise: Literal["sum", "token", "byte"] = "sum"
    """What an option's log-likelihood is divided by for option_likelihood: by nothing, by its
    tokens, or by its bytes."""
    few_shot: Annotated[int, Field(ge=0)] = 0
    """Training examples put before each question. In a recipe they make one more arm of the base,
    so that a gain that is only format shows; `medtune eval` puts them before all questions of all
    arms."""
    shot_seeds: list[Seed] = Field(default=[])
    """Draws of these examples, an arm for each, with mean and standard deviation over them; empty:
    one draw, by the recipe's seed."""
    rotate_options: bool = False
    """Ask each question in every cyclic order of its lettered options: an item counts with the
    share of orders in which it is answered right."""
    samples: Annotated[int, Field(ge=2)] = 5
    """Texts written for each item by sc_cot."""
    temperature: float = Field(default=0.8, gt=0)
    """Of sc_cot; every other text is written greedily."""
    prompt: str | None = Field(default=None, json_schema_extra=PATH)
    """Your own file of prompts; null: medtune's (`medtune suites prompt` shows it)."""
    metric: Literal["auto", "answer_nll", "rouge_l"] = "auto"
    """For answers in free text. answer_nll: negative log-likelihood of the reference, per token.
    rouge_l: the model writes an answer (greedily), which is compared with the reference. auto:
    rouge_l for note writing (mts_dialog, aci_bench), else answer_nll."""
    max_new_tokens: Positive = 512
    """Longest text that is written; longer ones are cut and counted."""
    limit: Positive | None = None
    """Score the first rows of each set only; the result is then marked incomplete."""
    batch_size: Positive = 16
    """Sequences in one forward pass. In bfloat16 texts depend on it, by rounding."""

    @model_validator(mode="after")
    def _no_setting_is_ignored(self) -> Self:
        written = self.protocol in ("cot", "sc_cot")
        misplaced = {
            "normalise": self.normalise != "sum" and self.protocol != "option_likelihood",
            "rotate_options": self.rotate_options and self.protocol != "top_token",
            "shot_seeds": bool(self.shot_seeds) and not self.few_shot,
            "few_shot": bool(self.few_shot) and written,
        }
        why = {
            "normalise": "is for protocol: option_likelihood",
            "rotate_options": "is for protocol: top_token",
            "shot_seeds": "has no meaning without few_shot",
            "few_shot": f"has no meaning for {self.protocol}: training rows have no reasoning to "
            "show; put worked examples into a prompt file",
        }
        for name, is_misplaced in misplaced.items():
            if is_misplaced:
                raise ValueError(f"{name} {why[name]}; remove it")
        if len(set(self.shot_seeds)) < len(self.shot_seeds):
            raise ValueError("shot_seeds has a number twice: the same examples would be drawn")
        return self


class Probe(Section):
    """Safety probes of the adapter, beside its frozen base, after it was scored."""

    suite: Literal["none", "quick", "full"] = Field(default="none", json_schema_extra=NO_EFFECT)
    """quick: some items of medtune's families. full: all items, and published sets below
    $MEDTUNE_DATA. none: `medtune probe run` asks later."""
    probes: list[str] = Field(default=[], json_schema_extra=NO_EFFECT)
    """Only these families; empty: those of the suite."""
    folders: list[str] = Field(default=[], json_schema_extra=PATH)
    """Folders of further families."""
    limit: Positive | None = Field(default=None, json_schema_extra=NO_EFFECT)
    """Items of each family; the result is then marked incomplete."""
    batch_size: Positive | None = Field(default=None, json_schema_extra=NO_EFFECT)
    """Sequences in one forward pass, the same for both arms; null: 4 on a CPU, else 16."""


class Recipe(Section):
    """One run. Field order is execution order."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", json_schema_extra=NO_EFFECT)
    """Name of the run and of its folder below runs/."""
    seed: Seed = 17
    """Seeds held-out splits and the examples in the prompt; without `train.seeds` also the
    adapter's start, dropout and the order of the rows."""
    base: Base
    data: Data
    adapter: Adapter = Adapter()
    train: Train
    evaluate: Evaluate = Evaluate()
    probe: Probe = Probe()

    @model_validator(mode="after")
    def _an_example_fits_a_pass(self) -> Self:
        if self.train.pack_tokens < self.data.max_tokens:
            raise ValueError(
                f"train.pack_tokens ({self.train.pack_tokens}) is less than data.max_tokens "
                f"({self.data.max_tokens}): an example is never cut to fit a pass; set both"
            )
        return self

    @model_validator(mode="after")
    def _adapter_fits_the_base(self) -> Self:
        init, quantization = self.adapter.init, self.base.quantization
        if self.adapter.method == "dora" and quantization == "int8":
            raise ValueError(
                "adapter.method: dora does not work with base.quantization: int8: PEFT reads the "
                "weights for their lengths, and bitsandbytes then has lost their scales; use nf4"
            )
        if init in ("pissa", "olora") and quantization != "none":
            raise ValueError(
                f"adapter.init: {init} needs base.quantization: none, found {quantization}: it "
                "takes a part out of the base's weights, and what is left would be rounded anew"
            )
        if init == "loftq" and quantization != "nf4":
            raise ValueError(
                "adapter.init: loftq needs base.quantization: nf4, found "
                f"{quantization}: it starts from what that rounds off"
            )
        return self
