"""Chat templates: how a conversation becomes the text that a base is trained and asked with.

``tokenizer`` is the base's own template. ``chatml`` and ``plain`` are medtune's, for bases that
bring none: both are plain text that ends each answer with a stop token which the base already
has, so no embedding is added and none starts untrained.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jinja2

from medtune.digests import sha256_text
from medtune.errors import TemplateError
from medtune.records import Message

CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] }}"
    "{{ STOP if message['role'] == 'assistant' else '<|im_end|>' }}{{ '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
PLAIN = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] + '\n\n' }}"
    "{% elif message['role'] == 'user' %}{{ message['content'] + '\n\n' }}"
    "{% else %}{{ 'Answer:\n' + message['content'] + STOP + '\n\n' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Answer:\n' }}{% endif %}"
)

Tokenizer = Any
"""A transformers tokenizer (PreTrainedTokenizerBase); transformers is imported by models only."""


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """A template with its stop token, proven to end every answer with it."""

    name: str
    source: str
    """Jinja, as it is shipped beside the adapter."""
    stop_token: str
    stop_token_id: int
    tokenizer: Tokenizer

    @property
    def digest(self) -> str:
        """sha256 of the source."""
        return sha256_text(self.source)

    def render(self, messages: Sequence[Message], *, add_generation_prompt: bool = False) -> str:
        """The conversation as text; with a generation prompt the assistant is to speak next.

        Raises:
            TemplateError: The template refuses the conversation.
        """
        turns = [{"role": message.role, "content": message.content} for message in messages]
        try:
            text = self.tokenizer.apply_chat_template(
                turns,
                chat_template=self.source,
                tokenize=False,
                add_generation_prompt=add_generation_prompt,
            )
        except jinja2.TemplateError as error:
            raise TemplateError(
                f"the chat template of the tokenizer refuses a conversation: {error}; "
                "use data.template: chatml"
            ) from error
        return str(text)


def make_template(name: str, tokenizer: Tokenizer) -> ChatTemplate:
    """Find a template's source and its stop token.

    Raises:
        TemplateError: The tokenizer has no template of its own, no eos, or the template ends
            answers with something that is no single token.
    """
    if name == "tokenizer":
        source = tokenizer.chat_template
        if not isinstance(source, str):
            raise TemplateError(
                "data.template is tokenizer, and this base's tokenizer has "
                f"{'several chat templates' if source else 'no chat template'}; "
                "use data.template: chatml or plain"
            )
        return _with_own_stop(ChatTemplate(name, source, "", -1, tokenizer))
    stop = _stop_for_own_templates(name, tokenizer)
    source = {"chatml": CHATML, "plain": PLAIN}[name].replace("STOP", _jinja_text(stop))
    return ChatTemplate(name, source, stop, tokenizer.convert_tokens_to_ids(stop), tokenizer)


def _with_own_stop(template: ChatTemplate) -> ChatTemplate:
    """Read the stop token off a rendered answer: the first special token behind it."""
    question = Message(role="user", content="Question")
    prompt = template.render([question], add_generation_prompt=True)
    text = template.render([question, Message(role="assistant", content="Reply")])
    after = text[len(prompt) :].partition("Reply")[2].lstrip() if text.startswith(prompt) else ""
    specials = special_tokens(template.tokenizer)
    stop = next((token for token in specials if after.startswith(token)), None)
    if stop is None:
        raise TemplateError(
            "the tokenizer's chat template does not end an answer with a special token that the "
            f"model could learn to stop with (after the answer comes {after[:20]!r}); "
            "use data.template: chatml"
        )
    return ChatTemplate(
        template.name,
        template.source,
        stop,
        template.tokenizer.convert_tokens_to_ids(stop),
        template.tokenizer,
    )


def _stop_for_own_templates(name: str, tokenizer: Tokenizer) -> str:
    if name == "chatml" and "<|im_end|>" in special_tokens(tokenizer):
        return "<|im_end|>"
    if tokenizer.eos_token is None:
        raise TemplateError(
            f"data.template: {name} ends an answer with the base's end-of-sequence token, and "
            "this tokenizer has none"
        )
    return str(tokenizer.eos_token)


def special_tokens(tokenizer: Tokenizer) -> list[str]:
    """Texts that the tokenizer reads as one control token, longest first."""
    added = tokenizer.added_tokens_decoder.values()
    texts = {token.content for token in added if token.special} | set(tokenizer.all_special_tokens)
    return sorted(texts, key=lambda text: (-len(text), text))


def choose_pad_id(tokenizer: Tokenizer, stop_ids: frozenset[int]) -> int:
    """A token for padding that never ends an answer.

    Padding is masked by position, never by token id, so any such token is right; it is recorded
    beside the adapter for engines that need to be told.

    Raises:
        TemplateError: Every token of the vocabulary would end an answer.
    """
    candidates = [tokenizer.pad_token_id, tokenizer.unk_token_id]
    candidates += tokenizer.convert_tokens_to_ids(special_tokens(tokenizer))
    candidates += range(len(tokenizer))
    for candidate in candidates:
        if candidate is not None and candidate not in stop_ids:
            return int(candidate)
    raise TemplateError("this tokenizer has no token that could serve as padding")


def _jinja_text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
