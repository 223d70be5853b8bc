"""Trials share the machine: nobody gets more than there is, and nobody is passed by."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from throw_away import incident, step

from book.chain.chain import Book
from book.stage import trial as trials
from book.stage.processes import Processes
from book.stage.schedule import AT_ONCE, Slots, places_of, run_all
from book.stage.simulating import TrialError
from book.stage.trial import Trial
from book.story.incident import Run, Task, Workload

SOON_S = 20.0  # nothing here takes a second; a test that hangs must end


def started(*works: Callable[[], None]) -> list[threading.Thread]:
    threads = [threading.Thread(target=work, daemon=True) for work in works]
    for thread in threads:
        thread.start()
    return threads


def joined(threads: list[threading.Thread]) -> bool:
    for thread in threads:
        thread.join(SOON_S)
    return not any(thread.is_alive() for thread in threads)


def until_asked(slots: Slots, times: int) -> None:
    """Give way to other threads until places were asked for so often."""
    deadline = time.monotonic() + SOON_S
    while slots._next < times:
        assert time.monotonic() < deadline
        time.sleep(0)


@given(st.lists(st.integers(1, 5), max_size=12))
def test_never_are_more_places_in_use_than_there_are(wanted: list[int]) -> None:
    slots, lock = Slots(5), threading.Lock()
    used, most = 0, 0

    def work(places: int) -> None:
        nonlocal used, most
        with slots.taken(places):
            with lock:
                used += places
                most = max(most, used)
            time.sleep(0)  # let others try
            with lock:
                used -= places

    assert joined(started(*(lambda places=each: work(places) for each in wanted)))
    assert used == 0
    assert most <= 5
    assert most >= max(wanted, default=0)


def test_who_fits_runs_beside_the_others() -> None:
    slots, all_in = Slots(4), threading.Barrier(3)

    def work(places: int) -> None:
        with slots.taken(places):
            all_in.wait(SOON_S)

    assert joined(started(lambda: work(1), lambda: work(2), lambda: work(1)))
    assert not all_in.broken


def test_first_come_first_served_so_that_a_heavy_one_is_not_passed_by() -> None:
    slots, order, lock = Slots(4), list[str](), threading.Lock()

    def work(name: str, places: int) -> None:
        with slots.taken(places), lock:
            order.append(name)

    with slots.taken(1):
        threads = started(lambda: work("heavy", 4))
        until_asked(slots, 2)
        threads += started(lambda: work("light", 1))  # there is room for it, but it came later
        until_asked(slots, 3)
        threads[1].join(0.05)
        assert order == []
    assert joined(threads)
    assert order == ["heavy", "light"]


def test_a_light_one_does_not_wait_for_the_heavy_one_before_it_to_end() -> None:
    slots, entered = Slots(4), threading.Event()

    def light() -> None:
        with slots.taken(1):
            entered.set()

    with slots.taken(3):
        threads = started(light)
        assert entered.wait(SOON_S)
    assert joined(threads)


def test_an_error_gives_the_places_back() -> None:
    slots = Slots(2)
    with pytest.raises(ZeroDivisionError), slots.taken(2):
        raise ZeroDivisionError
    assert joined(started(lambda: slots.taken(2).__enter__()))


@pytest.mark.parametrize(
    ("at_once", "places"), [(1, 8), (2, 4), (3, 3), (4, 2), (7, 2), (8, 1), (100, 1), (0, 8)]
)
def test_a_trial_takes_as_many_places_as_keep_its_company_small(
    book: Book, at_once: int, places: int
) -> None:
    told = incident(Workload((), 1, 1.0), trials_at_once=at_once)
    assert places_of(Trial(book.steps[0], told, 1)) == places
    assert AT_ONCE // places <= max(at_once, 1)


@pytest.fixture(scope="module")
def book() -> Book:
    return Book.find()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with Processes(trials.IMPORTS, tmp_path) as begun:
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
        run_all(planned, processes, lambda t, ok: done.append((t.name, ok)), keep_errors=True)
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
    results = list(run_all(planned, processes, lambda *args: None))
    assert [run.done for _, run in results if isinstance(run, Run)] == [1, 1, 1, 1]
    lines = (tmp_path / "steps" / "book").read_text(encoding="utf-8").splitlines()
    at = lines.index("heavy begins")
    assert lines[at + 1] == "heavy ends"
    assert sorted(lines) == sorted(
        f"{name} {word}" for name in names for word in ("begins", "ends")
    )
