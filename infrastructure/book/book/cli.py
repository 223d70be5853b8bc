"""The commands of ``book``, each a few lines over the module that does the work."""

from __future__ import annotations

import asyncio
import json
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from book.chain import generate
from book.chain.chain import Book, ChainError
from book.lessons import agents
from book.replay import command, demonstration, present
from book.stage.simulating import TrialError
from book.story.incident import IncidentError
from book.testing import installed, units
from mock_claude import FaultScriptError

app = typer.Typer(
    help="Replay incidents, run the agent and the tests of Production AI Agent Systems.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
FAILED, WRONG = 1, 2


@app.command("list")
def list_() -> None:
    """The chapters, their steps in order, and the incident that each step solves."""
    out = present.console()
    book = Book.find()
    present.contents(out, book)


@app.command()
def run(
    chapter: Annotated[str, typer.Argument(help="chapter-02, 02 or 2")],
    incident: Annotated[str | None, typer.Option(help="only this incident")] = None,
    seed: Annotated[int, typer.Option(help="for faults, facts and texts")] = 7,
    seeds: Annotated[str, typer.Option(help="several seeds: 0-19 or 1,5,9")] = "",
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="a setting of your own: NAME=VALUE; repeat")
    ] = None,
    save: Annotated[Path | None, typer.Option("--json", help="also write the figures here")] = None,
    by: Annotated[str, typer.Option(help="chapter 1: rank changes by tasks or usd")] = "tasks",
    revenue: Annotated[str, typer.Option(help="chapter 1: US dollars earned a minute")] = "0",
) -> None:
    """Replay a chapter's incidents: the failure, then the cure, measured side by side."""
    out = present.console()
    book = Book.find()
    found = book.chapter(chapter)
    if not found.steps and incident is None:
        demonstration.load(found)(book, found, out, seed=seed, by=by, revenue=revenue)
        return
    numbers = command.seeds_of(seeds) or [seed]
    if not command.run(book, found, incident, numbers, set_ or [], save, out):
        raise typer.Exit(FAILED)


@app.command()
def scoreboard(
    all_steps: Annotated[bool, typer.Option(help="every step, not only chapter ends")] = False,
    incident: Annotated[str | None, typer.Option(help="only this incident")] = None,
    seed: Annotated[int, typer.Option(help="for faults, facts and texts")] = 7,
    html: Annotated[Path, typer.Option(help="where to write the page")] = Path(
        ".cache/scoreboard.html"
    ),
    picture: Annotated[Path | None, typer.Option(help="also draw the staircase, as SVG")] = None,
    save: Annotated[Path | None, typer.Option("--json", help="also write the figures here")] = None,
) -> None:
    """Every incident against the baseline and each chapter's last step: the book in one picture."""
    out = present.console()
    book = Book.find()
    from book.pages import board_page
    from book.scoreboard import board
    from book.scoreboard import picture as board_picture
    from book.scoreboard import terminal as board_terminal

    cells = board.measure(book, seed, out, incident=incident, all_steps=all_steps)
    board_terminal.show(out, cells, seed)
    if picture is not None:
        picture.write_text(board_picture.svg(cells), encoding="utf-8")
    figures = board.board(book, cells, seed)
    if save is not None:
        save.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    html.parent.mkdir(parents=True, exist_ok=True)
    out.print(f"The same as a page: {board_page.write(figures, html)}")
    if not board_terminal.is_staircase(book, cells):
        raise typer.Exit(FAILED)


@app.command()
def agent(
    task: Annotated[
        str | None, typer.Argument(help="what to do; without it you get a prompt")
    ] = None,
    step: Annotated[str, typer.Option(help="such as chapter-02/with-retries")] = "reference-agent",
    live: Annotated[bool, typer.Option(help="the real API, with your ANTHROPIC_API_KEY")] = False,
    seed: Annotated[int, typer.Option(help="for the simulated world")] = 7,
) -> None:
    """Give one task to any step's agent: offline against the simulator, or live."""
    chosen = Book.find().step(step)
    raise typer.Exit(asyncio.run(agents.run(chosen, task, live=live, seed=seed)))


