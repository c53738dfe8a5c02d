"""Write the items of the sycophancy probe from its facts and its wording.

Usage: python safety_probes/sycophancy/make_items.py > safety_probes/sycophancy/items.jsonl

Each fact in facts.yaml gives five `hint` items (a question, and the same question with a user's
wrong suggestion in it) and two `contrast` items (a user states the right answer, a user states a
wrong one). What is drawn for a fact depends on its id alone, so that a new fact changes no item of
the others.
"""

import json
import random
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
FACT_KEYS = {"id", "topic", "harm", "ask", "case", "say", "right", "wrong"}
FACT_EXTRAS = {"lay", "population", "names"}
SEVERITIES = ("S1", "S2", "S3", "S4")
# Styles that need the two names of a drug; such facts take both and three of the others.
NAME_STYLES = ("illogical_request", "acted_on")
SAME = "the same drug"
# For each hint item of a fact: is the question the case, is the answer a sentence, which wrong
# answer. No two slots share question and pair, since a lead is used once per fact.
SLOTS = ((True, False, 0), (True, True, 1), (False, False, 1), (False, True, 0), (False, False, 0))

Fact = dict[str, Any]
Item = dict[str, Any]
Wording = dict[str, Any]


def main() -> None:
    """Write the items to standard output, one JSON object a line."""
    facts = yaml.safe_load((HERE / "facts.yaml").read_text(encoding="ascii"))
    wording = yaml.safe_load((HERE / "wording.yaml").read_text(encoding="ascii"))
    check_facts(facts)
    items = [item for fact in facts for item in items_of(fact, wording)]
    check_items(items)
    for item in items:
        sys.stdout.write(json.dumps(item) + "\n")


def items_of(fact: Fact, wording: Wording) -> Iterator[Item]:
    """Yield the items of one fact."""
    seed = f"sycophancy/{fact['id']}"
    yield from hint_items(fact, wording, random.Random(f"{seed}/hint"))
    yield from contrast_items(fact, wording["statements"], random.Random(f"{seed}/contrast"))


def hint_items(fact: Fact, wording: Wording, rng: random.Random) -> Iterator[Item]:
    """Yield a question, plain and with a wrong suggestion, once for each slot."""
    leads = [lead for lead in wording["leads"] if fact.get("lay") or lead["who"] != "lay"]
    rng.shuffle(leads)
    # Which wrong answer has three of the five items changes from fact to fact.
    turned = rng.random() < 0.5
    for style, (in_case, in_full, place) in zip(
        draw_styles(fact, wording["hints"], rng), SLOTS, strict=True
    ):
        hint = draw_hint(fact, wording["hints"][style], rng)
        which = (place + turned) % len(fact["wrong"])
        wrong = fact["wrong"][which]
        question = fact["case"] if in_case else fact["ask"]
        frame = "{q}" if in_case else take_lead(leads, hint)["text"]
        hinted = fill(hint["text"], fact, wrong, q=question)
        yield {
            "id": f"{fact['id']}-{style.replace('_', '-')}",
            "cluster": fact["id"],
            "severity": fact["harm"][which],
            "kind": "hint",
            "prompt": frame.replace("{q}", question),
            "hinted": frame.replace("{q}", hinted),
            "safe": [answer(fact, fact["right"], in_full)],
            "unsafe": [answer(fact, wrong, in_full)],
            "tags": tags(fact, style=style, named=named(hint["text"])),
            "source": "unverified",
            "review": "none",
        }


def contrast_items(fact: Fact, frames: list[Wording], rng: random.Random) -> Iterator[Item]:
    """Yield a user's right and a user's wrong statement, to be agreed with and to be rejected."""
    # One frame for both, so that no reply is safe more often than its opposite.
    frame = rng.choice(frames)
    which = rng.randrange(len(fact["wrong"]))
    wrong = fact["wrong"][which]
    for user, said, other in (("right", fact["right"], wrong), ("wrong", wrong, fact["right"])):
        values = {
            "s": sentence(fact, said),
            "S": capital(sentence(fact, said)),
            "q": fact["ask"],
            "x": said,
            "other": sentence(fact, other),
        }
        agree = [text.format(**values) for text in frame["agree"]]
        disagree = [text.format(**values) for text in frame["disagree"]]
        yield {
            "id": f"{fact['id']}-user-{user}",
            "cluster": fact["id"],
            "severity": fact["harm"][which],
            "kind": "contrast",
            "prompt": frame["text"].format(**values),
            "safe": agree if user == "right" else disagree,
            "unsafe": disagree if user == "right" else agree,
            "tags": tags(fact, style="statement", user=user, reply=frame["reply"]),
            "source": "unverified",
            "review": "none",
        }


def draw_styles(fact: Fact, hints: Wording, rng: random.Random) -> list[str]:
    """Draw one style for each slot; those about two drug names only where there are such names."""
    general = [style for style in hints if style not in NAME_STYLES]
    if "names" not in fact:
        return rng.sample(general, len(SLOTS))
    styles = [*NAME_STYLES, *rng.sample(general, len(SLOTS) - len(NAME_STYLES))]
    rng.shuffle(styles)
    return styles


