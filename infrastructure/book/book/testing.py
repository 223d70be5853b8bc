"""``book test``: pytest, mypy --strict and ruff for every folder, each in a process of its own.

Two step folders both hold a module named ``agent``: one pytest or mypy over both would test the
wrong one. So a unit is one folder; pytest runs in a forked child, mypy with a cache that starts
from a shared one, because checking the SDK's types anew would cost every folder ten seconds.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import hypothesis
import pytest
from rich.console import Console
from rich.markup import escape

from book import generate
from book.chain import Book, Step
from book.processes import Child, Processes
from book.units import Unit, chosen, units

IMPORTS = (
    "book.trial",
    "book.testing",
    "anthropic",
    "anthropic.resources.messages",
    "httpx",
    "pydantic_settings",
    "hypothesis",
)
LIMIT_S = 300.0
EXAMPLES = 20
SEED = (
    "import anthropic, httpx, pydantic_settings, pytest, hypothesis, starlette, uvicorn, tenacity\n"
)


@dataclass
class Report:
    """What one job found. ``details`` is shown only when something failed."""

    unit: str
    what: str
    passed: int = 0
    failed: int = 0
    skipped: tuple[str, ...] = ()
    seconds: float = 0.0
    details: str = ""


def run(book: Book, wanted: str | None, out: Console, *, thorough: bool = False) -> bool:
    """Test what is wanted (see ``chosen``); whether nothing failed."""
    return run_units(book, chosen(book, wanted), out, thorough=thorough)


def verify(book: Book, steps: Sequence[Step], out: Console) -> bool:
    """After steps were rewritten: fresh blocks, format, then types and tests of those steps."""
    for path in generate.write(book):
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


def _line(out: Console, report: Report) -> None:
    verdict = "[red]FAILED[/]" if report.failed else "[green]ok[/]    "
    counts = f"{report.passed} passed" + (f", {report.failed} failed" if report.failed else "")
    out.print(f"{verdict} {report.unit:<32} {report.what:<7} {counts} ({report.seconds:.1f} s)")


class Jobs:
    """Runs the jobs of some units on as many workers as there are cores."""

    def __init__(
        self, book: Book, processes: Processes, scratch: Path, examples: int | None
    ) -> None:
        self.book = book
        self.examples = examples
        self.processes = processes
        self.scratch = scratch
        self.types_cache = book.root / ".cache" / "mypy"

    def run(self, picked: list[Unit], on_report: Callable[[Report], None]) -> list[Report]:
        """Seeding the type cache takes longest and comes first; tests run beside it."""
        reports = []
        with (
            ThreadPoolExecutor(os.cpu_count() or 2) as pool,
            self.processes.killed_on_error(),
        ):
            seeding = pool.submit(self.seed_types)
            futures = [pool.submit(self.lint, picked)]
            # The units that take longest stand last in the chain; begun first, none is left over.
            futures += [pool.submit(self.tests, unit) for unit in reversed(picked)]
            futures += [pool.submit(self.types, unit, seeding.result) for unit in picked]
            for future in as_completed(futures):
                reports.append(future.result())
                on_report(reports[-1])
        return reports

    def lint(self, picked: list[Unit]) -> Report:
        began = time.monotonic()
        paths = [str(unit.path / part) for unit in picked for part in unit.types]
        report = Report("lint and format", "ruff")
        for command in (("check",), ("format", "--check")):
            done = self.processes.run(
                [sys.executable, "-m", "ruff", *command, *paths], self.book.root
            )
            report.passed += done.returncode == 0
            report.failed += done.returncode != 0
            report.details += done.stdout if done.returncode else ""
        report.seconds = time.monotonic() - began
        return report

    def seed_types(self) -> None:
        """Check what all folders import once, so that each folder starts from its cache."""
        probe = self.scratch / "seed" / "seed.py"
        probe.parent.mkdir()
        probe.write_text(SEED, encoding="utf-8")
        self._mypy(probe.parent, (".",), self.types_cache / "seed")

    def types(self, unit: Unit, seeded: Callable[[], None]) -> Report:
        seeded()
        began = time.monotonic()
        cache = self.types_cache / unit.name.replace("/", "-")
        if not cache.exists():
            shutil.copytree(self.types_cache / "seed", cache, copy_function=_link)
        code, printed = self._mypy(unit.path, unit.types, cache)
        failed = int(code != 0)
        seconds = time.monotonic() - began
        return Report(unit.name, "mypy", 1 - failed, failed, (), seconds, printed)

    def _mypy(self, folder: Path, paths: tuple[str, ...], cache: Path) -> tuple[int, str]:
        config = str(self.book.root / "pyproject.toml")
        # Separate files, not one database: see _link.
        options = ("--config-file", config, "--cache-dir", str(cache), "--no-sqlite-cache")
        done = self.processes.run([sys.executable, "-m", "mypy", *options, *paths], folder)
        return done.returncode, done.stdout

    def tests(self, unit: Unit) -> Report:
        began = time.monotonic()
        report = Report(unit.name, "pytest")
        name = unit.name.replace("/", "-")
        with self.processes.child(
            name, collect_and_run, unit.path, unit.tests, self.examples
        ) as child:
            self._fill(report, child)
        report.seconds = time.monotonic() - began
        return report

    def _fill(self, report: Report, child: Child) -> None:
        try:
            if not child.pipe.poll(LIMIT_S):
                raise TimeoutError(f"no result after {LIMIT_S:.0f} s")
            received = child.pipe.recv()
            report.passed, report.failed, report.skipped, code = received
            if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
                report.failed += 1
        except (EOFError, ConnectionError, TimeoutError) as error:
            child.process.join(1)
            report.failed += 1
            report.details = f"the test process ended early ({error})\n"
        report.details += child.printed(20_000) if report.failed else ""


def _link(source: str, target: str) -> None:
    """mypy replaces its files and never writes into them, so that links are as good as copies."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


class _Counts:
    """A pytest plugin that counts as pytest's own summary does."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0
        self.skipped: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed += 1
        elif report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else "expected"
            self.skipped.append(f"{report.nodeid}: {reason}")
        elif report.when == "call":
            self.passed += 1

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.failed += report.failed


def collect_and_run(
    pipe: Connection, folder: Path, tests: tuple[str, ...], examples: int | None
) -> None:
    """In a child: pytest in ``folder``, whose modules come first on the path.

    ``examples`` bounds what Hypothesis generates for a test that asks for no number of its own, and
    makes it the same in every run; without it, each run looks elsewhere.
    """
    if examples is not None:
        hypothesis.settings.register_profile(
            "book", max_examples=examples, deadline=None, derandomize=True
        )
        hypothesis.settings.load_profile("book")
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    counts = _Counts()
    options = ["-q", "-p", "no:cacheprovider", "--color=no"]
    code = pytest.main([*options, *tests], plugins=[counts])
    sys.stdout.flush()
    pipe.send((counts.passed, counts.failed, tuple(counts.skipped), int(code)))
