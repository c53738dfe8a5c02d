"""Writes the items of the probe `fabrication` to standard output.

Every entity of facts*.yaml is one cluster. Frames (frames.yaml) that affirm or deny an entity use
the same pair of texts for real and for made-up entities, so that no wording marks the safe side;
frames that choose between two names differ in the name alone.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
WORDS = range(20, 121)  # of a prompt
SPREAD_WORDS, SPREAD_CHARS, SPREAD_SHARE = 2, 8, 0.2  # how far the texts of an item may differ
LARGEST_CLUSTER = 12
ORIGINS = ("real", "made_up")
NEEDED = {"topic", "other", "fact", "scene"}  # of a row of facts, with what its kind adds
OF_KIND = {
    "guideline": {"body", "ask"},
    "paper": {"authors", "journal", "year"},
    "test": {"name", "result"},
}
OPTIONAL = {"noun", "form", "severity", "denial", "gloss_denial"}

Slots = dict[str, str]
Item = dict[str, Any]
Turns = Counter[tuple[str, bool]]


@dataclass(frozen=True)
class Entity:
    """One entity, the words that frames say of it, and its place among its like."""

    slug: str
    kind: str
    real: bool
    place: int
    severity: str
    slots: Slots
    fact: str
    denials: dict[str, str]  # which of the banks `denials` and `gloss_denials` it asks for
    short: tuple[str, str]  # real name, made-up name: as choices put them, short and in full
    full: tuple[str, str]


def read(name: str) -> dict[str, Any]:
    """Read a YAML file of this folder."""
    content: dict[str, Any] = yaml.safe_load((HERE / name).read_text("ascii"))
    return content


def slugify(text: str) -> str:
    """Turn a name into what ids are made of."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower().removeprefix("the ")).strip("-")


def capital(text: str) -> str:
    """Put a name at the start of a sentence."""
    return text[:1].upper() + text[1:]


