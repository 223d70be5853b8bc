"""Each rule catches its mutation, names the file and says how to mend it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from damaged import Copy, Damage, edit, git

from book.chain import generate
from book.chain.chain import Book
from book.chain.kept import Kept
from book.check import (
    checking,
    commands,
    figures,
    imports,
    inventory,
    lessons,
    links,
    models,
    names,
    reading,
    readmes,
    steps,
    texts,
)
from book.check.finding import Finding, Rule
from book.check.lessons import Ended
from book.stage.processes import Processes
from book.testing.exceptions import Exceptions, Skip
from book.testing.running import IMPORTS
from book.testing.units import changed


def test_an_undamaged_copy_has_no_findings(copy: Copy) -> None:
    assert reading.findings(copy.book()) == []


STEP = "chapters/chapter-02-reliability/with-retries"
STEPS_TOML = "chapters/chapter-02-reliability/steps.toml"
PACKAGE = "chapters/chapter-01-production-mindset/readiness"


def inherited_line(root: Path) -> None:
    edit(root / STEP / "tools.py", "nothing found", "no luck")


def declared_but_equal(root: Path) -> None:
    edit(root / STEPS_TOML, '".env.example"]', '".env.example", "tools.py"]')


def later_import(root: Path) -> None:
    edit(root / PACKAGE / "pricing.py", "from decimal", "import reliability\nfrom decimal")


def retired_model(root: Path) -> None:
    edit(root / "README.md", "Try an agent\n", "Try an agent\n\nIt is claude-3-opus-20240229.\n")


def undeclared_file(root: Path) -> None:
    (root / STEP / "helpers.py").write_text("x = 1\n", encoding="utf-8")


def forty_one_lines(root: Path) -> None:
    counted = sum(generate.wiring_changes(Book(root), Book(root).steps[1]).values())
    path = root / STEP / "agent.py"
    text = path.read_text(encoding="utf-8")
    more = "".join(f"A{n} = {n}\n" for n in range(41 - counted))
    path.write_text(text.replace('NO_KEY = """', f'{more}NO_KEY = """', 1), encoding="utf-8")


def broken_link(root: Path) -> None:
    edit(root / STEP / "README.md", "../reliability/retries.py", "../reliability/retrys.py")


def stale_block(root: Path) -> None:
    edit(root / STEP / "README.md", "| [`config.py`]", "| [`confg.py`]")


def missing_target(root: Path) -> None:
    edit(root / "README.md", "$ make chapter-02\n", "$ make chapters\n")


def empty_section(root: Path) -> None:
    path = root / STEP / "README.md"
    text = path.read_text(encoding="utf-8")
    start = text.index("## What it costs") + len("## What it costs\n")
    end = text.index("## What can still")
    path.write_text(f"{text[:start]}\n{text[end:]}", encoding="utf-8")


def unnamed_step(root: Path) -> None:
    shutil.copytree(root / STEP, root / f"{STEP}-twice")


def unnamed_module(root: Path) -> None:
    (root / PACKAGE / "unnamed.py").write_text('"""New."""\n', encoding="utf-8")


def unsolved_incident(root: Path) -> None:
    folder = root / "chapters/chapter-02-reliability/incidents"
    (folder / "new_trouble.py").write_text('"""New."""\n', encoding="utf-8")


@pytest.mark.parametrize(
    ("rule", "damage", "where", "mend"),
    [
        (steps.drift, inherited_line, f"{STEP}/tools.py", "book propagate"),
        (steps.drift, declared_but_equal, STEPS_TOML, 'remove "tools.py"'),
        (imports.imports, later_import, f"{PACKAGE}/pricing.py:", "earlier chapters"),
        (models.model_ids, retired_model, "README.md:", "claude-sonnet-5-5"),
        (steps.drift, undeclared_file, f"{STEP}/helpers.py", "changes of with-retries"),
        (steps.size_of_lessons, forty_one_lines, f"{STEP}/agent.py", "book diff"),
        (links.links, broken_link, f"{STEP}/README.md:", "path"),
        (texts.generated, stale_block, f"{STEP}/README.md:", "book generate"),
        (names.commands, missing_target, "README.md:", "make help"),
        (readmes.readme_sections, empty_section, f"{STEP}/README.md", "write it"),
        (inventory.inventory, unnamed_step, STEPS_TOML, "with-retries-twice"),
        (inventory.inventory, unnamed_module, f"{PACKAGE}/unnamed.py", "steps.toml"),
        (inventory.inventory, unsolved_incident, STEPS_TOML, "new-trouble"),
    ],
)
def test_a_mutation_is_caught_with_the_file_and_the_mend(
    copy: Copy, rule: Rule, damage: Damage, where: str, mend: str
) -> None:
    found = copy.found(rule, damage)
    assert any(each.where.startswith(where) and mend in each.mend for each in found), found


def test_forty_changed_lines_are_allowed(copy: Copy) -> None:
    forty_one_lines(copy.root)
    edit(copy.root / STEP / "agent.py", "A0 = 0\n", "")
    found = [each.where for each in steps.size_of_lessons(Book(copy.root))]
    assert not [where for where in found if where.startswith(f"{STEP}/")]  # the next differs now


def test_generating_mends_a_stale_block_and_nothing_else(copy: Copy) -> None:
    stale_block(copy.root)
    assert generate.write(Book(copy.root), {}) == [copy.root / STEP / "README.md"]
    assert git(copy.root, "status", "--short") == ""


def test_a_change_touches_the_units_that_it_can_break(copy: Copy) -> None:

    def after(name: str) -> list[str]:
        with (copy.root / name).open("a", encoding="utf-8") as file:
            file.write("\n")
        git(copy.root, "commit", "-qam", name)
        return [unit.name for unit in changed(Book(copy.root), "HEAD~1")]

    assert after(f"{STEP}/README.md") == ["chapter-02/with-retries", "repository"]
    assert after("README.md") == ["repository"]
    touched = after("chapters/chapter-02-reliability/reliability/retries.py")
    assert "chapter-02/reliability" in touched
    assert "chapter-02/with-retries" in touched
    assert "reference-agent" not in touched
    assert "reference-agent" in after("infrastructure/mock-claude/README.md")


LESSON = "from agent import VALUE\n\n\ndef test_value() -> None:\n    assert VALUE == 2\n"
MORE = "\n\n{}def test_more() -> None:\n    assert VALUE {}\n"
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


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with Processes(IMPORTS, tmp_path_factory.mktemp("scratch")) as started:
        yield started


def run_rules(book: Book, processes: Processes, ran: list[str] | None = None) -> list[Finding]:
    seen: list[str] = [] if ran is None else ran
    kept = Kept(book.root / ".cache" / "book-check.json")
    found = checking.lessons_and_commands(Book(book.root), processes, kept, seen.append)
    kept.save()
    return found


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


@pytest.mark.parametrize(
    ("lesson", "says"),
    [
        (LESSON.replace("== 2", "> 0"), "passes on reference-agent already"),
        ("from agent import NEW\n" + LESSON, "not by assertion"),
        (LESSON + MORE.format("", "> 0"), "test_more passes on reference-agent already"),
        ("import pytest\n" + LESSON + MORE.format(SKIP, "== 2"), "test_more is skipped on"),
        ("import pytest\n" + LESSON + MORE.format(XFAIL, "== 3"), "test_more is expected to fail"),
        ("import pytest\n" + LESSON + MORE.format(GUARD, "== 2"), "test_more is marked as a guard"),
    ],
)
def test_a_bad_lesson_is_found(small: Book, processes: Processes, lesson: str, says: str) -> None:
    path = small.steps[1].path / "test_lesson.py"
    path.write_text(lesson, encoding="utf-8")
    found = run_rules(small, processes)
    assert any(says in each.what and "test_lesson.py" in each.where for each in found), found


def test_a_test_that_says_what_it_guards_may_pass_on_the_step_before(
    small: Book, processes: Processes
) -> None:
    path = small.steps[1].path / "test_lesson.py"
    path.write_text("import pytest\n" + LESSON + MORE.format(GUARD, "> 0"), encoding="utf-8")
    assert run_rules(small, processes) == []


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
    found = run_rules(small, processes)
    assert [each.what for each in found] == [
        "chapter-02/first's lesson must pass on chapter-02/last: test_value"
    ]


def test_a_readme_command_whose_output_changed_is_found(small: Book, processes: Processes) -> None:
    readme = small.root / "README.md"
    block = "```console check\n$ python -c \"print('it took', 1.5, 's')\"\nit took {} s\n```\n"
    readme.write_text(block.format("1.5"), encoding="utf-8")
    assert run_rules(small, processes) == []
    for other in ("1.4", "1.5 long"):
        readme.write_text(block.format(other), encoding="utf-8")
        (found,) = run_rules(small, processes)
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
