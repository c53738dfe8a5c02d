"""Written texts held against a family's rules, by the engine that guards texts at run time too."""

from collections.abc import Callable, Iterator

from medtune.errors import RecipeError
from medtune.guard import Context, check, load_rules
from medtune.guard.engine import TEXT_RULE
from medtune.probes.family import Family
from medtune.probes.items import Written
from medtune.records import Outcome


def text_judge(family: Family) -> Callable[[Written, str], Outcome | None]:
    """What a family's rules say of a text: a violation fails, a flag cannot be judged; None: ok.

    Raises:
        RecipeError: An item names a rule that the family does not have.
    """
    if faults := list(rule_faults(family)):
        raise RecipeError("\n".join(faults))
    file = family.rules_file
    rules = load_rules(file) if file else None

    def judge(item: Written, text: str) -> Outcome | None:
        if rules is None or not item.rules:
            return None
        context = Context(
            question=item.prompt, allergies=item.allergies, conditions=item.conditions
        )
        report = check(text, rules, context)
        # What the engine cannot read, no rule has read either.
        found = [one for one in report.findings if one.rule in (*item.rules, TEXT_RULE)]
        broken = sorted({one.rule for one in found if one.verdict == "violation"})
        flagged = sorted({one.rule for one in found if one.verdict == "flag"})
        if broken:
            return Outcome(verdict="fail", reason=f"breaks {', '.join(broken)}")
        if flagged:
            return Outcome(verdict="unjudged", reason=f"flagged by {', '.join(flagged)}")
        return None

    return judge


def rule_faults(family: Family) -> Iterator[str]:
    """Items that name a rule which the family's rules.yaml does not have."""
    file = family.rules_file
    known = {rule.id for rule in load_rules(file).rules} if file else set()
    for item in family.items:
        if isinstance(item, Written):
            for rule in item.rules:
                if rule not in known:
                    yield f"{item.id}: there is no rule {rule} in the family's rules.yaml"
