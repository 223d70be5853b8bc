"""A checklist shows what holds each line, and a test that is gone does not go unnoticed."""

from pathlib import Path

import pytest
from small_repository import Small

from book.chain import checklist, generate
from book.chain.chain import Book, ChainError
from book.check import rules, texts
from book.check.finding import Finding

LIST = """\
[[line]]
section = "Waits"
says = "A wait is short."
tests = ["test_waits.py::test_a_wait_is_short", "second/test_lesson.py::test_second"]

[[line]]
section = "Ends"
says = "An end is near | far."
later = "chapter 7: ends"

[[line]]
section = "Waits"
says = "A wait is fair."
tests = ["deep/test_fair.py::TestWait::test_is_fair"]
later = "chapter 3: fair | not"
"""
SHORT = "[a wait is short](tests/test_waits.py#L1)<br>[second](second/test_lesson.py#L1)"
TABLE = rf"""### Waits

| rule | held by |
|---|---|
| A wait is short. | {SHORT} |
| A wait is fair. | [TestWait: is fair](tests/deep/test_fair.py#L2)<br>chapter 3: fair \| not |

### Ends

| rule | held by |
|---|---|
| An end is near \| far. | chapter 7: ends |
"""
README = "# Trials\n\n<!-- generated: steps -->\n<!-- end generated -->\n"
BLOCK = f"{checklist.MARK}\n<!-- end generated -->\n"
CHAPTER = "chapters/chapter-02-trials"
TESTS = """\
import sys

async def test_awaits() -> None: ...

def helper() -> None:
    def test_inside() -> None: ...

class TestWait:
    def test_method(self) -> None: ...
    async def test_async_method(self) -> None: ...
    def prepare(self) -> None: ...
    class TestDeep:
        def test_deeper(self) -> None: ...

class Machine:
    def test_of_no_test_class(self) -> None: ...

TestMachine = Machine.TestCase
limit = test_limit = 3

if sys.platform != "win32":
    def test_on_posix() -> None: ...
else:
    def test_on_windows() -> None: ...

try:
    import uvloop
except ImportError:
    def test_without_uvloop() -> None: ...
"""
REAL = {
    "test_awaits": 3,
    "TestWait": 8,
    "TestWait::test_method": 9,
    "TestWait::test_async_method": 10,
    "TestWait::TestDeep": 12,
    "TestWait::TestDeep::test_deeper": 13,
    "TestMachine": 18,
    "test_on_posix": 22,
    "test_on_windows": 24,
    "test_without_uvloop": 29,
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """The chapter-02 of this one has a list, the tests that it names, and the block."""
    small = Small.make(tmp_path_factory.mktemp("template") / "book")
    chapter = small.root / CHAPTER
    small.put(chapter / checklist.FILE, LIST)
    small.put(chapter / "README.md", README + BLOCK)
    small.put(chapter / "tests/test_waits.py", "def test_a_wait_is_short() -> None: ...\n")
    small.put(
        chapter / "tests/deep/test_fair.py",
        "class TestWait:\n    async def test_is_fair(self) -> None: ...\n",
    )
    small.write("chapter-02/second", "test_lesson.py", "def test_second() -> None: ...\n")
    return small


@pytest.fixture
def small(template: Small, tmp_path: Path) -> Small:
    return template.copied(tmp_path / "book")


def edit(small: Small, old: str, new: str, name: str = checklist.FILE) -> None:
    path = small.root / CHAPTER / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    small.put(path, text.replace(old, new, 1))


def findings(small: Small) -> list[Finding]:
    return list(texts.checklists(small.book))


def stale(small: Small) -> list[tuple[Path, str]]:
    """What is wrong with the blocks of chapters; the steps here have none at all."""
    folders = [chapter.path for chapter in small.book.chapters]
    return [(f.path, f.reason) for f in generate.stale(small.book, {}) if f.path.parent in folders]


# --- The table -----------------------------------------------------------------------------------


def test_the_lines_of_a_section_stand_together_in_the_order_of_the_file(small: Small) -> None:
    assert checklist.table(small.book, small.book.chapter("02")) + "\n" == TABLE


def test_generating_fills_the_block_once(small: Small) -> None:
    readme = small.root / CHAPTER / "README.md"
    assert readme in generate.write(small.book, {})
    text = readme.read_text(encoding="utf-8")
    assert text.endswith(f"{checklist.MARK}\n{TABLE}<!-- end generated -->\n")
    assert "| step | lesson |" in text, "the other block of the file is made as before"
    assert generate.write(small.book, {}) == []
    edit(small, "A wait is short.", "A wait is brief.")
    assert stale(small) == [(readme, "the generated block is out of date")]
    assert generate.write(small.book, {}) == [readme]
    assert "A wait is brief." in readme.read_text(encoding="utf-8")


def test_a_chapter_with_a_list_must_have_the_block_and_one_without_need_not(small: Small) -> None:
    edit(small, BLOCK, "", "README.md")
    small.put(small.root / "chapters/chapter-03-ordeals/README.md", README)
    generate.write(small.book, {})
    readme = small.root / CHAPTER / "README.md"
    assert stale(small) == [(readme, "the generated block 'checklist' is missing")]


# --- The file ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("[[line]]", "[[lines]]", 1, "lines: unknown key; allowed: line"),
        ('section = "Ends"', 'sektion = "Ends"', 7, "unknown key; allowed: section, says, tests"),
        ('says = "A wait is short."\n', "", 1, "line.0.says: Field required"),
        ('says = "A wait is short."', 'says = " "', 3, "line.0.says: write one line"),
        ('"A wait is short."', '"A wait\\nis short."', 3, "line.0.says: write one line"),
        ('"Ends"', '" Ends"', 7, "line.1.section: write one line"),
        ('later = "chapter 7: ends"', "", 6, "line.1: nothing holds it: name its tests"),
        ('later = "chapter 7: ends"', "tests = []", 6, "line.1: nothing holds it"),
        ('later = "chapter 7: ends"', 'later = ""', 9, "line.1.later: write one line"),
        ('later = "chapter 7: ends"', 'tests = "a.py::test_b"', 9, "line.1.tests: Input should"),
        ("::test_second", "", 4, "line.0.tests.1: write FILE::TEST"),
        ("::test_second", "::test_second[3]", 4, "line.0.tests.1: write FILE::TEST"),
        ("second/test", "../second/test", 4, "line.0.tests.1: write FILE::TEST"),
        ("second/test", "/second/test", 4, "line.0.tests.1: write FILE::TEST"),
        ("deep/test_fair.py", "deep/test_fair", 14, "line.2.tests.0: write FILE::TEST"),
        ('section = "Ends"', "section = ", 7, "not valid TOML"),
    ],
)
def test_a_wrong_file_is_named_with_line_key_and_what_to_do(
    small: Small, old: str, new: str, line: int, says: str
) -> None:
    edit(small, old, new)
    file = small.root / CHAPTER / checklist.FILE
    for use in (lambda book: generate.stale(book, {}), lambda book: list(texts.checklists(book))):
        with pytest.raises(ChainError) as caught:
            use(small.book)
        assert str(caught.value).startswith(f"{file}:{line}: ")
        assert says in str(caught.value)
        assert "TOML" in says or str(caught.value).endswith(
            "; a [[line]] has section, says, and tests or later"
        )


