"""Commands share what agrees with steps.toml; a miss is asked again; a draw is the commit's."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from forking import IMPORTS
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from test_board import INCIDENT
from test_observations import RUN

from book.chain.chain import Book, ChainError
from book.check import incidents
from book.check.draw import AT_ONCE, Draw, Shard
from book.check.finding import Finding
from book.check.jobs import Job
from book.check.jobs import run as run_jobs
from book.replay import known as knowing
from book.replay.cells import Cell, Seen, fill, of_replay
from book.replay.known import Known
from book.replay.replay import Story, replay
from book.scoreboard import board, terminal
from book.stage import trial as trials
from book.stage.processes import Processes
from book.story.incident import Check, at_least

SEED = 7
GOOD, BAD = at_least("success", 1.0, 0.9), at_least("success", 0.5, 0.9)


@pytest.fixture(scope="module")
def story(book: Book) -> Story:
    """An incident of one task, as if it were one of chapter 2's."""
    named = replace(INCIDENT, name="rate-limit-storm")
    return Story(named, book.step("reference-agent"), book.step("with-retries"))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where these tests keep results: nobody's own."""
    monkeypatch.setenv(knowing.FOLDER, str(tmp_path / "results"))
    return tmp_path / "results"


def cell(story: Story, *checks: Check, solved: bool = True) -> Cell:
    step = story.solver if solved else story.before
    run = replace(RUN, step=step.name)
    return Cell(story, step, run, checks, measured="2026-11-28T12:10:03Z")


def keep(book: Book, *cells: Cell, fresh: bool = False) -> Known:
    with knowing.opened(book, fresh=fresh) as known:
        for each in cells:
            known.keep(each, SEED)
    return known


def when(book: Book, story: Story, *, fresh: bool = False) -> list[str | None]:
    with knowing.opened(book, fresh=fresh) as known:
        return [known.when(story, step, SEED) for step in (story.before, story.solver)]


def test_what_agrees_with_steps_toml_is_known_to_the_next_command(book: Book, story: Story) -> None:
    keep(book, cell(story, GOOD), cell(story, BAD, solved=False))
    assert when(book, story) == ["2026-11-28T12:10:03Z"] * 2
    assert when(book, story, fresh=True) == [None, None]
    with knowing.opened(book) as known:
        found = known.cell(story, story.solver, SEED)
        assert known.cell(story, story.solver, SEED + 1) is None
    assert found is not None
    assert found.run is not None
    assert (found.holds, found.kept, found.measured) == (True, True, "2026-11-28T12:10:03Z")
    assert (found.run.done, found.run.cost_usd) == (RUN.done, RUN.cost_usd)


@pytest.mark.parametrize(
    "change",
    [
        {"checks": (BAD,)},
        {"silent": ("never",)},
        {"error": "the trial crashed: TrialError: it was busy", "run": None},
        {"error": "the verdict crashed: ZeroDivisionError"},
        {"run": None},
    ],
)
def test_what_proves_nothing_and_a_miss_are_asked_again(
    book: Book, story: Story, change: dict[str, object]
) -> None:
    keep(book, replace(cell(story, GOOD), **change))  # type: ignore[arg-type]
    assert when(book, story)[1] is None


def test_a_hold_on_the_step_before_is_asked_again(book: Book, story: Story) -> None:
    keep(book, cell(story, GOOD, solved=False))
    assert when(book, story)[0] is None


def test_a_kept_result_that_is_measured_otherwise_is_disproved_and_gone(
    book: Book, story: Story
) -> None:
    keep(book, cell(story, GOOD))
    known = keep(book, cell(story, BAD), fresh=True)
    kept = known.disproved[story.incident.name, story.solver.name]
    (found,) = incidents.judged(book, cell(story, BAD), kept)
    assert "the result kept from 2026-11-28T12:10:03Z said otherwise" in found.what
    assert when(book, story) == [None, None]


def test_a_trial_that_could_not_be_made_disproves_nothing(book: Book, story: Story) -> None:
    keep(book, cell(story, GOOD))
    busy = replace(cell(story), run=None, error="the trial crashed: TrialError: too busy")
    assert keep(book, busy, fresh=True).disproved == {}
    assert when(book, story)[1] is not None


