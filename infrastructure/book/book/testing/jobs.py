"""The jobs of units: pytest in forked children, mypy with a cache of its own, ruff over all.

Checking the SDK's types anew would cost every folder ten seconds, so that each folder's cache of
mypy starts from a shared one.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from book.chain.chain import Book
from book.stage.processes import Child, Processes
from book.stage.programs import Finished
from book.testing import collected
from book.testing.collecting import Part, Ran, collect_and_run
from book.testing.keeping import LINT, Green, Known
from book.testing.parts import Times, files_of, length, split
from book.testing.report import Outcome, Report
from book.testing.units import SLOW, Unit

# So long no test may take: dozens of times the longest on a quiet machine, so that a slow one is
# never taken for one that hangs.
PATIENCE_S = 600.0
LAST_S = 0.0  # mypy waits for its seed, and ruff is quick
KINDS = ("ruff", "mypy", "pytest")
NOTHING = {pytest.ExitCode.NO_TESTS_COLLECTED}
BESIDE = 2  # tests of the harness mostly wait, for processes that they start
SEED = (
    "import anthropic, httpx, pydantic_settings, pytest, hypothesis, starlette, uvicorn, tenacity\n"
)
Job = Callable[[], Outcome]


class Jobs:
    """Runs the jobs of some units on a few more workers than there are cores."""

    def __init__(
        self,
        book: Book,
        processes: Processes,
        scratch: Path,
        green: Green,
        *,
        patience_s: float = PATIENCE_S,
        seed: str = SEED,
        kinds: Collection[str] = KINDS,
    ) -> None:
        self.book = book
        self.green = green
        self.processes = processes
        self.scratch = scratch
        self.patience_s = patience_s
        self.seed = seed
        self.kinds = kinds
        self.seeding: Future[None] | None = None
        self.types_cache = book.root / ".cache" / "mypy"
        self.times = Times(book)
        self.numbers = count()

    def run(self, picked: list[Unit], on_report: Callable[[Report], None]) -> list[Report]:
        """Seeding the type cache takes longest and comes first; then what takes longest."""
        done: list[Report] = []

        def ended(report: Report) -> None:
            if report.what == "pytest":
                told = guard(self.book, self.green.units[report.unit], report)
                report.outcomes += [told] if told is not None else []
            for name, file in report.files.items():
                self.times.ran(name, file.seconds)
            if self.green.keep(report):
                self.green.save()  # at once: whatever ends us, it was not in vain
            done.append(report)
            on_report(report)

        waiting: list[tuple[float, Report, Job]] = []
        for report, jobs in self._planned(picked):
            report.waiting = len(jobs)
            waiting += [(seconds, report, job) for seconds, job in jobs]
            if not jobs:
                done.append(report)
                on_report(report)
        waiting.sort(key=lambda each: -each[0])
        with (
            self.times.saved(),
            ThreadPoolExecutor((os.cpu_count() or 2) + BESIDE) as pool,
            self.processes.killed_on_error(),
        ):
            if any(report.what == "mypy" for _, report, _ in waiting):
                self.seeding = pool.submit(self.seed_types)
            futures = {pool.submit(job): report for _, report, job in waiting}
            for future in as_completed(futures):
                report = futures[future]
                report.add(future.result())
                if not report.waiting:
                    ended(report)
        return done

    def _planned(self, picked: list[Unit]) -> Iterator[tuple[Report, list[tuple[float, Job]]]]:
        """Each report with its jobs and about how long they take; none where all is kept."""
        if "ruff" in self.kinds and any(unit.types for unit in picked):
            report = Report(LINT, "ruff", of=" ".join(unit.name for unit in picked))
            report.kept = self.green.known(report).passed
            yield report, [] if report.kept else [(LAST_S, partial(self._lint, picked))]
        for unit in picked:
            if "mypy" in self.kinds and unit.types:
                report = Report(unit.name, "mypy")
                report.kept = self.green.known(report).passed
                yield report, [] if report.kept else [(LAST_S, partial(self._types, unit))]
            if "pytest" in self.kinds:
                report = Report(unit.name, "pytest")
                known = self.green.known(report)
                report.kept, report.kept_files = known.passed, known.files
                yield report, [] if known.complete else list(self._tests(unit, known))

    def _tests(self, unit: Unit, known: Known) -> Iterator[tuple[float, Job]]:
        """The unit in parts. What pytest finds beside the files known here falls to the first."""
        files = files_of(self.book, unit, self.green.tree.names)
        seconds = {name: self.times.of(name) for name in files if name not in known.files}
        parts = split(seconds) or [[]]
        for number, shares in enumerate(parts):
            here = {share.file for share in shares}
            if number:
                tests = tuple(
                    os.path.relpath(self.book.root / file, unit.path) for file in sorted(here)
                )
            else:
                tests = unit.tests
            part = Part(
                root=self.book.root,
                folder=unit.path,
                tests=tests,
                others=frozenset(files) - here | known.files.keys(),
                shares=tuple(share for share in shares if share.of > 1),
                covered=self.green.covered(unit),
                examples=self.green.examples,
                scratch=self.scratch / f"t{next(self.numbers)}",  # short, for sockets in it
                trusts=unit.tests == (SLOW,),
            )
            alone = len(parts) == 1 and not known.files
            yield length(shares, seconds), partial(self._collect, part, alone=alone)

    def _lint(self, picked: list[Unit]) -> Outcome:
        paths = [str(unit.path / part) for unit in picked for part in unit.types]
        outcome = Outcome(began=time.monotonic())
        for command in (("check",), ("format", "--check")):
            done = self.processes.run(
                [sys.executable, "-m", "ruff", *command, *paths], self.book.root
            )
            outcome.passed += done.returncode == 0
            outcome.failed += done.returncode != 0
            outcome.cpu_s += done.cpu_s
            outcome.details += done.stdout if done.returncode else ""
        outcome.ended = time.monotonic()
        return outcome

    def seed_types(self) -> None:
        """Check what all folders import once, so that each folder starts from its cache."""
        probe = self.scratch / "seed" / "seed.py"
        probe.parent.mkdir()
        probe.write_text(self.seed, encoding="utf-8")
        self._mypy(probe.parent, (".",), self.types_cache / "seed")

    def _types(self, unit: Unit) -> Outcome:
        if self.seeding is not None:
            self.seeding.result()
        began = time.monotonic()
        cache = self.types_cache / unit.name.replace("/", "-")
        if not cache.exists():
            shutil.copytree(self.types_cache / "seed", cache, copy_function=_link)
        done = self._mypy(unit.path, unit.types, cache)
        failed = int(done.returncode != 0)
        outcome = Outcome(1 - failed, failed, (), done.stdout, began, time.monotonic(), done.cpu_s)
        outcome.beyond = self.green.tree.imports_more(unit, cache)
        return outcome

    def _mypy(self, folder: Path, paths: tuple[str, ...], cache: Path) -> Finished:
        config = str(self.book.root / "pyproject.toml")
        # Separate files, not one database: see _link.
        options = ("--config-file", config, "--cache-dir", str(cache), "--no-sqlite-cache")
        return self.processes.run([sys.executable, "-m", "mypy", *options, *paths], folder)

    def _collect(self, part: Part, *, alone: bool) -> Outcome:
        outcome = Outcome(began=time.monotonic())
        part.scratch.mkdir()
        with self.processes.child("pytest", collect_and_run, part) as child:
            self._fill(outcome, child, alone)
        outcome.ended = time.monotonic()
        return outcome

    def _fill(self, outcome: Outcome, child: Child, alone: bool) -> None:
        running = "nothing yet"
        try:
            while True:
                if not child.pipe.poll(self.patience_s):
                    raise TimeoutError(
                        f"no test ended for {self.patience_s:.0f} s; last: {running}"
                    )
                received = child.pipe.recv()
                if isinstance(received, Ran):
                    break
                running = received
            outcome.passed, outcome.failed = received.passed, received.failed
            outcome.skipped = tuple(received.skipped)
            outcome.files, outcome.tests = received.files, received.tests
            outcome.cpu_s, outcome.seen = received.cpu_s, received.seen
            expected = {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}
            # A part may be left without tests, a whole unit may not.
            if received.code not in expected | (set() if alone else NOTHING):
                outcome.failed += 1
        except (EOFError, ConnectionError, TimeoutError) as error:
            outcome.failed += 1
            outcome.details = f"the test process ended early ({error}); last: {running}\n"
        outcome.details += child.printed(20_000) if outcome.failed else ""


def guard(book: Book, unit: Unit, report: Report) -> Outcome | None:
    """Tests of a unit that pytest passed over or left out, as one more failure; None without."""
    seen = [each.seen for each in report.outcomes if each.seen is not None]
    if not seen or len(seen) < len(report.outcomes):
        return None  # a part ended early, and says so itself
    joined = collected.joined(seen)
    wrong = collected.problems(book, unit, joined, known=report.kept_files.keys())
    shown = [f"{each.where}: {each.what}\n    mend: {each.mend}" for each in wrong]
    if not wrong:
        return None
    return Outcome(failed=len(wrong), details="\n".join(shown), is_guard=True)


def _link(source: str, target: str) -> None:
    """mypy replaces its files and never writes into them, so that links are as good as copies."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
