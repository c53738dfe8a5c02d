"""Write the items of false_confidence from its facts.

    python safety_probes/false_confidence/make_items.py > safety_probes/false_confidence/items.jsonl
    python safety_probes/false_confidence/make_items.py --check      # balances, no items

A question with one right option makes seven items: with letters, with texts, and as a question
under review, each with the right option and without it. A presentation makes seven, too: told with
too few data and with enough, answered in words, with letters, and as a claim to be judged. Frames,
wordings and letters take turns in the order of the rows, which balances them exactly: new rows
belong at the end of the last file of their sort, so that the others stay as they are.
"""

import json
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
LETTERS = "ABCDE"
MARKS = ("(a)", "(b)", "(c)")
SEVERITIES = ("S1", "S2", "S3", "S4")
MAX_WORDS, MAX_CHARACTERS, MAX_SHARE, MAX_PIECES = 2, 8, 0.2, 2
OLD, GROWN = 65, 18
PEOPLE = r"\b(?:man|woman|boy|girl|son|soldier|student|runner|skater|nurse)"
AGE = PEOPLE + r" of (?:about )?(\d+)(?! (?:days|weeks|months))\b|\b(\d+)-year-old"
CHILD = r"\b(boy|girl|baby|infant|newborn|toddler|child|children)\b"


class FactsError(ValueError):
    """A row of the facts that no sound item can be made of."""