def test_figures_that_are_gone_leave_the_verdict_to_check_and_none_to_the_board(
    book: Book, story: Story, folder: Path
) -> None:
    keep(book, cell(story, GOOD))
    shutil.rmtree(folder / "observations")
    with knowing.opened(book) as known:
        assert known.when(story, story.solver, SEED) is not None
        assert known.cell(story, story.solver, SEED) is None


@pytest.mark.parametrize("damage", ["x", 1, [], {}, {"holds": True}, {"checks": [{"a": 1}]}])
def test_an_entry_that_is_not_whole_is_not_known(book: Book, story: Story, damage: object) -> None:
    with knowing.opened(book) as known:
        known.kept.put(known.key(story, story.solver, SEED), damage)
    with knowing.opened(book) as known:
        assert known.when(story, story.solver, SEED) is None
        assert known.cell(story, story.solver, SEED) is None


def test_every_judged_run_leaves_an_observation_a_miss_too(
    book: Book, story: Story, folder: Path
) -> None:
    keep(book, cell(story, GOOD), cell(story, GOOD, solved=False))
    assert len(list((folder / "observations").glob("rate-limit-storm-*.json"))) == 2


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    (tmp_path / "scratch").mkdir()
    with Processes(IMPORTS, tmp_path / "scratch") as started:
        yield started


def test_what_run_measured_is_known_to_check_and_to_the_scoreboard(
    book: Book, story: Story, processes: Processes, folder: Path
) -> None:
    (done,) = replay([(story, SEED)], processes, lambda trial, ok: None)
    keep(book, *of_replay(story, done))
    assert None not in when(book, story)
    out = Console(file=io.StringIO(), width=140)
    with knowing.opened(book) as known:
        cells = [known.cell(story, step, SEED) for step in (story.before, story.solver)]
    shown = [each for each in cells if each is not None]
    assert [each.holds for each in shown] == [False, True]
    terminal.show(out, shown, SEED)
    assert isinstance(out.file, io.StringIO)
    text = out.file.getvalue()
    assert "2 of 2 cells were measured earlier" in text
    entries = json.loads(json.dumps(board.board(book, shown, SEED)))["cells"]
    assert [entry["success"] for entry in entries] == [0.0, 1.0]
    assert all(entry["measured"][:4].isdigit() for entry in entries)


def test_cells_are_told_as_they_come_and_trials_are_not_made_twice(
    story: Story, processes: Processes
) -> None:
    told: list[Cell] = []
    seen: Seen = {}
    begun: list[str] = []

    def on_done(trial: trials.Trial, ok: bool) -> None:
        begun.append(trial.step.short)

    def on_cell(each: Cell) -> None:
        told.append(each)

    fill([(story, story.before)], SEED, processes, on_done, on_cell, seen)
    assert set(begun) == {story.before.short}
    begun.clear()
    fill([(story, story.solver)], SEED, processes, on_done, on_cell, seen)
    assert set(begun) == {story.solver.short}
    assert [each.step for each in told] == [story.before, story.solver]


def test_a_ctrl_c_in_the_middle_keeps_what_was_judged(
    book: Book, story: Story, processes: Processes
) -> None:
    def stop(each: Cell) -> None:
        known.keep(each, SEED)
        raise KeyboardInterrupt

    wanted = [(story, story.before), (story, story.solver)]
    with pytest.raises(KeyboardInterrupt), knowing.opened(book) as known:
        fill(wanted, SEED, processes, lambda trial, ok: None, stop)
    assert [each is not None for each in when(book, story)] == [True, False]


def job(found: list[Finding], ran: list[str]) -> Job:
    def run() -> list[Finding]:
        ran.append("a")
        return found

    return Job("a", lambda deciding: "key", run)


def test_only_a_job_without_findings_is_kept(book: Book, processes: Processes) -> None:
    ran: list[str] = []

    def run(found: list[Finding], *, fresh: bool = False) -> list[Finding]:
        with knowing.opened(book) as known:
            kept, watched = known.kept, known.watched
            return run_jobs(
                [job(found, ran)], processes, kept, watched, lambda name: None, fresh=fresh
            )

    busy = [Finding("it did not end within 120 s", "x", "y")]
    assert run(busy) == busy
    assert run([]) == []
    assert len(ran) == 2
    assert run(busy) == []  # it is known
    assert run(busy, fresh=True) == busy
    assert run(busy) == busy  # and was disproved
    assert len(ran) == 4


