"""Rule 2: a lesson fails by assertion before its step, and passes there and ever after.

A test of a lesson that passes on the step before teaches nothing, one that fails there by
ImportError proves nothing, and one that is left out says nothing. A test that guards what must stay
true says so: ``@pytest.mark.guard("why")``.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from book.chain.chain import Book, Step
from book.chain.deciding import Deciding
from book.chain.files import OWN, on_disk
from book.check.finding import Finding
from book.check.jobs import Job
from book.stage.processes import Processes
from book.testing import exceptions
from book.testing.exceptions import Exceptions, skip_reason

if TYPE_CHECKING:  # the child imports it; a check that only reads has none
    import pytest

LESSON = "test_lesson.py"
LIMIT_S = 120.0
BY_ASSERTION = {"AssertionError", "Failed"}


def lesson_jobs(book: Book, processes: Processes) -> Iterator[Job]:
    """Rule 2: a lesson fails by assertion before its step, and passes there and ever after."""
    ends = [chapter.steps[-1] for chapter in book.chapters if chapter.steps]
    for step in book.steps[1:]:
        lesson = step.path / LESSON
        if not lesson.is_file():
            continue
        place = book.steps.index(step)
        later = [end for end in ends if book.steps.index(end) > place]
        for other in (book.before(step), step, *later):
            yield Job(
                f"{step.name}'s lesson on {other.name}",
                partial(Deciding.lesson, lesson=lesson, other=other),
                partial(lesson_on, book, processes, step, other),
            )


def lesson_on(book: Book, processes: Processes, step: Step, other: Step) -> list[Finding]:
    """Run ``step``'s lesson on ``other``'s agent, in a copy of its folder."""
    where = (step.path / LESSON).relative_to(book.root).as_posix()
    with tempfile.TemporaryDirectory(dir=processes.scratch) as scratch:
        copy(other, Path(scratch))
        shutil.copy2(step.path / LESSON, scratch)
        config = book.root / "pyproject.toml"
        with processes.child("lesson", run_lesson, Path(scratch), config) as child:
            if not child.pipe.poll(LIMIT_S):
                return [Finding(f"it did not end within {LIMIT_S:.0f} s", where, "mend the test")]
            try:
                ended = [Ended(*each) for each in child.pipe.recv()]
            except (EOFError, ConnectionError):
                said = child.printed(500)
                return [Finding(f"it could not run on {other.name}: {said}", where, "mend it")]
    allowed = exceptions.read(book)
    judge = judged_before if other is book.before(step) else judged_after
    return list(judge(step, other, where, ended, allowed))


def copy(step: Step, folder: Path) -> None:
    """Its agent, without its README and tests, for ``run_lesson`` to try others' tests on."""
    for name in on_disk(step.path):
        if name not in OWN:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(step.path / name, target)


class Ended(NamedTuple):
    """How a test, or one case of it, ended: ``passed``, ``failed``, ``skipped`` or ``xfailed``.

    ``why`` is the exception's name or the skip's reason; ``line`` 0 where it is not known.
    """

    name: str
    line: int
    outcome: str
    why: str = ""
    guard: bool = False


def judged_before(
    step: Step, other: Step, where: str, ended: Sequence[Ended], allowed: Exceptions
) -> Iterator[Finding]:
    """What is wrong with a lesson that ended like this on the step before its own."""
    wrong = [e for e in ended if e.outcome == "failed" and e.why not in BY_ASSERTION]
    if wrong:
        shown = ", ".join(f"{each.name} ({each.why})" for each in wrong)
        yield Finding(
            f"on {other.name} the lesson fails, but not by assertion: {shown}",
            _at(where, wrong[0]),
            "let it run on the step before and assert what that step lacks",
        )
    elif all(each.outcome != "failed" for each in ended):
        yield Finding(
            f"the lesson passes on {other.name} already, so it shows nothing",
            where,
            f"assert what {step.name} adds; book diff {step.name}",
        )
    for each in ended:
        if each.outcome == "passed" and not each.guard:
            yield Finding(
                f"{each.name} passes on {other.name} already, so it shows nothing",
                _at(where, each),
                f"assert what {step.name} adds; or say what it guards: "
                '@pytest.mark.guard("what must stay true, and why")',
            )
        elif each.outcome == "failed" and each.guard and each.why in BY_ASSERTION:
            yield Finding(
                f"{each.name} is marked as a guard, and fails on {other.name}",
                _at(where, each),
                "take the mark away: it shows what the step adds",
            )
    yield from _left_out(other, where, ended, allowed)


