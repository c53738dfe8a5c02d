"""The report in a real browser, offline: nothing asked for, nothing complained of, nothing cut."""

from pathlib import Path

import pytest
import samples
from browser import Tab

from medtune.report import write_report

OVERFLOWING = """
[...document.querySelectorAll('body *')]
  .filter(e => !e.closest('.scroll') && e.getBoundingClientRect().right > innerWidth + 0.5)
  .map(e => `${e.tagName} ${e.textContent.slice(0, 40)}`)
"""
OVERLAPPING = """
[...document.querySelectorAll('.axis svg, .curve')].flatMap(svg => {
  const boxes = [...svg.querySelectorAll('text')]
    .map(t => [t.textContent, t.getBoundingClientRect()]);
  return boxes.flatMap(([a, p], i) => boxes.slice(i + 1)
    .filter(([b, q]) => p.left < q.right && q.left < p.right && p.top + 2 < q.bottom
                        && q.top + 2 < p.bottom)
    .map(([b]) => `${a} over ${b}`));
})
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rich report, with all that is folded unfolded."""
    path = write_report(samples.rich_run(tmp_path_factory.mktemp("runs") / "run"))
    unfolded = path.read_text(encoding="utf-8").replace("<details>", '<details open="open">')
    path.write_text(unfolded, encoding="utf-8")
    return path


@pytest.mark.parametrize("width", [390, 800, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_a_report_opens_without_network_complaint_or_overflow(
    tab: Tab, page: Path, width: int, dark: bool
):
    tab.requests.clear()
    tab.complaints.clear()
    tab.open(page, width=width, dark=dark)
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    assert tab.evaluate(OVERFLOWING) == []
    assert tab.evaluate(OVERLAPPING) == []
    assert tab.requests == [page.resolve().as_uri()]
    assert tab.complaints == []


def test_the_page_follows_light_and_dark(tab: Tab, page: Path):
    colours = []
    for dark in (False, True):
        tab.open(page, width=1280, dark=dark)
        colours.append(tab.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert colours == ["rgb(255, 255, 255)", "rgb(20, 23, 26)"]


def test_what_is_folded_is_unfolded_on_paper(tab: Tab, page: Path):
    folded = page.with_name("folded.html")
    folded.write_text(page.read_text(encoding="utf-8").replace(' open="open"', ""), "utf-8")
    seen = []
    for media in ("screen", "print"):
        tab.open(folded, width=1280, media=media)
        seen.append(tab.evaluate("document.querySelector('details pre').checkVisibility()"))
    assert seen == [False, True]


def test_a_browser_would_complain_of_a_script_and_of_a_request(tab: Tab, tmp_path: Path):
    bad = tmp_path / "bad.html"
    bad.write_text("<p>x</p><img src='https://x.invalid/a.png'><script>throw Error('x')</script>")
    tab.requests.clear()
    tab.complaints.clear()
    tab.open(bad, width=390)
    assert len(tab.requests) == 2
    assert tab.complaints
