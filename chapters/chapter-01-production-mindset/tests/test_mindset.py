"""Chapter 1's figures follow from what was observed, and other observations change them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from book.chain.chain import Book
from book.replay import known as knowing
from book.replay.cells import Cell, all_stories
from book.story.incident import Outcome, Run, Task, at_least
from mock_claude import Exchange

import mindset
import mindset_known
from mindset import Told

TASK = Task("What is 2+2?", ("4",))


@pytest.fixture(scope="module")
def book() -> Book:
    return Book.find()


def run(done: int, tasks: int, usd: int = 0) -> Run:
    """So many tasks of which so many are done, and a bill of so many millionths of two dollars."""
    outcomes = tuple(Outcome(TASK, "4" if n < done else None, None, 0.5) for n in range(tasks))
    bill = Exchange(
        1, 0.0, "POST", "/v1/messages", "claude-sonnet-5-5", "k", 1, 0, 200, None, False, usd, 0,
        Decimal(usd) * 2 / 1_000_000, 0.1, "req_1",
    )  # fmt: skip
    return Run("a-step", 7, outcomes, (bill,) if usd else (), {}, 1.0)


def told(book: Book, observed: Mapping[str, tuple[Run, Run]]) -> list[Told]:
    """Incidents of the book by name, each with a run on the baseline and on its solving step."""
    stories = {story.incident.name: story for story in all_stories(book)}
    return [Told(stories[name], *runs, holds=False) for name, runs in observed.items()]


def test_other_incidents_change_the_order_of_the_changes(book: Book) -> None:
    storm = {"rate-limit-storm": (run(50, 100), run(100, 100))}
    hang = {"hung-api": (run(80, 100), run(100, 100)), "trickled-response": (run(0, 9), run(9, 9))}
    names = [won.step.short for won in mindset.ranked(told(book, storm | hang))]
    assert names == ["with-retries", "with-timeouts"]
    storm = {"rate-limit-storm": (run(95, 100), run(100, 100))}
    names = [won.step.short for won in mindset.ranked(told(book, storm | hang))]
    assert names == ["with-timeouts", "with-retries"]


def test_dollars_may_rank_what_tasks_do_not(book: Book) -> None:
    seen = told(
        book,
        {
            "rate-limit-storm": (run(50, 100, usd=1_000), run(100, 100, usd=2_000)),
            "runaway-loop": (run(90, 100, usd=9_000_000), run(95, 100, usd=1_000_000)),
        },
    )
    assert [won.step.short for won in mindset.ranked(seen)] == ["with-retries", "with-loop-guard"]
    by_usd = mindset.ranked(seen, by="usd")
    assert [won.step.short for won in by_usd] == ["with-loop-guard", "with-retries"]
    assert by_usd[0].usd_won == Decimal(16)
    assert by_usd[1].usd_won == Decimal("-0.002")


def test_a_change_that_wins_nothing_says_so(book: Book) -> None:
    (won,) = mindset.ranked(told(book, {"search-outage": (run(70, 100), run(60, 100))}))
    assert (won.failed_before, won.failed_after, won.tasks_won) == (30, 40, -10)


def test_the_budget_is_thirty_days_of_which_one_was_bad(book: Book) -> None:
    slo, sli, budget = mindset.budget(
        run(40, 40), told(book, {"hung-api": (run(150, 200), run(200, 200))})
    )
    assert (sli.valid, sli.good) == (6000, 5950)
    assert budget.allowed == slo.budget_ratio * 6000 == Fraction(60)
    assert (budget.spent, budget.left) == (50, Fraction(10))


def test_a_friendly_day_with_failures_spends_budget_every_day(book: Book) -> None:
    _, sli, budget = mindset.budget(
        run(39, 40), told(book, {"hung-api": (run(200, 200), run(200, 200))})
    )
    assert sli.valid - sli.good == budget.spent == 5 * 29


def test_the_readiness_of_a_step_counts_only_what_was_run_and_held(book: Book) -> None:
    chapter = book.chapter("1")
    seen = told(
        book,
        {story.incident.name: (run(1, 1), run(1, 1)) for story in all_stories(book)},
    )
    assert mindset.readiness(chapter, seen).points == 0
    held = [replace(each, holds=True) for each in seen]
    rows = {row.title: row.verdict for row in mindset.readiness(chapter, held).rows}
    assert rows["Error handling"] == "proven"
    assert rows["Cost tracking and budgets"] == "not proven"
    assert rows["Structured logging and tracing"] == "not proven"
    some = [replace(each, holds=each.story.incident.name != "hung-api") for each in seen]
    rows = {row.title: row.verdict for row in mindset.readiness(chapter, some).rows}
    assert rows["Error handling"] == "disproved"


def test_each_call_is_booked_to_the_task_during_which_it_came() -> None:
    def call(number: int, at_s: float, tokens: int) -> Exchange:
        return Exchange(
            number, at_s, "POST", "/v1/messages", "claude-sonnet-5-5", "k", 1, 0, 200, None, False,
            tokens, 1, Decimal(0), 0.1, "req",
        )  # fmt: skip

    day = replace(
        run(2, 2),
        outcomes=(Outcome(TASK, "4", None, 1.0, 0.0), Outcome(TASK, "4", None, 1.0, 1.0)),
        exchanges=(call(1, 0.0, 10), call(2, 0.5, 20), call(3, 1.2, 30), call(4, 1.3, 0)),
    )
    tokens = [[call.input_tokens for call in task] for task in mindset.tasks_of(day)]
    assert tokens == [[10, 20], [30]]


def observed(step: str, done: int) -> Run:
    return replace(run(done, 100), step=step)


def test_cells_that_others_measured_are_seen_with_their_verdict_and_date(
    book: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(knowing.FOLDER, str(tmp_path))
    story = next(each for each in all_stories(book) if each.before == book.steps[0])
    misses = at_least("success", 0.5, 0.9)
    with knowing.opened(book) as known:
        made = observed(book.steps[0].name, 50)
        cell = Cell(story, book.steps[0], made, (misses,), measured="2026-11-28T12:10:03Z")
        known.keep(cell, 7)
        found = mindset_known.seen(book, book.chapter("1"), 7, known)
        other = mindset_known.seen(book, book.chapter("1"), 8, known)
    (seen,) = found.values()
    assert (seen.run.done, seen.holds, seen.measured) == (50, False, "2026-11-28T12:10:03Z")
    assert other == {}
    with knowing.opened(book, fresh=True) as known:
        assert mindset_known.seen(book, book.chapter("1"), 7, known) == {}


def test_what_this_chapter_measures_is_its_own_and_kept_where_it_is_as_it_must_be(
    book: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many trials ran at once: what check asks is to be run by check."""
    monkeypatch.setenv(knowing.FOLDER, str(tmp_path))
    chapter, first = book.chapter("1"), book.steps[0]
    story = next(each for each in all_stories(book) if each.incident.name == "trickled-response")
    name = story.incident.name
    runs = {
        (mindset_known.FRIENDLY, first.name, False): observed(
            first.name, 99
        ),  # it must be all of them
        (name, first.name, False): observed(first.name, 40),
        (name, story.solver.name, False): observed(story.solver.name, 100),
    }
    with knowing.opened(book) as known:
        made = mindset_known.judged(book, chapter, 7, known, runs)
        again = mindset_known.seen(book, chapter, 7, known)
        assert known.when(story, story.solver, 7) is None
    assert [made[each].holds for each in runs] == [False, False, True]
    assert again.keys() == runs.keys() - {(mindset_known.FRIENDLY, first.name, False)}
    assert again[name, first.name, False].run.done == 40
