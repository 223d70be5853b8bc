"""Rule 2: a lesson fails by assertion before its step, and passes there and ever after.

A lesson that passes on the step before teaches nothing, and one that fails there by ImportError
proves nothing.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from book.chain.chain import Book, Step
from book.chain.files import OWN, on_disk
from book.chain.kept import digest, folder_key
from book.check.finding import Finding
from book.check.jobs import Job
from book.stage.processes import Processes

LESSON = "test_lesson.py"
LIMIT_S = 120.0
BY_ASSERTION = {"AssertionError", "Failed"}


def lesson_jobs(book: Book, processes: Processes, world: str) -> Iterator[Job]:
    """Rule 2: a lesson fails by assertion before its step, and passes there and ever after."""
    ends = [chapter.steps[-1] for chapter in book.chapters if chapter.steps]
    for step in book.steps[1:]:
        lesson = step.path / LESSON
        if not lesson.is_file():
            continue
        place = book.steps.index(step)
        later = [end for end in ends if book.steps.index(end) > place]
        for other in (book.before(step), step, *later):
            key = digest([world.encode(), lesson.read_bytes(), folder_key(other)])
            yield Job(
                f"{step.name}'s lesson on {other.name}",
                f"lesson {step.name} {other.name} {key}",
                partial(lesson_on, book, processes, step, other),
            )


def lesson_on(book: Book, processes: Processes, step: Step, other: Step) -> list[Finding]:
    """Run ``step``'s lesson on ``other``'s agent, in a copy of its folder."""
    before = other is book.before(step)
    where = (step.path / LESSON).relative_to(book.root).as_posix()
    with tempfile.TemporaryDirectory(dir=processes.scratch) as scratch:
        for name in on_disk(other.path):
            if name not in OWN:
                target = Path(scratch) / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(other.path / name, target)
        shutil.copy2(step.path / LESSON, scratch)
        config = book.root / "pyproject.toml"
        with processes.child("lesson", run_lesson, Path(scratch), config) as child:
            if not child.pipe.poll(LIMIT_S):
                return [Finding(f"it did not end within {LIMIT_S:.0f} s", where, "mend the test")]
            try:
                passed, failures = child.pipe.recv()
            except (EOFError, ConnectionError):
                said = child.printed(500)
                return [Finding(f"it could not run on {other.name}: {said}", where, "mend it")]
    return list(judged(step, other, where, passed, failures, before))


def judged(
    step: Step, other: Step, where: str, passed: int, failures: dict[str, str], before: bool
) -> Iterator[Finding]:
    """What is wrong with a lesson that ended like this on ``other``, the step ``before`` or not.

    ``failures`` are the exceptions' names by test.
    """
    if not before:
        if failures or not passed:
            names = ", ".join(failures) or "no test ran"
            mend = f"book test {step.name}" if other is step else f"mend {other.name}"
            yield Finding(f"{step.name}'s lesson must pass on {other.name}: {names}", where, mend)
        return
    wrong = {name: kind for name, kind in failures.items() if kind not in BY_ASSERTION}
    if wrong:
        shown = ", ".join(f"{name} ({kind})" for name, kind in wrong.items())
        yield Finding(
            f"on {other.name} the lesson fails, but not by assertion: {shown}",
            where,
            "let it run on the step before and assert what that step lacks",
        )
    elif not failures:
        yield Finding(
            f"the lesson passes on {other.name} already, so it shows nothing",
            where,
            f"assert what {step.name} adds; book diff {step.name}",
        )


class _Failures:
    """A pytest plugin: which tests failed, and by which exception."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.passed += report.passed and report.when == "call"

    def pytest_exception_interact(
        self,
        node: pytest.Item | pytest.Collector,
        call: pytest.CallInfo[object],
        report: pytest.CollectReport | pytest.TestReport,
    ) -> None:
        if report.failed and call.excinfo is not None:
            in_test = isinstance(report, pytest.TestReport) and report.when == "call"
            kind = call.excinfo.typename
            self.failed[node.name] = kind if in_test else f"{kind} outside the test"


def run_lesson(pipe: Connection, folder: Path, config: Path) -> None:
    """In a child: pytest over the lesson alone, beside the agent it is tried on."""
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    seen = _Failures()
    options = ["-q", "-p", "no:cacheprovider", "-c", str(config), "--rootdir", str(folder)]
    code = pytest.main([*options, LESSON], plugins=[seen])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) and not seen.failed:
        seen.failed[LESSON] = code.name if isinstance(code, pytest.ExitCode) else str(code)
    pipe.send((seen.passed, seen.failed))
