"""Tokenizers, bases and examples that are made on the spot: tiny, random, the same each time."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from medtune.records import Example, Message

CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ '\n' + message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{{ '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{{ '\n' }}{% endif %}"
)
TRAINING_TEXT = [
    "Question: which vitamin prevents scurvy?\n\nA. A\nB. B12\nC. C\nD. D\n\n",
    "Answer with the letter of the best option. yes no maybe. The patient has a fever.",
    "Abstract: background, methods, results. Judging by the abstract, answer yes, no or maybe.",
]


def make_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE of about 400 tokens, trained on the spot, with a chat template."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<unk>", "<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TRAINING_TEXT * 4, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def make_tiny_base(
    folder: Path, *, seed: int = 0, tied: bool = True, context_tokens: int = 512
) -> Path:
    """A random two-layer Llama with its tokenizer; layer widths are multiples of 32 for nf4."""
    tokenizer = make_tokenizer()
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=416,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context_tokens,
        tie_word_embeddings=tied,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        # Large enough for logits that differ clearly between tokens and between adapters.
        initializer_range=0.2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_example(
    *contents: str,
    id: str = "row-1",
    system: str | None = None,
    options: tuple[str, ...] = (),
    group: str | None = None,
    last_only: bool = False,
) -> Example:
    """A conversation of user and assistant in turn; every answer, or the last, is supervised."""
    messages = [] if system is None else [Message(role="system", content=system)]
    for number, content in enumerate(contents):
        is_answer = number % 2 == 1
        supervised = is_answer and (number == len(contents) - 1 or not last_only)
        role = "assistant" if is_answer else "user"
        messages.append(Message(role=role, content=content, supervised=supervised))
    return Example(
        id=id,
        where=f"rows.jsonl:{id.rpartition('-')[2]}",
        messages=tuple(messages),
        options=options,
        answer=contents[-1],
        group=group or id,
        is_grouped=group is not None,
        source="made up",
        licence="none",
    )
