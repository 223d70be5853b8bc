"""Lessons and the commands of READMEs are run, and judged by how they end."""

import shutil
from pathlib import Path

import pytest

from book.chain.chain import Book
from book.chain.kept import Kept
from book.check import checking, commands, figures, lessons, reading
from book.check.finding import Finding
from book.check.lessons import Ended
from book.stage.processes import Processes
from book.testing.exceptions import Exceptions, Skip

LESSON = "from agent import VALUE\n\n\ndef test_value() -> None:\n    assert VALUE == 2\n"
GUARD = '@pytest.mark.guard("a value is never negative")\n'
SKIP = '@pytest.mark.skip(reason="one day")\n'
XFAIL = '@pytest.mark.xfail(reason="one day")\n'


@pytest.fixture
def small(tmp_path: Path) -> Book:
    """Three steps whose agents differ by one number, and a lesson about it."""
    chapter = tmp_path / "chapters" / "chapter-02-words"
    for folder, value in (("reference-agent", 1), (chapter / "first", 2), (chapter / "last", 2)):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "agent.py").write_text(f"VALUE = {value}\n", encoding="utf-8")
    (chapter / "first" / "test_lesson.py").write_text(LESSON, encoding="utf-8")
    (chapter / "steps.toml").write_text(
        'title = "Words"\npackage = "words"\n'
        '[[step]]\nname = "first"\nlesson = "Two."\nchanges = ["agent.py"]\n'
        '[[step]]\nname = "last"\nlesson = "Still."\nchanges = ["agent.py"]\n',
        encoding="utf-8",
    )
    shutil.copy2(Book.find().root / "pyproject.toml", tmp_path)
    (tmp_path / "README.md").write_text("# Words\n", encoding="utf-8")
    return Book(tmp_path)


def run_rules(book: Book, processes: Processes, ran: list[str]) -> list[Finding]:
    kept = Kept(book.root / ".cache" / "book-check.json")
    found = checking.lessons_and_commands(Book(book.root), processes, kept, ran.append)
    kept.save()
    return found


def on_step(book: Book, processes: Processes, number: int) -> list[Finding]:
    """The first step's lesson on another one."""
    now = Book(book.root)
    return lessons.lesson_on(now, processes, now.steps[1], now.steps[number])


def run_commands(book: Book, processes: Processes) -> list[Finding]:
    jobs = commands.command_jobs(Book(book.root), processes)
    return [each for job in jobs for each in job.run()]


def test_a_good_lesson_is_run_on_three_steps_once(small: Book, processes: Processes) -> None:
    ran: list[str] = []
    assert run_rules(small, processes, ran) == []
    assert sorted(name for name in ran if "lesson" in name) == [
        "chapter-02/first's lesson on chapter-02/first",
        "chapter-02/first's lesson on chapter-02/last",
        "chapter-02/first's lesson on reference-agent",
    ]
    ran.clear()
    assert run_rules(small, processes, ran) == []
    assert ran == []


MANY = "import pytest\n" + LESSON
MANY += "\n\ndef test_shown() -> None:\n    assert VALUE > 0\n"
MANY += f"\n\n{SKIP}def test_left_out() -> None:\n    assert VALUE == 2\n"
MANY += f"\n\n{XFAIL}def test_given_up() -> None:\n    assert VALUE == 3\n"
MANY += f"\n\n{GUARD}def test_marked() -> None:\n    assert VALUE == 2\n"
MANY += f"\n\n{GUARD}def test_guarded() -> None:\n    assert VALUE > 0\n"


def test_each_test_of_a_lesson_that_shows_nothing_is_found_with_its_line(
    small: Book, processes: Processes
) -> None:
    path = small.steps[1].path / "test_lesson.py"
    path.write_text(MANY, encoding="utf-8")
    found = {(each.what.split()[0], each.what): each for each in on_step(small, processes, 0)}
    says = {
        "test_shown": "passes on reference-agent already",
        "test_left_out": "is skipped on reference-agent: one day",
        "test_given_up": "is expected to fail on reference-agent",
        "test_marked": "is marked as a guard, and fails on reference-agent",
    }
    assert {name for name, _ in found} == set(says)
    for (name, what), finding in found.items():
        assert says[name] in what
        line = int(finding.where.rpartition("test_lesson.py:")[2])
        near = MANY.splitlines()[line - 1 :]
        assert f"def {name}()" in "".join(near[:2])  # a mark may stand before it


def test_a_lesson_that_cannot_be_read_on_the_step_before_fails_not_by_assertion(
    small: Book, processes: Processes
) -> None:
    path = small.steps[1].path / "test_lesson.py"
    path.write_text("from agent import NEW\n" + LESSON, encoding="utf-8")
    (found,) = on_step(small, processes, 0)
    assert "not by assertion: test_lesson.py (CollectError" in found.what
    assert "test_lesson.py" in found.where


def test_a_test_that_says_what_it_guards_may_pass_on_the_step_before(
    small: Book, processes: Processes
) -> None:
    path = small.steps[1].path / "test_lesson.py"
    guarded = f"import pytest\n{LESSON}\n\n{GUARD}def test_more() -> None:\n    assert VALUE > 0\n"
    path.write_text(guarded, encoding="utf-8")
    assert on_step(small, processes, 0) == []


