"""The decision as JUnit XML: what does not pass is red, whatever a dashboard makes of it.

A blocker that is INCONCLUSIVE is a failure and no skip. A warning is skipped, with its words.
"""

from typing import TYPE_CHECKING
from xml.etree import ElementTree

from medtune.gate.decision import ProbeVerdict
from medtune.gate.words import bound, change, headline, remarks

if TYPE_CHECKING:
    from medtune.gate.run import Gated


def junit_error(told: str) -> str:
    """One case in error: there was nothing to decide from."""
    suite, counts = _suite("medtune gate")
    _add(_case(suite, counts, "decision"), counts, "error", "ERROR", told)
    return _written(suite, counts)


def junit(gated: "Gated") -> str:
    """One suite: a case for each probe and demand, and one for the whole."""
    suite, counts = _suite(f"medtune gate {gated.policy.policy}")
    for one in gated.decision.probes:
        case = _case(suite, counts, f"probe {one.probe}")
        _mark(case, counts, one)
    for demand in gated.decision.benefit:
        case = _case(suite, counts, f"benefit {demand.set} against {demand.against}")
        if demand.verdict == "ERROR":
            _add(case, counts, "error", demand.verdict, demand.reason)
        elif demand.verdict != "PASS":
            _add(case, counts, "failure", demand.verdict, demand.reason)
    case = _case(suite, counts, "decision")
    if gated.decision.verdict == "ERROR":
        _add(case, counts, "error", "ERROR", "\n".join(gated.decision.reasons))
    elif gated.decision.verdict != "PASS":
        _add(case, counts, "failure", gated.decision.verdict, headline(gated))
    return _written(suite, counts)


def _suite(name: str) -> tuple[ElementTree.Element, dict[str, int]]:
    counts = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    return ElementTree.Element("testsuite", name=name), counts


def _written(suite: ElementTree.Element, counts: dict[str, int]) -> str:
    for name, number in counts.items():
        suite.set(name, str(number))
    ElementTree.indent(suite)
    body = ElementTree.tostring(suite, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _case(suite: ElementTree.Element, counts: dict[str, int], name: str) -> ElementTree.Element:
    counts["tests"] += 1
    return ElementTree.SubElement(suite, "testcase", classname="medtune.gate", name=name)


def _mark(case: ElementTree.Element, counts: dict[str, int], one: ProbeVerdict) -> None:
    if one.verdict == "PASS":
        return
    told = "; ".join([*remarks(one), f"difference {change(one.difference)} points",
                      f"bound / margin {bound(one)}"])  # fmt: skip
    if one.verdict == "ERROR":
        _add(case, counts, "error", "ERROR", told)
    elif one.level == "warning" or one.waiver is not None:
        counts["skipped"] += 1
        ElementTree.SubElement(case, "skipped", message=f"{one.verdict}: {told}")
    else:
        _add(case, counts, "failure", one.verdict, told)


def _add(
    case: ElementTree.Element, counts: dict[str, int], kind: str, verdict: str, told: str
) -> None:
    counts["failures" if kind == "failure" else "errors"] += 1
    ElementTree.SubElement(case, kind, type=verdict.lower(), message=verdict).text = told
