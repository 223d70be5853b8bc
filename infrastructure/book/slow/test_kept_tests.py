"""``book test`` keeps results by content: whatever tests read or start, and types and lint, too.

Each of these runs the tests of a small repository several times.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from small_units import FILES, FIRST, Small

from book.testing import machine
from book.testing.keeping import FILE

GIT = "import subprocess\ndef git(**where): subprocess.run(['git', 'status'], **where)\n"


@pytest.mark.parametrize("text", ["import no_such_module\n", "def test_a(gone): pass\n"])
def test_what_cannot_be_collected_or_set_up_is_not_kept(small: Small, text: str) -> None:
    small.write(f"{FIRST}/test_third.py", text)
    for _ in range(2):
        _, failed, kept = small.kept()["chapter-02/first"]
        assert failed
        assert not kept


@pytest.mark.parametrize(
    ("text", "decides"),
    [
        ("from pathlib import Path\ndef test_a(): Path('{other}').read_bytes()\n", True),
        ("import os\ndef test_a(): os.listdir('{folder}')\n", True),
        ("import subprocess\ndef test_a(): subprocess.run(['true'], check=True)\n", True),
        (f"{GIT}def test_a(tmp_path): git(cwd=tmp_path)\n", False),
        (f"{GIT}def test_a(): git()\n", True),
        (f"{GIT}def test_a(): git(cwd='.')\n", True),
        (
            "from pathlib import Path\nTEXT = Path('{other}').read_text()\ndef test_a(): pass\n",
            True,
        ),
        ("from pathlib import Path\ndef test_a(): Path('data.csv').read_bytes()\n", False),
    ],
)
def test_a_file_of_tests_that_reads_more_is_kept_for_the_whole_tree_only(
    small: Small, text: str, decides: bool
) -> None:
    other = small.root / "tests" / "test_repository.py"
    text = text.format(other=other.as_posix(), folder=other.parent.as_posix())
    small.write(f"{FIRST}/test_third.py", text)
    assert small.kept() == {"chapter-02/first": (4, 0, 0)}
    assert small.kept() == {"chapter-02/first": (4, 0, 4)}
    small.write("tests/test_repository.py", "# edited\n")
    assert small.kept() == {"chapter-02/first": (4, 0, 3 if decides else 4)}
    assert small.kept() == {"chapter-02/first": (4, 0, 4)}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"pytest x": 3}', '{"pytest x": [{"a": "b"}]}'])
def test_a_broken_or_foreign_file_of_results_costs_a_run(small: Small, text: str) -> None:
    small.run_tests()
    kept = (small.root / FILE).read_text(encoding="utf-8")
    for key in re.findall(r"pytest [0-9a-f]{64}", kept):
        text = text.replace("pytest x", key, 1)
    small.write(str(FILE), text)
    assert small.kept() == {"chapter-02/first": (3, 0, 0)}


def test_a_thorough_run_takes_nothing_from_other_runs_and_leaves_them_nothing(
    small: Small,
) -> None:
    (report,) = small.run_tests(examples=None)
    assert (report.passed, report.kept) == (3, 0)
    assert small.kept() == {"chapter-02/first": (3, 0, 0)}
    (report,) = small.run_tests(examples=None)
    assert (report.passed, report.kept) == (3, 0)
    (report,) = small.run_tests(examples=21)
    assert (report.passed, report.kept) == (3, 0)


def test_what_was_edited_while_it_was_tested_is_not_kept(small: Small) -> None:
    agent = (small.root / FIRST / "agent.py").as_posix()
    writes = f"from pathlib import Path\ndef test_a(): Path('{agent}').write_text('VALUE = 2')\n"
    small.write(f"{FIRST}/test_third.py", writes)
    assert small.kept() == {"chapter-02/first": (4, 0, 0)}
    small.write(f"{FIRST}/agent.py", FILES[f"{FIRST}/agent.py"])
    assert small.kept() == {"chapter-02/first": (4, 0, 0)}


def test_types_and_lint_are_kept_each_for_itself(small: Small) -> None:
    kinds = ("ruff", "mypy")
    small.write(f"{FIRST}/agent.py", "VALUE: int = ''\n")
    for _ in range(2):
        found = {each.what: each for each in small.run_tests(kinds=kinds)}
        assert found["mypy"].failed == 1
        assert "agent.py:1" in found["mypy"].details
        assert (found["mypy"].kept, found["ruff"].passed + found["ruff"].failed) == (0, 2)
    small.write(f"{FIRST}/agent.py", "VALUE: int = 1\n")
    for name in ("test_first", "test_second"):
        small.write(f"{FIRST}/{name}.py", "def test_one() -> None:\n    pass\n")
    for kept in ((0, 0), (1, 2)):
        found = {each.what: each for each in small.run_tests(kinds=kinds)}
        assert (found["mypy"].kept, found["ruff"].kept) == kept
        assert (found["mypy"].passed, found["ruff"].passed) == (1, 2)
    (lint,) = small.run_tests("trials", kinds=("ruff",))
    assert lint.kept == 0  # about other folders


@pytest.mark.skipif(os.name != "posix", reason="servers need Linux, macOS or WSL")
def test_what_starts_programs_is_run_again_where_other_servers_are_found(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = "import subprocess\ndef test_of_a_program(): subprocess.run(['true'], check=True)\n"
    small.write(f"{FIRST}/test_second.py", starts)
    (first,) = small.run_tests()
    (again,) = small.run_tests()
    assert (first.passed, first.kept, again.kept) == (3, 0, 3)
    other = tmp_path / "bin"
    other.mkdir()
    server = other / "redis-server"
    server.write_text("#!/bin/sh\necho Redis server v=99.1\n", encoding="utf-8")
    server.chmod(0o755)
    monkeypatch.setenv("PATH", f"{other}{os.pathsep}{os.environ['PATH']}")
    (elsewhere,) = small.run_tests()
    assert (elsewhere.passed, elsewhere.kept) == (3, 2)
    assert any(f"v=99.1 ({server} on the PATH)" in line for line in machine.servers())
