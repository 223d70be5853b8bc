"""``book scoreboard``: what was measured, in the terminal, as a page, as a picture and as data."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console

from book.chain.chain import Book
from book.pages import board_page
from book.scoreboard import board, terminal
from book.scoreboard.picture import svg


def scoreboard(
    book: Book,
    out: Console,
    *,
    seed: int,
    incident: str | None,
    all_steps: bool,
    fresh: bool,
    html: Path,
    picture: Path | None,
    save: Path | None,
) -> int:
    """Measure and show the board: the exit code of what was found.

    Raises ChainError for an incident that the book does not have, or a page that cannot be written.
    """
    cells = board.measure(book, seed, out, incident=incident, all_steps=all_steps, fresh=fresh)
    terminal.show(out, cells, seed)
    if picture is not None:
        picture.write_text(svg(cells), encoding="utf-8")
    figures = board.board(book, cells, seed)
    if save is not None:
        save.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    html.parent.mkdir(parents=True, exist_ok=True)
    out.print(f"The same as a page: {board_page.write(figures, html)}")
    return terminal.exit_code(book, cells)