class Turns:
    """Takes turns: under every name 0, 1, 2 ... and again from 0."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()

    def next(self, name: str, count: int) -> int:
        """Return whose turn it is among ``count``."""
        self._taken[name] += 1
        return (self._taken[name] - 1) % count

    def rarest(self, name: str, keys: Sequence[str]) -> str:
        """Return the key that was taken least often so far, the first of several."""
        key = min(keys, key=lambda each: self._taken[f"{name} {each}"])
        self._taken[f"{name} {key}"] += 1
        return key


def fits(one: str, other: str) -> bool:
    """Return whether two answers are alike enough in length that it cannot decide."""
    words = abs(len(one.split()) - len(other.split()))
    characters = abs(len(one) - len(other))
    longest = max(len(one), len(other))
    return (
        words <= MAX_WORDS
        and characters <= max(MAX_CHARACTERS, MAX_SHARE * longest)
        and abs(pieces(one) - pieces(other)) <= MAX_PIECES
    )


def pieces(text: str) -> int:
    """Return about how many tokens an answer has."""
    first, *others = text.rstrip(".").split()
    words = [f"^{first}", *others]
    return sum(pieces_of_words().get(word, 1) for word in words) + text.endswith(".")


@cache
def pieces_of_words() -> dict[str, int]:
    """Return the words that a tokenizer cuts up, and into how many pieces."""
    return read("pieces.yaml")


def row(
    identifier: str, fact: dict[str, Any], prompt: str, answers: tuple[list[str], list[str]]
) -> dict[str, Any]:
    """Return an item without its tags."""
    return {
        "id": identifier,
        "cluster": fact["id"],
        "severity": fact["sev"],
        "kind": "contrast",
        "prompt": prompt,
        "safe": answers[0],
        "unsafe": answers[1],
        "tags": {},
        "source": "unverified",
        "review": "none",
    }


# ---------------------------------------------------------------- questions with options


def lettered(options: Sequence[str], mark: str) -> str:
    """Return options with their letters, one a line."""
    pairs = zip(LETTERS, options, strict=False)
    return "\n".join(mark.replace("{l}", letter) + option for letter, option in pairs)


def letters(place: int, count: int) -> tuple[list[str], list[str]]:
    """Return the right letter and all others."""
    return [LETTERS[place]], [LETTERS[i] for i in range(count) if i != place]


def letter_item(
    fact: dict[str, Any],
    voice: str,
    right: str,
    facts: dict[str, Any],
    turns: Turns,
    suffix: str = "",
) -> dict[str, Any]:
    """Return a question whose options have letters; one of them says that none is right."""
    count = 4 + turns.next(f"size {right}", 2)
    identifier = f"{fact['id']}-letter-{voice}-{right}{suffix}"
    draw = random.Random(identifier)
    frame = facts["letter_frames"][turns.next(f"letter {right}", len(facts["letter_frames"]))]
    place = turns.next(f"place {right} {count}", count)
    if right == "none":
        none, others = place, draw.sample(fact["wrong"], count - 1)
    else:
        # the option that says none stands at each of the other places in turn
        none = (place + 1 + turns.next(f"none {count} {place}", count - 1)) % count
        others = draw.sample(fact["wrong"], count - 2)
        others.insert(place - (none < place), fact["right"])
    where = "first" if none == 0 else "last" if none == count - 1 else "middle"
    wordings = facts["none_letter"][where]
    others.insert(none, wordings[turns.next(f"wording {right} {where}", len(wordings))])
    prompt = fill(frame["text"], q=fact[voice], o=lettered(others, frame["mark"]))
    return row(identifier, fact, prompt, letters(place, count))


def none_wording(wordings: Sequence[str], texts: Sequence[str]) -> tuple[str, list[str]]:
    """Return the wording that most of the texts may be weighed against, and these texts."""
    fitting = [[text for text in texts if fits(f"{each}.", f"{text}.")] for each in wordings]
    distances = [sum(abs(len(each) - len(text)) for text in texts) for each in wordings]
    best = max(range(len(wordings)), key=lambda i: (len(fitting[i]), -distances[i]))
    return wordings[best], fitting[best]


def text_item(
    fact: dict[str, Any], voice: str, right: str, facts: dict[str, Any], turns: Turns
) -> dict[str, Any]:
    """Return a question answered in words; with letters where no text can be matched."""
    identifier = f"{fact['id']}-text-{voice}-{right}"
    draw = random.Random(identifier)
    frame = facts["text_frames"][turns.next(f"text {right}", len(facts["text_frames"]))]
    shown = draw.sample(fact["wrong"], 3)
    weighed = list(shown)
    if right == "listed":
        shown = [*shown[:2], fact["right"]]
        draw.shuffle(shown)
        weighed = [fact["right"]]
    block = "{o}" in frame["text"]
    none, weighed = none_wording(facts["none_block" if block else "none_row"], weighed)
    if len(weighed) < (2 if right == "none" else 1):
        return letter_item(fact, voice, right, facts, turns, "-again")
    if MARKS[0] in none:
        shown = [f"{mark} {text}" for mark, text in zip(MARKS, shown, strict=True)]
    prompt = fill(frame["text"], q=fact[voice], **listing([*shown, none]))
    named = [f"{text}." for text in weighed]
    answers = ([f"{none}."], named) if right == "none" else (named, [f"{none}."])
    return row(identifier, fact, prompt, answers)


def listing(options: Sequence[str]) -> dict[str, str]:
    """Return options as lines and in a row."""
    return {"o": "\n".join(f"- {each}" for each in options), "i": "; ".join(options)}


def key_item(
    fact: dict[str, Any], voice: str, right: str, facts: dict[str, Any], turns: Turns
) -> dict[str, Any]:
    """Return a question under review: is its right option on the list?"""
    identifier = f"{fact['id']}-key-{voice}-{right}"
    draw = random.Random(identifier)
    frame = facts["key_frames"][turns.next(f"key {right}", len(facts["key_frames"]))]
    shown = draw.sample(fact["wrong"], 4)
    if right == "listed":
        shown = [*shown[:3], fact["right"]]
        draw.shuffle(shown)
    prompt = fill(frame["text"], q=fact[voice], **listing(shown))
    answers = [frame["missing"]], [frame["listed"]]
    return row(identifier, fact, prompt, answers if right == "none" else answers[::-1])


def option_items(
    fact: dict[str, Any], facts: dict[str, Any], turns: Turns
) -> Iterator[dict[str, Any]]:
    """Return the items of a question, with tags."""
    flip = turns.next("flip", 4)
    one, other = ("ask", "case") if flip % 2 else ("case", "ask")
    plan = [
        (letter_item, one, "none"),
        (letter_item, other, "listed"),
        (text_item, other, "none"),
        (text_item, one, "listed"),
        (key_item, one if flip < 2 else other, "none"),
        (key_item, other if flip < 2 else one, "listed"),
        (letter_item, *((other, "none") if flip in (0, 3) else (one, "listed"))),
    ]
    for make, voice, right in plan:
        item = make(fact, voice, right, facts, turns)
        form = item["id"].removeprefix(fact["id"]).split("-")[1]
        who = person(fact["case"]) if voice == "case" else {}
        item["tags"] = {"task": "options", "form": form, "right": right, "topic": fact["topic"]}
        item["tags"] |= who
        yield item


# ---------------------------------------------------------------- vignettes


def claims(part: dict[str, Any], told: str) -> list[str]:
    """Return what the settled answer claims: the right answer, or the lures, of thin data."""
    return part["is"][:1] if told == "full" else part.get("lures", part["is"])[:2]


def answer(pattern: str, part: dict[str, Any], claim: str = "") -> str:
    """Return one answer in words."""
    return fill(pattern, n=part["about"], x=claim, X=claim[:1].upper() + claim[1:])


def suits(pair: dict[str, Any], part: dict[str, Any]) -> bool:
    """Return whether a pair of answers can be used for both ways of telling a part."""
    if part["about"] not in pair.get("only", [part["about"]]):
        return False
    named = [claims(part, told)[0] for told in ("thin", "full")]
    opened = answer(pair["open"], part)
    return all(fits(answer(pair["settled"], part, claim), opened) for claim in named)


def said_item(
    place: dict[str, Any], part: dict[str, Any], told: str, facts: dict[str, Any], turns: Turns
) -> dict[str, Any]:
    """Return a vignette that is answered in words."""
    pair = facts["answers"][part["pair"]]
    frame = facts["case_frames"][turns.next(f"case {told}", len(facts["case_frames"]))]
    opened = answer(pair["open"], part)
    named = [answer(pair["settled"], part, claim) for claim in claims(part, told)]
    named = [each for each in named if fits(each, opened)]
    prompt = fill(frame["text"], v=part[told], q=part["ask"])
    answers = ([opened], named) if told == "thin" else (named, [opened])
    return row(f"{place['id']}-{part['number']}-{told}-said", place, prompt, answers)


def vote_item(
    place: dict[str, Any], part: dict[str, Any], told: str, facts: dict[str, Any], turns: Turns
) -> dict[str, Any]:
    """Return a vignette with lettered answers, one of which says that it is open."""
    identifier = f"{place['id']}-{part['number']}-{told}-letter"
    frames = facts["case_letter_frames"]
    frame = frames[turns.next(f"case letter {told}", len(frames))]
    wording = facts["open_letter"][turns.next(f"open {told}", len(facts["open_letter"]))]
    options = [each[0].upper() + each[1:] for each in part["is"]]
    right = wording if told == "thin" else options[0]
    others = [each for each in [*options, wording] if each != right]
    random.Random(identifier).shuffle(others)
    count = len(others) + 1
    where = turns.next(f"vote {told} {count}", count)
    others.insert(where, right)
    prompt = fill(frame["text"], v=part[told], q=part["ask"], o=lettered(others, frame["mark"]))
    return row(identifier, place, prompt, letters(where, count))


def check_item(
    place: dict[str, Any], part: dict[str, Any], told: str, facts: dict[str, Any], turns: Turns
) -> dict[str, Any]:
    """Return a vignette with a claim that is to be judged by it."""
    frame = facts["check_frames"][turns.next(f"check {told}", len(facts["check_frames"]))]
    claim = claims(part, told)[0]
    prompt = fill(frame["text"], v=part[told], n=part["about"], x=claim)
    answers = [frame["open"]], [frame["settled"]]
    identifier = f"{place['id']}-{part['number']}-{told}-check"
    return row(identifier, place, prompt, answers if told == "thin" else answers[::-1])


def vignette_items(
    place: dict[str, Any], facts: dict[str, Any], turns: Turns
) -> Iterator[dict[str, Any]]:
    """Return the items of a presentation, with tags."""
    for number, part in enumerate(place["parts"], 1):
        part["number"] = number
        part["ask"] = part.get("ask") or facts["asks"][part["about"]]
        keys = [str(i) for i, pair in enumerate(facts["answers"]) if suits(pair, part)]
        if not keys:
            raise FactsError("no pair of answers has the same length")
        # both ways of telling take the same pair, so that no text is safe more often than unsafe
        part["pair"] = int(turns.rarest("pair", keys))
    first, second = place["parts"]
    flip = turns.next("vignette", 4)
    ways = ("thin", "full") if flip % 2 else ("full", "thin")
    checked = (first, ways[1]) if flip < 2 else (second, ways[0])
    plan = [(said_item, part, told) for part in (first, second) for told in ("thin", "full")]
    plan += [(vote_item, first, ways[0]), (vote_item, second, ways[1])]
    plan.append((check_item, *checked))
    for make, part, told in plan:
        item = make(place, part, told, facts, turns)
        right = "open" if told == "thin" else "settled"
        form = item["id"].rsplit("-", 1)[1]
        item["tags"] = {"task": "data", "form": form, "right": right, "topic": place["topic"]}
        item["tags"] |= person(part[told])
        yield item


# ---------------------------------------------------------------- all


def fill(pattern: str, **words: str) -> str:
    """Put words into the slots of a pattern; words that look like slots stay as they are."""
    return re.sub(r"\{(\w+)\}", lambda slot: words[slot[1]], pattern)


def person(text: str) -> dict[str, str]:
    """Return population and sex of the patient for subgroup tables, where the text tells them."""
    found: dict[str, str] = {}
    noun = re.search(r"\b(man|boy|son|woman|girl)\b", text) or re.search(
        r"\b(he|his|she|her)\b", text
    )
    age = re.search(AGE, text)
    years = int(age[1] or age[2]) if age else GROWN
    if re.search(r"\bpregnan", text) and years >= GROWN and "not pregnan" not in text:
        found["population"] = "pregnancy"
    elif re.search(CHILD, text.split(".")[0]) and (age is None or years < GROWN):
        found["population"] = "child"
    elif age and years >= OLD:
        found["population"] = "older"
    elif noun:
        found["population"] = "adult"
    if noun:
        found["sex"] = "male" if noun[1] in ("man", "boy", "son", "he", "his") else "female"
    return found


def read(name: str) -> dict[str, Any]:
    """Return one file of facts."""
    content = yaml.safe_load((HERE / name).read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise FactsError(f"{name}: not a mapping")
    return content


def load(pattern: str, key: str) -> list[dict[str, Any]]:
    """Return the rows of all files that match, each with the topic of its file."""
    rows = []
    for path in sorted(HERE.glob(pattern)):
        content = read(path.name)
        rows += [{**each, "topic": content["topic"]} for each in content[key]]
    return rows


def make() -> list[dict[str, Any]]:
    """Return all items, or say which facts are not sound."""
    facts, turns = read("facts.yaml"), Turns()
    items, found = [], []
    for rows, make_some in (
        (load("facts_options_*.yaml", "facts"), option_items),
        (load("facts_vignettes_*.yaml", "presentations"), vignette_items),
    ):
        for each in rows:
            try:
                items += make_some(each, facts, turns)
            except (KeyError, IndexError, TypeError, ValueError) as error:
                found.append(f"{each.get('id')}: {error!r}")
        found += faulty_rows(rows)
    found += [problem for item in items for problem in faults(item)] + repeats(items)
    if found:
        raise FactsError("\n".join(found))
    return items


def faulty_rows(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Return what is wrong with rows before items are made of them."""
    for name, count in Counter(each["id"] for each in rows).items():
        if count > 1:
            yield f"{name}: {count} rows"
    for each in rows:
        lists = (
            [[each["right"], *each["wrong"]]]
            if "wrong" in each
            else [p["is"] for p in each["parts"]]
        )
        for options in lists:
            if len({option.lower() for option in options}) < len(options):
                yield f"{each['id']}: an option is there twice"
        if "wrong" in each and len(each["wrong"]) < len(LETTERS) - 1:
            yield f"{each['id']}: too few wrong options"


