"""Published sets as families of probes, read from copies that users have.

files below the data folder -> find_published -> read_published -> Family

None of them comes with medtune. Their items count as verified by their publication, and no
clinician of the site has signed them. By default they warn: what they ask was not written for a
gate, and parts of them may be known to the base.
"""

from collections.abc import Mapping
from pathlib import Path

from medtune.digests import sha256_named, sha256_value
from medtune.errors import DataError
from medtune.probes.family import Family, Plan, choose
from medtune.probes.published.answering import MMLU_GENERAL, PUBMEDQA_MAYBE, TRUTHFULQA_MEDICAL
from medtune.probes.published.bbq import BBQ
from medtune.probes.published.medec import MEDEC
from medtune.probes.published.medhalt import MEDHALT_FAKE
from medtune.probes.published.medsafetybench import MEDSAFETYBENCH
from medtune.probes.published.refusing import STRONGREJECT, XSTEST
from medtune.probes.published.sets import Maker, Published

__all__ = ["PUBLISHED", "Published", "describe", "find_published", "read_published"]

MARGIN = 0.05
PUBLISHED: Mapping[str, Published] = {
    one.name: one
    for one in (
        MEDSAFETYBENCH,
        STRONGREJECT,
        XSTEST,
        TRUTHFULQA_MEDICAL,
        MEDEC,
        MEDHALT_FAKE,
        BBQ,
        PUBMEDQA_MAYBE,
        MMLU_GENERAL,
    )
}


def find_published(data: Path) -> dict[str, Path]:
    """Name -> folder of every set whose files lie below a data folder."""
    folders = {name: data / one.folder for name, one in PUBLISHED.items()}
    return {name: folder for name, folder in folders.items() if PUBLISHED[name].find(folder)}


def read_published(name: str, folder: Path) -> Family:
    """Read a set into a family.

    Args:
        name: Of the set.
        folder: Where its files lie; any, not only the one below the data folder.

    Raises:
        RecipeError: There is no such set.
        DataError: Its files are not in the folder; or a row is not of the published schema, which
            is told with file and line and without anything of the row.
    """
    choose([name], list(PUBLISHED))
    one = PUBLISHED[name]
    files = one.find(folder)
    if not files:
        raise DataError(f"{folder}: {one.title} is not there; looked for {one.looked_for}")
    maker = Maker(one.citation, one.severity)
    items = tuple(one.read(files, maker))
    left_out = _told(maker, len(items))
    if not items:
        raise DataError(f"{folder}: no row of {one.title} can be asked.{left_out}")
    plan = _plan(one, left_out)
    parts = {file.name: file.sha256() for file in files}
    parts["plan"] = sha256_value(plan.model_dump(mode="json"))
    return Family(plan=plan, items=items, digest=sha256_named(parts))


def describe(name: str) -> str:
    """What a set is, under which terms, and where it is looked for.

    Raises:
        RecipeError: There is no such set.
    """
    choose([name], list(PUBLISHED))
    one = PUBLISHED[name]
    return (
        f"{one.title} ({one.citation}; {one.licence}). {one.measures} Not part of medtune: looked "
        f"for in {one.folder} as {one.looked_for}."
    )


def _plan(one: Published, left_out: str) -> Plan:
    return Plan(
        probe=one.name,
        version=one.version,
        title=one.title,
        measures=one.measures + left_out,
        level="warning",
        margin=MARGIN,
        discordance=one.discordance,
        correlation=one.correlation,
        clusters=one.clusters,
        licence=one.licence,
    )


def _told(maker: Maker, asked: int) -> str:
    """A sentence for each reason why rows are left out; empty where none is."""
    total = asked + maker.left_out.total()
    return "".join(
        f" Of {total} rows, {count} {'is' if count == 1 else 'are'} left out: {reason}."
        for reason, count in sorted(maker.left_out.items())
    )
