"""``book test``: pytest, mypy --strict and ruff for every folder, each in a process of its own.

Two step folders both hold a module named ``agent``: one pytest or mypy over both would test the
wrong one. So a unit is one folder.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from book.chain import generate
from book.chain.chain import Book, Step
from book.stage.processes import Processes
from book.testing import collected
from book.testing.jobs import Jobs, Report
from book.testing.units import Unit, blocks, chosen, units

IMPORTS = (
    "book.stage.trial",
    "book.testing.jobs",
    "anthropic",
    "anthropic.resources.messages",
    "httpx",
    "pydantic_settings",
    "hypothesis",
)
EXAMPLES = 20


def run(book: Book, wanted: str | None, out: Console, *, thorough: bool = False) -> bool:
    """Test what is wanted (see ``chosen``); whether nothing failed."""
    return run_units(book, chosen(book, wanted), out, thorough=thorough)


def verify(book: Book, steps: Sequence[Step], out: Console) -> bool:
    """After steps were rewritten: fresh blocks, format, then types and tests of those steps."""
    for path in generate.write(book, blocks(book)):
        out.print(f"generated {path.relative_to(book.root)}")
    names = {step.name for step in steps}
    for step in steps:
        formatted = [sys.executable, "-m", "ruff", "format", "--quiet", str(step.path)]
        subprocess.run(formatted, cwd=book.root, check=False)
    return run_units(book, [unit for unit in units(book) if unit.name in names], out)


def run_units(book: Book, picked: list[Unit], out: Console, *, thorough: bool = False) -> bool:
    """Test, print a line a job and the sums; whether nothing failed."""
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="book-") as scratch,
        Processes(IMPORTS, Path(scratch)) as processes,
    ):
        jobs = Jobs(book, processes, Path(scratch), None if thorough else EXAMPLES)
        reports = jobs.run(picked, lambda report: _line(out, report))
        for guarded in guards(book, picked, reports):
            reports.append(guarded)
            _line(out, guarded)
    skipped = [reason for report in reports for reason in report.skipped]
    passed = sum(report.passed for report in reports)
    failed = sum(report.failed for report in reports)
    for report in reports:
        if report.failed:
            out.print(f"\n[red]{report.unit}: {report.what}[/]")
            out.print(escape(report.details), soft_wrap=True)
    out.print(f"\n{len(picked)} folders in {time.monotonic() - began:.0f} s")
    for reason in sorted(set(skipped)):
        out.print(f"skipped: {escape(reason)}", soft_wrap=True)
    counts = f"{passed} passed, {failed} failed"
    out.print(counts + (f", {len(skipped)} skipped" if skipped else ""))
    return not failed


def guards(book: Book, picked: Sequence[Unit], reports: Sequence[Report]) -> Iterator[Report]:
    """Tests that pytest passed over or left out, as a failed report of their unit."""
    for unit in picked:
        own = [each for each in reports if (each.unit, each.what) == (unit.name, "pytest")]
        parts = [each.seen for each in own if each.seen is not None]
        if not parts or len(parts) < len(own):
            continue  # a part ended early, and says so itself
        wrong = collected.problems(book, unit, collected.joined(parts))
        if wrong:
            shown = [f"{each.where}: {each.what}\n    mend: {each.mend}" for each in wrong]
            yield Report(unit.name, "guards", failed=len(wrong), details="\n".join(shown))


def _line(out: Console, report: Report) -> None:
    verdict = "[red]FAILED[/]" if report.failed else "[green]ok[/]    "
    counts = f"{report.passed} passed" + (f", {report.failed} failed" if report.failed else "")
    out.print(f"{verdict} {report.unit:<32} {report.what:<7} {counts} ({report.seconds:.1f} s)")
