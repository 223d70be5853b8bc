"""``book scoreboard --html``: every incident on every step, as one page that needs only itself.

Prevents a picture of the book that flatters: what misses, what crashed and what was not run are
each shown as what they are, in words beside the colours. Nothing is fetched, and the only times are
those at which cells were measured, so the same scoreboard gives the same bytes.
"""

from __future__ import annotations

from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

from book.chain.chain import ChainError
from book.chain.files import replace
from book.pages.board_charts import DASH, Plain, Side, chart, figures, state, verdict

LAYOUT = """
:root { color-scheme: light dark; --page: #fff; --text: #24292f; --line: #d0d7de; --quiet: #57606a;
  --link: #0550ae; --yes: #116329; --yesbox: #dafbe1; --no: #a40e26; --nobox: #ffebe9;
  --rail: #eef1f4; --yesbar: #1a7f37; --nobar: #cf222e; }
@media (prefers-color-scheme: dark) { :root { --page: #0d1117; --text: #e6edf3; --line: #3d444d;
  --quiet: #9198a1; --link: #79c0ff; --yes: #7ee787; --yesbox: #12361e; --no: #ffa198;
  --nobox: #3d1a1d; --rail: #21262d; --yesbar: #3fb950; --nobar: #f85149; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 78rem; padding: 1rem; background: var(--page);
  color: var(--text); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1, h2, h3 { line-height: 1.25; } h2, section { margin-top: 2.5rem; }
p { max-width: 46rem; } a { color: var(--link); }
small, .quiet { color: var(--quiet); font-size: .875rem; font-weight: 400; }
.box { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; }
table { font-size: .875rem; line-height: 1.4; border-spacing: 2px; }
caption { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
th, td { padding: .4rem .6rem; text-align: left; vertical-align: top; }
.stairs { --first: 11rem; min-width: 100%; } .stairs thead th { vertical-align: bottom; }
.stairs td, .stairs th { width: 8rem; min-width: 8rem; }
.stairs .first { position: sticky; left: 0; z-index: 1; min-width: var(--first); width: 1%;
  background: var(--page); }
.group { font-weight: 400; border-bottom: 2px solid var(--line); }
.group span { position: sticky; display: inline-block; left: calc(var(--first) + .6rem); }
td.holds { background: var(--yesbox); } td.misses, td.crashed { background: var(--nobox); }
td.missing { background: var(--rail); color: var(--quiet); } td b, td span { display: block; }
b.holds, .holds b { color: var(--yes); }
b.misses, .misses b, .crashed b { color: var(--no); }
.sides { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 0 2.5rem; }
.checks { margin: 0; padding: 0; list-style: none; }
.check { margin: .75rem 0 .25rem; font-weight: 600; }
.pair { display: grid; grid-template-columns: 13rem minmax(0, 1fr) 10rem; gap: 0 .75rem;
  font-size: .875rem; }
.pair b { grid-area: 1 / 3; } .pair svg { grid-area: 1 / 2; display: block; margin-top: .1rem; }
.rail { fill: var(--rail); } .good { fill: var(--yesbox); }
.holds .bar { fill: var(--yesbar); } .misses .bar { fill: var(--nobar); }
.limit, .cut { stroke: var(--text); stroke-width: 2; } .cut { fill: none; stroke: var(--page); }
.figures th, .figures td { padding: .1rem .6rem .1rem 0; font-variant-numeric: tabular-nums; }
.figures tbody th { color: var(--quiet); font-weight: 400; white-space: nowrap; }
pre { margin: .5rem 0; padding: .75rem; border: 1px solid var(--line); border-radius: 6px;
  white-space: pre-wrap; font: .8125rem/1.45 ui-monospace, Consolas, monospace; }
footer { margin-top: 3rem; border-top: 1px solid var(--line); }
dl { display: grid; grid-template-columns: auto 1fr; gap: 0 1rem; } dd { margin: 0; }
@media (max-width: 60rem) { .sides { grid-template-columns: minmax(0, 1fr); gap: 1rem; } }
@media (max-width: 40rem) { .stairs { --first: 6.75rem; }
  .stairs td, .stairs th { min-width: 7rem; padding: .4rem; }
  .pair { grid-template-columns: minmax(0, 1fr) auto; margin-bottom: .35rem; }
  .pair b { grid-area: 1 / 2; } .pair svg { grid-area: 2 / 1 / 3 / 3; } }
"""
ABOUT = """Each row is an incident: a failure that is replayed for real, with the same faults and
settings on every step. Each column is a step of the agent, in the order of the book, and keeps
what the steps to its left can do. So an incident should be red up to the step that solves it
and green from there on: the green is the staircase."""
BARS = """Each bar is a number of the verdict beside its own limit. The upright line is the limit,
the tinted side of it is where the bar must end. A bar with » at its end is cut off: it is more
than 2.5 times its limit, or more than a limit of 0."""
Cells: TypeAlias = dict[tuple[Any, Any], Plain]  # by the names of incident and step


def write(board: Plain, target: Path) -> Path:
    """Write the page to ``target``, or into it where it is a folder; where the page is now.

    A page is there whole or not at all. Raises ChainError where it cannot be written.
    """
    file = target / "scoreboard.html" if target.is_dir() else target
    content = page(board).encode("utf-8", errors="replace")  # what a process printed may be no text
    try:
        replace(file, content)
    except OSError as error:
        raise ChainError(f"{file} cannot be written: {error.strerror}") from error
    return file


