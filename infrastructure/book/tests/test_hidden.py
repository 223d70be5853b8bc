"""What decides a result is found by imports; code that would hide a cause is found instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from book.chain.chain import Book
from book.check.finding import Finding
from book.check.hidden import LOADERS, hidden

STEPS = (
    'title = "Words"\npackage = "words"\n[[step]]\nname = "first"\nlesson = "A."\nchanges = ["a"]\n'
)
CHAPTER = "chapters/chapter-02-words"
PLACES = (
    "reference-agent/tools.py",
    f"{CHAPTER}/words/deep/module.py",
    f"{CHAPTER}/incidents/storm.py",
    f"{CHAPTER}/first/agent.py",
    "infrastructure/mock-claude/mock_claude/world/cities.py",
    "infrastructure/book/book/stage/trial.py",
)


@pytest.fixture
def book(tmp_path: Path) -> Book:
    for name in ("reference-agent/agent.py", f"{CHAPTER}/first/agent.py", *PLACES):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("", encoding="utf-8")
    (tmp_path / CHAPTER / "steps.toml").write_text(STEPS, encoding="utf-8")
    return Book(tmp_path)


def found(book: Book, place: str, code: str) -> list[Finding]:
    (book.root / place).write_text(f"import os\nfrom pathlib import Path\n{code}", encoding="utf-8")
    return list(hidden(book))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "code",
    [
        "import importlib",
        "import importlib.util as u",
        "from importlib import import_module",
        "def f():\n    from importlib.metadata import version",
        "import runpy",
        "import pkgutil",
        "__import__('words')",
        "import builtins\nbuiltins.exec('x = 1')",
        "from builtins import exec as run",
        "globals()['__import__']('words')",
        "exec('import words')",
        "eval('1')",
        "import sys\nsys.path.append('..')",
        "from sys import modules",
        "import sys as s\ns.path.insert(0, '..')",
        "def f():\n    import builtins as b\n    return b.exec('x = 1')",
    ],
)
def test_what_imports_do_not_show_is_found_with_its_line(book: Book, place: str, code: str) -> None:
    (each,) = found(book, place, code)[:1]
    assert each.where.rpartition(":")[0] == place
    assert int(each.where.rpartition(":")[2]) >= 3
    assert "import it where it stands" in each.mend


@pytest.mark.parametrize(
    "code",
    [
        "Path(__file__).resolve().parent.parent.parent / 'data'",
        "Path(__file__).parents[2].joinpath('data')",
        "HERE = Path(__file__)\nopen(HERE.parent / '..' / '..' / 'data.csv')",
        "UP = '..'\nHERE = Path(__file__).parent\n(HERE / UP / UP / 'data').read_text()",
        "open(os.path.join(os.path.dirname(__file__), '../../data'))",
        "from os.path import dirname\nopen(dirname(dirname(dirname(__file__))) + '/data')",
        "open(f'{Path(__file__).parent}/../../data')",
        "open(__file__ + '/../../../data')",
        "Path(__file__).with_name('../../data.csv')",
        "Path(__file__).parent / os.pardir / os.pardir / 'data'",
        "Path(__file__).parent / '/etc/hosts'",
        "next(each for each in Path(__file__).parents)",
        "import words\nPath(words.__file__)",
    ],
)
def test_a_path_that_leaves_its_package_is_found(book: Book, code: str) -> None:
    (each,) = found(book, f"{CHAPTER}/words/deep/module.py", code)[:1]
    assert each.where.startswith(f"{CHAPTER}/words/deep/module.py:")
    assert f"leaves {CHAPTER}/words" in each.what
    assert "inside the folder" in each.mend


@pytest.mark.parametrize(
    "code",
    [
        "Path(__file__).with_suffix('.toml')",
        "Path(__file__).resolve().parent.parent / 'data.csv'",
        "HERE = Path(__file__).parent\n(HERE / 'a' / '..' / 'b.csv').read_text()",
        "open(os.path.join(os.path.dirname(__file__), 'cities.csv'))",
        "name = input()\nPath(__file__).parent / name",
        "import re\nre.compile('x')\nclass A:\n    def compile(self): ...",
        "Path('parent').parent.parent",
        "import sys\nsys.exit(1)",
        "def broken(:",
    ],
)
def test_what_stays_inside_and_what_shows_its_imports_is_allowed(book: Book, code: str) -> None:
    assert found(book, f"{CHAPTER}/words/deep/module.py", code) == []


def test_a_test_may_load_what_it_tests(book: Book) -> None:
    assert found(book, f"{CHAPTER}/first/test_lesson.py", "import importlib") == []


def test_the_loaders_exist_and_load(book: Book) -> None:
    root = Book.find().root
    for name in LOADERS:
        loads = found(book, PLACES[-1], (root / name).read_text(encoding="utf-8"))
        assert loads, f"{name} needs no place in the list"
