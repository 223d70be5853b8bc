"""In a child process: what pytest collected of a folder, and how each test ended.

Prevents a judgement from counts alone, which do not tell which test is missing.
"""

from __future__ import annotations

import os
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from book.testing.collected import EMPTY, Case, Seen
from book.testing.exceptions import skip_reason


class Watching:
    """A pytest plugin; ``seen`` is what it saw so far."""

    def __init__(self) -> None:
        self.cases: dict[str, Case] = {}
        self.broken = False
        self.root = Path()

    def pytest_configure(self, config: pytest.Config) -> None:
        self.root = config.rootpath

    @property
    def seen(self) -> Seen:
        return Seen(tuple(self.cases.values()), self.broken)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """After whatever a conftest takes out again."""
        for item in session.items:
            marks = [str(mark.kwargs.get("reason", "")) for mark in item.iter_markers("skip")]
            empty = next((why for why in marks if why.startswith(EMPTY)), "")
            outcome = "skipped" if empty else ""
            line = (item.location[1] or 0) + 1
            self.cases[item.nodeid] = Case(
                item.nodeid, str(item.path), _named(item), _defined(item), line, outcome, empty
            )

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.broken |= report.failed
        if report.skipped:
            path = str(self.root / report.nodeid)
            why = skip_reason(report.longrepr)
            self.cases[report.nodeid] = Case(report.nodeid, path, "", "", 1, "skipped", why)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        case = self.cases.get(report.nodeid)
        if case is None or (report.passed and report.when != "call"):
            return
        outcome: str = report.outcome
        why = skip_reason(report.longrepr) if report.skipped else ""
        if hasattr(report, "wasxfail"):
            outcome, why = "xfailed", str(report.wasxfail)
        self.cases[report.nodeid] = case._replace(outcome=outcome, why=why)


def _named(item: pytest.Item) -> str:
    """Its class and name, as in the file that it was found in, without its parameters."""
    parts = [node.name for node in item.listchain() if isinstance(node, pytest.Class)]
    return "::".join((*parts, getattr(item, "originalname", None) or item.name))


def _defined(item: pytest.Item) -> str:
    """File, class and name, joined by ``::``, where the function stands; empty if it is none."""
    function = getattr(item, "function", None)
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    name = getattr(function, "__qualname__", "")
    file = getattr(module, "__file__", None)
    return f"{file}::{name.replace('.', '::')}" if file and name else ""


def collect(pipe: Connection, folder: Path, tests: tuple[str, ...]) -> None:
    """Collect and run nothing."""
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    watching = Watching()
    options = ["-q", "--collect-only", "-p", "no:cacheprovider", "--color=no"]
    pytest.main([*options, *tests], plugins=[watching])
    sys.stdout.flush()
    pipe.send(watching.seen)
