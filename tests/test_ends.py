"""What the agent makes of odd replies, on both ends of the chain: see ``on_each_end``."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from book.chain.chain import Book, Step
from book.check import lessons
from book.stage.processes import Processes
from book.testing import running

SUITE = Path(__file__).with_name("on_each_end.py")
BOOK = Book.find()
ENDS = [BOOK.steps[0], *(chapter.steps[-1] for chapter in BOOK.chapters if chapter.steps)]
LIMIT_S = 240.0


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with Processes(running.IMPORTS, tmp_path_factory.mktemp("scratch")) as started:
        yield started


@pytest.mark.parametrize("step", ENDS, ids=lambda step: str(step.name))
def test_odd_replies_are_read_or_told_and_harm_no_later_task(
    step: Step, processes: Processes, tmp_path: Path
) -> None:
    lessons.copy(step, tmp_path)
    shutil.copy2(SUITE, tmp_path / lessons.LESSON)
    config = BOOK.root / "pyproject.toml"
    with processes.child("suite", lessons.run_lesson, tmp_path, config) as it:
        assert it.pipe.poll(LIMIT_S), f"it did not end within {LIMIT_S:.0f} s"
        ended = [lessons.Ended(*each) for each in it.pipe.recv()]
        failed = [each.name for each in ended if each.outcome not in ("passed", "skipped")]
        assert failed == [], it.printed(20_000)
    assert sum(each.outcome == "passed" for each in ended) > 50
