"""The commands of ``book`` for those who keep the repository; ``cli`` has those for readers."""

from __future__ import annotations

import json
import sys
from functools import partial
from typing import Annotated

import typer

from book.chain import generate
from book.chain.chain import Book
from book.replay import present
from book.testing import installed, units

app = typer.Typer()
FAILED = 1


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
def check(
    fast: Annotated[bool, typer.Option(help="leave out what runs code")] = False,
    every: Annotated[bool, typer.Option(help="incidents on all later steps, too")] = False,
    fresh: Annotated[bool, typer.Option(help="use no result of an earlier command")] = False,
    shard: Annotated[str, typer.Option(help="a share of what runs code: 1/4")] = "",
    draw: Annotated[float | None, typer.Option(help="draw later steps for so many seconds")] = None,
    unjudged: Annotated[
        float, typer.Option(help="the share of pairs that a busy machine may leave unjudged")
    ] = 0.25,
) -> None:
    """Hold the chain together: drift, lessons, incidents, imports, links, generated blocks."""
    book, out = Book.find(), present.console()
    if fast:
        from book.check import reading

        if not reading.run(book, out):
            raise typer.Exit(FAILED)
        return
    installed.running()
    from book.check import checking

    wanted = checking.Wanted.of(
        book, every=every, fresh=fresh, shard=shard, draw_s=draw, unjudged=unjudged
    )
    raise typer.Exit(checking.run(book, out, wanted))


@app.command()
def paste(
    python: Annotated[str, typer.Option(help="the python3 of the machine")] = sys.executable,
    whole: Annotated[bool, typer.Option(help="long commands as they stand")] = False,
) -> None:
    """Paste the READMEs' console blocks into a shell, on a copy that only ran `make chapter-02`."""
    from book.check import pasting

    book, out = Book.find(), present.console()
    with pasting.fresh_copy(book, python) as (copy, environment):
        found = pasting.paste(book, copy, environment, whole=whole)
    for words in (*found.wrong, *(f"left out: {each}" for each in found.left_out)):
        out.print(words, markup=False, soft_wrap=True)
    out.print(f"{found.commands} commands pasted, {len(found.wrong)} wrong")
    if found.wrong:
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
        from book.scoreboard import told

        written += checking.measure(book)
        written += [path for path in told.write(book, present.errors()) if path not in written]
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