def draw_hint(fact: Fact, hints: list[Wording], rng: random.Random) -> Wording:
    """Draw a wording of the style; some suit only two names of one drug, or of two drugs."""
    relation = "same" if fact["right"] == SAME else "different"
    return rng.choice([hint for hint in hints if hint.get("relation", relation) == relation])


def take_lead(leads: list[Wording], hint: Wording) -> Wording:
    """Take the next lead that does not contradict what the hint says about its writer."""
    for place, lead in enumerate(leads):
        twice = lead.get("self") and hint.get("self")
        if not twice and not (lead["who"] == "lay" and hint.get("clinician")):
            return leads.pop(place)
    message = "safety_probes/sycophancy: no lead fits a hint"
    raise SystemExit(message)


def fill(text: str, fact: Fact, wrong: str, q: str) -> str:
    """Put a fact and its wrong answer into a hint."""
    claim = sentence(fact, wrong)
    a, b = fact.get("names", ("", ""))
    truth = sentence(fact, fact["right"])
    return text.format(q=q, claim=claim, wrong=wrong, right=fact["right"], truth=truth, a=a, b=b)


def named(text: str) -> str:
    """Say which answers a hint names: both, the wrong one only, or none."""
    if re.search(r"\{(right|truth)\}", text):
        return "both"
    return "wrong" if re.search(r"\{(wrong|claim)\}", text) else "none"


def sentence(fact: Fact, value: str) -> str:
    """State an answer as a sentence without capital and full stop."""
    return str(fact["say"]).replace("{}", value)


def answer(fact: Fact, value: str, in_full: bool) -> str:
    """Write an answer as a model would open its reply: in short, or as a sentence."""
    return capital(sentence(fact, value)) + "." if in_full else capital(value)


def capital(text: str) -> str:
    """Write the first letter as a capital."""
    return text[0].upper() + text[1:]


def tags(fact: Fact, **given: str) -> dict[str, str]:
    """Tags of an item, those of its fact included."""
    of_fact: dict[str, str] = {
        key: str(fact[key]) for key in ("topic", "population") if key in fact
    }
    return {**given, **of_fact}


def check_facts(facts: list[Fact]) -> None:
    """Refuse facts that are incomplete, or whose right and wrong answers differ in form."""
    ids = Counter(fact.get("id") for fact in facts)
    for fact in facts:
        name = fact.get("id", "a fact without id")
        keys = set(fact)
        require(FACT_KEYS <= keys <= FACT_KEYS | FACT_EXTRAS, name, f"has the keys {sorted(keys)}")
        require(ids[name] == 1, name, "occurs twice")
        require(re.fullmatch(r"[a-z0-9-]+", name) is not None, name, "is no plain id")
        texts = [fact["right"], *fact["wrong"]]
        require(all(isinstance(t, str) for t in texts), name, "has an answer that is no text")
        require(len(set(texts)) == len(texts) > 1, name, "has an answer twice, or no wrong one")
        require(fact["say"].endswith(" {}"), name, "has a sentence that does not end in the answer")
        require(len(fact["harm"]) == len(fact["wrong"]), name, "lacks a harm")
        require(set(fact["harm"]) <= set(SEVERITIES), name, f"has harms {fact['harm']}")
        require(fact["ask"].endswith("?") and fact["case"].endswith("?"), name, "asks nothing")
        check_pair([fact["right"]], fact["wrong"], name)


def check_items(items: list[Item]) -> None:
    """Refuse items that share an id or a text, or whose answers could be told by their form."""
    ids = Counter(item["id"] for item in items)
    asked = Counter(key for item in items for key in prompts_and_pair(item))
    for item in items:
        require(ids[item["id"]] == 1, item["id"], "occurs twice")
        require(
            all(asked[key] == 1 for key in prompts_and_pair(item)), item["id"], "repeats a text"
        )
        texts = [item["prompt"], item.get("hinted", ""), *item["safe"], *item["unsafe"]]
        plain = all(text.isascii() and not re.search(r"[{}]", text) for text in texts)
        require(plain, item["id"], "has a gap or is not plain ASCII")
        check_pair(item["safe"], item["unsafe"], item["id"])


def prompts_and_pair(item: Item) -> list[tuple[str, ...]]:
    """Give each prompt of an item together with its answers."""
    prompts = [item[key] for key in ("prompt", "hinted") if key in item]
    return [(prompt, *item["safe"], *item["unsafe"]) for prompt in prompts]


def check_pair(safe: Iterable[str], unsafe: Iterable[str], name: str) -> None:
    """Refuse a pair whose texts differ in length, case or punctuation."""
    for one in safe:
        for other in unsafe:
            shorter, longer = sorted((len(one), len(other)))
            words = abs(len(one.split()) - len(other.split()))
            require(words <= 2, name, f"differs by {words} words: {one!r}, {other!r}")
            fits = longer - shorter <= max(8, 0.2 * shorter)
            require(fits, name, f"differs in length: {one!r}, {other!r}")
            alike = (one[-1] == ".") == (other[-1] == ".")
            alike = alike and one[0].islower() == other[0].islower()
            require(alike, name, f"differs in form: {one!r}, {other!r}")


def require(holds: bool, name: str, what: str) -> None:
    """Stop with a plain message where something does not hold."""
    if not holds:
        message = f"safety_probes/sycophancy: {name} {what}"
        raise SystemExit(message)


if __name__ == "__main__":
    main()
