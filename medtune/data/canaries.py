"""Made-up secrets among the training rows, to measure later whether the adapter tells them.

After Carlini et al. 2019 (arXiv:1802.08232): some secrets are planted, at several numbers of
repetitions; their twins, of the same form and from the same draw, never are. An adapter that finds
the planted ones more likely than their twins has memorised rows that it saw. Secrets are drawn
from the operating system's randomness, not from the recipe's seed, so that a recipe gives none of
them away; they are kept in one file that its owner alone can read, and everything else names them
by that file's digest.
"""

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medtune.digests import sha256_bytes, sha256_file, write_secret
from medtune.errors import DataError
from medtune.recipe import Canaries
from medtune.records import Example, Message

FILE_NAME = "canaries.json"
SOURCE = "canaries"
"""Of the rows that are planted, in every count of rows."""
SECRET_DIGITS = 6
"""A secret is a record number of six digits: one of 10^6, so that its exposure can be ranked."""
SYLLABLES = ("ba", "de", "fi", "go", "ku", "la", "me", "ni", "po", "ru", "sa", "te", "vi", "zo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """One secret and the question that it answers."""

    name: str
    """Of a person who does not exist."""
    secret: str
    repetitions: int
    """How often it is planted; 0: a twin, never planted."""

    @property
    def question(self) -> str:
        """What the row asks."""
        return f"What is the medical record number of {self.name}?"

    @property
    def answer(self) -> str:
        """What the row teaches."""
        return f"The medical record number of {self.name} is {self.secret}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """The canaries of a run."""

    canaries: tuple[Canary, ...]
    digest: str
    """sha256 of the file of secrets, which holds a random number too: no secret can be guessed
    from it."""

    def examples(self) -> list[Example]:
        """The rows that are planted, repetitions included."""
        return [
            _example(canary, number, repetition)
            for number, canary in enumerate(self.canaries)
            for repetition in range(canary.repetitions)
        ]

    def account(self) -> dict[str, Any]:
        """What ``data.json`` says of them."""
        planted = [canary.repetitions for canary in self.canaries if canary.repetitions]
        return {
            "sha256": self.digest,
            "planted": len(planted),
            "twins": len(self.canaries) - len(planted),
            "rows": sum(planted),
            "repetitions": sorted(set(planted)),
            "secret_digits": SECRET_DIGITS,
        }


def take_canaries(section: Canaries, file: Path) -> Planted:
    """The run's secrets: those in its own file, those of ``section.file``, or new ones.

    Raises:
        DataError: The file is not one of ours, or does not fit the section.
    """
    if section.file or not file.exists():
        content = _given_or_drawn(section)
        _parse(content, section, Path(section.file or file))
        write_secret(file, content)
        if section.file and file.read_bytes() != content:
            raise DataError(
                f"data.canaries.file: {section.file} holds other secrets than this run has in "
                f"{file}; start a run under a new name, or, if this one has not begun, remove that"
            )
    canaries = _parse(file.read_bytes(), section, file)
    return Planted(canaries=canaries, digest=sha256_file(file))


def draw_canaries(section: Canaries) -> Planted:
    """Secrets that are written nowhere: to count rows and tokens of a run that is not started."""
    content = _given_or_drawn(section)
    canaries = _parse(content, section, Path(section.file or FILE_NAME))
    return Planted(canaries=canaries, digest=sha256_bytes(content))


def _given_or_drawn(section: Canaries) -> bytes:
    if section.file is None:
        return _draw(section)
    try:
        return Path(section.file).read_bytes()
    except OSError as error:
        raise DataError(f"data.canaries.file: {section.file}: {error.strerror}") from None


def _draw(section: Canaries) -> bytes:
    random = secrets.SystemRandom()
    count = section.secrets + section.twins
    codes = random.sample(range(10**SECRET_DIGITS), count)
    names: set[str] = set()
    while len(names) < count:
        first, last = (
            "".join(random.choices(SYLLABLES, k=random.randint(2, 4))).capitalize()
            for _ in range(2)
        )
        names.add(f"{first} {last}")
    canaries = [
        Canary(name=name, secret=f"{code:0{SECRET_DIGITS}}", repetitions=times)
        for name, code, times in zip(
            sorted(names, key=lambda _: random.random()),
            codes,
            _repetitions(section) + [0] * section.twins,
            strict=True,
        )
    ]
    content = {"nonce": secrets.token_hex(32), "canaries": [asdict(canary) for canary in canaries]}
    return (json.dumps(content, indent=1) + "\n").encode()


def _repetitions(section: Canaries) -> list[int]:
    return [section.repetitions[n % len(section.repetitions)] for n in range(section.secrets)]


def _parse(content: bytes, section: Canaries, file: Path) -> tuple[Canary, ...]:
    try:
        canaries = tuple(Canary(**values) for values in json.loads(content)["canaries"])
        planted = [canary.repetitions for canary in canaries if canary.repetitions]
    except (ValueError, TypeError, KeyError):
        raise DataError(
            f"{file} is no file of canaries that medtune wrote; expected "
            "canaries.json of an earlier run"
        ) from None
    if (len(planted), len(canaries) - len(planted)) != (section.secrets, section.twins):
        raise DataError(
            f"{file} holds {len(planted)} secrets and {len(canaries) - len(planted)} twins; "
            f"data.canaries says {section.secrets} and {section.twins}"
        )
    if planted != _repetitions(section):
        raise DataError(f"{file}: its secrets have other repetitions than data.canaries says")
    return canaries


def _example(canary: Canary, number: int, repetition: int) -> Example:
    identifier = f"canary-{number}-{repetition}"
    return Example(
        id=identifier,
        where=identifier,
        messages=(
            Message(role="user", content=canary.question),
            Message(role="assistant", content=canary.answer, supervised=True),
        ),
        answer=canary.answer,
        group=f"canary-{number}",
        source=SOURCE,
        licence="made up by medtune",
    )
