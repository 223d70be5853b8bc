"""Trials share the machine: nobody gets more than there is, and a heavy one holds up nobody."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from threading import Thread

import pytest
from forking import IMPORTS
from hypothesis import given
from hypothesis import strategies as st
from throw_away import incident, on_any_machine, step

from book.chain.chain import Book
from book.stage.processes import Processes
from book.stage.schedule import AT_ONCE, ATTEMPTS, PATIENCE, Line, places_of, run_all
from book.stage.simulating import TooBusy, TrialError
from book.stage.trial import Trial
from book.stage.waiting import Waited
from book.story.incident import Run, Task, Workload

SOON_S = 20.0  # nothing here takes a second; a test that hangs must end


def line_of(places: int, *wanted: tuple[int, float]) -> Line:
    """A line in which everybody waits for so many places, for so many seconds."""
    line = Line(places)
    for who, (needs, length_s) in enumerate(wanted):
        line.ask(who, needs, length_s)
    return line


def next_of(line: Line) -> int:
    taken = line.take()
    assert taken is not None
    return taken[0]


ASKED = st.lists(st.tuples(st.integers(1, 5), st.floats(0.1, 60.0)), max_size=12)


@given(ASKED, st.randoms(use_true_random=False))
def test_all_begin_once_and_never_are_more_places_in_use_than_there_are(
    wanted: list[tuple[int, float]], chance: Random
) -> None:
    line, running, begun = line_of(5, *wanted), list[tuple[int, int]](), list[int]()
    while len(begun) < len(wanted) or running:
        while line.may_begin():
            taken = line.take()
            assert taken is not None
            running.append(taken)
            begun.append(taken[0])
            assert sum(places for _, places in running) <= 5
        assert running  # somebody always runs: nobody waits for ever
        line.give_back(running.pop(chance.randrange(len(running)))[1])
    assert sorted(begun) == list(range(len(wanted)))
    assert line.take() is None


def test_the_longest_begins_first_and_who_fits_runs_beside_it() -> None:
    line = line_of(4, (1, 2.0), (2, 9.0), (1, 5.0))
    assert [next_of(line) for _ in range(3)] == [1, 2, 0]


def test_a_heavy_one_that_does_not_fit_holds_up_nobody() -> None:
    line = line_of(4, (2, 9.0), (3, 8.0), (1, 1.0), (1, 1.0))
    assert [next_of(line) for _ in range(3)] == [0, 2, 3]
    line.give_back(2)
    assert not line.may_begin()
    line.give_back(1)
    assert next_of(line) == 1


def test_a_heavy_one_is_not_passed_for_ever() -> None:
    line = line_of(4, (1, 9.0), (4 - 1, 8.0), *[(2, 1.0)] * (2 * PATIENCE))
    assert next_of(line) == 0
    line.give_back(1)
    assert next_of(line) == 1  # it fits now
    line = line_of(4, (3, 9.0), (3, 8.0), *[(1, 1.0)] * (2 * PATIENCE))
    assert next_of(line) == 0
    for _ in range(PATIENCE):
        assert next_of(line) > 1
        line.give_back(1)
    assert not line.may_begin()  # places are free, and kept for it
    line.give_back(3)
    assert next_of(line) == 1


def test_those_that_must_be_alone_come_at_the_end_one_after_the_other() -> None:
    line = line_of(4, (4, 9.0), (9, 8.0), (1, 1.0))
    assert next_of(line) == 2
    assert not line.may_begin()
    line.give_back(1)
    for who in (0, 1):
        assert line.take() == (who, 4)
        assert not line.may_begin()
        line.give_back(4)
    assert line.take() is None


def test_who_asks_again_before_giving_back_is_waited_for() -> None:
    line = line_of(4, (1, 1.0))
    assert next_of(line) == 0
    ended: list[tuple[int, int] | None] = []
    other = Thread(target=lambda: ended.append(line.take()), daemon=True)
    other.start()
    line.ask(0, 4, 1.0)
    line.give_back(1)
    other.join(SOON_S)
    assert ended == [(0, 4)]


def test_a_closed_line_sends_everybody_home() -> None:
    line = line_of(4, (4, 1.0), (4, 1.0))
    assert next_of(line) == 0
    ended: list[tuple[int, int] | None] = []
    other = Thread(target=lambda: ended.append(line.take()), daemon=True)
    other.start()
    line.close()
    other.join(SOON_S)
    assert ended == [None]


@pytest.mark.parametrize(
    ("at_once", "places"), [(1, 8), (2, 4), (3, 3), (4, 2), (7, 2), (8, 1), (100, 1), (0, 8)]
)
def test_a_trial_takes_as_many_places_as_keep_its_company_small(
    book: Book, at_once: int, places: int
) -> None:
    told = incident(Workload((), 1, 1.0), trials_at_once=at_once)
    assert places_of(Trial(book.steps[0], told, 1)) == places
    assert AT_ONCE // places <= max(at_once, 1)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with Processes(IMPORTS, tmp_path) as begun:
        yield begun


def trial(book: Book, folder: Path, text: str, at_once: int = 8, **files: str) -> Trial:
    """A throw-away agent with one task to do, in a folder of its own below ``folder``."""
    told = incident(Workload((Task(text, (text,)),), 1, 50.0), trials_at_once=at_once)
    folder.mkdir(exist_ok=True)
    return Trial(step(book, folder, **files), told, 7, label=text)


BROKEN = "raise RuntimeError('no such luck')"


def test_runs_come_in_the_order_that_was_planned_and_a_failed_one_keeps_its_error(
    book: Book, processes: Processes, tmp_path: Path
) -> None:
    planned = [
        trial(book, tmp_path / "one", "block"),  # takes longest
        trial(book, tmp_path / "two", "broken", config=BROKEN),
        trial(book, tmp_path / "three", "nothing"),
    ]
    done: list[tuple[str, bool]] = []
    results = list(
        run_all(
            planned,
            processes,
            lambda t, ok: done.append((t.name, ok)),
            keep_errors=True,
            is_too_busy=on_any_machine,
        )
    )
    assert [each for each, _ in results] == planned
    assert sorted(done) == [("block", True), ("nothing", True)]
    blocked, error, nothing = (result for _, result in results)
    assert isinstance(blocked, Run)
    assert isinstance(nothing, Run)
    assert (blocked.done, nothing.done) == (1, 1)
    assert isinstance(error, TrialError)
    assert "no such luck" in str(error)
    assert processes.live() == {}


def test_a_trial_that_fails_ends_the_others_at_once(
    book: Book, processes: Processes, tmp_path: Path
) -> None:
    planned = [
        trial(book, tmp_path / "one", "sleep"),  # for a minute, and it is waited for first
        trial(book, tmp_path / "two", "broken", config=BROKEN),
        *(trial(book, tmp_path / "one", "sleep", at_once=1) for _ in range(3)),
    ]
    began = time.monotonic()
    with pytest.raises(TrialError, match="no such luck"):
        list(run_all(planned, processes, lambda *args: None))
    assert time.monotonic() - began < 40
    assert processes.live() == {}


def test_a_trial_that_rests_on_milliseconds_runs_alone(
    book: Book, processes: Processes, tmp_path: Path
) -> None:
    names = ("light 1", "heavy", "light 2", "light 3")
    planned = [
        trial(book, tmp_path / "steps", f"sign: {name}", 1 if name == "heavy" else 8)
        for name in names
    ]
    results = list(run_all(planned, processes, lambda *args: None, is_too_busy=on_any_machine))
    assert [run.done for _, run in results if isinstance(run, Run)] == [1, 1, 1, 1]
    lines = (tmp_path / "steps" / "book").read_text(encoding="utf-8").splitlines()
    assert lines[-2:] == ["heavy begins", "heavy ends"]
    assert sorted(lines) == sorted(
        f"{name} {word}" for name in names for word in ("begins", "ends")
    )


# --- A machine that is too busy ------------------------------------------------------------------


def busy_until(attempt: int) -> Callable[[Waited], bool]:
    """Says "too busy" before this attempt of the only trial that is asked about."""
    asked = iter(range(1, ATTEMPTS + 1))
    return lambda waited: next(asked) < attempt


def test_a_run_that_the_machine_spoiled_is_made_again_and_only_the_last_one_counts(
    book: Book, processes: Processes, tmp_path: Path
) -> None:
    planned = trial(book, tmp_path / "one", "nothing")
    done: list[tuple[int, bool]] = []
    results = list(
        run_all(
            [planned],
            processes,
            lambda t, ok: done.append((t.attempt, ok)),
            is_too_busy=busy_until(3),
        )
    )
    assert [each for each, _ in results] == [planned]
    assert isinstance(results[0][1], Run)
    assert done == [(1, True), (2, True), (3, True)]


@pytest.mark.parametrize("keep_errors", [True, False])
def test_after_the_third_time_there_is_no_verdict_and_the_others_have_theirs(
    book: Book, processes: Processes, tmp_path: Path, keep_errors: bool
) -> None:
    planned = [trial(book, tmp_path / "one", name) for name in ("block", "nothing")]
    tries: list[str] = []

    def on_done(trial: Trial, ok: bool) -> None:
        tries.append(f"{trial.name} {trial.attempt}")

    results = run_all(
        planned,
        processes,
        on_done,
        keep_errors=keep_errors,
        is_too_busy=lambda waited: waited.seconds > 0.9,  # the one that blocks for a second
    )
    (_, spoiled), (_, judged) = results
    assert isinstance(spoiled, TooBusy)
    assert str(spoiled).startswith("block: the machine was too busy: ")
    assert isinstance(judged, Run)
    assert sorted(tries) == ["block 1", "block 2", "block 3", "nothing 1"]


def test_each_attempt_leaves_fewer_places_to_others_and_the_last_none(book: Book) -> None:
    for at_once in range(1, 12):
        told = incident(Workload((), 1, 1.0), trials_at_once=at_once)
        tries = [Trial(book.steps[0], told, 1, attempt=n) for n in range(1, ATTEMPTS + 1)]
        taken = [places_of(each) for each in tries]
        assert taken == sorted(taken)
        assert taken[1] >= AT_ONCE / 2
        assert taken[-1] == AT_ONCE


def test_how_long_a_trial_lasts_is_guessed_from_when_its_users_come(book: Book) -> None:
    def about(text: str, **changes: object) -> float:
        told = incident(Workload((Task("1", ()), Task("2", (), at_s=9.0)), 1, 4.0), text)
        return replace(Trial(book.steps[0], told, 1), **changes).about_s  # type: ignore[arg-type]

    assert about("", calm=True) >= 9.0
    assert about("[latency]\nmessages_s = 3.0\n", calm=True) > about("", calm=True) + 2 * 3.0
    assert about("") >= about("", calm=True) + 4.0
