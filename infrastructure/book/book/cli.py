"""The commands of ``book``, each a few lines over the module that does the work."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from book import upkeep
from book.chain.chain import Book, ChainError
from book.lessons import agents
from book.replay import command, demonstration, present
from book.replay.closing import FAILED, UNJUDGED
from book.stage.simulating import TooBusy, TrialError
from book.story.incident import IncidentError
from book.testing import installed
from mock_claude import FaultScriptError
from mock_claude.offline import forget_proxies

app = typer.Typer(
    help="Replay incidents, run the agent and the tests of Production AI Agent Systems.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
WRONG = 2
TWO_STEPS = (
    "name two steps, make diff A=reference-agent B=chapter-02/with-retries, "
    "or a chapter: make diff-02"
)


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
    details: Annotated[
        bool, typer.Option("--details", help="settings, checks, calm runs, policies, too")
    ] = False,
    by: Annotated[str, typer.Option(help="chapter 1: rank changes by tasks or usd")] = "tasks",
    revenue: Annotated[str, typer.Option(help="chapter 1: US dollars earned a minute")] = "0",
    fresh: Annotated[bool, typer.Option(help="chapter 1: measure anew what is known")] = False,
) -> None:
    """Replay a chapter's incidents: the failure, then the cure, measured side by side."""
    out = present.console()
    book = Book.find()
    found = book.chapter(chapter)
    if not found.steps and incident is None:
        options = {"seed": seed, "by": by, "revenue": revenue, "fresh": fresh}
        demonstration.load(found)(book, found, out, **options)
        return
    numbers = command.seeds_of(seeds) or [seed]
    chosen = set_ or []
    code = command.run(book, found, incident, numbers, chosen, save, out, details=details)
    raise typer.Exit(code)


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
    fresh: Annotated[bool, typer.Option(help="measure anew what is known")] = False,
) -> None:
    """Every incident against the baseline and each chapter's last step: the book in one picture."""
    from book.pages import showing

    code = showing.scoreboard(
        Book.find(),
        present.console(),
        seed=seed,
        incident=incident,
        all_steps=all_steps,
        fresh=fresh,
        html=html,
        picture=picture,
        save=save,
    )
    raise typer.Exit(code)


@app.command()
def agent(
    given: typer.Context,
    task: Annotated[
        str | None, typer.Argument(help="what to do; without it you get a prompt")
    ] = None,
    step: Annotated[str, typer.Option(help="such as chapter-02/with-retries")] = "reference-agent",
    live: Annotated[bool, typer.Option(help="the real API, with your ANTHROPIC_API_KEY")] = False,
    seed: Annotated[int, typer.Option(help="for the simulated world")] = 7,
) -> None:
    """Give one task to any step's agent: offline against the simulator, or live."""
    chosen = Book.find().step(step)
    own = given.obj if live else None
    raise typer.Exit(asyncio.run(agents.run(chosen, task, live=own, seed=seed)))


@app.command()
def service(
    given: typer.Context,
    step: Annotated[str, typer.Option(help="one that has a service.py")] = "chapter-02/complete",
    live: Annotated[bool, typer.Option(help="the real API, with your ANTHROPIC_API_KEY")] = False,
    seed: Annotated[int, typer.Option(help="for the simulated world")] = 7,
    port: Annotated[int, typer.Option(min=1, max=65535, help="on 127.0.0.1")] = agents.PORT,
) -> None:
    """Any step's agent over HTTP until Ctrl-C: offline beside the simulator, or live."""
    book = Book.find()
    own = given.obj if live else None
    serving = agents.serve(book, book.step(step), live=own, seed=seed, port=port)
    raise typer.Exit(asyncio.run(serving))


@app.command("test")
def run_tests(
    unit: Annotated[str | None, typer.Argument(help="chapter, step, folder; or slow")] = None,
    thorough: Annotated[bool, typer.Option(help="all examples that a test asks for")] = False,
    everything: Annotated[bool, typer.Option("--all", help="what passed unchanged, too")] = False,
    times: Annotated[bool, typer.Option(help="CPU and wall seconds, slowest tests")] = False,
) -> None:
    """Run tests, types and lint of every folder, each in a process of its own."""
    out = present.console()
    asked = {"thorough": thorough, "everything": everything, "times": times}
    if not installed.running().run(Book.find(), unit, out, **asked):
        raise typer.Exit(FAILED)


@app.command()
def diff(
    a: Annotated[str, typer.Argument(help="a chapter, or the earlier of two steps")] = "",
    b: Annotated[str, typer.Argument(help="the later step")] = "",
    html: Annotated[Path | None, typer.Option(help="write the chapter as a page here")] = None,
) -> None:
    """What a step changes, in colour: the wiring with context, then each new module whole."""
    out = present.console()
    book = Book.find()
    if not a:
        names = ", ".join(step.name for step in book.steps)
        raise ChainError(f"{TWO_STEPS}. Steps: {names}")
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
def export(
    step: Annotated[str, typer.Argument(help="such as chapter-02/with-retries")],
    folder: Annotated[Path, typer.Argument(help="a folder that does not exist yet")],
) -> None:
    """Write a folder that runs and passes its tests alone: the agent and what it imports."""
    from book.lessons import export as exporting

    book = Book.find()
    print(exporting.export(book, book.step(step), folder))


@app.command()
def report() -> None:
    """Versions and the system, to paste where you report a problem: no paths, no keys."""
    from book.lessons import report as reporting

    for line in reporting.lines(Book.find().root):
        print(line)


app.add_typer(upkeep.app)


def main() -> None:
    """Run the command; a person's mistake is told in a line or two, never as a traceback.

    Proxies are for what leaves this machine: only a live run, which gets the variables as they
    are given.
    """
    error_console = present.errors()
    given = dict(os.environ)
    forget_proxies()
    try:
        app(obj=given)  # a wrong call exits with 2, Ctrl-C with 130
    except (ChainError, IncidentError, FaultScriptError) as error:
        error_console.print(f"[red]book:[/] {escape(str(error))}")
        sys.exit(WRONG)
    except TrialError as error:
        error_console.print(f"[red]book:[/] {escape(str(error))}")
        sys.exit(UNJUDGED if isinstance(error, TooBusy) else FAILED)
