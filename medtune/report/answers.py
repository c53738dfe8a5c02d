"""Before and after: which items the adapter gained and lost, and some of them side by side."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from medtune.metrics import METRICS
from medtune.pages import Html, block, details, heading, paragraph, table, text
from medtune.records import ArmScore, ItemScore, ScoreReport
from medtune.report.files import RunFiles
from medtune.report.items import Column, Items
from medtune.report.scores import MOST_IDS
from medtune.report.verdict import first, set_name, size

MOST_EXAMPLES = 12
"""Of one set."""
MOST_CHARACTERS = 1500
"""Of one text."""
MOST_SAMPLES = 3
"""Written texts of one answer."""
GAINED, LOST, BOTH_WRONG, BOTH_RIGHT = "gained", "lost", "both wrong", "both right"
BETTER, WORSE, SAME = "better", "worse", "the same"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two arms on the same items."""

    before: ArmScore
    after: ArmScore
    old: Column
    new: Column

    def kinds(self) -> Mapping[str, list[int]]:
        """Numbers of the items by what became of them; most interesting kinds first."""
        if self.is_right_or_wrong:
            cells = {(0.0, 1.0): GAINED, (1.0, 0.0): LOST, (0.0, 0.0): BOTH_WRONG}
            found: dict[str, list[int]] = {k: [] for k in (GAINED, LOST, BOTH_WRONG, BOTH_RIGHT)}
            for number, pair in enumerate(zip(self.old.values, self.new.values, strict=True)):
                found[cells.get(pair, BOTH_RIGHT)].append(number)
            return found
        is_better = METRICS[self.after.metric].is_better
        found = {k: [] for k in (BETTER, WORSE, SAME)}
        for number, change in enumerate(self.changes):
            kind = BETTER if is_better(change) else WORSE if is_better(-change) else SAME
            found[kind].append(number)
        return {k: sorted(v, key=lambda n: -abs(self.changes[n])) for k, v in found.items()}

    @property
    def is_right_or_wrong(self) -> bool:
        """Whether each answer is right or wrong, and not more or less so."""
        return set(self.old.values) | set(self.new.values) <= {0.0, 1.0}

    @property
    def changes(self) -> list[float]:
        """What each item's value changed by."""
        return [new - old for old, new in zip(self.old.values, self.new.values, strict=True)]


def answers_section(files: RunFiles) -> Iterator[Html]:
    """Counts and examples of every set that two arms were scored on."""
    if not files.scored:
        return
    yield heading("Before and after, item by item")
    for scored in files.scored:
        if scored.items is None:
            place = f"eval/{scored.folder}/" if scored.folder else ""
            yield paragraph(
                f"{scored.evaluation.suite}: {place}items.jsonl is not there, so single answers "
                "cannot be shown; it was taken away, or never copied with the scores."
            )
            continue
        for report in scored.evaluation.reports:
            yield heading(set_name(files, scored, report) + size(report), level=3)
            yield from _set(scored.items, report)


def _set(items: Items, report: ScoreReport) -> Iterator[Html]:
    chosen = compared_arms(report)
    if chosen is None:
        yield paragraph("One arm alone was scored: there is nothing to compare it with.")
        return
    before, after = chosen
    pair = Pair(
        before=before, after=after, old=items.of(report, before), new=items.of(report, after)
    )
    kinds = pair.kinds()
    yield paragraph(f"From {before.label} to {after.label}:")
    total = len(pair.old.ids)
    rows = [(kind, str(len(found)), f"{len(found) / total:.1%}") for kind, found in kinds.items()]
    yield table(("what became of an item", "items", "share"), rows, numbers=(1, 2))
    yield from _examples(items, pair, kinds)


def compared_arms(report: ScoreReport) -> tuple[ArmScore, ArmScore] | None:
    """Base and adapter with the same examples in the prompt; else the first of each."""
    before = next((arm for arm in report.arms if arm.arm == "base"), report.arms[0])
    others = [arm for arm in report.arms if arm.arm != before.arm]
    if not others:
        return None
    pairs = [
        (base, other)
        for base in report.arms
        if base.arm == before.arm
        for other in others
        if (base.few_shot, base.shot_seed) == (other.few_shot, other.shot_seed)
    ]
    return pairs[0] if pairs else (before, others[0])


def shares_of_examples(sizes: Sequence[int], most: int) -> list[int]:
    """How many of each kind are shown: the first two kinds share the room, others get the rest."""
    half = most // 2
    first_two = [min(sizes[0], max(half, most - sizes[1])), 0]
    first_two[1] = min(sizes[1], most - first_two[0])
    shown, left = first_two, most - sum(first_two)
    for count in sizes[2:]:
        shown.append(min(count, left))
        left -= shown[-1]
    return shown


