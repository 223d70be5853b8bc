"""In a child process: pytest over one folder, whose modules come first on the path."""

from __future__ import annotations

import os
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import hypothesis
import pytest

from book.testing.watching import Watching


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
    watching = Watching()
    code = pytest.main([*options, *tests], plugins=[counts, watching])
    sys.stdout.flush()
    pipe.send((counts.passed, counts.failed, tuple(counts.skipped), int(code), watching.seen))
