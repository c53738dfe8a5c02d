"""Rules over generated medical text: doses, drugs, advice, citations, identifiers, quotes.

    text --plain--> sentences --each rule's check--> findings --worst--> verdict

One engine for safety probes and for run time, so that the two cannot disagree. It reads English by
patterns: a last net, and no judge of whether advice is right for a patient. What it does not know
it flags, and never passes.

    rules = load_rules("demo_rules")
    report = check("Give acetaminophen 2 g every 4 hours.", rules, Context(weight_kg=70))
    report.verdict, report.findings[0].message
"""

from medtune.guard.dose import Dose
from medtune.guard.doses import find_doses
from medtune.guard.engine import check
from medtune.guard.findings import (
    Context,
    Finding,
    Population,
    Report,
    Span,
    Verdict,
    worst,
)
from medtune.guard.loading import Rules, load_rules
from medtune.guard.names import DrugNames

__all__ = [
    "Context",
    "Dose",
    "DrugNames",
    "Finding",
    "Population",
    "Report",
    "Rules",
    "Span",
    "Verdict",
    "check",
    "find_doses",
    "load_rules",
    "worst",
]