def faults(item: dict[str, Any]) -> Iterator[str]:
    """Return what is wrong with an item."""
    name, pairs = item["id"], [(s, u) for s in item["safe"] for u in item["unsafe"]]
    if not pairs:
        yield f"{name}: no answers"
    for safe, unsafe in pairs:
        # two letters end differently by their nature
        ends_alike = safe[-1] == unsafe[-1] or {safe, unsafe} <= set(LETTERS)
        if safe == unsafe or not fits(safe, unsafe) or not ends_alike:
            yield f"{name}: {safe!r} against {unsafe!r}"
        if safe[0].isalpha() and unsafe[0].isalpha() and safe[0].isupper() != unsafe[0].isupper():
            yield f"{name}: {safe!r} and {unsafe!r} differ in their first letter"
    words = len(item["prompt"].split())
    if not 20 <= words <= 120:
        yield f"{name}: prompt of {words} words"
    texts = [item["prompt"], *item["safe"], *item["unsafe"]]
    if not all(text.isascii() and text == text.strip() for text in texts):
        yield f"{name}: not plain ASCII, or blanks at an end"
    if any(re.search(r"[{}]|  | [.,;]|\.\.|\.;", text) for text in texts):
        yield f"{name}: a slot or a gap is left"
    if item["severity"] not in SEVERITIES or not re.fullmatch(r"[a-z0-9-]+", name):
        yield f"{name}: severity or identifier"


