"""Tests that never run, cannot fail or wait on the real clock are found, and good ones are not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from book.chain.chain import Book, ChainError
from book.check import rules, tests
from book.check.finding import Finding
from book.testing import exceptions

CHAPTER = "chapters/chapter-02-words"
TESTS = f"{CHAPTER}/tests/test_words.py"
STEP = f"{CHAPTER}/first/test_agent.py"
STEPS_TOML = 'title = "Words"\npackage = "words"\n[[step]]\nname = "first"\nlesson = "Two."\n'
LISTED = """
clocks = ["in_jumping_time"]
[[skip]]
reason = "needs podman"
why = "It starts containers."
[[sleep]]
file = "chapters/chapter-02-words/tests/test_words.py"
function = "test_that_waits"
why = "It waits for a process."
"""
GOOD = """
import asyncio
import contextlib
import time
import pytest
from helpers import in_jumping_time, make, Base

podman = pytest.mark.skipif(True, reason="needs podman")

@pytest.fixture
def word():
    return "word"

@pytest.fixture(autouse=True)
def quiet(): ...

@pytest.fixture(name="other")
def _other(word):
    return spelt(word)

def spelt(word):
    return list(word)

def pytest_generate_tests(metafunc): ...

@contextlib.contextmanager
def opened():
    yield

class Held:
    def send(self): ...

class TestWords(Base):
    def test_they_are_spelt(self, other):
        assert self.helped(other)

    def helped(self, other):
        return other

class TestMore:
    def test_they_are_spelt(self):
        assert self.helped()

    def helped(self):
        return make()

@podman
def test_a_container():
    with opened():
        assert Held().send() is None

@pytest.mark.usefixtures("word")
def test_held():
    def test(value):
        return value
    assert test(1) == make()

async def test_that_waits():
    await asyncio.sleep(0)
    time.sleep(0.1)
    assert make()

async def later():
    await asyncio.sleep(60)

@in_jumping_time
async def test_in_a_minute():
    await asyncio.sleep(60)
    await later()
    assert make()

class TestSetters:
    def test_of_a_property(self):
        assert make()
"""
HELPERS = """
class Base:
    def test_of_a_base(self):
        assert make()

def make():
    return 1

