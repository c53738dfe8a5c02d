"""``medtune chat``: try what was trained, on a terminal or line by line from a pipe."""

import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from medtune.cli.arguments import OfflineOption
from medtune.cli.progress import make_progress
from medtune.cli.start import require_training_extra
from medtune.errors import MedtuneError, RecipeError

if TYPE_CHECKING:
    from medtune.chat import Chat
    from medtune.subject import Subject


def chat(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="SUBJECT",
            help="A run, an adapter's or merged folder, registry:NAME:VERSION, or a base.",
        ),
    ],
    base: Annotated[
        str | None, typer.Option(help="The adapter's base, where it cannot be found.")
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(help="Longest answer.", min=1)] = 256,
    temperature: Annotated[
        float, typer.Option(help="0: the likeliest token each time.", min=0)
    ] = 0.0,
    system: Annotated[str, typer.Option(help="Said before the conversation.")] = "",
    compare: Annotated[
        bool, typer.Option("--compare", help="Show what the base answers as well.")
    ] = False,
    offline: OfflineOption = False,
) -> None:
    """Talk with what was trained; for trying it out, and not for clinical use.

    /reset forgets what was said, /quit or the end of the input ends. Nothing is stored.
    """
    require_training_extra(offline=offline)
    from dataclasses import replace

    from medtune.chat import Chat, load_speaker
    from medtune.subject import find_subject

    found = find_subject(subject, base=base, offline=offline, progress=make_progress())
    if compare and found.adapter is None:
        raise RecipeError(f"--compare shows the base beside an adapter; {subject} is a base")
    speaker = load_speaker(found, max_new_tokens=max_new_tokens, temperature=temperature)
    chats = {"": Chat(speaker, system=system)}
    if compare:
        beneath = replace(speaker, is_adapter_on=False)
        chats = {"adapter: ": chats[""], "base: ": Chat(beneath, system=system)}
    sys.stdout.write(f"{_introduction(found)}\n")
    for line in _lines():
        if line == "/reset":
            for one in chats.values():
                one.reset()
        else:
            _answer(chats, line)


def _introduction(subject: "Subject") -> str:
    from medtune.models import adapter_digest

    located = subject.located
    base = f"base {located.reference}, digest {located.digest}"
    what = base if subject.adapter is None else f"adapter {adapter_digest(subject.adapter)}; {base}"
    return f"Not for clinical use: this tries out a research model. {what}"


def _lines() -> Iterator[str]:
    """What the user says, until /quit or the end of the input; empty lines say nothing."""
    while True:
        sys.stdout.flush()
        try:
            line = input("> " if sys.stdin.isatty() else "").strip()
        except EOFError:
            return
        if line == "/quit":
            return
        if line:
            yield line


def _answer(chats: Mapping[str, "Chat"], line: str) -> None:
    """Show each answer as it comes. Where nobody watches, a failure ends the command."""
    from medtune.data.encoding import CONTROL_CHARACTER

    for label, one in chats.items():
        try:
            sys.stdout.write(label)
            for piece in one.ask(line):
                # A terminal would obey some of these.
                sys.stdout.write(CONTROL_CHARACTER.sub("", piece))
                if sys.stdout.isatty():
                    sys.stdout.flush()
        except MedtuneError as error:
            if not sys.stdin.isatty():
                raise
            sys.stderr.write(f"medtune: {error}")
        sys.stdout.write("\n")