def judged_after(
    step: Step, other: Step, where: str, ended: Sequence[Ended], allowed: Exceptions
) -> Iterator[Finding]:
    """What is wrong with a lesson that ended like this on its own step or on a later one."""
    failed = [each for each in ended if each.outcome == "failed"]
    if failed or not any(each.outcome == "passed" for each in ended):
        names = ", ".join(each.name for each in failed) or "no test ran"
        mend = f"book test {step.name}" if other is step else f"mend {other.name}"
        place = _at(where, failed[0]) if failed else where
        yield Finding(f"{step.name}'s lesson must pass on {other.name}: {names}", place, mend)
    yield from _left_out(other, where, ended, allowed)


def _left_out(
    other: Step, where: str, ended: Sequence[Ended], allowed: Exceptions
) -> Iterator[Finding]:
    for each in ended:
        if each.outcome == "xfailed":
            what = f"{each.name} is expected to fail on {other.name}"
            yield Finding(what, _at(where, each), "mend what it finds, or remove it")
        elif each.outcome == "skipped" and not allowed.allows_skip(each.why):
            yield Finding(
                f"{each.name} is skipped on {other.name}: {each.why}",
                _at(where, each),
                "let it run and assert; a lesson that is skipped says nothing",
            )


def _at(where: str, ended: Ended) -> str:
    return f"{where}:{ended.line}" if ended.line else where


class _Seen:
    """A pytest plugin: how each test ended."""

    def __init__(self) -> None:
        self.ended: list[Ended] = []
        self.guards: set[str] = set()
        self.kinds: dict[str, str] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        self.guards = {each.nodeid for each in items if each.get_closest_marker("guard")}

    def pytest_exception_interact(
        self,
        node: pytest.Item | pytest.Collector,
        call: pytest.CallInfo[object],
        report: pytest.CollectReport | pytest.TestReport,
    ) -> None:
        if report.failed and call.excinfo is not None:
            kind = call.excinfo.typename
            in_test = getattr(report, "when", "") == "call"
            self.kinds[report.nodeid] = kind if in_test else f"{kind} outside the test"
            if getattr(report, "when", None) in (None, "collect"):
                self.ended.append(Ended(LESSON, 0, "failed", self.kinds[report.nodeid]))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.ended.append(Ended(LESSON, 0, "skipped", skip_reason(report.longrepr)))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.passed:
            return
        outcome: str = report.outcome
        why = skip_reason(report.longrepr) if report.skipped else ""
        if hasattr(report, "wasxfail"):
            outcome, why = "xfailed", str(report.wasxfail)
        name = report.nodeid.partition("::")[2]
        line = (report.location[1] or 0) + 1
        self.ended.append(Ended(name, line, outcome, why, report.nodeid in self.guards))

    def told(self) -> list[tuple[object, ...]]:
        """In the order of the tests; the kind of a failure is known only after its report."""
        return [
            tuple(e._replace(why=self.kinds.get(f"{LESSON}::{e.name}", e.why))) for e in self.ended
        ]


def run_lesson(pipe: Connection, folder: Path, config: Path) -> None:
    """In a child: pytest over the lesson alone, beside the agent it is tried on."""
    import pytest

    os.chdir(folder)
    sys.path.insert(0, str(folder))
    seen = _Seen()
    options = ["-q", "-p", "no:cacheprovider", "-c", str(config), "--rootdir", str(folder)]
    code = pytest.main([*options, LESSON], plugins=[seen])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) and not seen.ended:
        name = code.name if isinstance(code, pytest.ExitCode) else str(code)
        seen.ended.append(Ended(LESSON, 0, "failed", name))
    pipe.send(seen.told())
