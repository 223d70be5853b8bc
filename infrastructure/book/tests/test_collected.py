"""What pytest passes over or leaves out is told by `book test` of the unit and by `book check`."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from book.chain.chain import Book
from book.chain.deciding import Watched
from book.chain.kept import Kept
from book.check import collecting, jobs
from book.stage.processes import Processes
from book.testing import collected, exceptions
from book.testing.collected import Case, Seen
from book.testing.jobs import Jobs, guard
from book.testing.keeping import Green
from book.testing.report import Outcome, Report
from book.testing.units import Unit, units

CHAPTER = "chapters/chapter-02-words"
TESTS = f"{CHAPTER}/tests/test_words.py"
LISTED = '[[skip]]\nreason = "needs podman"\nwhy = "It starts containers."\n'
GOOD = """
import unittest

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from helpers import Base, wrapped


class TestHeirs(Base):
    def test_of_its_own(self):
        assert self


class Plain(unittest.TestCase):
    def test_in_the_old_way(self):
        assert self


@wrapped
async def test_in_a_wrapper():
    assert wrapped


@pytest.mark.parametrize("n", [1, 2])
def test_cases(n):
    assert n


@given(st.integers())
def test_any(n):
    assert n == n + 0


class Machine(RuleBasedStateMachine):
    @rule()
    def step(self):
        assert self


TestMachine = Machine.TestCase


@pytest.mark.skip(reason="needs podman")
def test_a_container():
    assert pytest
"""
HELPERS = """
import asyncio
import functools


class Base:
    def test_of_a_base(self):
        assert self


def wrapped(test):
    @functools.wraps(test)
    def run(*args, **kwargs):
        asyncio.run(test(*args, **kwargs))

    return run
"""
CHECKLIST = """
[[line]]
section = "A"
says = "Words are held."
tests = ["test_words.py::test_cases", "test_words.py::TestHeirs", "test_words.py::TestMachine"]
[[line]]
section = "A"
says = "Containers too."
tests = ["test_words.py::test_a_container"]
"""


@pytest.fixture
def small(tmp_path: Path) -> Book:
    files = {
        "reference-agent/agent.py": "VALUE = 1\n",
        f"{CHAPTER}/steps.toml": 'title = "Words"\npackage = "words"\n',
        f"{CHAPTER}/checklist.toml": CHECKLIST,
        f"{CHAPTER}/tests/helpers.py": HELPERS,
        TESTS: GOOD,
        exceptions.FILE: LISTED,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    shutil.copy2(Book.find().root / "pyproject.toml", tmp_path)
    return Book(tmp_path)


def words(book: Book) -> Unit:
    return next(unit for unit in units(book) if unit.path == book.root / CHAPTER)


def guarded(book: Book, processes: Processes) -> list[str]:
    """What `book test` of the unit says beside pytest itself: one line a place, one a mend."""
    with tempfile.TemporaryDirectory(prefix="book-") as scratch:
        jobs = Jobs(book, processes, Path(scratch), Green(book, 1), kinds=("pytest",))
        (report,) = jobs.run([words(book)], lambda report: None)
    guards = [each for each in report.outcomes if each.is_guard]
    assert all(each.seen is not None for each in report.outcomes if not each.is_guard)
    return [line for each in guards for line in each.details.splitlines()]


def checked(book: Book, processes: Processes, ran: list[str] | None = None) -> list[str]:
    """What `book check` says of the unit."""
    asked = [
        job for job in collecting.collecting_jobs(book, processes) if words(book).name in job.name
    ]
    kept = Kept(book.root / ".cache" / "kept.json")
    seen: list[str] = [] if ran is None else ran
    found = jobs.run(asked, processes, kept, Watched(book), seen.append)
    kept.save()
    return [line for f in found for line in (f"{f.where}: {f.what}", f"    mend: {f.mend}")]


def test_good_tests_are_all_collected_and_nothing_is_said(
    small: Book, processes: Processes
) -> None:
    ran: list[str] = []
    assert guarded(small, processes) == []
    assert checked(small, processes, ran) == []
    assert len(ran) == 1
    assert checked(small, processes, ran) == []
    assert len(ran) == 1, "what has not changed is not collected again"


HIDES = """

def test_disabled():
    assert pytest


test_disabled.__test__ = False


def hidden(test):
    return 1


@hidden
def test_hidden():
    assert pytest


if not pytest:

    def test_in_a_condition():
        assert pytest


@pytest.mark.parametrize('n', [])
def test_without_a_case(n):
    assert n
