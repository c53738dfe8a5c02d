"""One text in, one report out: every rule is asked, and the worst finding decides."""

from medtune.guard.findings import Context, Finding, Report, worst
from medtune.guard.loading import Rules
from medtune.guard.plain import unreadable
from medtune.guard.texts import Text

TEXT_RULE = "text"
"""Under which the engine reports what it finds before any rule."""


def check(text: str, rules: Rules, context: Context | None = None) -> Report:
    """What the rules find in a text.

    A text that is empty or cannot be read is flagged, never passed.

    Args:
        text: As a model wrote it.
        rules: From ``load_rules``.
        context: What is known of the patient; None: nothing.
    """
    context = context or Context()
    found: list[Finding] = []
    if fault := unreadable(text):
        span, message = fault
        found.append(Finding(rule=TEXT_RULE, verdict="flag", span=span, message=message))
    read = Text.of(text)
    for one in rules.checks:
        found += one(read, context)
    return Report(
        verdict=worst(finding.verdict for finding in found),
        findings=tuple(sorted(found, key=lambda finding: (finding.span, finding.rule))),
        rules_digest=rules.digest,
        notices=rules.notices,
    )
