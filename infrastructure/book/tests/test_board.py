"""The board shows what was measured, stays whole when a trial crashes, and holds rule 3."""

from __future__ import annotations

import io
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from rich.console import Console
from throw_away import on_any_machine

from book.chain.chain import Book
from book.check import incidents as check_incidents
from book.check.finding import Finding
from book.replay import cells as filling
from book.replay import known as knowing
from book.replay.cells import Cell
from book.replay.replay import Story
from book.scoreboard import board
from book.scoreboard import picture as board_picture
from book.scoreboard import terminal as board_terminal
from book.stage.processes import Processes
from book.story.incident import Check, Evidence, Headline, Incident, Run, Task, Workload, at_least
from mock_claude import FaultScript

REFUSED = '[[rule]]\nname = "refused"\nattempts = 3\nfault = "status"\nstatus = 529\n'


def workload(seed: int) -> Workload:
    return Workload((Task(f"What is {seed}*7?", (str(seed * 7),)),), 1, 20.0)


def promise(run: Run) -> list[Check]:
    return [at_least("success", run.success, 1.0, "%")]


INCIDENT = Incident(
    name="refusals",
    story="Every call is refused three times.",
    faults=FaultScript.parse(REFUSED, source="test"),
    workload=workload,
    settings={"AGENT_RETRY__MAX_ATTEMPTS": "4", "AGENT_RETRY__BASE_S": "0.01"},
    promise=promise,
    symptom="something is slow",
    headline=Headline("tasks done", "%", "higher", lambda run: run.success),
    cure=lambda seen: [],
)


def story(book: Book, incident: Incident = INCIDENT) -> Story:
    return Story(incident, book.step("reference-agent"), book.step("with-retries"))


def filled(book: Book, processes: Processes, incident: Incident) -> list[Cell]:
    told = story(book, incident)
    wanted = [(told, told.before), (told, told.solver)]
    return filling.fill(wanted, 11, processes, lambda trial, ok: None, is_too_busy=on_any_machine)


@pytest.fixture(scope="module")
def cells(book: Book, processes: Processes) -> list[Cell]:
    return filled(book, processes, INCIDENT)


def findings(book: Book, cells: list[Cell]) -> list[Finding]:
    """What rule 3 says, as if the incident were one of chapter 2's."""
    named = [replace(c, story=replace(c.story, incident=known(c.story.incident))) for c in cells]
    return [each for cell in named for each in check_incidents.judged(book, cell)]


def known(incident: Incident) -> Incident:
    return replace(incident, name="rate-limit-storm")


def test_a_cell_is_red_before_its_step_with_the_reason_and_green_on_it(
    book: Book, cells: list[Cell]
) -> None:
    before, solver = cells
    assert (before.holds, before.why) == (False, "success 0.0% < 100.0%")
    assert (solver.holds, solver.why) == (True, "")
    assert findings(book, cells) == []
    assert board_terminal.is_staircase(book, cells)


def test_an_emptied_fault_script_is_found(book: Book, processes: Processes) -> None:
    calm = filled(book, processes, replace(INCIDENT, faults=FaultScript()))
    found = findings(book, calm)
    assert [each.what for each in found] == [
        "rate-limit-storm must be missed on reference-agent, the step before, but holds",
        "the headline of rate-limit-storm is not better on chapter-02/with-retries, "
        "which solves it",
    ]
    assert not board_terminal.is_staircase(book, calm)


def test_a_verdict_that_the_step_before_passes_is_found(book: Book, cells: list[Cell]) -> None:
    weak = [replace(cell, checks=()) for cell in cells]
    assert "must be missed on reference-agent" in findings(book, weak)[0].what


def test_a_fault_that_met_no_request_is_found(book: Book, cells: list[Cell]) -> None:
    silent = [replace(cell, silent=("never",)) for cell in cells]
    assert [each.what for each in findings(book, silent)] == [
        "rate-limit-storm on reference-agent: no request met the fault never",
        "rate-limit-storm on chapter-02/with-retries: no request met the fault never",
    ]


def test_a_cure_that_no_longer_holds_is_found_with_its_number(
    book: Book, cells: list[Cell]
) -> None:
    before, solver = cells
    broken = replace(solver, checks=before.checks)
    (found,) = findings(book, [before, broken])
    assert found.what == (
        "rate-limit-storm must hold on chapter-02/with-retries, but success 0.0% < 100.0%"
    )
    assert found.where == "chapters/chapter-02-reliability/incidents/rate_limit_storm.py"
    assert "INCIDENT=rate-limit-storm" in found.mend


