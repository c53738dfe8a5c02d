"""Write the items of the family `demographic` from its facts.

    python safety_probes/demographic/make_items.py > safety_probes/demographic/items.jsonl

`facts.yaml` holds the attributes and the frames, `facts_<field>.yaml` the clinical scenarios. A
scenario has stages of care, each with a vignette, two matched decisions and the attributes that
must not matter there: every stage and attribute gives one item of twins. Contrasts are written out.
With `--check` the balances of the family are written instead of its items.
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
SEVERITIES = ("S1", "S2", "S3", "S4")
VOICES = {None: "prose", "i": "patient", "k": "family"}
RETIRED, ADULT, OLDER = 67, 18, 65
MOST = 12  # items of a cluster
OF_PARENTS = ("occupation", "religion")  # in a parent's message these are the parent's own
PATIENT_SLOTS = r"\{(?:A|a|pt|tag|parent|kid|sib)\}"
SEXES = {
    "female": {
        "he": "she", "his": "her", "him": "her", "adult": "woman", "child": "girl", "sx": "F",
        "parent": "mother", "kid": "daughter", "sib": "sister",
        "osp": "husband", "ssp": "wife", "osex": "man", "ssex": "woman",
    },
    "male": {
        "he": "he", "his": "his", "him": "him", "adult": "man", "child": "boy", "sx": "M",
        "parent": "father", "kid": "son", "sib": "brother",
        "osp": "wife", "ssp": "husband", "osex": "woman", "ssex": "man",
    },
}  # fmt: skip

Row = dict[str, Any]
Cast = dict[str, tuple["Patient", str]]


class FactsError(ValueError):
    """A row of the facts that no sound item can be made of."""


@dataclass(frozen=True)
class Patient:
    """Who the vignette is about, in one variant."""

    sex: str
    age: int | str
    adjective: str = ""

    @property
    def is_child(self) -> bool:
        """Ages in days, weeks and months are written out, those in years are numbers."""
        return isinstance(self.age, str) or self.age < ADULT

    def words(self) -> dict[str, str]:
        """Return what the slots of a vignette stand for."""
        forms = SEXES[self.sex]
        span = f"{self.age}-year"
        if isinstance(self.age, str):
            span = self.age.removesuffix("s").replace(" ", "-")
        noun = forms["child" if self.is_child else "adult"]
        person = " ".join(filter(None, [f"{span}-old", self.adjective, noun]))
        article = "an" if re.match(r"(8\d?|11|18)-", span) else "a"
        return {
            **forms,
            **{key.capitalize(): forms[key].capitalize() for key in ("he", "his", "him")},
            "pt": person,
            "a": f"{article} {person}",
            "A": f"{article.capitalize()} {person}",
            "age": str(self.age),
            "tag": f"{self.age} {forms['sx']}",
        }


def fill(text: str, words: dict[str, str]) -> str:
    """Put words into the slots of a text and tidy the gaps that empty ones leave."""
    try:
        filled = text.format_map(words)
    except (KeyError, IndexError, ValueError) as error:
        raise FactsError(f"no such slot {error}: {text}") from None
    lines = [re.sub(r" +", " ", line).strip() for line in filled.split("\n")]
    return "\n".join(re.sub(r'([.?!]) "$', r'\1"', line) for line in lines)


def register(name: str, stage: Row, patient: Patient) -> tuple[str, ...]:
    """Return the forms of an attribute that suit a vignette, the best one first."""
    voice = stage.get("v")
    of_parents = patient.is_child and name in OF_PARENTS
    if voice == "i" or (voice == "k" and (name == "language" or of_parents)):
        return ("i",)
    # "She is ..." before the patient is named would speak of nobody: a note's line stands there
    leads = re.search(r"\{n\}.*" + PATIENT_SLOTS, stage["t"]) is not None
    form = "h" if leads or "{h}" in stage["t"] else "s"
    suffix = "-h" if form == "h" else ""
    if patient.is_child:
        return (f"child{suffix}", form)
    return (f"old{suffix}", form) if int(patient.age) >= RETIRED else (form,)


def is_adjective(name: str, stage: Row, draw: random.Random) -> bool:
    """Decide whether an attribute stands before the noun; where both are possible, by lot."""
    possible = name == "race" and re.search(r"\{(A|a|pt)\}", stage["t"]) and "{h}" not in stage["t"]
    return bool(possible) and ("{n}" not in stage["t"] or draw.random() < 0.5)


def variants(stage: Row, attribute: str | Row, library: Row, draw: random.Random) -> Cast:
    """Return the patient and the words on the attribute, for every variant of it."""
    sex, age = stage["sex"], stage["age"]
    patient = Patient(sex, age)
    if isinstance(attribute, dict):
        own = next(iter(attribute.values()))
        return {label: (patient, fill(text, patient.words())) for label, text in own.items()}
    if attribute == "sex":
        return {each: (Patient(each, age), "") for each in SEXES}
    if attribute == "age":
        return {f"age-{each}": (Patient(sex, each), "") for each in stage["ages"]}
    name, _, wanted = attribute.partition(".")
    forms = library[name][wanted or draw.choice(list(library[name]))]
    if is_adjective(name, stage, draw):
        return {label: (Patient(sex, age, form["adj"]), "") for label, form in forms.items()}
    suited = register(name, stage, patient)
    texts = {
        label: next(form[key] for key in suited if key in form) for label, form in forms.items()
    }
    return {label: (patient, fill(text, patient.words())) for label, text in texts.items()}


def prompt(stage: Row, frame: Row, patient: Patient, note: str) -> str:
    """Return one variant of a vignette in its frame."""
    words = patient.words() | {"n": note, "h": note}
    question = fill(stage["q"] if "q" in stage else frame["q"], words)
    return fill(frame["text"], {"t": fill(stage["t"], words), "q": question})


def population(patient: Patient) -> str:
    """Return the age group for subgroup tables."""
    if patient.is_child:
        return "child"
    return "older" if int(patient.age) >= OLDER else "adult"


def twin(scenario: Row, stage: Row, attribute: str | Row, facts: Row) -> Row:
    """Return one item of twins: a stage of care with one attribute varied."""
    is_own = isinstance(attribute, dict)
    name = next(iter(attribute)) if is_own else str(attribute).partition(".")[0]
    identifier = f"{scenario['id']}-{stage['id']}-{name}"
    # seeded by the identifier, so that a new scenario leaves the others as they are
    draw = random.Random(identifier)
    stage = {key: scenario[key] for key in ("sex", "age", "sev")} | stage
    kind = "note" if "{h}" in stage["t"] else VOICES[stage.get("v")]
    frame = draw.choice(facts["frames"][kind])
    cast = variants(stage, attribute, facts["attributes"], draw)
    patient = next(iter(cast.values()))[0]
    tags = {"attribute": name, "field": scenario["field"], "frame": f"{kind}-{frame['id']}"}
    tags |= {} if name == "sex" else {"sex": patient.sex}
    tags |= {} if name == "age" else {"population": population(patient)}
    return {
        "id": identifier,
        "cluster": scenario["id"],
        "severity": stage["sev"],
        "kind": "twins",
        "prompts": {label: prompt(stage, frame, *each) for label, each in cast.items()},
        "options": stage["o"],
        "tags": tags,
        "source": "constructed",
        "review": "none",
    }


def contrast(scenario: Row, row: Row) -> Row:
    """Return one contrast: a myth to be rejected or a true statement to be affirmed."""
    tags = {"attribute": row["attr"], "field": scenario["field"]}
    return {
        "id": f"{scenario['id']}-{row['id']}",
        "cluster": scenario["id"],
        "severity": row.get("sev", scenario["sev"]),
        "kind": "contrast",
        "prompt": row["p"],
        "safe": [row["safe"]],
        "unsafe": [row["unsafe"]],
        "tags": tags | {"claim": row["claim"], "care": row["care"]},
        "source": "unverified",
        "review": "none",
    }


def matched(texts: list[str]) -> str:
    """Return what keeps texts from being a fair choice, or nothing."""
    shortest, longest = min(map(len, texts)), max(map(len, texts))
    words = [len(text.split()) for text in texts]
    if longest - shortest > max(8, 0.2 * longest):
        return f"{shortest} and {longest} characters"
    if max(words) - min(words) > 2:
        return f"{min(words)} and {max(words)} words"
    if len({text[-1] for text in texts}) > 1 or len({text[0].isupper() for text in texts}) > 1:
        return "openings or endings of different form"
    return ""


def faults(item: Row) -> list[str]:
    """Return what is wrong with an item."""
    is_twins = item["kind"] == "twins"
    prompts = list(item["prompts"].values()) if is_twins else [item["prompt"]]
    answers = item["options"] if is_twins else item["safe"] + item["unsafe"]
    texts = [*prompts, *answers]
    found = [matched(answers)]
    if len(set(prompts)) < len(prompts) or len(set(answers)) < len(answers) or len(answers) < 2:
        found.append("variants or answers are the same")
    if not all(20 <= len(text.split()) <= 120 for text in prompts):
        found.append(f"prompt of {[len(text.split()) for text in prompts]} words")
    if not all(text.isascii() and text == text.strip() for text in texts):
        found.append("not plain ASCII, or blanks at an end")
    if any(re.search(r"[{}]|  | [.,](?!\.)|(?<!\.)\.\.(?!\.)", text) for text in texts):
        found.append("a slot or a gap is left")
    if item["severity"] not in SEVERITIES or not re.fullmatch(r"[a-z0-9-]+", item["id"]):
        found.append("severity or identifier")
    return [f"{item['id']}: {problem}" for problem in found if problem]


def repeats(items: list[Row]) -> list[str]:
    """Return identifiers and whole items that occur twice, and clusters that are too large."""
    seen = Counter(item["id"] for item in items)
    keys = ("prompt", "prompts", "options", "safe", "unsafe")
    seen.update(json.dumps({key: item[key] for key in keys if key in item}) for item in items)
    sizes = Counter(item["cluster"] for item in items)
    twice = [f"twice: {text[:200]}" for text, count in seen.items() if count > 1]
    return twice + [f"{name}: {count} items" for name, count in sizes.items() if count > MOST]


def load() -> tuple[Row, list[Row]]:
    """Return attributes and frames, and the scenarios in the order of the names of their files."""
    facts = yaml.safe_load((HERE / "facts.yaml").read_text(encoding="utf-8"))
    scenarios = []
    for path in sorted(HERE.glob("facts_*.yaml")):
        scenarios += yaml.safe_load(path.read_text(encoding="utf-8"))
    return facts, scenarios


def make() -> list[Row]:
    """Return all items, or say which facts are not sound."""
    facts, scenarios = load()
    items = []
    for scenario in scenarios:
        try:
            for stage in scenario["stages"]:
                items += [twin(scenario, stage, attribute, facts) for attribute in stage["a"]]
            items += [contrast(scenario, row) for row in scenario["contrasts"]]
        except (KeyError, TypeError, StopIteration, FactsError) as error:
            raise FactsError(f"{scenario['id']}: {error!r}") from error
    found = [problem for item in items for problem in faults(item)] + repeats(items)
    if found:
        raise FactsError("\n".join(found))
    return items


def counted(items: list[Row], kind: str, tag: str) -> str:
    """Return how often the values of a tag occur among the items of a kind."""
    values = [item["tags"][tag] for item in items if item["kind"] == kind and tag in item["tags"]]
    return f"{kind} by {tag}: {dict(Counter(values).most_common())}"


def balances(items: list[Row]) -> str:
    """Return the balances of the family as lines of text."""
    rows = [f"items {len(items)}, clusters {len({item['cluster'] for item in items})}"]
    for key in ("kind", "severity"):
        rows.append(f"{key}: {dict(sorted(Counter(item[key] for item in items).items()))}")
    rows += [counted(items, "twins", tag) for tag in ("attribute", "frame", "field", "population")]
    rows += [counted(items, "contrast", tag) for tag in ("attribute", "field", "claim", "care")]
    pairs = [(item["safe"][0], item["unsafe"][0]) for item in items if item["kind"] == "contrast"]
    longer = [sum(len(pair[at]) > len(pair[1 - at]) for pair in pairs) for at in (0, 1)]
    average = [sum(len(pair[at]) for pair in pairs) / len(pairs) for at in (0, 1)]
    rows.append(f"the longer text: safe {longer[0]}, unsafe {longer[1]}")
    rows.append(f"average characters: safe {average[0]:.1f}, unsafe {average[1]:.1f}")
    return "\n".join(rows + lopsided(pairs)) + "\n"


def words_of(text: str) -> set[str]:
    """Return the words of a text, in small letters."""
    return set(re.findall(r"[a-z']+", text.lower()))


def only_in(pairs: Iterable[tuple[str, str]]) -> Counter[str]:
    """Count the words that the first text of a pair has and the second has not."""
    return Counter(word for one, other in pairs for word in words_of(one) - words_of(other))


def lopsided(pairs: list[tuple[str, str]]) -> list[str]:
    """Return the commonest words that might tell safe from unsafe texts, with their counts."""
    safe, unsafe = only_in(pairs), only_in((bad, good) for good, bad in pairs)
    words = sorted(safe | unsafe, key=lambda word: (-safe[word] - unsafe[word], word))
    return [
        f"word {each}: safe only {safe[each]}, unsafe only {unsafe[each]}" for each in words[:40]
    ]


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
