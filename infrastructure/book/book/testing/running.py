"""``book test``: pytest, mypy --strict and ruff for every folder, each in a process of its own.

Two step folders both hold a module named ``agent``: one pytest or mypy over both would test the
wrong one. So a unit is one folder.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from book.chain import generate
from book.chain.chain import Book, Step
from book.stage.processes import Processes
from book.testing import machine
from book.testing import report as show
from book.testing.jobs import Jobs
from book.testing.keeping import Green
from book.testing.units import Unit, blocks, chosen, units

IMPORTS = (
    "book.stage.trial",
    "book.testing.jobs",
    "anthropic",
    "anthropic.resources.messages",
    "httpx",
    "httpcore",
    "httpcore2",
    "pydantic_settings",
    "tenacity",
    "hypothesis",
    # What pytest itself would import in each child: its plugins.
    "_hypothesis_pytestplugin",
    "anyio._backends._asyncio",
    "anyio.pytest_plugin",
    "mock_claude.background",
    "mock_claude.pytest_plugin",
    "pytest_asyncio.plugin",
    "uvicorn.lifespan.off",
)
EXAMPLES = 20
HARNESS = "infrastructure/book"  # its tests start servers


def run(
    book: Book,
    wanted: str | None,
    out: Console,
    *,
    thorough: bool = False,
    everything: bool = False,
    times: bool = False,
) -> bool:
    """Test what is wanted (see ``chosen``); whether nothing failed."""
    picked = chosen(book, wanted)
    return run_units(book, picked, out, thorough=thorough, everything=everything, times=times)


def verify(book: Book, steps: Sequence[Step], out: Console) -> bool:
    """After steps were rewritten: fresh blocks, format, then types and tests of those steps."""
    for path in generate.write(book, blocks(book)):
        out.print(f"generated {path.relative_to(book.root)}")
    names = {step.name for step in steps}
    for step in steps:
        formatted = [sys.executable, "-m", "ruff", "format", "--quiet", str(step.path)]
        subprocess.run(formatted, cwd=book.root, check=False)
    return run_units(book, [unit for unit in units(book) if unit.name in names], out)


def run_units(
    book: Book,
    picked: list[Unit],
    out: Console,
    *,
    thorough: bool = False,
    everything: bool = False,
    times: bool = False,
) -> bool:
    """Test, print a line a unit and the sums; whether nothing failed.

    Only what changed since it was green is run, or, with ``everything``, all.
    """
    began = time.monotonic()
    green = Green(book, None if thorough else EXAMPLES, everything=everything)
    trouble = ""
    with (
        tempfile.TemporaryDirectory(prefix="book-") as scratch,
        Processes(IMPORTS, Path(scratch)) as processes,
    ):
        jobs = Jobs(book, processes, Path(scratch), green)
        try:
            reports = jobs.run(picked, lambda report: show.line(out, report))
        finally:  # Ctrl-C keeps what was found out
            trouble = green.save()
    if times:
        show.times(out, reports, time.monotonic() - began)
    if any(unit.path == book.root / HARNESS for unit in picked):
        show.servers(out, machine.who(), machine.servers())
    if trouble:
        out.print(escape(trouble), soft_wrap=True)
    show.sums(out, reports, len(picked), time.monotonic() - began)
    return not any(report.failed for report in reports)