def in_jumping_time(test):
    return test
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A chapter with a package's tests, a step's, and a list of exceptions; all is well."""
    files = {
        "reference-agent/agent.py": "VALUE = 1\n",
        "infrastructure/book/slow/test_slow.py": "def test_slow():\n    assert __file__\n",
        f"{CHAPTER}/steps.toml": STEPS_TOML + 'changes = ["agent.py"]\n',
        f"{CHAPTER}/first/agent.py": "VALUE = 2\n",
        f"{CHAPTER}/tests/helpers.py": HELPERS,
        f"{CHAPTER}/checklist.toml": '[[line]]\nsection = "A"\nsays = "Words are held."\n'
        'tests = ["test_words.py::test_held", "test_words.py::TestWords"]\n',
        TESTS: GOOD,
        STEP: "import agent\n\ndef test_value():\n    assert agent.VALUE == 2\n",
        exceptions.FILE: LISTED,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def found_in(root: Path) -> list[Finding]:
    return list(tests.tests(Book(root)))


def test_these_rules_speak_in_the_check_that_only_reads() -> None:
    assert {tests.tests} <= set(rules.READING), "the whole repository is asked with them"


def test_good_tests_have_no_findings(small: Path) -> None:
    assert found_in(small) == []


FORGOTTEN = "\ndef test_more():\n    assert make()\n"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (f"{CHAPTER}/tests/words.py", "words.py, which pytest does not collect"),
        (f"{CHAPTER}/tests/tst_words.py", "which pytest does not collect"),
        (f"{CHAPTER}/first/agent_tests.py", "which pytest does not collect"),
        (f"{CHAPTER}/tests/build/test_more.py", "in build/, a folder that pytest passes over"),
        (f"{CHAPTER}/tests/deep/.old/test_more.py", "in .old/, a folder that pytest passes over"),
        (f"{CHAPTER}/test_more.py", "in no folder of tests"),
        (f"{CHAPTER}/test/test_more.py", "in no folder of tests"),
        (f"{CHAPTER}/words/test_more.py", "in no folder of tests"),
        ("infrastructure/mock-claude/more/test_more.py", "in no folder of tests"),
        ("test_more.py", "in no folder of tests"),
    ],
)
def test_a_test_where_pytest_does_not_look_is_found(small: Path, name: str, says: str) -> None:
    (small / name).parent.mkdir(parents=True, exist_ok=True)
    (small / name).write_text(f"make = len\n{FORGOTTEN}", encoding="utf-8")
    (found,) = found_in(small)
    assert (found.where, says in found.what, bool(found.mend)) == (f"{name}:3", True, True)


@pytest.mark.parametrize(
    ("more", "says", "mend"),
    [
        (
            "class Words:\n    def test_more(self):\n        assert make()",
            "class Words",
            "TestWords",
        ),
        (
            "class TestIt:\n    def __init__(self): ...\n    def test_a(self): ...",
            "which has __init__",
            "fixture",
        ),
        (
            "class TestIt:\n    __test__ = False\n    def test_a(self):\n        assert make()",
            "__test__ = False",
            "take that line away",
        ),
        (
            "def test_outer():\n    def test_inner():\n        assert make()\n    assert make()",
            "inside of test_outer",
            "top of the file",
        ),
        ("def test_held():\n    assert make()", "test_held is gone: line", "otherwise"),
        ("test_held = None", "test_held is gone", "otherwise"),
        ("del test_held", "test_held is gone", "otherwise"),
        ("from helpers import Base as TestMore", "TestMore is gone", "otherwise"),
        (
            "class TestTwo:\n    def test_a(self):\n        assert make()\n"
            "    def test_a(self):\n        assert make()",
            "test_a is gone",
            "otherwise",
        ),
        ("def tst_more():\n    assert make()", "function tst_more", "test_"),
        ("def check_more():\n    assert check_more", "function check_more", "test_"),
        ("@pytest.mark.asyncio\nasync def should_hold(): ...", "should_hold", "test_"),
        ("@in_jumping_time\nasync def it_holds(): ...", "it_holds", "test_"),
        ("def one():\n    return two()\ndef two():\n    return one()", "function one", "remove"),
        ("@pytest.fixture\ndef unasked():\n    return 1", "fixture unasked", "remove"),
        (
            "class TestIt:\n    def tst_a(self): ...\n    def test_b(self):\n        assert make()",
            "function tst_a",
            "test_",
        ),
        ("@pytest.mark.skip\ndef test_m():\n    assert make()", "without a reason", "list"),
        ("@pytest.mark.skip('later')\ndef test_m():\n    assert make()", "'later'", "list"),
        (
            "@pytest.mark.xfail(reason='flaky')\ndef test_m():\n    assert make()",
            "xfail leaves a test out for the reason 'flaky'",
            "list",
        ),
        ("def test_m():\n    pytest.skip('needs luck')", "skip leaves a test out", "list"),
        (
            "@pytest.mark.skip(reason='needs podman')\ndef test_m():\n    assert make()",
            "skip leaves a test out wherever it runs",
            "asks the machine",
        ),
        (
            "@pytest.mark.skipif(True, reason='needs podman')\ndef test_m():\n    assert make()",
            "skipif leaves a test out wherever it runs",
            "asks the machine",
        ),
        (
            "class TestIt:\n    @pytest.mark.skipif(condition=1, reason='needs podman')\n"
            "    def test_m(self):\n        assert make()",
            "skipif leaves a test out wherever it runs",
            "asks the machine",
        ),
        ("np = pytest.importorskip('numpy')", "importorskip leaves", "list"),
        ("import unittest\n@unittest.skip('no')\ndef test_m():\n    assert make()", "'no'", "list"),
        (
            "from pytest import mark as m\npytestmark = m.skipif(make(), reason=WHY)",
            "skipif",
            "list",
        ),
        ("@pytest.mark.guard\ndef test_m():\n    assert make()", "guard says in words", "guard("),
        ("def test_m():\n    time.sleep(1)\n    assert make()", "test_m waits on", "inject"),
        (
            "from asyncio import sleep as nap\nasync def test_m():\n    await nap(make())",
            "test_m waits on the real clock: nap",
            "inject",
        ),
        (
            "async def later_on():\n    await asyncio.sleep(1)\n"
            "async def test_m():\n    await later_on()\n    assert make()",
            "later_on waits on",
            "inject",
        ),
        ("def test_m():\n    assert True", "assert True cannot fail", "value"),
        ("def test_m():\n    assert spelt", "assert spelt cannot fail", "value"),
        ("def test_m():\n    assert asyncio, make()", "assert asyncio cannot fail", "value"),
        ("def test_m():\n    assert (make(), 'a tuple')", "cannot fail", "value"),
        (
            "async def test_m():\n    await later()\n    assert make()",
            "later waits on",
            "inject",
        ),
        (
            "def test_m():\n    while time.monotonic() < make():\n        pass\n    assert make()",
            "test_m waits on",
            "inject",
        ),
        (
            "import threading\ndef test_m():\n    threading.Event().wait(1)\n    assert make()",
            "test_m waits on",
            "inject",
        ),
        (
            "async def test_m():\n    await asyncio.to_thread(time.sleep, 1)\n    assert make()",
            "test_m waits on",
            "inject",
        ),
    ],
)
def test_a_mutation_of_a_test_module_is_caught(
    small: Path, more: str, says: str, mend: str
) -> None:
    (small / TESTS).write_text(f"{GOOD}\n{more}\n", encoding="utf-8")
    found = found_in(small)
    assert any(
        says in each.what and each.where.startswith(f"{TESTS}:") and mend in each.mend
        for each in found
    ), found


@pytest.mark.parametrize(
    "body",
    [
        "assert True",
        "assert 1 == 1",
        "assert (make() == 2, 'a tuple')",
        "assert make() or True",
        "assert not False",
        "assert 'text'",
        "assert f'text {make()}'",
        "value = make()\n    assert value == value",
        "return\n    assert make()",
        "assert isinstance(1, int)",
        "value = 1\n    assert value == 1",
        "try:\n        assert make()\n    except AssertionError:\n        pass",
        "if False:\n        assert make()",
        "def unused():\n        assert make()",
        "with contextlib.suppress(AssertionError):\n        assert make()",
        "with contextlib.suppress(Exception):\n        assert make()",
        "for each in []:\n        assert make() == each",
        "with pytest.raises(ValueError):\n        raise ValueError(make())",
        "make()",
        "spelt('word')",
        "...",
    ],
)
def test_a_test_of_a_checklist_that_cannot_fail_is_found(small: Path, body: str) -> None:
    text = GOOD.replace("def test_held():", f"def test_held():\n    {body}\n\ndef test_other():")
    (small / TESTS).write_text(text, encoding="utf-8")
    found = [each for each in found_in(small) if "test_held" in each.what]
    assert ["Words are held." in each.what for each in found] == [True]
    assert found[0].where.startswith(f"{TESTS}:")


@pytest.mark.parametrize(
    "body",
    [
        "assert make()",
        "assert make() == 1 and True",
        "with pytest.raises(ValueError):\n        make()",
        "held(make())",
        "try:\n        make()\n    except ValueError:\n        return\n    assert False, make()",
        "for each in range(3):\n        assert each < make()",
        "if make() == 1:\n        pytest.fail('it is one')",
        "try:\n        make()\n    finally:\n        assert make()",
        "mock = make()\n    mock.assert_awaited_once()",
        "with contextlib.suppress(ValueError):\n        assert make()",
        "with pytest.raises(ValueError):\n        make()\n        raise ValueError",
        "list(map(held, [1]))",
        "value = 1\n    value = make()\n    assert value == 1",
        "for value in make():\n        assert value == 1",
        "try:\n        assert make()\n    except ValueError:\n        pass",
        "try:\n        make()\n    except Exception as error:\n        assert str(error)",
    ],
)
def test_a_test_of_a_checklist_that_can_fail_is_none(small: Path, body: str) -> None:
    text = GOOD.replace("def test_held():", f"def test_held():\n    {body}\n\ndef test_other():")
    text += "\ndef held(value):\n    assert value\n\ndef test_of_it():\n    held(1)\n"
    (small / TESTS).write_text(text, encoding="utf-8")
    assert found_in(small) == []


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("needs podman", "needs docker", "no test is left out for 'needs docker'"),
        ("test_that_waits", "test_that_waited", "has no test_that_waited that waits"),
        ("test_words.py", "test_word.py", "test_word.py has no test_that_waits"),
    ],
)
def test_an_exception_that_nothing_uses_is_found(
    small: Path, old: str, new: str, says: str
) -> None:
    (small / exceptions.FILE).write_text(LISTED.replace(old, new), encoding="utf-8")
    found = [each for each in found_in(small) if says in each.what]
    assert [each.where.partition(":")[0] for each in found] == [exceptions.FILE]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[skip]]\nreason = 'a'\n", r"exceptions\.toml:\d+: skip\.0\.why"),
        ("[[skip]]\nreason = 'a'\nwhy = ''\n", r"exceptions\.toml:3: skip\.0\.why"),
        ("[[slep]]\nfile = 'a'\n", r"exceptions\.toml:1: slep"),
        ("clocks = [\n", r"exceptions\.toml:\d+: not valid TOML"),
    ],
)
def test_a_wrong_list_of_exceptions_is_named_with_its_place(
    small: Path, text: str, says: str
) -> None:
    (small / exceptions.FILE).write_text(text, encoding="utf-8")
    with pytest.raises(ChainError, match=says):
        found_in(small)


def test_a_repository_without_a_list_has_no_exceptions(small: Path) -> None:
    shutil.rmtree((small / exceptions.FILE).parent)
    assert sorted(each.what.partition(" ")[0] for each in found_in(small)) == [
        "later",
        "skipif",
        "test_in_a_minute",
        "test_that_waits",
    ]
