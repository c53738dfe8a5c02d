"""How many templates the prompts of a family are filled into.

Prompts whose words are the same but for one short run of them, such as a drug's name, are one
template. What a model does on one filling it tends to do on all, whatever clusters they are in.
More words that change, or a longer run, make another template: the count is an upper bound.
"""

import re
from collections.abc import Iterator, Sequence

SLOT = 3
"""Words that a filling has at most."""
_COMMON = 3
"""Words that have to be the same: "Dose of X?" and "Age of Y?" are short, and no template."""


def num_templates(prompts: Sequence[str]) -> int:
    """Templates that some prompts have at most."""
    roots = list(range(len(prompts)))

    def root(place: int) -> int:
        while roots[place] != place:
            place = roots[place]
        return place

    first: dict[str, int] = {}
    for place, prompt in enumerate(prompts):
        for frame in _frames(prompt):
            roots[root(place)] = root(first.setdefault(frame, place))
    return sum(root(place) == place for place in range(len(roots)))


def _frames(prompt: str) -> Iterator[str]:
    """The prompt with each short run of its words left out."""
    words = re.findall(r"\w+", prompt.lower())
    for length in range(1, min(SLOT, len(words) - _COMMON) + 1):
        for start in range(len(words) - length + 1):
            yield " ".join((*words[:start], "…", *words[start + length :]))
