"""A run that the machine spoiled is listed as such, and counts neither as passed nor as failed."""

import io
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from forking import IMPORTS
from rich.console import Console
from throw_away import incident, on_any_machine, step

from book.chain.chain import Book
from book.check import incidents as check_incidents
from book.pages.board_charts import verdict
from book.replay import closing, present, screen
from book.replay.cells import Cell, fill
from book.replay.replay import Planned, Replay, Story, judge, plan
from book.scoreboard import board, picture, terminal
from book.stage.processes import Processes
from book.stage.services.errors import ServiceMissing
from book.stage.simulating import TooBusy, TrialError
from book.story.incident import Contrast, Incident, Outcome, Run, Task, Workload, at_least

SPOILED = TooBusy("the machine was too busy: 9.0 s of waiting for 1.0 s of work")


def told() -> Incident:
    plain = incident(Workload((Task("nothing", ("nothing",)),), 1, 5.0))
    contrast = Contrast("with a bigger hammer", {}, "no better")
    return replace(
        plain, contrasts=(contrast,), promise=lambda run: [at_least("tasks", run.done, 1)]
    )


@pytest.fixture
def story(book: Book) -> Story:
    return Story(told(), book.steps[0], book.steps[1])


def runs(planned: Planned, **changes: TrialError) -> list[Run | TrialError]:
    """Runs without a task done under trouble on the step before; some are replaced."""
    names = ("before", "solver", "contrast", "solver_calm", "before_calm")
    found = []
    for name, (trial, _) in zip(names, planned, strict=True):
        task = trial.workload.tasks[0]
        outcomes = (Outcome(task, None, "Lost", 0.1) if name == "before" else done(task),)
        run = Run(trial.step.name, 7, outcomes, (), {}, 1.0, calm=trial.calm)
        found.append(changes.get(name, run))
    return found


def done(task: Task) -> Outcome:
    return Outcome(task, task.text, None, 0.1)


def judged(story: Story, **changes: TrialError) -> Replay:
    planned = plan(story, 7)
    return judge(story.incident, 7, planned, runs(planned, **changes))


def ending(*replays: Replay) -> tuple[int, str]:
    """The exit code, and all that is shown on the way to it."""
    out = Console(file=io.StringIO(), width=120, highlight=False)
    for each in replays:
        present.outcome(out, each)
    closing.summary(out, list(replays))
    code = closing.conclusion(out, list(replays))
    assert isinstance(out.file, io.StringIO)
    return code, out.file.getvalue()


def test_where_all_is_judged_nothing_is_said_of_the_machine(story: Story) -> None:
    code, said = ending(judged(story))
    assert code == 0
    assert "As steps.toml says" in said
    assert "judged" not in said


@pytest.mark.parametrize(
    ("spoiled", "left"),
    [
        ("solver", 1),
        ("contrast", 1),
        ("before_calm", 2),  # the run under trouble is compared with it
        ("solver_calm", 3),  # and so is the contrast
        ("before", 4 - 1),  # every run under trouble is compared with it
    ],
)
def test_a_spoiled_run_and_what_is_compared_with_it_have_no_verdict(
    story: Story, spoiled: str, left: int
) -> None:
    replay = judged(story, **{spoiled: SPOILED})
    assert len(replay.unjudged) == left
    assert len(replay.rows) == 5 - left
    assert replay.problems == []
    code, said = ending(replay)
    assert code == closing.UNJUDGED == 3
    assert f"{left} of 5 runs are not judged" in said
    assert "As steps.toml says" not in said
    assert said.count("is not judged: the machine was too busy: 9.0 s") == left


def test_where_nothing_could_be_judged_it_is_told_all_the_same(story: Story) -> None:
    names = ("before", "solver", "contrast", "solver_calm", "before_calm")
    code, said = ending(judged(story, **dict.fromkeys(names, SPOILED)))
    assert code == closing.UNJUDGED
    assert "5 of 5 runs are not judged" in said


def test_a_problem_counts_whatever_else_was_not_judged(story: Story) -> None:
    weak = replace(story, incident=replace(story.incident, promise=lambda run: []))
    code, said = ending(judged(weak, contrast=SPOILED))
    assert code == closing.FAILED == 1
    assert "must miss its verdict" in said


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with Processes(IMPORTS, tmp_path) as started:
        yield started


