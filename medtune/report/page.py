"""``report.html``: a run for people who were not there, the verdict first."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from medtune import pages
from medtune.digests import write_text
from medtune.report.answers import answers_section
from medtune.report.data import data_section
from medtune.report.files import ProvenanceRecord, RunFiles, read_run
from medtune.report.provenance import identity, limits_section, provenance_section
from medtune.report.scores import score_sections
from medtune.report.training import training_section
from medtune.report.verdict import headline

FILE_NAME = "report.html"
STYLE = """
h4 { font-size: 0.95rem; margin: 1.2rem 0 0.3rem; }
.verdicts { list-style: none; padding: 0; font-size: 1.1rem; max-width: none; }
.verdicts span { font-weight: 600; }
.badge { display: inline-block; border: 1px solid currentColor; border-radius: 3px;
  padding: 0 0.45rem; margin-right: 0.4rem; font-size: 0.85rem; font-weight: 600; }
.item { border-left: 3px solid var(--line); padding-left: 0.9rem; margin: 1.2rem 0; }
blockquote { margin: 0.5rem 0; max-width: 46rem; white-space: pre-wrap; overflow-wrap: anywhere; }
.beside { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 1rem; }
@media (max-width: 40rem) { .beside { grid-template-columns: minmax(0, 1fr); } }
"""


def write_report(run: Path, provenance: Mapping[str, Any] | None = None) -> Path:
    """Write ``report.html`` into a run's folder, or that of a base's results or one evaluation.

    It is made of the folder's files alone, and the same files give the same bytes.

    Args:
        run: The folder.
        provenance: What ``provenance.json`` will say, which is written last of all files.

    Raises:
        MedtuneError: There is nothing to report, or a file is not what medtune writes.
    """
    target = run / FILE_NAME
    files = read_run(run)
    if provenance is not None:
        files = replace(files, provenance=ProvenanceRecord(**provenance))
    write_text(target, render(files))
    return target


def render(files: RunFiles) -> str:
    """The whole page."""
    return pages.page(
        f"Report of {files.name}",
        identity(files),
        *headline(files),
        *score_sections(files),
        *answers_section(files),
        *training_section(files),
        *data_section(files),
        *provenance_section(files),
        *limits_section(),
        style=pages.CHARTS + STYLE,
    )