@given(things=st.lists(st.integers(), unique=True, max_size=30), of_all=st.integers(1, 9))
def test_all_shards_together_have_each_thing_once(things: list[int], of_all: int) -> None:
    parts = [Shard.parse(f"{number}/{of_all}").of(things) for number in range(1, of_all + 1)]
    assert sorted(each for part in parts for each in part) == sorted(things)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("text", ["", "0/4", "5/4", "1", "1/0", "a/b", "1/4/2", "-1/4", "1.0/4"])
def test_a_shard_that_is_none_is_told_how_it_is_written(text: str) -> None:
    with pytest.raises(ChainError, match="1/4"):
        Shard.parse(text)


@pytest.mark.parametrize("limit_s", [-1.0, float("inf"), float("nan")])
def test_a_draw_needs_a_time(limit_s: float, tmp_path: Path) -> None:
    with pytest.raises(ChainError, match="0 seconds or more"):
        Draw.of(limit_s, tmp_path)


class Clock:
    """Ten seconds later each time that a part was drawn."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def drawn(commit: str, limit_s: float, things: list[str]) -> tuple[list[str], list[str]]:
    clock = Clock()
    found = Draw(limit_s, commit, clock).taken(things, str)
    taken = []
    for part in found:
        assert len(part) <= AT_ONCE
        taken += part
        clock.now += 10.0
    return taken, found.told(str)


THINGS = [f"pair {number}" for number in range(20)]


def test_a_draw_is_the_commits_and_what_is_left_out_is_told() -> None:
    taken, lines = drawn("c0ffee", 15.0, THINGS)
    assert len(taken) == 2 * AT_ONCE
    assert drawn("c0ffee", 15.0, THINGS[::-1])[0] == taken
    assert drawn("decade", 15.0, THINGS)[0] != taken
    assert lines[0].startswith(f"drawn by commit c0ffee: {len(taken)} of 20 later pairs, in 15 s: ")
    assert lines[1].startswith(f"left out: {20 - len(taken)}: ")
    told = {name for line in lines for name in line.rpartition(": ")[2].split(", ")}
    assert told == set(THINGS)


def test_a_draw_with_time_for_all_leaves_nothing_out() -> None:
    taken, lines = drawn("c0ffee", 1000.0, THINGS)
    assert sorted(taken) == sorted(THINGS)
    assert len(lines) == 1


def test_a_draw_without_time_draws_nothing() -> None:
    assert drawn("c0ffee", 0.0, THINGS)[0] == []


def test_a_draw_asks_the_step_before_and_the_solver_of_each_incident_in_any_case(
    book: Book, tmp_path: Path
) -> None:
    """Where these two are known, a draw without time needs no process at all."""
    later = 0
    with knowing.opened(book) as known:
        for told, step in incidents.pairs(book):
            if step in (told.before, told.solver):
                checks = (GOOD,) if step == told.solver else (BAD,)
                run = replace(RUN, step=step.name)
                known.keep(Cell(told, step, run, checks, measured="now"), SEED)
            else:
                later += 1
        asked = incidents.ask(
            book, Processes((), tmp_path), known, lambda name: None, draw=Draw(0.0, "c0ffee")
        )
    assert (asked.ran, asked.findings) == (0, [])
    assert asked.lines[0] == f"drawn by commit c0ffee: 0 of {later} later pairs, in 0 s: none"
    assert asked.lines[1].startswith(f"left out: {later}: ")


def test_a_shard_asks_its_incidents_only(book: Book, tmp_path: Path) -> None:
    asked: list[int] = []
    with knowing.opened(book) as known:
        for told, step in incidents.pairs(book):
            checks = (BAD,) if step == told.before else (GOOD,)
            run = replace(RUN, step=step.name)
            known.keep(Cell(told, step, run, checks, measured="now"), SEED)
        for number in (1, 2):
            found = incidents.ask(
                book, Processes((), tmp_path), known, lambda name: None, shard=Shard(number, 2)
            )
            asked.append(found.known)
    assert sum(asked) == len(list(incidents.pairs(book)))
    assert min(asked) > 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("check", "--shard", "4"), "a shard is written like 1/4"),
        (("check", "--draw", "-1"), "0 seconds or more"),
        (("check", "--draw", "5", "--every"), "choose one"),
    ],
)
def test_a_wrong_call_is_told_what_is_right(
    words: tuple[str, ...],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from book import cli

    monkeypatch.setattr("sys.argv", ["book", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert says in capsys.readouterr().err