"""
DESELECTS = (
    "def pytest_collection_modifyitems(items):\n"
    "    items[:] = [each for each in items if 'test_any' not in each.name]\n"
)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {
                TESTS: HIDES,
                f"{CHAPTER}/tests/conftest.py": DESELECTS,
                f"{CHAPTER}/tests/test_more.py": "from test_words import test_cases\n",
            },
            [
                ("test_disabled never runs: pytest does not collect it", "__test__"),
                ("test_hidden never runs: pytest does not collect it", "decorator"),
                ("test_in_a_condition never runs: pytest does not collect it", "condition"),
                ("test_without_a_case has no case: got empty parameter set", "give it a case"),
                ("test_any never runs", "conftest"),
                (
                    "test_cases runs twice: chapters/chapter-02-words/tests/test_more.py",
                    "import no test",
                ),
            ],
        ),
        (
            {f"{CHAPTER}/tests/conftest.py": "collect_ignore = ['test_words.py']\n"},
            [("test_cases never runs", "conftest")],
        ),
    ],
    ids=["each by itself", "a whole file"],
)
def test_what_pytest_passes_over_is_told_by_test_and_check(
    small: Book, processes: Processes, files: dict[str, str], expected: list[tuple[str, str]]
) -> None:
    for file, more in files.items():
        with (small.root / file).open("a", encoding="utf-8") as appended:
            appended.write(more)
    for told in (guarded(small, processes), checked(small, processes)):
        for says, mend in expected:
            places = [line for line in told if line.startswith(f"{TESTS}:") and says in line]
            assert places, told
            assert mend in told[told.index(places[0]) + 1]


LEAVES_OUT = """

@pytest.mark.skip(reason='one day')
def test_later():
    assert 1


def test_without_luck():
    pytest.skip('no luck')


@pytest.mark.xfail
def test_given_up():
    assert not pytest
"""


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (
            LEAVES_OUT,
            [
                "test_later was skipped: one day",
                "test_without_luck was skipped: no luck",
                "test_given_up was xfailed",
            ],
        ),
        ("\n\npytestmark = pytest.mark.skip(reason='all of it')\n", ["test_cases was skipped"]),
        (
            "\n\npytest.skip('whole file', allow_module_level=True)\n",
            ["the whole file was skipped"],
        ),
    ],
)
def test_a_test_that_is_left_out_for_no_listed_reason_fails_its_unit(
    small: Book, processes: Processes, more: str, says: list[str]
) -> None:
    with (small.root / TESTS).open("a", encoding="utf-8") as appended:
        appended.write(more)
    told = guarded(small, processes)
    for each in says:
        assert any(line.startswith(f"{TESTS}:") and each in line for line in told), told


def test_a_test_of_a_checklist_that_did_not_run_is_told_with_what_it_should_hold(
    small: Book, processes: Processes
) -> None:
    text = GOOD.replace("@pytest.mark.parametrize", "@pytest.mark.skip\n@pytest.mark.parametrize")
    (small.root / TESTS).write_text(text, encoding="utf-8")
    told = guarded(small, processes)
    says = "test_cases is said to hold: Words are held. But it was skipped"
    assert any(line.startswith(f"{TESTS}:") and says in line for line in told), told


def test_a_file_that_cannot_be_collected_is_left_to_pytest(
    small: Book, processes: Processes
) -> None:
    (small.root / TESTS).write_text("import nothing_of_that_name\n", encoding="utf-8")
    assert guarded(small, processes) == []
    (what, mend) = checked(small, processes)
    assert "pytest could not collect" in what
    assert "book test chapter-02/words" in mend


def case(name: str, outcome: str = "", line: int = 1) -> Case:
    return Case(f"t.py::{name}", "t.py", name.partition("[")[0], "", line, outcome)


def test_the_parts_of_a_unit_are_joined_before_they_are_judged() -> None:
    one = Seen((case("test_a[1]", "passed"), case("test_a[2]"), case("test_b")))
    two = Seen((case("test_a[1]"), case("test_a[2]", "skipped"), case("test_c", "failed")))
    assert collected.joined([one, two]) == Seen(
        (
            case("test_a[1]", "passed"),
            case("test_a[2]", "skipped"),
            case("test_b"),
            case("test_c", "failed"),
        )
    )
    assert collected.joined([one, Seen(broken=True)]).broken


def test_a_unit_of_which_a_part_ended_early_is_not_judged(small: Book) -> None:
    unit = words(small)
    ended, stopped = Outcome(seen=Seen()), Outcome(failed=1)
    report = Report(unit.name, "pytest", outcomes=[ended, stopped])
    assert guard(small, unit, report) is None
    told = guard(small, unit, Report(unit.name, "pytest", outcomes=[ended]))
    assert told is not None
    assert 0 < told.failed == told.details.count("never runs")