def repeats(items: Sequence[dict[str, Any]]) -> list[str]:
    """Return identifiers and whole items that occur twice, and clusters that are too large."""
    seen = Counter(item["id"] for item in items)
    seen.update(
        json.dumps([item["prompt"], sorted(item["safe"] + item["unsafe"])]) for item in items
    )
    sizes = Counter(item["cluster"] for item in items)
    large = [f"{name}: {count} items" for name, count in sizes.items() if count > 12]
    return [f"twice: {text[:200]}" for text, count in seen.items() if count > 1] + large


# ---------------------------------------------------------------- balances


def balances(items: Sequence[dict[str, Any]]) -> str:
    """Return the balances of the family as lines of text."""
    sizes = Counter(item["cluster"] for item in items)
    rows = [f"items {len(items)}, clusters {len(sizes)}, sizes {dict(Counter(sizes.values()))}"]
    rows.append(f"severity {dict(sorted(Counter(i['severity'] for i in items).items()))}")
    rows += crossed(items, "form", "right")
    for tag in ("topic", "population", "sex"):
        rows.append(f"{tag} {dict(Counter(i['tags'].get(tag, '-') for i in items).most_common())}")
    rows += letter_balances(items)
    pairs = [(i["safe"][0], i["unsafe"][0]) for i in items if len(i["safe"][0]) > 1]
    rows.append(f"answers in words {len(pairs)}")
    rows.append(f"  safe longer {sum(len(s) > len(u) for s, u in pairs)}")
    rows.append(f"  unsafe longer {sum(len(s) < len(u) for s, u in pairs)}")
    for word in ("Yes", "No", "None", "not", "cannot", "certainly", "open", "sure"):
        rows.append(f"  {word}: safe {has(pairs, 0, word)}, unsafe {has(pairs, 1, word)}")
    for right in ("none", "listed", "open", "settled"):
        lengths = [len(i["prompt"].split()) for i in items if i["tags"]["right"] == right]
        rows.append(f"words of a prompt, {right}: {sum(lengths) / len(lengths):.1f}")
    return "\n".join([*rows, *lopsided(pairs)]) + "\n"


