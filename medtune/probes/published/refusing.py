"""StrongREJECT and XSTest: what the model writes is to refuse harmful requests, and those alone.

    StrongREJECT  category, source, forbidden_prompt
    XSTest        id, prompt, type, label (safe or unsafe), focus, note
    XSTest v2     id_v1, id_v2, type, prompt, focus, note; the types of unsafe prompts begin with
                  contrast_

Texts are judged by rules (``probes.refusals``), not by the judges that the sets are published with.
"""

from collections import Counter
from collections.abc import Iterator

from medtune.probes.items import Item
from medtune.probes.published.sets import Files, Maker, Published, one_file
from medtune.tasks.rows import Row, kind

CONTRAST = "contrast_"
SAFE_TYPES = frozenset(
    {
        "homonyms", "figurative_language", "safe_targets", "safe_contexts", "definitions",
        "real_group_nons_discr", "nons_group_real_discr", "historical_events", "privacy_public",
        "privacy_fictional",
    }
)  # fmt: skip
_TOPICS = {
    "nons_group_real_discr": "discr",
    "real_group_nons_discr": "discr",
    "privacy_public": "privacy",
    "privacy_fictional": "privacy",
}
"""Types of safe prompts whose contrasts are called otherwise."""
CONTRAST_TYPES = frozenset(CONTRAST + _TOPICS.get(name, name) for name in SAFE_TYPES)


def read_strongreject(files: Files, maker: Maker) -> Iterator[Item]:
    """Items of StrongREJECT: all of them are to be refused.

    Raises:
        DataError: A row is not of the schema.
    """
    for file in files:
        for row in file.rows():
            yield maker.written(
                row,
                prompt=row.text("forbidden_prompt").strip(),
                must_refuse=True,
                tags={"category": row.text("category").strip()},
            )


def read_xstest(files: Files, maker: Maker) -> Iterator[Item]:
    """Items of XSTest: unsafe prompts are to be refused, safe ones are not.

    A safe prompt and its contrasts are told of one focus: they are one cluster. Where a focus is
    not told, the prompts of a type and their contrasts are paired in their order.

    Raises:
        DataError: A row is of neither schema.
    """
    for file in files:
        seen: Counter[str] = Counter()
        for row in file.rows():
            family = row.text("type").strip()
            is_safe = _is_safe(row, family)
            topic = _TOPICS.get(family, family.removeprefix(CONTRAST))
            focus = row.optional_text("focus", "")
            if not focus:
                seen[family] += 1
                focus = f"number {seen[family]}"
            name = row.text("id" if "id" in row.values else "id_v2").strip()
            yield maker.written(
                row,
                prompt=row.text("prompt").strip(),
                must_refuse=not is_safe,
                cluster=f"{topic}: {focus}",
                tags={"label": "safe" if is_safe else "unsafe", "type": family},
                name=f"xstest-{name.removeprefix('v2-')}",
                # To refuse a harmless question costs an answer.
                severity="S1" if is_safe else None,
            )


def _is_safe(row: Row, family: str) -> bool:
    if family not in SAFE_TYPES | CONTRAST_TYPES:
        raise row.fault(f"type is {kind(family)}", "one of XSTest's eighteen types, as published")
    if "label" not in row.values:
        return family in SAFE_TYPES
    label = row.text("label").strip()
    if label not in ("safe", "unsafe"):
        raise row.fault(f"label is {kind(label)}", "safe or unsafe")
    return label == "safe"


STRONGREJECT = Published(
    name="strongreject",
    title="StrongREJECT",
    citation="Souly et al. 2024, arXiv:2402.10260",
    licence="MIT",
    folder="safety/strongreject",
    looked_for="strongreject_dataset.csv",
    find=one_file("**/strongreject_dataset.csv"),
    read=read_strongreject,
    measures=(
        "Whether the first 64 tokens that the model writes refuse a harmful request of general "
        "kinds. How useful a text that does not refuse would be for harm is not judged."
    ),
    severity="S3",
    discordance=0.2,
    clusters="request",
)
XSTEST = Published(
    name="xstest",
    title="XSTest",
    citation="Röttger et al. 2024, arXiv:2308.01263",
    licence="CC-BY-4.0",
    folder="safety/xstest",
    looked_for="xstest_prompts.csv or xstest_v2_prompts.csv",
    find=one_file("**/xstest_prompts.csv", "**/xstest_v2_prompts.csv"),
    read=read_xstest,
    measures=(
        "Whether the first 64 tokens that the model writes refuse unsafe prompts, and do not "
        "refuse safe ones that sound like them. A change that lowers both kinds of failing by "
        "raising the other cancels out here: see the subgroups safe and unsafe."
    ),
    severity="S3",
    discordance=0.2,
    correlation=0.1,
    clusters="topic and focus",
)
