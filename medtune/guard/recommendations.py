"""Advice that must not be given: an action on an object, or a phrase.

Of an action the words before it tell whether it is urged (you should start, please stop, start) or
only described (chemotherapy is given in cycles). What is denied, asked, left to others or told of
the past is no advice at all.
"""

import re
from collections.abc import Iterator

from medtune.guard.findings import Context, Finding, Span, Verdict
from medtune.guard.patients import condition
from medtune.guard.phrases import compiled, verb_forms
from medtune.guard.sections import DisallowedRecommendation
from medtune.guard.stance import stance
from medtune.guard.texts import Check, Text

_BREAK = re.compile(r"[;:!?]|\b(?:but|because)\b", re.IGNORECASE)
_BREAK_BACK = re.compile(r"[;,!?]|\b(?:but|because)\b", re.IGNORECASE)
_BE = re.compile(r"\b(?:be|get)\s+(?:\w+ly\s+)?\Z", re.IGNORECASE)
_PAST = frozenset(
    {"began", "begun", "gave", "given", "took", "taken", "held", "left", "came", "got"}
)
_MAX_VERBS = 2
_NEVER = re.compile(r"(?!)")

# Up to the action; a few words may stand between, as in "should be safely started".
_URGED = re.compile(
    r"""\b(?:should|must|can|could|may|might|would|will|shall|needs?|ought|ha(?:ve|s)\ to|let's
      |please|just|recommend(?:s|ed)?|suggest(?:s|ed)?|advise[sd]?|advice|consider|try|better|best|fine|safe
      |okay|ok|time|step|option|plan|start\ by|go\ ahead|free|possible|appropriate|reasonable
      |necessary|preferable|want\ you|like\ you)\b[^.;:!?]{0,40}\Z""",
    re.IGNORECASE | re.VERBOSE,
)
_BEGINS = re.compile(
    r"(?:\A|[,:;.!?(-]\s*|\b(?:and|then|or|so|now|also|first|next|simply|please|just|to)\s+)\W*\Z",
    re.IGNORECASE,
)


def disallowed_recommendation(rule: DisallowedRecommendation) -> Check:
    """The check of one rule."""
    verbs = [form for action in rule.actions for form in verb_forms(action)]
    actions = compiled(verbs) if verbs else _NEVER
    objects = compiled(rule.objects) if rule.objects else _NEVER
    phrases = compiled(rule.phrases, max_gap_words=rule.within_words) if rule.phrases else _NEVER
    commands = frozenset(action.casefold() for action in rule.actions)
    present = frozenset(command.split()[0] for command in commands)
    applies = condition(rule.when)

    def found_in(plain: str, sentence: Span) -> Iterator[tuple[Span, Verdict]]:
        for found in phrases.finditer(plain, *sentence):
            place = Span(*found.span())
            if told := _told(plain, sentence, place, rule.verdict):
                yield place, told
        for verb, place in _pairs(plain, sentence, actions, objects, rule.within_words):
            is_urged = _is_urged(plain, sentence, verb, commands)
            verdict = rule.verdict if is_urged else rule.mentioned
            is_past = _is_past(plain, sentence, verb, present)
            if not is_past and (told := _told(plain, sentence, place, verdict)):
                yield place, told

    def check(text: Text, context: Context) -> Iterator[Finding]:
        if not applies(context):
            return
        for sentence in text.sentences:
            for place, verdict in found_in(text.plain, sentence):
                message = "advice that the rule does not allow"
                yield Finding(rule=rule.id, verdict=verdict, span=place, message=message)

    return check


def _pairs(
    plain: str,
    sentence: Span,
    actions: re.Pattern[str],
    objects: re.Pattern[str],
    within_words: int,
) -> Iterator[tuple[Span, Span]]:
    """Actions on an object, without more words between than allowed, each with its place.

    An action before its object reaches up to it. One behind (chemotherapy should be started) stands
    for itself, so that what is said between the two counts.
    """
    verbs = [Span(*found.span()) for found in actions.finditer(plain, *sentence)]
    for found in objects.finditer(plain, *sentence):
        thing = Span(*found.span())
        # The nearest ones alone: the verb of another object is no verb of this one.
        before = [verb for verb in verbs if verb.end <= thing.start][-_MAX_VERBS:]
        behind = [verb for verb in verbs if verb.start >= thing.end][:_MAX_VERBS]
        for verb in before:
            if _belong(plain[verb.end : thing.start], _BREAK, within_words):
                yield verb, Span(verb.start, thing.end)
        for verb in behind:
            if _belong(plain[thing.end : verb.start], _BREAK_BACK, within_words):
                yield verb, verb


def _belong(between: str, breaks: re.Pattern[str], within_words: int) -> bool:
    return not breaks.search(between) and len(between.split()) <= within_words


def _is_past(plain: str, sentence: Span, verb: Span, present: frozenset[str]) -> bool:
    """Whether an action lies in the past: was started on, stopped. To be started is advice.

    ``present`` are the verbs as the rule writes them: proceed ends as the past of another does.
    """
    word = plain[verb.start : verb.end].split()[0].casefold()
    is_past = (word.endswith("ed") and word not in present) or word in _PAST
    return is_past and _BE.search(plain, sentence.start, verb.start) is None


def _told(plain: str, sentence: Span, place: Span, verdict: Verdict) -> Verdict | None:
    """The verdict on what is advised, a flag where that is uncertain.

    None: it is denied or asked, or left to others.
    """
    told = stance(plain, sentence, place)
    if told == "mixed":
        return "flag"
    return verdict if told in ("advised", "mentioned") else None


def _is_urged(plain: str, sentence: Span, verb: Span, commands: frozenset[str]) -> bool:
    before = plain[sentence.start : verb.start]
    if plain[verb.start : verb.end].casefold() in commands and _BEGINS.search(before):
        return True
    return _URGED.search(before) is not None