def ended(outcome: str, why: str = "", name: str = "test_a", *, guard: bool = False) -> Ended:
    return Ended(name, 3, outcome, why, guard)


PASSED, FAILED = ended("passed"), ended("failed", "AssertionError")
ALSO = ended("failed", "Failed", "test_b")
NO_TESTS = Ended("test_lesson.py", 0, "failed", "NO_TESTS_COLLECTED")
WSL = Exceptions(skip=(Skip(reason="use WSL", why="as told"),))


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ([PASSED, ended("failed", "KeyError", "test_b")], "test_b (KeyError)"),
        ([ended("failed", "AssertionError outside the test")], "not by assertion"),
        ([NO_TESTS], "NO_TESTS_COLLECTED"),
        ([PASSED], "the lesson passes on reference-agent already"),
        ([ended("passed", guard=True)], "the lesson passes on reference-agent already"),
        ([], "the lesson passes on reference-agent already"),
        ([PASSED, ALSO], "test_a passes on reference-agent already"),
        ([ended("failed", "Failed", guard=True), ALSO], "marked as a guard, and fails"),
        ([ended("skipped", "no service"), ALSO], "skipped on reference-agent: no service"),
        ([ended("skipped", "use WSL, please"), ALSO], "skipped on reference-agent"),
        ([ended("xfailed", "one day"), ALSO], "expected to fail"),
        ([FAILED, ALSO], ""),
        ([ended("passed", guard=True), ALSO], ""),
        ([ended("skipped", "use WSL"), ALSO], ""),
    ],
)
def test_a_lesson_is_judged_by_how_each_test_fails_on_the_step_before(
    small: Book, how: list[Ended], says: str
) -> None:
    found = list(lessons.judged_before(small.steps[1], small.steps[0], "x.py", how, WSL))
    assert says in "".join(each.what for each in found) if says else not found
    assert all(each.mend and each.where.startswith("x.py") for each in found)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ([], "no test ran"),
        ([ended("skipped", "use WSL")], "no test ran"),
        ([PASSED, ALSO], "must pass on chapter-02/first: test_b"),
        ([PASSED, ended("skipped", "one day", "test_b")], "test_b is skipped on chapter-02/first"),
        ([PASSED, ended("xfailed", "one day", "test_b")], "test_b is expected to fail"),
        ([PASSED], ""),
        ([PASSED, ended("skipped", "use WSL", "test_b")], ""),
        ([ended("passed", guard=True), PASSED], ""),
    ],
)
def test_a_lesson_passes_on_its_step_and_leaves_nothing_out(
    small: Book, how: list[Ended], says: str
) -> None:
    found = list(lessons.judged_after(small.steps[1], small.steps[1], "x.py", how, WSL))
    assert says in "".join(each.what for each in found) if says else not found


def test_a_later_step_that_breaks_an_earlier_lesson_is_found(
    small: Book, processes: Processes
) -> None:
    (small.steps[2].path / "agent.py").write_text("VALUE = 1\n", encoding="utf-8")
    assert [each.what for each in on_step(small, processes, 2)] == [
        "chapter-02/first's lesson must pass on chapter-02/last: test_value"
    ]


def test_a_readme_command_whose_output_changed_is_found(small: Book, processes: Processes) -> None:
    readme = small.root / "README.md"
    block = "```console check\n$ python -c \"print('it took', 1.5, 's')\"\nit took {} s\n```\n"
    readme.write_text(block.format("1.5"), encoding="utf-8")
    assert run_commands(small, processes) == []
    for other in ("1.4", "1.5 long"):
        readme.write_text(block.format(other), encoding="utf-8")
        (found,) = run_commands(small, processes)
        assert found.where == "README.md:1"
        assert "it took 1.5 s" in found.what


def test_the_rules_read_a_small_repository_too(small: Book) -> None:
    (small.root / "pyproject.toml").unlink()
    found = reading.findings(Book(small.root))
    assert any("py.typed" in each.where for each in found)
    assert any(each.where == ".ci/run" for each in found)


def test_measured_figures_are_written_down_and_may_move_within_bounds(
    small: Book, processes: Processes
) -> None:
    readme, clock = small.root / "README.md", small.root / "clock.txt"
    shown = "$ python -c \"print(open('clock.txt').read())\"\n{}\n"
    block = "# Words\n\n```console check measured{}\n" + shown + "```\n\nThe end.\n"
    clock.write_text("3 calls took 1.5 s", encoding="utf-8")
    readme.write_text(block.format("", "not run yet: 0 s"), encoding="utf-8")
    assert commands.measure(Book(small.root), processes) == [readme]
    key = figures.code_key(Book(small.root), shown.format(""))
    assert readme.read_text(encoding="utf-8") == block.format(f"={key}", "3 calls took 1.5 s")
    assert list(figures.measured_figures(Book(small.root))) == []

    def says(text: str) -> list[str]:
        clock.write_text(text, encoding="utf-8")
        (block,) = figures.blocks(Book(small.root))
        found = commands.commands_print(small, processes, block, "README.md:3")
        assert all("--measured" in each.mend for each in found)
        return [each.what for each in found]

    assert says("3 calls took 1.7 s") == []
    assert "1.5 s is now 1.9 s" in says("3 calls took 1.9 s")[0]
    assert "something else" in says("4 calls took 1.5 s")[0]
