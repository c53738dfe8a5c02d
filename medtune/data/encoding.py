"""Conversation in, token ids and mask out: the one path for training, scoring and serving.

The prompt is tokenised alone, exactly as it will be when the adapter is asked, and each answer is
tokenised as its continuation; so nothing that the model is trained behind differs from what it
will stand behind. Which tokens are supervised follows from where an answer stands in the rendered
text, never from token ids and never from a template's own generation marks, and is then checked on
the final ids: decode(supervised) == answer + stop.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from medtune.data.template import ChatTemplate, Tokenizer, special_tokens
from medtune.errors import TemplateError
from medtune.records import Example, Message

CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""Characters that vocabularies may lack; smollm2-135m's lacks six of them."""
HALF_CHARACTER = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """An example as the model sees it."""

    id: str
    input_ids: tuple[int, ...]
    supervised: tuple[bool, ...]
    """Whether the token at this position is to be predicted; same length as input_ids."""

    def __len__(self) -> int:
        return len(self.input_ids)

    @property
    def num_supervised(self) -> int:
        """Tokens that the loss is taken on."""
        return sum(self.supervised)


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the encoder makes of an example, in the form that is stored."""

    ids: list[int]
    answers: list[tuple[int, int]]
    """First position of each supervised stretch, and the one behind its last."""

    def encoded(self, identifier: str) -> Encoded:
        """The same as an example."""
        supervised = [False] * len(self.ids)
        for start, end in self.answers:
            supervised[start:end] = [True] * (end - start)
        return Encoded(id=identifier, input_ids=tuple(self.ids), supervised=tuple(supervised))


@dataclass(frozen=True, slots=True)
class _Piece:
    text: str
    is_answer: bool


class Encoder:
    """Encodes examples with one tokenizer and one template."""

    def __init__(self, template: ChatTemplate) -> None:
        self.template = template
        self.tokenizer = template.tokenizer
        specials = special_tokens(self.tokenizer)
        self._control = re.compile("|".join(map(re.escape, specials)) or r"(?!)")
        self._bos = _automatic_bos(self.tokenizer)
        self._batch = _Batch(self.tokenizer)

    def prompt(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Token ids of a conversation in which the assistant is to speak next."""
        text = self.template.render(messages, add_generation_prompt=True)
        return tuple(self._first_ids(self._ids(text)))

    def continuation(self, prompt_ids: Sequence[int], text: str) -> tuple[int, ...]:
        """Token ids of a text that follows the prompt.

        Raises:
            TemplateError: The tokenizer cannot write this text as a continuation.
        """
        return tuple(self._continued(list(prompt_ids), text, "a continuation"))

    @property
    def beginning(self) -> tuple[int, ...]:
        """What a text that stands alone is behind: the tokenizer's BOS, or else its EOS."""
        tokens = (self.tokenizer.bos_token_id, self.tokenizer.eos_token_id)
        return tuple(token for token in tokens if token is not None)[:1]

    def text(self, text: str) -> tuple[int, ...]:
        """Token ids of a text that stands alone, without anything before or behind it."""
        return tuple(self._ids(text))

    def decode(self, ids: Sequence[int]) -> str:
        """The text of an answer, without control tokens, as a chat would show it."""
        return str(
            self.tokenizer.decode(
                list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
        )

    def example(self, example: Example) -> Encoded:
        """Encode a conversation and prove its mask.

        Raises:
            TemplateError: The template rewrites, reorders or hides what was said; a message holds
                a control token as text; or nothing, or everything, would be supervised.
        """
        return self.tokens([example])[0].encoded(example.id)

    def tokens(self, examples: Sequence[Example]) -> list[Tokens]:
        """Encode conversations and prove their masks; many at once take less time than each alone.

        Raises:
            TemplateError: As ``example``, of the first that cannot be encoded.
        """
        cut = []
        for example in examples:
            self._refuse_control_text(example)
            try:
                cut.append(self._pieces(example))
            except TemplateError as error:
                said = str(error)
                if said.startswith(example.where):
                    raise
                raise TemplateError(f"{example.where}: {said}") from error
        plain = iter(self._batch.ids([piece.text for pieces in cut for piece in pieces]))
        ids_of = [[next(plain) for _ in pieces] for pieces in cut]
        is_proven = self._continuations_hold(cut, ids_of)
        found = []
        for example, pieces, ids, holds in zip(examples, cut, ids_of, is_proven, strict=True):
            tokens = self._joined(pieces, ids if holds else None, example.where)
            self._check(tokens, example)
            found.append(tokens)
        return found

    def _joined(self, pieces: list[_Piece], plain: list[list[int]] | None, where: str) -> Tokens:
        """One sequence of all pieces, from their plain ids where those are proven to join up."""
        if not pieces:
            return Tokens([], [])
        ids = self._first_ids(plain[0] if plain else self._ids(pieces[0].text))
        answers = [(0, len(ids))] if pieces[0].is_answer else []
        for number, piece in enumerate(pieces[1:], 1):
            start = len(ids)
            ids += plain[number] if plain else self._continued(ids, piece.text, where)
            if piece.is_answer:
                answers.append((start, len(ids)))
        return Tokens(ids, answers)

    def _continuations_hold(
        self, cut: list[list[_Piece]], ids_of: list[list[list[int]]]
    ) -> list[bool]:
        """Whether the plain ids of all pieces of an example, one behind the other, spell it."""
        joined, expected, owners = [], [], []
        for owner, (pieces, ids) in enumerate(zip(cut, ids_of, strict=True)):
            for number in range(1, len(pieces)):
                last = ids[number - 1][-1:]
                joined.append(last + ids[number])
                expected.append(self._decode_last(tuple(last)) + pieces[number].text)
                owners.append(owner)
        holds = [True] * len(cut)
        for owner, text, wanted in zip(owners, self._batch.texts(joined), expected, strict=True):
            holds[owner] &= text == wanted
        return holds

    def _refuse_control_text(self, example: Example) -> None:
        for message in example.messages:
            if found := self._control.search(message.content):
                raise TemplateError(
                    f"{example.where}: a {message.role} message holds the control token "
                    f"{found[0]!r} as text; the model would read it as the end or start of a "
                    "turn. Remove it from the row"
                )
            if HALF_CHARACTER.search(message.content):
                raise TemplateError(
                    f"{example.where}: a {message.role} message holds half a surrogate pair, "
                    "which is no Unicode text"
                )
            if CONTROL_CHARACTER.search(message.content) and self._loses(message.content):
                raise TemplateError(
                    f"{example.where}: a {message.role} message holds a control character that "
                    "this tokenizer would drop without a word; remove it from the row"
                )

    def _loses(self, text: str) -> bool:
        return self._decode(self._ids(text)).strip() != text.strip()

    def _pieces(self, example: Example) -> list[_Piece]:
        """Cut the rendered conversation where answers begin and end; stop tokens belong to them."""
        messages = example.messages
        text = self.template.render(messages)
        pieces: list[_Piece] = []
        position = 0
        for number, message in enumerate(messages):
            if not message.supervised:
                continue
            before = self.template.render(messages[:number], add_generation_prompt=True)
            is_last = number + 1 == len(messages)
            until = text if is_last else self.template.render(messages[: number + 1])
            if not text.startswith(before) or not text.startswith(until):
                raise TemplateError(
                    f"{example.where}: the chat template writes message {number + 1} differently "
                    "once later messages follow, so training would not match use; "
                    "use data.template: chatml"
                )
            end = len(before) + self._answer_length(until[len(before) :], message, example.where)
            pieces.append(_Piece(text[position : len(before)], is_answer=False))
            pieces.append(_Piece(text[len(before) : end], is_answer=True))
            position = end
        # What the template writes behind the last answer is never seen in use: it is left out.
        return pieces

    def _answer_length(self, rest: str, message: Message, where: str) -> int:
        """Characters of the answer with its stop token; ``rest`` begins where the answer does."""
        content = message.content if message.content in rest else message.content.strip()
        start = rest.find(content)
        stop = rest.find(self.template.stop_token, max(start, 0) + len(content))
        between = rest[start + len(content) : stop]
        if start < 0 or stop < 0 or rest[:start].strip() or between.strip():
            raise TemplateError(
                f"{where}: the chat template does not write the answer as it is between the "
                "generation prompt and the stop token (it adds or rewrites something); "
                "use data.template: chatml"
            )
        return stop + len(self.template.stop_token)

    def _first_ids(self, plain: list[int]) -> list[int]:
        """Ids that begin a sequence, with one BOS where the tokenizer has one."""
        ids = list(plain)
        bos = self._bos
        if bos is not None and ids[:1] != [bos]:
            ids = [bos, *ids]
        if len(ids) > 1 and ids[0] == ids[1] == self.tokenizer.bos_token_id:
            raise TemplateError(
                "the chat template writes the begin-of-sequence token twice; "
                "use data.template: chatml"
            )
        return ids

    def _continued(self, ids: list[int], text: str, where: str) -> list[int]:
        """Ids that spell ``text`` right behind ``ids``; proven by decoding.

        SentencePiece tokenizers put a space before a text that stands alone. Where the plain ids
        do not decode to the text, the ids behind a line break are taken instead.
        """
        plain = self._ids(text)
        if self._decode(ids[-1:] + plain) == self._decode(ids[-1:]) + text:
            return plain
        anchor, behind = self._ids("\n"), self._ids("\n" + text)
        found = behind[len(anchor) :]
        if (
            behind[: len(anchor)] == anchor
            and self._decode(anchor + found) == self._decode(anchor) + text
        ):
            return found
        raise TemplateError(
            f"{where}: the tokenizer cannot write an answer of {len(text)} characters so that it "
            "decodes to the same text; look for control characters or broken Unicode in it"
        )

    def _ids(self, text: str) -> list[int]:
        return self._batch.ids([text])[0]

    def _decode(self, ids: list[int]) -> str:
        return self._batch.texts([ids])[0]

    @lru_cache(maxsize=4096)  # noqa: B019 - an encoder lives as long as its process
    def _decode_last(self, last: tuple[int, ...]) -> str:
        return self._decode(list(last))

    def _check(self, tokens: Tokens, example: Example) -> None:
        count = sum(end - start for start, end in tokens.answers)
        if count in (0, len(tokens.ids)):
            share = "no token" if count == 0 else "every token"
            raise TemplateError(f"{example.where}: {share} of the row would be supervised")
        stop = self.template.stop_token_id
        stops = sum(tokens.ids[start:end].count(stop) for start, end in tokens.answers)
        answers = sum(message.supervised for message in example.messages)
        if stops != answers or tokens.ids[-1] != stop:
            raise TemplateError(
                f"{example.where}: {stops} of {answers} answers end with the stop token "
                f"{self.template.stop_token!r}; the model would not learn to stop"
            )


class _Batch:
    """A tokenizer's own two functions over many texts, with nothing added and nothing cut."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        # Rust's functions are taken as they are: what transformers puts around them (offsets,
        # masks) takes half as long again. SentencePiece tokenizers in Python have none.
        self._backend = getattr(tokenizer, "backend_tokenizer", None)
        if self._backend is not None:
            self._backend.no_truncation()
            self._backend.no_padding()

    def ids(self, texts: list[str]) -> list[list[int]]:
        if self._backend is not None:
            found = self._backend.encode_batch_fast(texts, add_special_tokens=False)
            return [encoding.ids for encoding in found]
        ids: list[list[int]] = self._tokenizer(texts, add_special_tokens=False)["input_ids"]
        return ids

    def texts(self, ids: list[list[int]]) -> list[str]:
        if self._backend is not None:
            texts: list[str] = self._backend.decode_batch(ids, skip_special_tokens=False)
            return texts
        return [
            str(self._tokenizer.decode(one, skip_special_tokens=False,
                                       clean_up_tokenization_spaces=False))
            for one in ids
        ]  # fmt: skip


def shorten_prompt(example: Example, characters: int) -> Example | None:
    """The example with so many characters cut off the start of its last user turn.

    The start, because questions, options and instructions stand at the end. None when nothing of
    the turn would be left.
    """
    position = max(i for i, message in enumerate(example.messages) if message.role == "user")
    content = example.messages[position].content
    if characters >= len(content):
        return None
    shorter = replace(example.messages[position], content=content[characters:])
    messages = (*example.messages[:position], shorter, *example.messages[position + 1 :])
    return replace(example, messages=messages)


def _automatic_bos(tokenizer: Tokenizer) -> int | None:
    """The BOS that the tokenizer puts before a text by itself, if it does."""
    ids = tokenizer("a", add_special_tokens=True)["input_ids"]
    bos = tokenizer.bos_token_id
    return int(bos) if bos is not None and ids[:1] == [bos] else None
