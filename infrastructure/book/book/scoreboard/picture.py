"""The staircase as a small picture for a README: one SVG, light and dark, without a script.

Prevents a picture that somebody drew: it is written from the cells of a scoreboard alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from book.replay.cells import Cell

ROW, LEFT, COLUMN, TOP = 30, 170, 160, 46
STYLE = """
text { font: 14px system-ui, sans-serif; fill: #1f2328 }
.head { font-weight: 600 }
.holds { fill: #1a7f37 } .misses { fill: #cf222e } .unjudged { fill: #6e7781 }
.word { fill: #ffffff; font-weight: 600 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .holds { fill: #238636 } .misses { fill: #da3633 } .word { fill: #ffffff }
}
"""


def svg(cells: Sequence[Cell]) -> str:
    """Rows are incidents, columns steps; each cell says "holds", "misses" or "not judged"."""
    names = list(dict.fromkeys(cell.story.incident.name for cell in cells))
    steps = list(dict.fromkeys(cell.step.name for cell in cells))
    width, height = LEFT + COLUMN * len(steps) + 10, TOP + ROW * len(names) + 10
    told = label({step: _held(cells, step) for step in steps}, len(names))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" role="img" aria-label="{escape(told, quote=True)}">',
        f"<style>{STYLE}</style>",
    ]
    for place, step in enumerate(steps):
        middle = f'x="{LEFT + COLUMN * place + COLUMN // 2}" y="28" text-anchor="middle"'
        parts.append(f'<text class="head" {middle}>{escape(step.rpartition("/")[2])}</text>')
    for place, name in enumerate(names):
        parts.append(f'<text x="10" y="{TOP + ROW * place + 19}">{escape(name)}</text>')
    for cell in cells:
        x = LEFT + COLUMN * steps.index(cell.step.name)
        y = TOP + ROW * names.index(cell.story.incident.name)
        kind = "unjudged" if cell.unjudged else "holds" if cell.holds else "misses"
        word = "skipped" if cell.skipped else "not judged" if cell.unjudged else kind
        size = f'width="{COLUMN - 10}" height="{ROW - 6}" rx="4"'
        parts.append(f'<rect class="{kind}" x="{x + 5}" y="{y}" {size}/>')
        middle = f'x="{x + COLUMN // 2}" y="{y + 17}" text-anchor="middle"'
        parts.append(f'<text class="word" {middle}>{word}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def label(held: Mapping[str, Sequence[str]], of: int) -> str:
    """The picture in words, for who cannot see it: which incidents each step holds, by name."""
    words = {0: "nothing", of: "all"}
    parts = [f"{step} holds {words.get(len(n), ' and '.join(n))}" for step, n in held.items()]
    return f"Scoreboard: {', '.join(parts)}"


def _held(cells: Sequence[Cell], step: str) -> list[str]:
    return [cell.story.incident.name for cell in cells if cell.step.name == step and cell.holds]