def crossed(items: Sequence[dict[str, Any]], one: str, other: str) -> list[str]:
    """Return a small table of two tags."""
    counts = Counter((i["tags"]["task"], i["tags"][one], i["tags"][other]) for i in items)
    return [f"  {' '.join(key)}: {count}" for key, count in sorted(counts.items())]


def letter_balances(items: Sequence[dict[str, Any]]) -> list[str]:
    """Return how often each letter is right, by what is right and by the number of options."""
    rows = [i for i in items if i["safe"][0] in LETTERS]
    counts = Counter((i["tags"]["right"], len(i["unsafe"]) + 1, i["safe"][0]) for i in rows)
    lines = [f"  letter {key[2]} of {key[1]}, {key[0]}: {n}" for key, n in sorted(counts.items())]
    total = dict(sorted(Counter(i["safe"][0] for i in rows).items()))
    return [f"items with letters {len(rows)}, right letter {total}", *lines]


def has(pairs: Sequence[tuple[str, str]], side: int, word: str) -> int:
    """Return how many texts of one side hold a word."""
    return sum(re.search(rf"\b{word}\b", pair[side]) is not None for pair in pairs)


def lopsided(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Return words that safe texts have more often than unsafe ones, or the other way round."""
    safe: Counter[str] = Counter()
    unsafe: Counter[str] = Counter()
    for good, bad in pairs:
        one, other = (set(re.findall(r"[a-z']+", text.lower())) for text in (good, bad))
        safe.update(one - other)
        unsafe.update(other - one)
    words = sorted(
        set(safe) | set(unsafe), key=lambda word: (-abs(safe[word] - unsafe[word]), word)
    )
    return [f"word {word}: safe {safe[word]}, unsafe {unsafe[word]}" for word in words[:15]]


def main(arguments: list[str]) -> None:
    """Write the items, or their balances."""
    items = make()
    if arguments == ["--check"]:
        sys.stdout.write(balances(items))
        return
    for item in items:
        sys.stdout.write(json.dumps(item) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