def test_a_list_without_a_line_is_wrong(small: Small) -> None:
    small.put(small.root / CHAPTER / checklist.FILE, "line = []\n")
    with pytest.raises(ChainError, match=r"checklist\.toml:1: line: .* at least 1 item"):
        findings(small)


# --- The tests that it names ---------------------------------------------------------------------


def test_a_list_whose_tests_all_exist_has_no_finding(small: Small) -> None:
    assert findings(small) == []
    assert texts.checklists in rules.READING


def test_a_test_that_was_renamed_is_found_with_its_line_and_new_name(small: Small) -> None:
    edit(small, "test_a_wait_is_short", "test_a_wait_is_very_short", "tests/test_waits.py")
    assert findings(small) == [
        Finding(
            f"{CHAPTER}/tests/test_waits.py has no test test_a_wait_is_short, "
            "which is said to hold: A wait is short.",
            f"{CHAPTER}/checklist.toml:4",
            "name test_a_wait_is_very_short, or write the test",
        )
    ]


def test_a_test_that_is_gone_with_its_file_is_found(small: Small) -> None:
    (small.root / CHAPTER / "tests/deep/test_fair.py").unlink()
    (found,) = findings(small)
    assert found.what.startswith(f"there is no file {CHAPTER}/tests/deep/test_fair.py")
    assert (found.where, found.mend) == (
        f"{CHAPTER}/checklist.toml:14",
        "write it, or name another",
    )


@pytest.mark.parametrize(
    "name", ["test_lesson.py::test_second", "first/test_lesson.py::test_second"]
)
def test_a_test_is_looked_for_in_its_own_step_only(small: Small, name: str) -> None:
    edit(small, "second/test_lesson.py::test_second", name)
    assert [found.where for found in findings(small)] == [f"{CHAPTER}/checklist.toml:4"]


def test_what_pytest_collects_is_a_test_and_nothing_else(small: Small) -> None:
    path = small.root / CHAPTER / "tests/test_many.py"
    small.put(path, TESTS)
    assert checklist.tests_in(Book(small.root), path) == REAL


def test_a_file_that_is_no_python_is_left_to_lint(small: Small) -> None:
    small.put(small.root / CHAPTER / "tests/test_waits.py", "def test_a_wait_is_short(")
    assert findings(small) == []


# --- The README ----------------------------------------------------------------------------------


def test_a_list_that_no_readme_shows_is_found(small: Small) -> None:
    (small.root / CHAPTER / "README.md").unlink()
    (found,) = findings(small)
    assert found.what == f"no README shows {CHAPTER}/checklist.toml"
    assert found.where == f"{CHAPTER}/README.md"
    assert checklist.MARK in found.mend


def test_a_block_whose_list_is_gone_is_found(small: Small) -> None:
    (small.root / CHAPTER / checklist.FILE).unlink()
    (found,) = findings(small)
    assert "which does not exist" in found.what
    assert found.where == f"{CHAPTER}/README.md"
    assert found.mend == f"write {CHAPTER}/checklist.toml, or remove the block"
