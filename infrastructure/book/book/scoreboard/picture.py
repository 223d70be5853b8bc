"""The staircase as a small picture for a README: one SVG, light and dark, without a script.

Prevents a picture that somebody drew, and one that grows with the book: it is written from the
cells of a scoreboard alone, a row is a chapter, and it is never higher than a third of a screen.
Each incident is a stripe in its chapter's row; a stripe is thick where its incident holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from book.replay.cells import Cell

HIGHEST = 300  # pixels, whatever the number of incidents
LEFT, TOP, FOOT = 92, 34, 28
ROW, GAP = 13, 4  # a row is at least so high, and so far from the next
THINNEST, THICKEST = 3, 14  # a stripe with the space below it
NAMED, NAME = 8, 146  # up to so many columns bear names, each so wide
WIDE, NARROW = 960, 8  # all the others together, and each at least
WORD = 86  # what "chapter 12" takes
HOLDS, MISSES, UNJUDGED, SKIPPED = "holds", "misses", "not judged", "skipped"
STATES = (HOLDS, MISSES, UNJUDGED, SKIPPED)
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.head { font-weight: 600 }
.holds { fill: #1a7f37 } .misses { fill: #cf222e } .not-judged, .skipped { fill: #6e7781 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .holds { fill: #2ea043 } .misses { fill: #f85149 }
}
"""


@dataclass(frozen=True)
class Mark:
    """What the picture shows of a cell: the incident, whose chapter it is, the step, the state."""

    chapter: str  # "chapter-02"
    incident: str
    step: str  # "chapter-02/with-retries"
    state: str  # one of STATES


def svg(cells: Sequence[Cell]) -> str:
    """The picture of these cells: rows are chapters with their incidents, columns are steps."""
    return draw([_mark(cell) for cell in cells])


def draw(marks: Sequence[Mark]) -> str:
    """The picture, byte for byte the same for the same marks."""
    steps = list(dict.fromkeys(mark.step for mark in marks))
    rows: dict[str, list[str]] = {}
    for mark in marks:
        names = rows.setdefault(mark.chapter, [])
        names += [] if mark.incident in names else [mark.incident]
    column = NAME if len(steps) <= NAMED else max(NARROW, WIDE // len(steps))
    room = (HIGHEST - TOP - FOOT - GAP * len(rows)) // max(1, sum(map(len, rows.values())))
    stripe = max(THINNEST, min(THICKEST, room))
    tops: dict[str, int] = {}
    heads, y = [], TOP
    for chapter, names in rows.items():
        high = max(ROW, stripe * len(names))
        heads.append(_text(4, y + high // 2 + 5, _words(chapter)))
        first = y + (high - stripe * len(names)) // 2
        tops |= {name: first + stripe * place for place, name in enumerate(names)}
        y += high + GAP
    width, height = LEFT + column * len(steps), y + FOOT
    scale = min(1.0, HIGHEST / height)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width * scale:.0f}" height="{height * scale:.0f}" role="img" '
        f'data-steps="{escape(" ".join(steps))}" '
        f'aria-label="{escape(label(marks), quote=True)}">',
        f"<style>{STYLE}</style>",
        *_columns(steps, column),
        *heads,
    ]
    states = {(mark.incident, mark.step): mark.state for mark in marks}
    for name, top in tops.items():
        for first, last, state in _runs([states.get((name, step)) for step in steps]):
            x, wide = LEFT + column * first + 1, column * (last - first + 1) - 2
            parts.append(_stripe(name, state, (steps[first], steps[last]), (x, top, wide, stripe)))
    parts += _legend(marks, y)
    return "\n".join([*parts, "</svg>"]) + "\n"


def label(marks: Sequence[Mark]) -> str:
    """The picture in words, for who cannot see it: what each step holds and the one before not."""
    incidents = list(dict.fromkeys(mark.incident for mark in marks))
    said, before = [], set[str]()
    for step in dict.fromkeys(mark.step for mark in marks):
        held = {m.incident for m in marks if m.step == step and m.state == HOLDS}
        now = [name for name in incidents if name in held - before]
        lost = [name for name in incidents if name in before - held]
        more = f"{'also ' * bool(before & held)}{' and '.join(now)}" if now else "no more"
        what = "nothing" if not held else "all" if len(held) == len(incidents) else more
        said.append(f"{step} holds {what}" + (f" but no longer {' and '.join(lost)}" * bool(lost)))
        before = held
    return f"Scoreboard: {', '.join(said)}"


def _mark(cell: Cell) -> Mark:
    incident, solver = cell.story.incident.name, cell.story.solver.name
    judged = HOLDS if cell.holds else MISSES
    state = SKIPPED if cell.skipped else UNJUDGED if cell.unjudged else judged
    return Mark(solver.partition("/")[0], incident, cell.step.name, state)


def _columns(steps: Sequence[str], column: int) -> Iterator[str]:
    """Names of steps; where there are too many, those of their chapters, or their numbers."""
    if len(steps) <= NAMED:
        for place, step in enumerate(steps):
            x = LEFT + column * place + column // 2
            yield _text(x, 22, step.rpartition("/")[2], 'class="head" text-anchor="middle" ')
        return
    x = LEFT
    for chapter, within in groupby(steps, lambda step: step.partition("/")[0]):
        wide = column * len(list(within))
        words = _words(chapter if chapter.startswith("chapter-") else "chapter-01")  # the baseline
        shown = words if wide >= WORD else words.rpartition(" ")[2]
        yield _text(x + wide // 2, 22, shown, 'class="head" text-anchor="middle" ')
        x += wide


def _runs(states: Sequence[str | None]) -> Iterator[tuple[int, int, str]]:
    """First and last place of each state; side by side they are one where columns are many."""
    whole = len(states) > NAMED
    for (state, _), places in groupby(range(len(states)), lambda n: (states[n], n * (not whole))):
        within = list(places)
        if state is not None:
            yield within[0], within[-1], state


def _stripe(
    incident: str, state: str, steps: tuple[str, str], place: tuple[int, int, int, int]
) -> str:
    (first, last), (x, y, wide, stripe) = steps, place
    high = stripe - 1
    thick = high if state == HOLDS else max(1, high // 3)
    what = f'class="{state.replace(" ", "-")}" data-incident="{escape(incident)}"'
    of = f'data-from="{escape(first)}" data-to="{escape(last)}"'
    where = f'x="{x}" y="{y + (high - thick) // 2}" width="{wide}" height="{thick}"'
    return f"<rect {what} {of} {where}/>"


def _legend(marks: Iterable[Mark], y: int) -> Iterator[str]:
    """What the stripes mean, for the states that there are."""
    seen = {mark.state for mark in marks}
    for place, state in enumerate([state for state in STATES if state in seen]):
        x, thick = LEFT + 130 * place, 8 if state == HOLDS else 3
        where = f'x="{x}" y="{y + 15 - thick // 2}" width="24" height="{thick}"'
        yield f'<rect class="{state.replace(" ", "-")}" {where}/>'
        yield _text(x + 32, y + 19, state)


def _text(x: int, y: int, said: str, more: str = "") -> str:
    return f'<text {more}x="{x}" y="{y}">{escape(said)}</text>'


def _words(chapter: str) -> str:
    """``chapter-02`` as one says it."""
    name, _, number = chapter.rpartition("-")
    return f"{name} {int(number)}" if number.isdigit() else chapter