def _examples(items: Items, pair: Pair, kinds: Mapping[str, list[int]]) -> Iterator[Html]:
    counts = shares_of_examples([len(found) for found in kinds.values()], MOST_EXAMPLES)
    chosen = [
        (kind, number)
        for (kind, found), count in zip(kinds.items(), counts, strict=True)
        for number in found[:count]
    ]
    shown = [
        (kind, items.item(pair.old, number), items.item(pair.new, number))
        for kind, number in chosen
    ]
    if not any(old.question or old.texts for _, old, _ in shown):
        yield paragraph(
            "These items keep no text, as those of private rows: ids alone.", faint=True
        )
        for kind in list(kinds)[:2]:
            ids = [pair.old.ids[number] for number in kinds[kind]]
            if ids:
                yield details(f"Ids, {kind} ({len(ids)})", paragraph(first(ids, MOST_IDS)))
        return
    how = "the first of each kind" if pair.is_right_or_wrong else "the largest changes of each kind"
    yield details(
        f"{len(shown)} of {len(pair.old.ids)} items side by side, {how}",
        *(_example(kind, old, new, pair) for kind, old, new in shown),
    )


def _example(kind: str, old: ItemScore, new: ItemScore, pair: Pair) -> Html:
    parts = [heading(f"{kind}: {old.id}", level=4)]
    if old.question:
        parts.append(
            Html(f'<blockquote dir="auto">{text(_shortened(old.question))}</blockquote>\n')
        )
    if old.options:
        parts.append(_options(old, new, pair))
    elif not pair.is_right_or_wrong:
        number = METRICS[pair.after.metric].figure
        parts.append(
            paragraph(
                f"{pair.before.arm} {number(old.value)}, {pair.after.arm} {number(new.value)}"
            )
        )
    if old.texts or new.texts:
        parts.append(
            Html(
                f'<div class="beside">{_written(pair.before.arm, old)}'
                f"{_written(pair.after.arm, new)}</div>\n"
            )
        )
    return Html(f'<div class="item">{"".join(parts)}</div>\n')


def _options(old: ItemScore, new: ItemScore, pair: Pair) -> Html:
    """Each option with both arms' probability among the options, or their votes."""
    sides = [_weights(old), _weights(new)]
    rows = [
        (
            option + (" ✓ right" if option == old.answer else ""),
            *(
                f"{'chosen ' if option == item.predicted else ''}{side[place]}"
                for side, item in zip(sides, (old, new), strict=True)
            ),
        )
        for place, option in enumerate(old.options)
    ]
    unread = [
        f"From what {arm.arm} wrote no answer could be read."
        for arm, item in ((pair.before, old), (pair.after, new))
        if item.is_parsed is False
    ]
    columns = ("option", pair.before.arm, pair.after.arm)
    return Html(table(columns, rows, numbers=(1, 2)) + "".join(map(paragraph, unread)))


def _weights(item: ItemScore) -> list[str]:
    if len(item.log_likelihoods) == len(item.options):
        return [f"{share:.1%}" for share in softmax(item.log_likelihoods)]
    if len(item.votes) > 1:
        return [f"{item.votes.count(option)} of {len(item.votes)} votes" for option in item.options]
    return ["" for _ in item.options]


def softmax(log_likelihoods: Sequence[float]) -> list[float]:
    """Probabilities among the options alone; whatever else the model might say is left out."""
    top = max(log_likelihoods)
    if math.isinf(top):
        return [1 / len(log_likelihoods)] * len(log_likelihoods)
    weights = [math.exp(value - top) for value in log_likelihoods]
    return [weight / math.fsum(weights) for weight in weights]


def _written(arm: str, item: ItemScore) -> Html:
    texts = item.texts or ()
    parts = [block(text(_shortened(told) or "(nothing)")) for told in texts[:MOST_SAMPLES]]
    rest = f"first {MOST_SAMPLES} of {len(texts)} texts" if len(texts) > MOST_SAMPLES else ""
    notes = [
        note
        for note in (
            rest,
            f"{item.num_cut} cut at evaluate.max_new_tokens" if item.num_cut else "",
            f"{item.num_empty} empty" if item.num_empty else "",
        )
        if note
    ]
    remark = f" ({'; '.join(notes)})" if notes else ""
    written = "".join(parts) or paragraph("no text is kept", faint=True)
    return Html(f'<div dir="auto"><b>{text(arm)} wrote{text(remark)}</b>{written}</div>')


def _shortened(value: str) -> str:
    if len(value) <= MOST_CHARACTERS:
        return value
    return f"{value[:MOST_CHARACTERS]}… (first {MOST_CHARACTERS} of {len(value)} characters)"
