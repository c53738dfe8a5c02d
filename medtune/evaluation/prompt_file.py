"""The words in which questions are put: files that users can replace."""

import re
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from medtune.digests import sha256_value
from medtune.errors import RecipeError
from medtune.recipe import document, loader
from medtune.recipe.section import Section

PLACEHOLDER = re.compile(r"\{(\w*)\}")
WordingName = Literal["letters", "decision", "cloze", "letters_reasoned", "decision_reasoned"]
PLACEHOLDERS = {
    "letters": {"question", "options", "names"},
    "decision": {"question", "names"},
    "cloze": {"question"},
    "letters_reasoned": {"question", "options", "names"},
    "decision_reasoned": {"question", "names"},
}
"""What each wording may put in; the question has to stand in all, listed options where there are
letters."""


class Worked(Section):
    """A worked example."""

    user: str
    """What was asked, in full."""
    assistant: str
    """What was answered."""


class Wording(Section):
    """How one kind of question is put."""

    user: str
    """The question, with what stands in braces filled in."""
    system: str | None = None
    """A system message; null: the row's own, if it has one."""
    lead: str = ""
    """What the answer begins with, before the model goes on."""
    examples: list[Worked] = Field(default=[])
    """Worked examples before the question."""


class PromptFile(Section):
    """All wordings of one file; protocols say which they use."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    """What results call it."""
    letters: Wording | None = None
    """Lettered options, listed; the answer is a letter."""
    decision: Wording | None = None
    """Options that say themselves what they mean, as yes, no and maybe."""
    cloze: Wording | None = None
    """Lettered options that are not shown; the answer is one of their texts."""
    letters_reasoned: Wording | None = None
    """As letters, with reasoning before the answer."""
    decision_reasoned: Wording | None = None
    """As decision, with reasoning before the answer."""

    def wording(self, name: WordingName) -> Wording:
        """One of them.

        Raises:
            RecipeError: The file has it not.
        """
        found: Wording | None = getattr(self, name)
        if found is None:
            raise RecipeError(
                f"the prompt file {self.name} has no {name}, which this protocol needs; "
                "`medtune suites prompt` shows medtune's"
            )
        return found

    @property
    def digest(self) -> str:
        """sha256 over everything in it but its name."""
        return sha256_value(self.model_dump(mode="json", exclude={"name"}))


def load_prompts(path: str | None) -> PromptFile:
    """A file of prompts; None: medtune's own.

    Raises:
        RecipeError: The file is not there, or has faults; the message lists them.
    """
    return _own() if path is None else _read(Path(path))


def own_prompts_text() -> str:
    """Medtune's own file, as it is."""
    return (files("medtune.evaluation") / "prompt_files/medtune.yaml").read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _own() -> PromptFile:
    return _read(Path(str(files("medtune.evaluation") / "prompt_files/medtune.yaml")))


def _read(path: Path) -> PromptFile:
    if not path.is_file():
        raise RecipeError(f"there is no prompt file {path}")
    found = loader.check(document.read(path), PromptFile, "prompt file")
    for name, allowed in PLACEHOLDERS.items():
        wording: Wording | None = getattr(found, name)
        if wording is not None:
            _require_placeholders(path, name, wording.user, allowed)
    return found


def _require_placeholders(path: Path, name: str, user: str, allowed: set[str]) -> None:
    used = set(PLACEHOLDER.findall(user))
    listed = ", ".join(f"{{{one}}}" for one in sorted(allowed))
    if unknown := used - allowed:
        raise RecipeError(
            f"{path.name} {name}.user: {{{min(unknown)}}} is not known; allowed here: {listed}"
        )
    if missing := {"question", "options"} & allowed - used:
        raise RecipeError(
            f"{path.name} {name}.user: {{{min(missing)}}} is missing; allowed here: {listed}"
        )
