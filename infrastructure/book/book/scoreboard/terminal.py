"""The staircase in the terminal: incidents down, steps across, each cell led by its headline.

Prevents names that are cut until they say nothing: where the table is wider than the terminal its
columns are numbered, and where that is too wide, too, each incident is a list of its steps.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from book.chain.chain import Book, Step
from book.replay.cells import Cell
from book.replay.closing import FAILED, UNJUDGED
from book.replay.replay import Story
from book.scoreboard.headlines import figure

ANY_WIDTH = 10_000
COLOURS = {"holds": "green", "misses": "red", "crashed": "red", "not judged": "yellow"}


@dataclass(frozen=True)
class _Board:
    """The cells by their places."""

    cells: Sequence[Cell]

    @cached_property
    def steps(self) -> list[Step]:
        return list(dict.fromkeys(cell.step for cell in self.cells))

    @cached_property
    def stories(self) -> list[Story]:
        return list({cell.story.incident.name: cell.story for cell in self.cells}.values())

    @cached_property
    def places(self) -> dict[tuple[str, str], Cell]:
        return {(cell.story.incident.name, cell.step.name): cell for cell in self.cells}

    def row(self, story: Story) -> list[Cell | None]:
        return [self.places.get((story.incident.name, step.name)) for step in self.steps]

    @cached_property
    def held(self) -> list[str]:
        """Of each step, how many of the incidents that were judged hold."""
        judged = [[c for c in self.cells if c.step == s and not c.unjudged] for s in self.steps]
        return [f"{sum(cell.holds for cell in each)} of {len(each)}" for each in judged]


def show(out: Console, cells: Sequence[Cell], seed: int) -> None:
    """The staircase, then a line for each cell that does not hold."""
    board = _Board(cells)
    out.print(f"[bold]scoreboard, seed {seed}[/]\n")
    named, numbered = _named(board), _numbered(board)
    if _fits(named, out):
        out.print(named)
    elif _fits(numbered, out):
        out.print(numbered)
        _legend(out, board)
    else:
        _listed(out, board)
    earlier = sorted(cell.measured for cell in cells if cell.kept and cell.measured)
    if earlier:
        what = f"{len(earlier)} of {len(cells)} cells were measured earlier, since {earlier[0]}"
        out.print(f"{what}; FRESH=1 (--fresh) measures anew")
    for cell in cells:
        if not cell.holds:
            what = f"{cell.story.incident.name} on {cell.step.name}: {cell.why}"
            out.print(f"{_word(cell)} {escape(what)}", soft_wrap=True)


def is_staircase(book: Book, cells: Sequence[Cell]) -> bool:
    """Whether each incident is missed before the step that solves it and holds from there on.

    A cell that is not judged speaks neither for it nor against.
    """
    places = {step.name: place for place, step in enumerate(book.steps)}
    return all(
        cell.holds == (places[cell.step.name] >= places[cell.story.solver.name])
        for cell in cells
        if not cell.unjudged
    )


def exit_code(book: Book, cells: Sequence[Cell]) -> int:
    """0 where all cells are as steps.toml says, FAILED, or UNJUDGED where that cannot be told."""
    if not is_staircase(book, cells):
        return FAILED
    return UNJUDGED if any(cell.unjudged and not cell.skipped for cell in cells) else 0


def _state(cell: Cell | None) -> str:
    if cell is None:
        return "not run"
    if cell.skipped:
        return "skipped"
    if cell.unjudged:
        return "not judged"
    if cell.error is not None:
        return "crashed"
    return "holds" if cell.holds else "misses"


def _word(cell: Cell | None, text: str | None = None) -> str:
    """What became of it in a word, or in the ``text`` for that word, in its colour."""
    state = _state(cell)
    return f"[{COLOURS.get(state, 'dim')}]{text or state}[/]"


def _figure(cell: Cell | None) -> str:
    return "" if cell is None else escape(figure(cell.story, cell.figure, cell.error))


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)


def _fits(table: Table, out: Console) -> bool:
    wide = out.options.update(width=ANY_WIDTH)
    return out.measure(table, options=wide).minimum <= out.width


def _named(board: _Board) -> Table:
    """Steps by name; below the name of each incident what its headline counts."""
    table = _table()
    names = [story.incident.name for story in board.stories]
    table.add_column("incident", min_width=max(map(len, names), default=0))
    for step in board.steps:
        table.add_column(step.name.replace("/", "/\n"), no_wrap=True)
    for story in board.stories:
        lead = f"{escape(story.incident.name)}\n[dim]{escape(story.incident.headline.words)}[/]"
        row = board.row(story)
        wide = max(len(_state(cell)) for cell in row)
        table.add_row(lead, *(f"{_word(c, f'{_state(c):<{wide}}')} {_figure(c)}" for c in row))
    table.add_section()
    table.add_row("holds", *board.held)
    return table


def _numbered(board: _Board) -> Table:
    """Steps by their numbers in the legend, so that a dozen fit."""
    table = _table()
    table.padding = (0, 0, 0, 0)
    table.add_column("incident", no_wrap=True)
    for number, _ in enumerate(board.steps, 1):
        table.add_column(f"{number}", no_wrap=True)
    for story in board.stories:
        lead = "\n".join(textwrap.wrap(story.incident.name, 12))
        table.add_row(escape(lead), *map(_short, board.row(story)))
    table.add_section()
    table.add_row("holds", *(each.replace(" of ", "\nof ") for each in board.held))
    return table


def _short(cell: Cell | None) -> str:
    """A word above its figure, six characters wide."""
    state = _state(cell)
    lines = [_word(cell, "crash" if state == "crashed" else state.replace(" ", "\n"))]
    if shown := _figure(cell):
        lines.append("-" if shown == "not measured" else shown)
    return "\n".join(lines)


def _legend(out: Console, board: _Board) -> None:
    out.print()
    for number, step in enumerate(board.steps, 1):
        out.print(f"{number:>2} {escape(step.name)}")
    out.print()
    for story in board.stories:
        words = f"{story.incident.name}: {story.incident.headline.words}"
        out.print(f"[dim]{escape(words)}[/]")
    out.print()


def _listed(out: Console, board: _Board) -> None:
    """Each incident with a line a step: as narrow as a name and its figure."""
    wide = max(len(step.name) for step in board.steps)
    for story in board.stories:
        words = escape(story.incident.headline.words)
        out.print(f"[bold]{escape(story.incident.name)}[/] [dim]{words}[/]")
        for step, cell in zip(board.steps, board.row(story), strict=True):
            word = _word(cell, f"{_state(cell):<6}")
            out.print(f"  {escape(step.name):<{wide}}  {word} {_figure(cell)}".rstrip())
    out.print("[bold]holds[/]")
    for step, held in zip(board.steps, board.held, strict=True):
        out.print(f"  {escape(step.name):<{wide}}  {held}")
    out.print()
