"""``book scoreboard --html``: every incident on every step, as one page that needs only itself.

Prevents a picture of the book that flatters: what misses, what crashed and what was not run are
each shown as what they are, in words beside the colours. Nothing is fetched, and the only times are
those at which cells were measured, so the same scoreboard gives the same bytes.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

from book.chain.chain import ChainError
from book.chain.files import replace
from book.pages.board_charts import DASH, Plain, Side, chart, figures, verdict
from book.pages.board_style import LAYOUT
from book.pages.board_table import FEW, Cells, figure, held, id_of, measured, reason, table

ABOUT = """Each row is an incident: a failure that is replayed for real, with the same faults and
settings on every step. Each column is a step of the agent, in the order of the book, and keeps
what the steps to its left can do. So an incident should be red up to the step that solves it
and green from there on: the green is the staircase. The figure in a cell is the one that its
incident is about."""
BARS = """Each bar is a number of the verdict beside its own limit. The upright line is the limit,
the tinted side of it is where the bar must end. A bar with » at its end is cut off: it is more
than 2.5 times its limit, or more than a limit of 0."""


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
<style>{LAYOUT}.stairs {{ --columns: {max(len(steps), 1)}; }}</style>
</head>
<body>
<header><h1>The scoreboard</h1>
<p>{ABOUT} {escape(_ends(board, cells))}</p></header>
<main><h2 id="staircase">The staircase</h2>
{table(board, cells)}<h2>Before and after</h2>
<p>{BARS}</p>
{sections}</main>
{_footer(board)}</body>
</html>
"""


def _ends(board: Plain, cells: Cells) -> str:
    """The picture in one sentence."""
    steps = [step["name"] for step in board["steps"]]
    ends = dict.fromkeys(steps[:1] + steps[-1:])
    told = " and ".join(f"{held(board, cells, step)} on {step}" for step in ends)
    return f"Of the incidents that were run, {told} hold." if told else "No step was run."


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
    return f"""<section id="{escape(id_of(name))}"><h3>{escape(name)}</h3>
<p>{escape(str(incident.get("story") or ""))} <small>{escape("; ".join(about))}</small></p>
<div class="sides"><div>{shown[1]}</div><div>{shown[0]}</div></div>
{nothing}{crashes}{_each(name, steps, cells) if len(steps) > FEW else ""}</section>
"""


def _each(name: str, steps: list[str], cells: Cells) -> str:
    """Every step with its reason: the staircase has no room for it where columns are many."""
    rows = ""
    for step in steps:
        cell = cells.get((name, step))
        rest = " · ".join(filter(None, (reason(cell), measured(cell))))
        told = f"{escape(verdict(cell))} {escape(figure(cell))} <small>{escape(rest)}</small>"
        rows += f"<li><b>{escape(step)}</b> {told}</li>\n"
    summary = f"<summary>{escape(name)} on each of {len(steps)} steps</summary>"
    return f'<details class="each">{summary}<ol>{rows}</ol></details>\n'


def _footer(board: Plain) -> str:
    versions = sorted((board.get("versions") or {}).items())
    machine = sorted((board.get("machine") or {}).items())
    facts = {"seed": [("", board.get("seed"))], "versions": versions, "machine": machine}
    told = ""
    for head, pairs in facts.items():
        shown = (f"{key} {DASH if value is None else value}".strip() for key, value in pairs)
        told += f"<dt>{head}</dt><dd>{escape(', '.join(shown) or DASH)}</dd>"
    return f'<footer><dl class="quiet">{told}</dl></footer>\n'
