"""Writes the items of the probe ``forbidden_recommendation`` to standard output.

Every pair of facts.yaml is put into three frames of frames.yaml, each once with the patient in whom
the recommendation is forbidden and once with the patient in whom it is right. The two items of a
frame weigh the same two texts and differ in the patient only, so a model that does not look at the
patient is wrong in exactly one of them.
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
DIRECTIONS = ("forbidden", "permitted")
HARMS = ("S1", "S2", "S3", "S4")
PLACES = {
    "ward": {"ward"},
    "clinic": {"clinic"},
    "both": {"ward", "clinic"},
    "home": {"home"},
}
# Both have four letters: the name must not weigh anything by its length.
DOCTORS = ("Ames", "Boyd")
SEXES = {"woman": "female", "girl": "female", "man": "male", "boy": "male"}
# Verbs that a fact may have in the third person, and what the patient says instead.
FIRST_PERSON = {
    "has": "have",
    "is": "am",
    "takes": "take",
    "drinks": "drink",
    "uses": "use",
    "wants": "want",
    "carries": "carry",
    "lives": "live",
    "works": "work",
    "weighs": "weigh",
    "breastfeeds": "breastfeed",
    "swallows": "swallow",
    "grows": "grow",
    "keeps": "keep",
    "feels": "feel",
}

Facts = dict[str, Any]


def load_pairs(path: Path) -> list[Facts]:
    """Reads the pairs of all sections, each with the section as its topic, and checks them."""
    sections = yaml.safe_load(path.read_text(encoding="utf-8"))
    pairs = [{**pair, "topic": topic} for topic, rows in sections.items() for pair in rows]
    for pair in pairs:
        _check_pair(pair)
    _refuse_doubles([pair["id"] for pair in pairs], "pair")
    return pairs


def _check_pair(pair: Facts) -> None:
    """Refuses a pair with a missing or unknown field."""
    name = pair.get("id", "a pair without id")
    if not re.fullmatch(r"[a-z0-9-]+", name):
        raise ValueError(f"{name}: an id has only a-z, 0-9 and hyphens")
    if not ({"x", "y"} <= pair.keys()) ^ ({"do_x", "do_y"} <= pair.keys()):
        raise ValueError(f"{name}: needs x and y, or do_x and do_y")
    if pair.get("place", "ward") not in PLACES:
        raise ValueError(f"{name}: unknown place {pair['place']}")
    for direction in DIRECTIONS:
        patient = pair[direction]
        if patient.keys() - {"need", "withheld"} != {"who", "fact", "harm", "why"}:
            raise ValueError(f"{name}, {direction}: fields are {sorted(patient)}")
        if not {patient["harm"], patient.get("withheld", "S1")} <= set(HARMS):
            raise ValueError(f"{name}, {direction}: unknown harm")
        if direction == "forbidden" and "withheld" in patient:
            raise ValueError(f"{name}: only x is harmful to the forbidden patient")
        if not (patient.get("need") or pair.get("need")):
            raise ValueError(f"{name}, {direction}: has no need")
        if re.search(r"\b(he|she|him|his|her)\b", patient["fact"]):
            raise ValueError(f"{name}, {direction}: a fact must not have a pronoun")


def _refuse_doubles(keys: list[str], what: str) -> None:
    """Refuses a key that occurs twice."""
    doubles = sorted(key for key, times in Counter(keys).items() if times > 1)
    if doubles:
        raise ValueError(f"{what} occurs twice: {doubles[0]}")


def load_frames(path: Path) -> list[Facts]:
    """Reads the frames."""
    frames: list[Facts] = yaml.safe_load(path.read_text(encoding="utf-8"))
    _refuse_doubles([frame["id"] for frame in frames], "frame")
    return frames


def age(who: str) -> float:
    """Years of the patient that a phrase like "5-month-old boy" describes."""
    found = re.fullmatch(r"(\d+)-(year|month|day)-old (woman|man|girl|boy)", who)
    if not found:
        raise ValueError(f"not a patient: {who}")
    return int(found[1]) / {"year": 1, "month": 12, "day": 365}[found[2]]


def population(patient: Facts) -> str:
    """The group of patients for tables: pregnant, child, older or adult."""
    years = age(patient["who"])
    if "weeks pregnant" in patient["fact"]:
        return "pregnant"
    return "child" if years < 18 else "older" if years >= 65 else "adult"


def first_person(fact: str) -> str:
    """Turns "has angina, and takes aspirin" into "have angina, and take aspirin"."""
    verb = "|".join(FIRST_PERSON)
    # A verb stands at the start, after a comma, or after "and" with or without an adverb.
    pattern = rf"(^|, |\band |\bnow )(now |never )?({verb})\b"
    return re.sub(pattern, lambda m: m[1] + (m[2] or "") + FIRST_PERSON[m[3]], fact)


def capital(text: str) -> str:
    """The text with its first letter as a capital."""
    return text[:1].upper() + text[1:]


def relation(who: str) -> str:
    """Who the patient is to a relative that asks."""
    years, noun = age(who), who.rsplit(" ", 1)[1]
    if SEXES[noun] == "female":
        return "daughter" if years < 18 else "sister" if years < 45 else "mother"
    return "son" if years < 18 else "brother" if years < 45 else "father"


def patient_slots(pair: Facts, patient: Facts) -> dict[str, str]:
    """What a frame may say of the patient."""
    who, fact = patient["who"], patient["fact"]
    article = "an" if re.match(r"(8\d?|11|18)-", who) else "a"
    a_who = f"{article} {who}"
    she, her = ("she", "her") if SEXES[who.rsplit(" ", 1)[1]] == "female" else ("he", "him")
    need = patient.get("need") or pair["need"]
    return {
        "who": who,
        "a_who": a_who,
        "A_who": capital(a_who),
        "she": she,
        "She": capital(she),
        "her": her,
        "fact": fact,
        "Fact": capital(fact),
        "i_fact": first_person(fact),
        "need": need,
        "Need": capital(need),
        "relation": relation(who),
    }


def draw_slots(pair: Facts, rng: random.Random) -> dict[str, str]:
    """What is drawn once for a cluster and frame, and is the same for both of its patients."""
    x, y = (pair["x"], pair["y"]) if "x" in pair else (pair["do_x"], pair["do_y"])
    swap, first, gives = rng.random() < 0.5, rng.random() < 0.5, rng.random() < 0.5
    a, b = (y, x) if swap else (x, y)
    n1, n2 = DOCTORS if first else DOCTORS[::-1]
    return {
        "x": x,
        "x_cap": capital(x),
        "do_x": x,
        "do_x_cap": capital(x),
        "a": a,
        "b": b,
        "do_a": a,
        "do_b": b,
        "n1": n1,
        "n2": n2,
        "n_x": n2 if swap else n1,
        "n_y": n1 if swap else n2,
        "wish1": "wants to use" if gives else "wants to withhold",
        "wish2": "wants to withhold" if gives else "wants to use",
        "n_go": n1 if gives else n2,
        "n_hold": n2 if gives else n1,
        "bed": str(rng.randint(2, 28)),
    }


def texts(frame: Facts, pair: Facts, slots: dict[str, str]) -> tuple[str, str]:
    """The text that recommends x and the text that does not."""
    if frame["ask"] == "check":
        return frame["go"].format(**slots), frame["hold"].format(**slots)
    x, y = (pair["x"], pair["y"]) if "x" in pair else (pair["do_x"], pair["do_y"])
    chosen = [
        {"it": side, "It": capital(side), "do": side, "Do": capital(side), "n": slots[doctor]}
        for side, doctor in ((x, "n_x"), (y, "n_y"))
    ]
    one, other = (frame["answer"].format(**{**slots, **side}) for side in chosen)
    return one, other


def fits(frame: Facts, pair: Facts) -> bool:
    """Whether the pair can be asked about in this frame."""
    if frame["for"] != ("drug" if "x" in pair else "act"):
        return False
    if frame.get("drugs") and pair.get("measure"):
        return False
    if pair["topic"] not in frame.get("topics", [pair["topic"]]):
        return False
    if frame.get("adult") and any(age(pair[each]["who"]) < 16 for each in DIRECTIONS):
        return False
    return bool(PLACES[pair.get("place", "ward")] & set(frame["places"]))


def choose_frames(pairs: list[Facts], frames: list[Facts], rng: random.Random) -> list[list[Facts]]:
    """Three frames for each pair: the ones used least so far, of both ways to ask."""
    used: Counter[str] = Counter()
    chosen = []
    for number, pair in enumerate(pairs):
        asks = ["choose", "check", ("choose", "check")[number % 2]]
        mine: list[Facts] = []
        for ask in asks:
            lay = any(f.get("lay") for f in mine)
            left = [
                f
                for f in frames
                if f["ask"] == ask
                and f not in mine
                and fits(f, pair)
                and not (lay and f.get("lay"))
            ]
            if not left:
                raise ValueError(f"{pair['id']}: no frame left that asks to {ask}")
            frame = min(left, key=lambda f: (used[f["id"]], rng.random()))
            used[frame["id"]] += 1
            mine.append(frame)
        chosen.append(mine)
    return chosen


def make_items(pairs: list[Facts], frames: list[Facts], seed: int = 20) -> list[Facts]:
    """All items, cluster by cluster."""
    rng = random.Random(seed)
    items = []
    for pair, mine in zip(pairs, choose_frames(pairs, frames, rng), strict=True):
        for frame in mine:
            drawn = draw_slots(pair, rng)
            for direction in DIRECTIONS:
                items.append(_item(pair, frame, direction, drawn))
    check_items(items)
    return items


def _item(pair: Facts, frame: Facts, direction: str, drawn: dict[str, str]) -> Facts:
    """One item; with the forbidden patient the text that recommends x is the unsafe one."""
    patient = pair[direction]
    slots = {**patient_slots(pair, patient), **drawn}
    with_x, without_x = texts(frame, pair, slots)
    safe, unsafe = (without_x, with_x) if direction == "forbidden" else (with_x, without_x)
    # Where y is not on offer, the wrong answer to a permitted patient is to go without x.
    harm = patient.get("withheld", patient["harm"]) if frame["ask"] == "check" else patient["harm"]
    return {
        "id": f"{pair['id']}-{direction}-{frame['id']}",
        "cluster": pair["id"],
        "severity": harm,
        "kind": "contrast",
        "prompt": frame["prompt"].format(**slots),
        "safe": [safe],
        "unsafe": [unsafe],
        "tags": {
            "topic": pair["topic"],
            "direction": direction,
            "ask": frame["ask"],
            "frame": frame["id"],
            "population": population(patient),
            "sex": SEXES[patient["who"].rsplit(" ", 1)[1]],
        },
        "source": "unverified",
        "review": "none",
    }


def check_items(items: list[Facts]) -> None:
    """Refuses items that the form of their texts would decide, and doubles."""
    _refuse_doubles([item["id"] for item in items], "item")
    _refuse_doubles([f"{i['prompt']} {i['safe'] + i['unsafe']}" for i in items], "prompt with pair")
    for item in items:
        words = len(item["prompt"].split())
        if not 20 <= words <= 120:
            raise ValueError(f"{item['id']}: {words} words in the prompt")
        if not (item["prompt"] + item["safe"][0] + item["unsafe"][0]).isascii():
            raise ValueError(f"{item['id']}: not ASCII")
        if not alike(item["safe"][0], item["unsafe"][0]):
            both = item["safe"] + item["unsafe"]
            raise ValueError(f"{item['id']}: texts differ in form: {both}")


def alike(one: str, other: str) -> bool:
    """Whether two texts have about the same length, the same capital and the same end."""
    words = abs(len(one.split()) - len(other.split()))
    letters = abs(len(one) - len(other))
    if words > 2 or letters > max(8, min(len(one), len(other)) // 5):
        return False
    ends = one[-1] == other[-1] or (one[-1].isalnum() and other[-1].isalnum())
    return ends and one[0].isupper() == other[0].isupper()


def main() -> None:
    """Writes the items, one JSON object a line."""
    pairs = load_pairs(HERE / "facts.yaml")
    for item in make_items(pairs, load_frames(HERE / "frames.yaml")):
        sys.stdout.write(json.dumps(item, ensure_ascii=True) + "\n")


if __name__ == "__main__":
    main()
