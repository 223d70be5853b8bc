"""What the command does in a process of its own, on both ends: see ``commands_on_each_end``."""

import os
import shutil
from pathlib import Path

import pytest

from book.chain.chain import Book, Step
from book.check import lessons
from book.stage.processes import Processes
from book.testing import running

BOOK = Book.find()
SUITE = BOOK.root / "tests" / "commands_on_each_end.py"
ENDS = [BOOK.steps[0], *(chapter.steps[-1] for chapter in BOOK.chapters if chapter.steps)]
LIMIT_S = 240.0


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("step", ENDS, ids=lambda step: str(step.name))
def test_the_command_of_each_end_leaves_quietly_and_loses_no_note(
    step: Step, tmp_path: Path
) -> None:
    folder = tmp_path / "step"
    folder.mkdir()
    lessons.copy(step, folder)
    shutil.copy2(SUITE, folder / lessons.LESSON)
    shutil.copy2(SUITE.with_name("on_each_end.py"), folder)
    (tmp_path / "scratch").mkdir()
    with (
        Processes(running.IMPORTS, tmp_path / "scratch") as processes,
        processes.child("suite", lessons.run_lesson, folder, BOOK.root / "pyproject.toml") as it,
    ):
        assert it.pipe.poll(LIMIT_S), f"it did not end within {LIMIT_S:.0f} s"
        ended = [lessons.Ended(*each) for each in it.pipe.recv()]
        failed = [each.name for each in ended if each.outcome != "passed"]
        assert failed == [], it.printed(20_000)
    assert len(ended) == 5
