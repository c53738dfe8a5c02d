"""What a report is of, where it comes from, and what it does not show."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from medtune.pages import Html, block, bullets, details, facts, heading, paragraph, text
from medtune.report.files import RunFiles

SHA256 = re.compile("[0-9a-f]{64}")
NOT_CLAIMED = (
    "A score on a benchmark is no evidence of safety or benefit in a clinic. Nothing here is a "
    "medical device, and nothing here was tried on patients.",
    "An interval says how far other items of the same kind could move the score. It says nothing "
    "about other hospitals, languages, patients or ways to ask.",
    "What a base was trained on is not known here: it may have seen these sets. Only the rows that "
    "the adapter was trained on can be looked through.",
    "A gain in multiple-choice accuracy is no gain in how answers are written, nor in what is "
    "refused or made up.",
)


def identity(files: RunFiles) -> Html:
    """Name, base, adapter and suites, at the head of the page."""
    found = dict(_identity(files))
    return facts(found.items())


def _identity(files: RunFiles) -> Iterator[tuple[str, str]]:
    manifest, provenance = files.manifest, files.provenance
    if manifest:
        commit = f" at commit {manifest.base_revision[:12]}" if manifest.base_revision else ""
        yield "base", f"{manifest.base}{commit}, digest {manifest.base_digest[:12]}"
        yield "base stored as", manifest.quantization
    else:
        yield "base", _recorded(files, "base") or "not recorded here"
    if provenance:
        yield "adapter", f"digest {provenance.adapter_digest[:12]}"
    elif files.is_of_training:
        yield "adapter", "no digest yet: provenance.json is not there, the run is not finished"
    else:
        yield "adapter", _recorded(files, "adapter") or "not recorded here"
    suites = dict.fromkeys(scored.evaluation.suite for scored in files.scored)
    yield "scored on", ", ".join(suites) or "nothing: there is no scores.json"
    if provenance:
        yield "finished", provenance.finished


def _recorded(files: RunFiles, name: str) -> str:
    """What the evaluations say they asked: digests, shortened, or names."""
    found = dict.fromkeys(
        str(scored.evaluation.conditions[name])
        for scored in files.scored
        if scored.evaluation.conditions.get(name)
    )
    return ", ".join(
        f"digest {value[:12]}" if SHA256.fullmatch(value) else value for value in found
    )


def provenance_section(files: RunFiles) -> Iterator[Html]:
    """Digests, packages, machine and the lock, whole."""
    yield heading("Where this comes from")
    yield facts(_origin(files))
    if files.provenance is None and files.is_of_training:
        yield paragraph("provenance.json is not there: the run is not finished.")
    for scored in files.scored:
        place = f"eval/{scored.folder}" if scored.folder else "scores.json"
        settings = [
            (f"{report.name}: {name}", value)
            for report in scored.evaluation.reports
            for name, value in _flat(report.settings)
        ]
        yield details(
            f"Conditions of {place}: {scored.evaluation.suite}",
            facts([*_flat(scored.evaluation.conditions), *settings]),
        )
    if files.lock is not None:
        yield details("recipe.lock.yaml: training it repeats the run", block(text(files.lock)))
    elif files.is_of_training:
        yield paragraph(
            "recipe.lock.yaml is not there: the run cannot be repeated from this folder."
        )


def _origin(files: RunFiles) -> Iterator[tuple[str, str]]:
    manifest, found = files.manifest, files.provenance
    if manifest:
        yield "base", manifest.base
        yield "base revision", manifest.base_revision or "none: it did not come from the hub"
        yield "base digest", manifest.base_digest
        yield "base stored as", manifest.quantization
        yield "tokenizer digest", manifest.tokenizer_digest
        yield "template", f"{manifest.template}, sha256 {manifest.template_digest}"
        yield "answers end with", manifest.stop_token
    if found:
        yield "adapter digest", found.adapter_digest
        resumed = "; the run was stopped and resumed" if found.resumed else ""
        yield "started, finished", f"{found.started}, {found.finished}{resumed}"
        yield "packages", ", ".join(f"{k} {v}" for k, v in found.packages.items())
        yield "machine", ", ".join(f"{k} {v}" for k, v in _flat(found.machine))


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Nested values as pairs of a dotted name and a text."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        elif isinstance(value, list):
            yield before + name, ", ".join(map(str, value)) or "none"
        else:
            yield before + name, "none" if value is None else str(value)


def limits_section() -> Iterator[Html]:
    """What nobody may read out of the report."""
    yield heading("What this does not show")
    yield bullets(NOT_CLAIMED)
