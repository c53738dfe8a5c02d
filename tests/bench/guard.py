"""What the rules of `medtune.guard` catch and what they alarm on.

    python tests/bench/guard.py labelled              the project's own sentences, both halves
    MEDTUNE_DATA=... python tests/bench/guard.py real  notes, pages and explanations by people
    python tests/bench/guard.py speed                 words a second, and the slowest of bad texts

`real` prints no text: of each source how many texts have a finding of each rule; how many doses
that are within limits are violations once they are written fifty times as high; and how many marked
identifiers are found in synthetic sentences.
"""

import csv
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from medtune.guard import Rules, check, load_rules, worst
from medtune.guard.measuring import HALVES, Rate, markdown, measure, overall, read_labelled

LABELLED = Path(__file__).parents[1] / "guard" / "labelled.jsonl"
INFLATED = 50
IDENTIFIERS = {
    "US_SSN", "EMAIL_ADDRESS", "IP_ADDRESS", "DOMAIN_NAME", "CREDIT_CARD", "IBAN_CODE",
    "PHONE_NUMBER", "STREET_ADDRESS", "DATE_TIME", "PERSON", "ZIP_CODE",
}  # fmt: skip


def main() -> None:
    """Run what the command line names."""
    modes = {"labelled": labelled, "real": real, "speed": speed}
    if len(sys.argv) != 2 or sys.argv[1] not in modes:
        sys.exit(__doc__)
    modes[sys.argv[1]](load_rules("demo_rules"))


def labelled(rules: Rules) -> None:
    rows = read_labelled(LABELLED)
    for half in HALVES:
        mine = [row for row in rows if row.half == half]
        print(f"{half}: {len(mine)} sentences\n")
        print(markdown([*measure(mine, rules), overall(mine, rules)]))


def real(rules: Rules) -> None:
    root = Path(os.environ["MEDTUNE_DATA"])
    for name, texts in sources(root):
        found: Counter[str] = Counter()
        inflated: list[str] = []
        for text in texts:
            report = check(text, rules)
            found.update({f.rule for f in report.findings if f.verdict != "ok"})
            found[report.verdict] += 1
            inflated += inflate(text, rules)
        print(f"{name}: {len(texts)} texts: {dict(found.most_common())}")
        if inflated:
            caught = sum(verdict != "ok" for verdict in inflated)
            print(
                f"  doses written {INFLATED} times as high: {shown(caught, len(inflated))} caught,"
            )
            print(f"  {shown(inflated.count('violation'), len(inflated))} as violations")
    identifiers(root, rules)


def sources(root: Path) -> Iterator[tuple[str, list[str]]]:
    """Names of sources and their texts."""
    notes = [row["note"] for file in ("train", "valid") for row in rows_of(
        root / f"ehr/aci_bench/{file}.csv")]  # fmt: skip
    yield "ACI-Bench notes", notes
    sections = [
        row["section_text"]
        for file in sorted((root / "ehr/mts_dialog").rglob("*.csv"))
        for row in rows_of(file)
    ]
    yield "MTS-Dialog sections", sections
    explained = [json_row.get("exp") or "" for json_row in lines(root / "qa/medmcqa/train.json")]
    yield "MedMCQA explanations", [text for text in explained if text.strip()]
    questions = [row["question"] for row in lines(root / "qa/medqa/dev.jsonl")]
    yield "MedQA questions", questions
    pages = [json.dumps(row, ensure_ascii=False) for row in lines(
        root / "gap/guidelines/medquad_nih_cdc.jsonl")]  # fmt: skip
    yield "MedQuAD pages, every sixth", pages[::6]


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def lines(file: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def inflate(text: str, rules: Rules) -> Iterator[str]:
    """The verdict on each dose within limits, once its number is many times as high."""
    for finding in check(text, rules).findings:
        number = re.match(r"\d+(?:\.\d+)?(?=[ -]?[a-z])", text[finding.span.start :])
        if finding.rule != "dose-range" or "within the limits" not in finding.message or not number:
            continue
        start = finding.span.start
        high = f"{float(number[0]) * INFLATED:.10g}"
        changed = text[:start] + high + text[start + len(number[0]) :]
        yield worst(
            other.verdict for other in check(changed, rules).findings if other.span.start == start
        )


def identifiers(root: Path, rules: Rules) -> None:
    rows = json.loads((root / "ehr/deid/presidio_synth_v2.json").read_text(encoding="utf-8"))
    hits: Counter[str] = Counter()
    trials: Counter[str] = Counter()
    for row in rows:
        found = [
            f.span
            for f in check(row["full_text"], rules).findings
            if f.rule in ("identifiers", "possible-identifiers")
        ]
        for span in row["spans"]:
            kind, start, end = span["entity_type"], span["start_position"], span["end_position"]
            trials[kind] += 1
            hits[kind] += any(other.start < end and start < other.end for other in found)
    for kind in sorted(IDENTIFIERS, key=lambda kind: -hits[kind] / max(1, trials[kind])):
        print(f"  {kind}: {shown(hits[kind], trials[kind])}")


def shown(hits: int, trials: int) -> str:
    low, high = Rate(hits=hits, trials=trials).interval or (0, 1)
    return f"{hits} of {trials} ({100 * low:.0f} to {100 * high:.0f} %)"


def speed(rules: Rules) -> None:
    rows = [row.text for row in read_labelled(LABELLED)]
    text = "\n\n".join(rows)
    started = time.perf_counter()
    check(text, rules)
    seconds = time.perf_counter() - started
    print(f"{len(text.split()) / seconds:,.0f} words a second on {len(text.split()):,} words")
    slowest = {}
    for piece in ("A ", "1-", "5 mg ", "aspirin 5 mg ", "stop insulin ", "Society of ", ". ", "\t"):
        bad = piece * (20_000 // len(piece))
        started = time.perf_counter()
        check(bad, rules)
        slowest[piece] = time.perf_counter() - started
    piece = max(slowest, key=lambda one: slowest[one])
    print(f"slowest of 20,000 characters without a stop: {piece!r}, {slowest[piece]:.1f} s")


if __name__ == "__main__":
    main()