@pytest.fixture
def cells(book: Book, story: Story, processes: Processes, tmp_path: Path) -> Callable[..., Cell]:
    """The cell of a step that does its task, or crashes, on a machine that is busy or not."""

    def made(*, busy: bool, **files: str) -> Cell:
        thrown = step(book, tmp_path, **files)
        short = replace(story, before=thrown, incident=replace(story.incident, contrasts=()))
        (cell,) = fill(
            [(short, thrown)],
            7,
            processes,
            lambda trial, ok: None,
            is_too_busy=(lambda waited: True) if busy else on_any_machine,
        )
        return cell

    return made


def test_a_cell_on_a_busy_machine_is_not_judged_on_table_page_and_picture(
    book: Book, cells: Callable[..., Cell]
) -> None:
    cell = cells(busy=True)
    assert cell.unjudged
    assert not cell.holds
    assert terminal.exit_code(book, [replace(cell, step=book.steps[0])]) == closing.UNJUDGED
    out = Console(file=io.StringIO(), width=120, highlight=False)
    terminal.show(out, [cell], 7)
    assert isinstance(out.file, io.StringIO)
    assert "not judged a-storm on thrown-away: " in out.file.getvalue()
    assert "misses" not in out.file.getvalue()
    assert "not judged</text>" in picture.svg([cell])
    entries = board.board(book, [cell], 7)["cells"]
    assert isinstance(entries, list)
    assert "not judged" in verdict(entries[0])


def test_a_crash_is_told_where_there_was_one(cells: Callable[..., Cell]) -> None:
    cell = cells(busy=True, config="raise RuntimeError('no such luck')")
    assert not cell.unjudged
    assert "no such luck" in cell.why


def test_check_has_a_finding_only_where_too_many_pairs_are_not_judged(
    book: Book, story: Story
) -> None:
    cell = Cell(story, book.steps[0], None, error=str(SPOILED), unjudged=True)

    def asked(unjudged: int) -> check_incidents.Asked:
        return check_incidents.Asked(known=12, ran=8, unjudged=[cell] * unjudged)

    assert list(check_incidents.too_many(asked(0), 0.0)) == []
    assert list(check_incidents.too_many(asked(5), 0.25)) == []
    (found,) = check_incidents.too_many(asked(6), 0.25)
    assert "6 of 20 pairs are not judged" in found.what
    assert len(list(check_incidents.too_many(asked(5), 0.1))) == 1


ABSENT = ServiceMissing("prometheus", "there is no program of it here", "apt-get install it")


def test_an_incident_whose_server_is_missing_is_skipped_by_name_and_counts_for_nothing(
    story: Story,
) -> None:
    replay = judged(story, solver=ABSENT)
    assert (replay.rows, replay.problems, replay.is_better) == ((), [], None)
    out = Console(file=io.StringIO(), width=120, highlight=False)
    screen.block(out, Book.find().chapter("02"), replay, "a-storm", 7)
    closing.summary(out, [replay])
    assert closing.conclusion(out, [replay]) == 0
    assert isinstance(out.file, io.StringIO)
    said = out.file.getvalue()
    assert "skipped: prometheus: there is no program of it here; apt-get install it" in said
    assert "Skipped, and not counted: a-storm" in said
    assert "As steps.toml says" not in said
    code, said = ending(judged(story))
    assert code == 0
    assert "kipped" not in said


def test_a_cell_whose_server_is_missing_counts_for_nothing_on_table_page_and_picture(
    book: Book, story: Story, processes: Processes, tmp_path: Path
) -> None:
    needs = replace(story.incident, contrasts=(), services=("alertmanager",))
    thrown = step(book, tmp_path)
    before = dict(os.environ)
    os.environ["PATH"] = ""
    try:
        short = replace(story, before=thrown, incident=needs)
        (cell,) = fill([(short, thrown)], 7, processes, lambda trial, ok: None)
    finally:
        os.environ.update(before)
    assert cell.skipped
    assert "apt-get install prometheus-alertmanager" in cell.why
    assert terminal.exit_code(book, [replace(cell, step=book.steps[0])]) == 0
    out = Console(file=io.StringIO(), width=120, highlight=False)
    terminal.show(out, [cell], 7)
    assert isinstance(out.file, io.StringIO)
    assert "skipped a-storm on thrown-away: alertmanager" in out.file.getvalue()
    assert "0 of 0" in out.file.getvalue()
    assert "skipped</text>" in picture.svg([cell])
    entries = board.board(book, [cell], 7)["cells"]
    assert isinstance(entries, list)
    assert "skipped" in verdict(entries[0])
