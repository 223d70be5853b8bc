"""The staircase in the terminal: incidents down, steps across, and why a cell is red."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from book.chain.chain import Book
from book.replay.cells import Cell
from book.replay.closing import FAILED, UNJUDGED


def show(out: Console, cells: Sequence[Cell], seed: int) -> None:
    """The staircase, then a line for each red cell."""
    steps = list(dict.fromkeys(cell.step for cell in cells))
    by_place = {(cell.story.incident.name, cell.step.name): cell for cell in cells}
    table = Table(
        title=f"scoreboard, seed {seed}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("incident", no_wrap=True)
    for step in steps:
        table.add_column(step.name.replace("/", "/\n"))
    names = list(dict.fromkeys(cell.story.incident.name for cell in cells))
    for name in names:
        table.add_row(name, *(_word(by_place.get((name, step.name))) for step in steps))
    kept = [sum(cell.holds for cell in cells if cell.step == step) for step in steps]
    table.add_section()
    table.add_row("holds", *(f"{count} of {len(names)}" for count in kept))
    out.print(table)
    earlier = sorted(cell.measured for cell in cells if cell.kept and cell.measured)
    if earlier:
        what = f"{len(earlier)} of {len(cells)} cells were measured earlier, when it says (UTC)"
        out.print(f"{what}; FRESH=1 (--fresh) measures anew")
    for cell in cells:
        if cell.unjudged:
            what = f"{cell.story.incident.name} on {cell.step.name}: {cell.why}"
            out.print(f"[yellow]not judged[/] {escape(what)}", soft_wrap=True)
        elif not cell.holds:
            what = f"{cell.story.incident.name} on {cell.step.name}: {cell.why}"
            out.print(f"[red]misses[/] {escape(what)}", soft_wrap=True)


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
    return UNJUDGED if any(cell.unjudged for cell in cells) else 0


def _word(cell: Cell | None) -> str:
    if cell is None:
        return "[dim]not run[/]"
    if cell.unjudged:
        return "[yellow]not judged[/]"
    word = "[green]holds[/]" if cell.holds else "[red]misses[/]"
    when = cell.measured[5:16].replace("T", " ") if cell.kept and cell.measured else ""
    return f"{word} [dim]{when}[/]" if when else word