@app.command("test")
def run_tests(
    unit: Annotated[
        str | None, typer.Argument(help="a chapter, a step or a folder; or all")
    ] = None,
    thorough: Annotated[
        bool, typer.Option(help="as many generated examples as each test asks for")
    ] = False,
) -> None:
    """Run tests, types and lint of every folder, each in a process of its own."""
    out = present.console()
    if not installed.running().run(Book.find(), unit, out, thorough=thorough):
        raise typer.Exit(FAILED)


@app.command()
def diff(
    a: Annotated[str, typer.Argument(help="a chapter, or the earlier of two steps")],
    b: Annotated[str, typer.Argument(help="the later step")] = "",
    html: Annotated[Path | None, typer.Option(help="write the chapter as a page here")] = None,
) -> None:
    """The lesson in colour: the wiring with context, then each new module whole."""
    out = present.console()
    book = Book.find()
    from book.lessons import diff as lessons
    from book.pages import diff_page

    if html is not None:
        print(diff_page.write(book, book.chapter(a), html))
    elif b:
        lessons.show(book, book.step(a), book.step(b), out)
    elif a in [step.name for step in book.steps[1:]]:
        lessons.show(book, book.before(book.step(a)), book.step(a), out)
    else:
        lessons.show_chapter(book, book.chapter(a), out)


@app.command()
def propagate(
    step: Annotated[
        str | None, typer.Argument(help="where the edit is; or wherever one is")
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="only list what would change")] = False,
) -> None:
    """Carry an edit of a step down the chain, then format, type-check and test what it touched."""
    out = present.console()
    testing = installed.running()
    from book.propagation import run as flow

    book = Book.find()
    verify = partial(testing.verify, book, out=out)
    if not flow.run(book, step, dry_run=dry_run, out=out, verify=verify):
        raise typer.Exit(FAILED)


@app.command()
def new(
    step: Annotated[str, typer.Argument(help="its folder's name: words-joined-by-hyphens")],
    after: Annotated[str, typer.Option(help="the step to copy, such as chapter-02/with-retries")],
) -> None:
    """Add a step: a copy of another, with its entry, lesson and README to fill in."""
    from book.lessons import new_step

    book = Book.find()
    folder = new_step.create(book, step, after)
    print(folder.relative_to(book.root))
    for line in new_step.what_is_next(Book(book.root), folder):
        print(line)


@app.command()
def export(
    step: Annotated[str, typer.Argument(help="such as chapter-02/with-retries")],
    folder: Annotated[Path, typer.Argument(help="a folder that does not exist yet")],
) -> None:
    """Write a folder that runs and passes its tests alone: the agent and what it imports."""
    from book.lessons import export as exporting

    book = Book.find()
    print(exporting.export(book, book.step(step), folder))


@app.command()
def check(
    fast: Annotated[bool, typer.Option(help="leave out what runs code")] = False,
    every: Annotated[bool, typer.Option(help="incidents on all later steps, too")] = False,
) -> None:
    """Hold the chain together: drift, lessons, incidents, imports, links, generated blocks."""
    from book.check import reading

    out = present.console()
    if not fast:
        installed.running()
        from book.check import checking
    held = reading.run(Book.find(), out) if fast else checking.run(Book.find(), out, every=every)
    if not held:
        raise typer.Exit(FAILED)


@app.command("generate")
def generate_blocks(
    measured: Annotated[bool, typer.Option(help="also run the blocks of measured figures")] = False,
) -> None:
    """Write the generated blocks of READMEs and workflow anew."""
    book = Book.find()
    written = generate.write(book, units.blocks(book))
    if measured:
        installed.running()
        from book.check import checking

        written += checking.measure(book)
    for path in written:
        print(path.relative_to(book.root))


@app.command("units")
def list_units(
    since: Annotated[str, typer.Option(help="only units that changed since this commit")] = "",
) -> None:
    """What `book test` knows, as JSON: for a matrix of jobs."""
    book = Book.find()
    found = units.changed(book, since) if since else units.units(book)
    print(json.dumps([unit.name for unit in found]))


def main() -> None:
    """Run the command; a person's mistake is told in a line or two, never as a traceback."""
    error_console = present.errors()
    try:
        app()  # a wrong call exits with 2, Ctrl-C with 130
    except (ChainError, IncidentError, FaultScriptError) as error:
        error_console.print(f"[red]book:[/] {escape(str(error))}")
        sys.exit(WRONG)
    except TrialError as error:
        error_console.print(f"[red]book:[/] {escape(str(error))}")
        sys.exit(FAILED)