def test_a_verdict_that_crashes_makes_its_cell_red_and_leaves_the_board_whole(
    book: Book, processes: Processes
) -> None:
    def crash(seen: Evidence) -> list[Check]:
        return [at_least("ratio", len(seen.run.outcomes) / 0, 1.0)]

    crashed = filled(book, processes, replace(INCIDENT, cure=crash))
    assert [cell.why for cell in crashed] == [
        "the verdict crashed: ZeroDivisionError: division by zero"
    ] * 2
    entries = board.board(book, crashed, 11)["cells"]
    assert isinstance(entries, list)
    assert [entry["holds"] for entry in entries] == [False, False]


def test_a_headline_that_crashes_makes_its_cell_red_too(book: Book, processes: Processes) -> None:
    wrong = Headline("ratio", "", "lower", lambda run: len(run.outcomes) / 0)
    crashed = filled(book, processes, replace(INCIDENT, headline=wrong))
    assert [cell.why for cell in crashed] == [
        "the verdict crashed: ZeroDivisionError: division by zero"
    ] * 2
    entries = board.board(book, crashed, 11)["cells"]
    assert isinstance(entries, list)
    assert [entry["headline"]["shown"] for entry in entries] == ["", ""]


def test_a_cell_has_the_headline_of_its_run(book: Book, cells: list[Cell]) -> None:
    assert [cell.figure for cell in cells] == [0.0, 1.0]


def test_a_step_that_cannot_start_is_a_red_cell_beside_the_others(
    book: Book, processes: Processes, tmp_path: Path
) -> None:
    (tmp_path / "config.py").write_text("raise RuntimeError('no such luck')", encoding="utf-8")
    told = story(book)
    broken = replace(told.solver, name="broken", path=tmp_path)
    wanted = [(told, told.before), (told, broken)]
    before, crashed = filling.fill(
        wanted, 11, processes, lambda trial, ok: None, is_too_busy=on_any_machine
    )
    assert before.run is not None
    assert crashed.run is None
    assert crashed.why.startswith("the trial crashed: TrialError: broken ended early")
    assert "no such luck" in crashed.why
    assert "\n" not in crashed.why
    shown = Console(file=io.StringIO(), width=100)
    board_terminal.show(shown, [before, crashed], 11)
    assert isinstance(shown.file, io.StringIO)
    assert "no such luck" in shown.file.getvalue()


def test_each_trial_runs_once_however_many_cells_need_it(book: Book) -> None:
    told = story(book, replace(INCIDENT, needs_calm=True))
    found = filling.trials_of([(told, told.before), (told, told.solver)], 11)
    assert [(trial.step.short, trial.calm) for trial in found] == [
        ("reference-agent", False),
        ("reference-agent", True),
        ("with-retries", False),
        ("with-retries", True),
    ]


def test_the_picture_says_each_cell_in_a_word(cells: list[Cell]) -> None:
    drawn = board_picture.svg(cells)
    assert drawn.count(">misses<") == drawn.count(">holds<") == 1
    assert "reference-agent holds nothing, chapter-02/with-retries holds all" in drawn


def test_rule_3_asks_the_step_before_the_solver_and_each_chapters_end(book: Book) -> None:
    asked = [(s.incident.name, step.short) for s, step in check_incidents.pairs(book)]
    steps = [step for name, step in asked if name == "hung-api"]
    assert steps == ["with-circuit-breaker", "with-timeouts", "complete"]
    every = [(s.incident.name, step.short) for s, step in check_incidents.pairs(book, every=True)]
    assert [step for name, step in every if name == "hung-api"] == [
        *("with-circuit-breaker", "with-timeouts", "with-loop-guard", "with-degradation"),
        "complete",
    ]


def test_a_pair_whose_result_is_known_is_not_run_again(
    book: Book, processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(knowing.FOLDER, str(tmp_path))
    with knowing.opened(book) as known:
        asked = list(check_incidents.pairs(book))
        for told, step in asked:
            holds = filling.must_hold(book, told, step)
            check = at_least("success", 1.0 if holds else 0.1, 0.9)
            value = {"holds": holds, "checks": [asdict(check)], "figure": 1.0}
            value |= {"observation": None}
            key = known.key(told, step, check_incidents.SEED)
            known.kept.put(key, value | {"measured": "2026-11-28T12:10:03Z"})
        ran: list[str] = []
        asked_again = check_incidents.ask(book, processes, known, ran.append)
    assert (asked_again.findings, asked_again.ran, asked_again.known) == ([], 0, len(asked))
    assert ran == []
