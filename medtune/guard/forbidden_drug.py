"""Drugs that must not be advised, to anybody or to such a patient."""

from collections.abc import Iterator

from medtune.guard.findings import Context, Finding, Verdict, worst
from medtune.guard.names import DrugNames
from medtune.guard.patients import condition
from medtune.guard.sections import ForbiddenDrug
from medtune.guard.stance import stance
from medtune.guard.texts import Check, Text


def forbidden_drug(rule: ForbiddenDrug) -> Check:
    """The check of one rule."""
    names = DrugNames(rule.drugs)
    applies = condition(rule.when)

    def check(text: Text, context: Context) -> Iterator[Finding]:
        if not applies(context):
            return
        for sentence in text.sentences:
            for mention in names.mentions(text.plain, sentence):
                if mention.kind != "known":
                    continue
                told = stance(text.plain, sentence, mention.span)
                verdict: Verdict = "ok"
                if told == "advised":
                    verdict = rule.verdict
                elif told in ("mentioned", "open"):
                    verdict = rule.mentioned
                elif told == "mixed":
                    verdict = worst(("flag", rule.mentioned))
                reason = "advised" if told == "advised" else f"named, and {_TOLD[told]}"
                yield Finding(
                    rule=rule.id,
                    verdict=verdict,
                    span=mention.span,
                    message=f"{mention.ingredient} is {reason}",
                )

    return check


_TOLD = {
    "open": "left open",
    "mentioned": "neither advised nor advised against",
    "reported": "said to have been taken",
    "asked": "asked about",
    "against": "advised against",
    "mixed": "advised beside a negation, which may be one of something else",
}
