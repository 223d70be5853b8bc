"""The jobs of units: pytest in a forked child, mypy with a cache of its own, ruff over all.

Checking the SDK's types anew would cost every folder ten seconds, so that each folder's cache of
mypy starts from a shared one.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import pytest

from book.chain.chain import Book
from book.stage.processes import Child, Processes
from book.testing.collected import Seen
from book.testing.collecting import collect_and_run
from book.testing.units import Unit

LIMIT_S = 300.0
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
    seen: Seen | None = None  # of pytest, where it came to its end


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
            report.passed, report.failed, report.skipped, code, report.seen = received
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
