"""In a terminal each cell of the board leads with its headline, and no name is cut to nonsense."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import pytest
from rich.console import Console

from book.chain.chain import Book, Step
from book.replay.cells import Cell
from book.replay.replay import Story
from book.scoreboard import board, picture, terminal
from book.story.incident import Headline, Incident, Workload, at_least
from mock_claude import FaultScript

BUSY = "a trial waited 9 s for a processor"


def story(book: Book, name: str = "rate-limit-storm") -> Story:
    incident = Incident(
        name=name,
        story="Every call is refused.",
        symptom="something is slow",
        headline=Headline("tasks answered within 8 s", "%", "higher", lambda run: run.success),
        faults=FaultScript(),
        workload=lambda seed: Workload((), 1, 1.0),
        settings={},
        promise=lambda run: [],
        cure=lambda seen: [],
    )
    return Story(incident, book.steps[0], book.step("with-retries"))


def cell(told: Story, step: Step, figure: float | None, *, holds: bool = True) -> Cell:
    check = at_least("success", 1.0 if holds else 0.5, 0.99, "%")
    return Cell(told, step, None, (check,), figure=figure)


def two(book: Book) -> list[Cell]:
    """Missed before, held after."""
    told = story(book)
    return [
        cell(told, told.before, 0.8167, holds=False),
        cell(told, book.steps[-1], 1.0),
    ]


def not_judged(told: Cell) -> Cell:
    return replace(told, checks=(), figure=None, error=BUSY, unjudged=True)


def shown(cells: list[Cell], width: int) -> list[str]:
    out = Console(file=io.StringIO(), width=width)
    terminal.show(out, cells, 7)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue().splitlines()


def chapters(book: Book, count: int, name: str = "complete") -> list[Step]:
    """As many ends of chapters as the book may have one day."""
    last = book.steps[-1]
    rest = (replace(last, name=f"chapter-{n:02}/{name}") for n in range(2, count + 1))
    return [book.steps[0], *rest]


def words(lines: list[str]) -> list[list[str]]:
    return [line.split() for line in lines]


@pytest.mark.parametrize("width", [56, 100])
def test_each_cell_leads_with_the_headline_red_and_green_alike(book: Book, width: int) -> None:
    lines = shown(two(book), width)
    assert ["rate-limit-storm", "misses", "81.7%", "holds", "100%"] in words(lines)
    assert "tasks answered within 8 s" in " ".join(" ".join(lines).split())
    assert all(len(line) <= width for line in lines[: lines.index("")])


@pytest.mark.parametrize("width", [30, 40, 56, 80, 100, 200])
@pytest.mark.parametrize("count", [2, 8, 12])
def test_names_are_whole_at_any_width(book: Book, width: int, count: int) -> None:
    told = story(book)
    steps = chapters(book, count)
    lines = shown([cell(told, step, 0.8167) for step in steps], width)
    text = "\n".join(lines)
    for step in steps:
        above, _, last = step.name.rpartition("/")
        assert step.name in text or {f"{above}/", last} <= {*text.split()}
    assert "…" not in text
    assert "rate-limit-storm" in text
    assert text.count("81.7%") == count
    assert max(map(len, lines)) <= width


def test_twelve_chapters_are_a_table_at_a_hundred_columns(book: Book) -> None:
    told = story(book)
    lines = shown([cell(told, step, 0.8167) for step in chapters(book, 12)], 100)
    assert ["incident", *(str(number) for number in range(1, 13))] in words(lines)
    assert ["12", "chapter-12/complete"] in words(lines)
    assert "rate-limit-storm: tasks answered within 8 s" in lines


def test_steps_whose_names_fill_the_terminal_are_listed(book: Book) -> None:
    told = story(book)
    steps = chapters(book, 12, "with-circuit-breaker")
    lines = words(shown([cell(told, step, 0.8167) for step in steps], 56))
    assert ["chapter-12/with-circuit-breaker", "holds", "81.7%"] in lines
    assert ["chapter-12/with-circuit-breaker", "1", "of", "1"] in lines


def test_a_cell_that_was_not_judged_is_neither_red_nor_green(book: Book) -> None:
    first, last = two(book)
    out = Console(
        file=io.StringIO(),
        width=100,
        force_terminal=True,
        color_system="standard",
        highlight=False,
    )
    terminal.show(out, [first, not_judged(last)], 7)
    assert isinstance(out.file, io.StringIO)
    text = out.file.getvalue()
    assert text.count("\x1b[33mnot judged\x1b[0m") == 2
    assert "\x1b[32m" not in text
    assert f"not judged\x1b[0m rate-limit-storm on {last.step.name}: {BUSY}" in text


def test_a_cell_that_was_not_judged_counts_nowhere(book: Book) -> None:
    first, last = two(book)
    busy = [not_judged(first), last]
    assert ["holds", "0", "of", "0", "1", "of", "1"] in words(shown(busy, 100))
    assert terminal.is_staircase(book, busy)
    assert terminal.is_staircase(book, [first, not_judged(last)])
    assert not terminal.is_staircase(book, [not_judged(first), replace(last, checks=first.checks)])


def test_a_cell_that_was_not_judged_is_so_in_picture_and_data(book: Book) -> None:
    first, last = two(book)
    drawn = picture.svg([first, not_judged(last)])
    assert drawn.count(">misses<") == drawn.count(">not judged<") == 1
    assert ">holds<" not in drawn
    entries = board.board(book, [first, not_judged(last)], 7)["cells"]
    assert isinstance(entries, list)
    assert [entry["unjudged"] for entry in entries] == [False, True]
    assert entries[1]["headline"]["shown"] == ""


def test_the_picture_holds_no_figure(book: Book) -> None:
    assert "%" not in picture.svg(two(book)).partition("</style>")[2]


def test_a_crash_has_a_word_of_its_own(book: Book) -> None:
    first, last = two(book)
    lines = shown([first, replace(last, figure=None, error="the trial crashed: E: x")], 100)
    assert ["rate-limit-storm", "misses", "81.7%", "crashed"] in words(lines)
    assert f"crashed rate-limit-storm on {last.step.name}: the trial crashed: E: x" in lines


@pytest.mark.parametrize("figure", [None, math.nan, math.inf])
def test_a_figure_that_was_not_measured_is_none(book: Book, figure: float | None) -> None:
    first, last = two(book)
    lines = shown([first, replace(last, figure=figure)], 100)
    assert ["rate-limit-storm", "misses", "81.7%", "holds", "not", "measured"] in words(lines)


def test_a_pair_that_was_not_run_is_said_to_be(book: Book) -> None:
    other = story(book, "other")
    lines = shown([*two(book), cell(other, book.steps[-1], 0.5)], 100)
    assert ["other", "not", "run", "holds", "50%"] in words(lines)


def test_data_of_a_cell_hold_its_headline(book: Book) -> None:
    figures = board.board(book, two(book), 7)
    words = {"words": "tasks answered within 8 s", "unit": "%", "better": "higher"}
    entries, incidents = figures["cells"], figures["incidents"]
    assert isinstance(entries, list)
    assert isinstance(incidents, list)
    assert incidents[0]["headline"] == words
    assert [entry["headline"] for entry in entries] == [
        {**words, "value": 0.8167, "shown": "81.7%"},
        {**words, "value": 1.0, "shown": "100%"},
    ]
    assert entries[0]["checks"][0]["applies"] is True