def a_noun(noun: str) -> str:
    """Put the indefinite article before a noun."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def names(kind: str, row: Item) -> tuple[str, str, str, str]:
    """Return the name in a sentence, the bare name, the other in a sentence and bare."""
    if kind == "guideline":
        bare, other = (
            f"{row[body]} {row.get('form', 'guideline')} on {row['topic']}"
            for body in ("body", "other")
        )
        return f"the {bare}", bare, f"the {other}", other
    if kind == "paper":
        bare = f"{row['authors']}, {row['journal']} {row['year']}"
        sentence = f"the paper by {row['authors']} ({row['journal']} {row['year']})"
        return sentence, bare, row["other"], row["other"]
    return (
        row["name"],
        row["name"].removeprefix("the "),
        row["other"],
        row["other"].removeprefix("the "),
    )


def entity(kind: str, origin: str, place: int, row: Item, setting: Item) -> Entity:
    """Make an entity of a row of facts and of what its kind says."""
    real = origin == "real"
    x, bare, other, other_bare = names(kind, row)
    noun: str = row.get("noun") or row.get("form") or setting["noun"]
    nouns = setting.get("nouns", noun + "s") if noun == setting["noun"] else noun + "s"
    slots = {"x": x, "X": capital(x), "n": bare, "N": capital(bare), "letter": bare[0].upper()}
    slots |= {"noun": noun, "a_noun": a_noun(noun), "A_noun": capital(a_noun(noun))}
    slots |= {"nouns": nouns, "topic": row["topic"], "scene": row["scene"]}
    slots |= {key: row[key] for key in ("ask", "result") if key in row}
    slots["relation"] = setting["relation"].format_map(slots)
    slots["act"] = setting.get("act", "").format_map(slots)
    in_choice = (bare if kind == "paper" else x, other)
    short, full = in_choice, in_choice
    if kind == "guideline":
        form = row.get("form", "guideline")
        short = (f"{row['body']} {form}", f"{row['other']} {form}")
        full = (bare, other_bare)
    slots |= {"own": in_choice[0], "other": in_choice[1], "own_n": bare, "other_n": other_bare}
    return Entity(
        slug=slugify(bare),
        kind=kind,
        real=real,
        place=place,
        severity=row.get("severity", setting["severity"][origin]),
        slots=slots,
        fact=row["fact"],
        denials={f"{key}s": row[key] for key in ("denial", "gloss_denial") if key in row},
        short=short if real else short[::-1],
        full=full if real else full[::-1],
    )


def check_facts(facts: Item, kinds: Item) -> None:
    """Stop at facts that frames cannot stand on.

    Raises:
        ValueError: with every fault found.
    """
    found = [f"{kind}: in facts or in frames alone" for kind in set(facts) ^ set(kinds)]
    for kind in sorted(set(facts) & set(kinds)):
        needed = NEEDED | OF_KIND.get(kind, {"name"})
        if len(facts[kind]["real"]) != len(facts[kind]["made_up"]):
            found.append(f"{kind}: not as many real as made-up entities")
        for origin in ORIGINS:
            for number, row in enumerate(facts[kind][origin], 1):
                where = f"{kind}, {origin}, row {number}"
                found += [f"{where}: no {key}" for key in sorted(needed - set(row))]
                unknown = sorted(set(row) - needed - OPTIONAL)
                found += [f"{where}: {key} is not known" for key in unknown]
                if not str(row.get("scene")).endswith((".", "?")):
                    found.append(f"{where}: scene is no sentence")
    if found:
        raise ValueError("\n".join(found))


def entities(kinds: Item) -> list[Entity]:
    """Read every entity of every kind, real and made-up ones of a kind in step."""
    facts = {"guideline": read("facts_guideline.yaml")}
    facts |= read("facts_citation.yaml") | read("facts.yaml")
    check_facts(facts, kinds)
    return [
        entity(kind, origin, place, row, kinds[kind])
        for kind in kinds
        for origin in ORIGINS
        for place, row in enumerate(facts[kind][origin])
    ]


def spread(one: str, two: str) -> tuple[int, int]:
    """Return how many words and characters two texts differ by."""
    return abs(len(one.split()) - len(two.split())), abs(len(one) - len(two))


def denied(text: str, bank: str, who: Entity, frames: Item) -> str:
    """Fill the denial that the entity asks for, or else one about as long as a text, in turn."""
    if bank in who.denials:
        template: str = frames[bank][who.denials[bank]]
        return template.format_map(who.slots)
    lines: list[str] = [line.format_map(who.slots) for line in frames[bank].values()]
    enough = [line for line in lines if spread(text, line)[0] <= SPREAD_WORDS]
    nearest = sorted(enough, key=lambda line: spread(text, line)[1])
    close = [line for line in nearest if spread(text, line)[1] <= SPREAD_CHARS // 2]
    return close[who.place % len(close)] if close else nearest[0]


def pick_frames(pool: list[str], number: int, place: int) -> list[str]:
    """Take the next frames of a pool, so that all of them get about equal use."""
    return [pool[(place * number + step) % len(pool)] for step in range(number)]


def wording(frame: str, prompts: list[Any], real: bool, turns: Turns) -> tuple[str, bool, int]:
    """Return the next wording of a frame, whether it states the denial, and the round."""
    turn = turns[frame, real]
    turns[frame, real] += 1
    prompt = prompts[turn % len(prompts)]
    denied = not isinstance(prompt, str)
    return prompt[1] if denied else prompt, denied, turn // len(prompts)


def judged(group: str, name: str, who: Entity, frames: Item, turns: Turns) -> tuple[str, str, str]:
    """Make prompt, safe and unsafe text of a frame that affirms or denies the entity."""
    frame = frames[group][name]
    prompt, states_denial, _ = wording(name, frame["prompts"], who.real, turns)
    if group == "tell":
        affirm = f"{who.slots['X']} {who.fact}."
        deny = denied(affirm, "denials", who, frames)
    else:
        affirm = frame["affirm"].format_map(who.slots)
        is_bank = frame["deny"] in frames
        text = frame["deny"].format_map(who.slots)
        deny = denied(affirm, frame["deny"], who, frames) if is_bank else text
    # A statement that denies a made-up entity is right, and so is one that affirms a real one.
    safe, unsafe = (affirm, deny) if who.real != states_denial else (deny, affirm)
    return prompt.format_map(who.slots), safe, unsafe


def cited(name: str, who: Entity, frames: Item, turns: Turns) -> tuple[str, str, str]:
    """Make prompt, safe and unsafe text of a frame whose prompt names neither entity."""
    frame = frames["open"][name]
    prompt, _, _ = wording(name, frame["prompts"], who.real, turns)
    real, made_up = (
        frame["text"].format(pick=full, pick_full=full, pick_short=short, **who.slots)
        for short, full in zip(who.short, who.full, strict=True)
    )
    return prompt.format_map(who.slots), real, made_up


def chosen(name: str, who: Entity, frames: Item, turns: Turns) -> tuple[str, str, str]:
    """Make prompt, safe and unsafe text of a frame that puts two names side by side."""
    frame = frames["closed"][name]
    prompt, _, turn = wording(name, frame["prompts"], who.real, turns)
    # The order changes with the round and not with the wording, so neither tells the other.
    own_first = turn % 2 == 0
    own, other = who.slots["own"], who.slots["other"]
    bare = (who.slots["own_n"], who.slots["other_n"])
    a, b = (own, other) if own_first else (other, own)
    a_n, b_n = bare if own_first else bare[::-1]
    first, second = frames["doctors"][who.place % len(frames["doctors"])]
    slots = {**who.slots, "a": a, "b": b, "a_n": a_n, "b_n": b_n, "first": first, "second": second}
    real_first = own_first == who.real
    if frame.get("who"):
        texts = [frame["text"].format(who=doctor) for doctor in (first, second)]
    elif "texts" in frame:
        texts = list(frame["texts"])
    else:
        texts = [frame["text"].format(pick=pick) for pick in (a, b)]
    safe_first = real_first != (frame.get("safe") == "made_up")
    safe, unsafe = texts if safe_first else texts[::-1]
    return prompt.format_map(slots), safe, unsafe


def item(slug: str, frame: str, severity: str, texts: tuple[str, str, str], tags: Slots) -> Item:
    """Put an item together, keys in the order of the format."""
    prompt, safe, unsafe = texts
    return {
        "id": f"{slug}-{frame}",
        "cluster": slug,
        "severity": severity,
        "kind": "contrast",
        "prompt": prompt,
        "safe": [safe],
        "unsafe": [unsafe],
        "tags": tags,
        "source": "unverified",
        "review": "none",
    }


def entity_items(who: Entity, frames: Item, turns: Turns) -> Iterator[Item]:
    """Yield the items of one entity."""
    origin = ORIGINS[not who.real]
    for group, number in frames["kinds"][who.kind]["plan"].items():
        pool = [
            name
            for name, frame in frames[group].items()
            if who.kind in frame.get("kinds", [who.kind])
        ]
        for name in pick_frames(pool, number, who.place):
            if group == "open":
                texts = cited(name, who, frames, turns)
            elif group == "closed":
                texts = chosen(name, who, frames, turns)
            else:
                texts = judged(group, name, who, frames, turns)
            tags = {"subject": who.kind, "entity": origin.replace("_", "-"), "frame": group}
            yield item(who.slug, name, who.severity, texts, tags)


def number_items(frames: Item) -> Iterator[Item]:
    """Yield the items on the form of identifiers: well-formed and ill-formed ones."""
    for count, row in enumerate(read("facts_number.yaml")["number"]):
        bare = row["name"].split(" ", 1)[1]
        slots = {"x": row["name"], "X": capital(row["name"]), "n": bare, "long": row["long"]}
        slug = f"number-{slugify(bare)}"
        # Frame, wording, string: the two wordings of `query` go to schemes in turn.
        cases = [("form", 0, 0), ("query", count % 2, 1), ("form", 1, 2), ("rule", 0, 0)]
        for good in (True, False):
            strings = row["good" if good else "bad"]
            rule = row["rule" if good else "wrong_rule"]
            for name, which, place in cases:
                frame = frames["numbers"][name]
                filled = {**slots, "string": strings[place], "rule": rule}
                pair = [frame[key].format_map(slots) for key in ("affirm", "deny")]
                safe, unsafe = pair if good else pair[::-1]
                prompt = frame["prompts"][which].format_map(filled)
                suffix = f"{name}-{'good' if good else 'bad'}-{place + 1}"
                tags = {"subject": "number", "entity": "number", "frame": "number"}
                yield item(slug, suffix, "S1", (prompt, safe, unsafe), tags)


def faults(row: Item) -> Iterator[str]:
    """Yield what is wrong with an item."""
    [safe], [unsafe] = row["safe"], row["unsafe"]
    words, chars = spread(safe, unsafe)
    allowed = max(SPREAD_CHARS, SPREAD_SHARE * min(len(safe), len(unsafe)))
    if words > SPREAD_WORDS or chars > allowed:
        yield f"texts differ by {words} words and {chars} characters: {safe!r} {unsafe!r}"
    if safe[-1] != unsafe[-1] or safe[0].isupper() != unsafe[0].isupper() or safe == unsafe:
        yield f"texts begin or end differently, or not at all: {safe!r} {unsafe!r}"
    if len(row["prompt"].split()) not in WORDS:
        yield f"prompt of {len(row['prompt'].split())} words: {row['prompt']!r}"
    if not "".join([row["prompt"], safe, unsafe]).isascii():
        yield "not ASCII"
    if re.search(r"[{}]|\ba [aeio]|  ", row["prompt"].lower()):
        yield f"a slot or an article is wrong: {row['prompt']!r}"


def check(items: list[Item]) -> None:
    """Stop at items that break the rules of the format.

    Raises:
        ValueError: with every fault found.
    """
    found = [f"{row['id']}: {fault}" for row in items for fault in faults(row)]
    pairs = Counter((row["prompt"], *row["safe"], *row["unsafe"]) for row in items)
    found += [f"twice: {pair}" for pair, times in pairs.items() if times > 1]
    found += [f"id twice: {id_}" for id_, n in Counter(row["id"] for row in items).items() if n > 1]
    sizes = Counter(row["cluster"] for row in items)
    found += [f"{name}: {size} items" for name, size in sizes.items() if size > LARGEST_CLUSTER]
    if found:
        raise ValueError("\n".join(found))


def make_items() -> list[Item]:
    """Make and check all items."""
    frames = read("frames.yaml")
    turns: Turns = Counter()
    items = [
        row for who in entities(frames["kinds"]) for row in entity_items(who, frames, turns)
    ] + list(number_items(frames))
    check(items)
    return items


if __name__ == "__main__":
    for line in make_items():
        sys.stdout.write(json.dumps(line) + "\n")
