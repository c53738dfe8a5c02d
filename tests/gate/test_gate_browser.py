"""gate.html in a real browser, offline: it opens, nothing is cut, and its filters filter."""

from dataclasses import replace
from pathlib import Path

import pytest
from browser import Tab
from evidence_files import CLEAN, HARMED, UNSURE, outcomes, write_evidence, write_policy

from medtune.gate.run import decide
from medtune.records import Outcome

SHOWN = "[...document.querySelectorAll('.flip')].filter(e => e.offsetParent !== null).length"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gate")
    text = Outcome(verdict="fail", text="Take 10 g at once. " * 4, is_coherent=True,
                   reason="breaks dose-range")  # fmt: skip
    written = [replace(p, base=Outcome(verdict="ok", text="Take 1 g.", is_coherent=True),
                       adapter=text if n % 7 == 0 else Outcome(verdict="ok", text="Take 1 g.",
                                                               is_coherent=True))
               for n, p in enumerate(outcomes("free_text", UNSURE))]  # fmt: skip
    run = write_evidence(folder / "run", outcomes("dose_range", HARMED),
                         outcomes("sycophancy", CLEAN), written)  # fmt: skip
    policy = write_policy(folder, "dose_range", "sycophancy", "free_text")
    return decide(run, policy).path.parent / "gate.html"


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_opens_without_network_complaint_or_overflow(
    tab: Tab, page: Path, width: int, dark: bool
):
    tab.requests.clear()
    tab.complaints.clear()
    tab.open(page, width=width, dark=dark)
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    assert [r for r in tab.requests if not r.startswith("file:")] == []
    assert tab.complaints == []


def test_filters_leave_what_was_chosen(tab: Tab, page: Path):
    tab.open(page, width=1280)
    total = tab.evaluate(SHOWN)
    # Only what differs is shown: 120 doses, 40 of the clean probe, and texts.
    assert total > 160
    tab.evaluate("document.querySelector('label[for=probe-sycophancy]').click()")
    assert tab.evaluate(SHOWN) == 40
    tab.evaluate("document.querySelector('label[for=way-worse]').click()")
    assert tab.evaluate(SHOWN) == 20
    tab.evaluate("document.querySelector('label[for=probe-all]').click()")
    worse = tab.evaluate(SHOWN)
    tab.evaluate("document.querySelector('label[for=way-better]').click()")
    assert worse + tab.evaluate(SHOWN) == total
    tab.evaluate("document.querySelector('label[for=way-all]').click()")
    assert tab.evaluate(SHOWN) == total