def page(board: Plain) -> str:
    """The whole page, from what ``book scoreboard --json`` writes."""
    cells = {(each["incident"], each["step"]): each for each in board["cells"]}
    steps = [step["name"] for step in board["steps"]]
    sections = "".join(_section(incident, steps, cells) for incident in board["incidents"])
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>The scoreboard</title>
<style>{LAYOUT}</style>
</head>
<body>
<header><h1>The scoreboard</h1>
<p>{ABOUT} {escape(_ends(board, cells))}</p></header>
<main><h2 id="staircase">The staircase</h2>
{_table(board, cells)}<h2>Before and after</h2>
<p>{BARS}</p>
{sections}</main>
{_footer(board)}</body>
</html>
"""


def _held(board: Plain, cells: Cells, step: str) -> str:
    found = [cells.get((incident["name"], step)) for incident in board["incidents"]]
    ran = [cell for cell in found if cell is not None]
    return f"{sum(state(cell) == 'holds' for cell in ran)} of {len(ran)}"


def _ends(board: Plain, cells: Cells) -> str:
    """The picture in one sentence."""
    steps = [step["name"] for step in board["steps"]]
    ends = dict.fromkeys(steps[:1] + steps[-1:])
    told = " and ".join(f"{_held(board, cells, step)} on {step}" for step in ends)
    return f"Of the incidents that were run, {told} hold." if told else "No step was run."


def _table(board: Plain, cells: Cells) -> str:
    steps = [step["name"] for step in board["steps"]]
    groups, columns = "", '<colgroup span="1"></colgroup>'
    for title, of in groupby(board["steps"], key=lambda step: str(step.get("title") or "")):
        span = len(list(of))
        shown = f'class="group"><span>{escape(title)}</span>'
        groups += f'<th scope="colgroup" colspan="{span}" {shown}</th>'
        columns += f'<colgroup span="{span}"></colgroup>'
    heads = "".join(f'<th scope="col">{escape(step)}</th>' for step in steps)
    rows = ""
    for incident in board["incidents"]:
        name = incident["name"]
        found = "".join(_cell(cells.get((name, step))) for step in steps)
        link = f'<a href="#{quote(_id(name))}">{escape(name)}</a>'
        rows += f'<tr><th scope="row" class="first">{link}</th>{found}</tr>\n'
    held = "".join(f"<td>{_held(board, cells, step)}</td>" for step in steps)
    return f"""<div class="box" role="region" aria-labelledby="staircase" tabindex="0">
<table class="stairs"><caption>Whether each incident's verdict holds on each step</caption>
{columns}
<thead><tr><td class="first"></td>{groups}</tr>
<tr><th scope="col" class="first">incident</th>{heads}</tr></thead>
<tbody>{rows}</tbody>
<tfoot><tr><th scope="row" class="first">holds</th>{held}</tr></tfoot></table></div>
"""


def _id(incident: str) -> str:
    return "incident-" + "-".join(incident.split())


def _cell(cell: Plain | None) -> str:
    kind, why = state(cell), ""
    if cell is not None and kind in ("crashed", "unjudged"):
        why = next(iter(str(cell["error"]).splitlines()), "")  # the whole error is told below
    elif cell is not None and kind == "misses":
        why = str(cell.get("why") or "no reason was given")
    said = f"<span>{escape(why)}</span>" if why else ""
    if cell is not None and (measured := cell.get("measured")):
        said += f"<small>{escape(str(measured)[:16].replace('T', ' '))}</small>"
    return f'<td class="{kind}"><b>{verdict(cell)}</b>{said}</td>'


def _section(incident: Plain, steps: list[str], cells: Cells) -> str:
    name, before = incident["name"], incident.get("before")
    ends = [before if before in steps[:-1] else steps[0], steps[-1]] if steps else []
    sides: list[Side] = [(step, cells.get((name, step))) for step in dict.fromkeys(ends)]
    about = [str(incident["chapter"])] if incident.get("chapter") else []
    about += [f"solved by {incident['solved_by']}"] if incident.get("solved_by") else []
    shown = (figures(sides) if sides else "", chart(sides))
    crashes = ""
    for step in steps:
        if error := cells.get((name, step), {}).get("error"):
            became = verdict(cells[name, step]).split(" ", 1)[1]
            crashes += f"<p><b>{escape(step)}</b> {became}:</p><pre>{escape(str(error))}</pre>\n"
    nothing = "" if any(shown) else "<p>Nothing was measured here.</p>\n"
    return f"""<section id="{escape(_id(name))}"><h3>{escape(name)}</h3>
<p>{escape(str(incident.get("story") or ""))} <small>{escape("; ".join(about))}</small></p>
<div class="sides"><div>{shown[1]}</div><div>{shown[0]}</div></div>
{nothing}{crashes}</section>
"""


def _footer(board: Plain) -> str:
    versions = sorted((board.get("versions") or {}).items())
    machine = sorted((board.get("machine") or {}).items())
    facts = {"seed": [("", board.get("seed"))], "versions": versions, "machine": machine}
    told = ""
    for head, pairs in facts.items():
        shown = (f"{key} {DASH if value is None else value}".strip() for key, value in pairs)
        told += f"<dt>{head}</dt><dd>{escape(', '.join(shown) or DASH)}</dd>"
    return f'<footer><dl class="quiet">{told}</dl></footer>\n'
