"""Reports as one HTML file: no script, nothing fetched, readable on a phone and in the dark.

Every function takes plain text and returns finished markup (``Html``); text is escaped here and
nowhere else. The markup is well-formed XML too, so any tool can read a page back.
"""

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import NewType

Html = NewType("Html", str)
"""Markup whose text is escaped."""

NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that neither XML nor a browser can show."""

STYLE = """
:root { color-scheme: light dark; --back: #fff; --text: #1b1f24; --faint: #5b6470;
  --line: #d4d9df; --mark: #1463b8; --soft: #eef1f4; }
@media (prefers-color-scheme: dark) { :root { --back: #14171a; --text: #e3e7eb; --faint: #9aa4af;
  --line: #363d45; --mark: #6cb2ff; --soft: #20252b; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1rem clamp(0.75rem, 3vw, 2.5rem) 4rem;
  background: var(--back); color: var(--text); font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.25; } h2 { font-size: 1.15rem; margin: 2rem 0 0.5rem; }
h1, h2, p { overflow-wrap: anywhere; }
p { margin: 0.5rem 0; max-width: 46rem; } .faint { color: var(--faint); font-size: 0.9rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.3rem 1.2rem 0.3rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); }
th { color: var(--faint); font-weight: 600; } th, td:first-child { white-space: nowrap; }
td { min-width: 3.5rem; max-width: 34rem; overflow-wrap: break-word; }
.bars td { border: 0; padding-block: 0.1rem; } .bars td:nth-child(2) { text-align: right; }
.bars td:last-child { width: 16rem; min-width: 8rem; padding-right: 0; }
.bars td { vertical-align: middle; }
.bar { display: block; height: 0.8rem; background: var(--mark); }
@media (max-width: 40rem) { table { font-size: 0.875rem; } th, td { padding-right: 0.6rem; }
  th, td:first-child { white-space: normal; } .bars td:first-child { white-space: nowrap; } }
pre { margin: 0.5rem 0; padding: 0.75rem; background: var(--soft); border-radius: 4px;
  font: 0.875rem/1.6 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
"""


def page(title: str, *parts: Html, style: str = "") -> str:
    """A whole HTML file; ``style`` is further CSS for the parts."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; style-src 'unsafe-inline'" />
<title>{text(title)}</title>
<style>{STYLE}{style}</style>
</head>
<body>
<h1>{text(title)}</h1>
{"".join(parts)}</body>
</html>
"""


def text(value: str) -> Html:
    """A text as it is; what no page can hold becomes U+FFFD."""
    return Html(escape(NOT_XML.sub("\ufffd", value)))


def heading(value: str) -> Html:
    """The title of a part."""
    return Html(f"<h2>{text(value)}</h2>\n")


def paragraph(value: str, *, faint: bool = False) -> Html:
    """A paragraph; a faint one says what is by the way."""
    kind = ' class="faint"' if faint else ""
    return Html(f"<p{kind}>{text(value)}</p>\n")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Html:
    """A table that scrolls inside itself where the screen is narrow."""
    head = "".join(f"<th>{text(column)}</th>" for column in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{text(cell)}</td>" for cell in row) + "</tr>\n" for row in rows
    )
    return Html(
        f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}</tbody></table></div>\n"
    )


def bars(counts: Sequence[tuple[str, int]]) -> Html:
    """Counts as bars, the largest over the whole width."""
    largest = max((count for _, count in counts), default=0) or 1
    rows = "".join(
        f"<tr><td>{text(name)}</td><td>{count}</td>"
        f'<td><span class="bar" style="width: {100 * count / largest:.1f}%"></span></td></tr>\n'
        for name, count in counts
    )
    return Html(f'<div class="scroll"><table class="bars"><tbody>\n{rows}</tbody></table></div>\n')


def span(value: str, kind: str) -> Html:
    """Text of a kind that the page's own style shows."""
    return Html(f'<span class="{text(kind)}">{text(value)}</span>')


def block(*parts: Html) -> Html:
    """Text whose line breaks stay as they are."""
    return Html(f"<pre>{''.join(parts)}</pre>\n")
