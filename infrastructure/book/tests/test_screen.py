"""A chapter fits one screen, and each incident leads with its one figure."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from book.chain.chain import Book
from book.replay import screen
from book.replay.replay import Replay, Row, stories
from book.stage.trial import Trial
from book.story.incident import Headline, Incident, Outcome, Run, Task, load

WIDTH = 100
LINES = 40  # of a terminal


def observed(step: str, latencies_s: list[float]) -> Run:
    """A run whose tasks took so long each, and were done."""
    task = Task("Say it.", ("it",))
    outcomes = tuple(Outcome(task, "it", None, latency_s) for latency_s in latencies_s)
    return Run(step, 7, outcomes, (), {}, 1.0)


def a_replay(book: Book, incident: Incident, before_s: float, after_s: float) -> Replay:
    step, solver = book.steps[:2]
    rows = (
        Row(Trial(step, incident, 7), observed(step.name, [before_s]), (), expected=False),
        Row(Trial(solver, incident, 7), observed(solver.name, [after_s]), (), expected=True),
    )
    return Replay(incident, 7, rows)


@pytest.fixture(scope="module")
def incident(book: Book) -> Incident:
    hung = load(book.chapter("2").incident_file("hung-api"))
    figure = Headline("p95 of everybody else", "s", "lower", lambda run: run.latency_s(0.95))
    return replace(hung, headline=figure)


def printed(width: int = WIDTH) -> Console:
    return Console(file=io.StringIO(), width=width)


def text_of(out: Console) -> str:
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def test_an_incident_takes_three_lines_and_leads_with_its_figure(
    book: Book, incident: Incident
) -> None:
    out = printed()
    screen.block(out, book.chapter("2"), a_replay(book, incident, 11.94, 3.66), "hung-api", 17)
    assert text_of(out).splitlines() == [
        "hung-api            One model call in ten is never answered.",
        "                    p95 of everybody else   11.9 s -> 3.7 s",
        "                    reference-agent holds · with-retries holds   see: make diff-02",
    ]


def test_every_incident_of_a_chapter_fits_one_screen(book: Book) -> None:
    for chapter in book.chapters:
        if not any(step.solves for step in chapter.steps):
            continue
        told = stories(book, chapter)
        out = printed()
        screen.opening(out, chapter, len(told), [7])
        widest = max(len(story.incident.name) for story in told)
        for story in told:
            played = a_replay(book, story.incident, 1.0, 1.0)
            screen.block(out, chapter, played, story.incident.name, widest)
        lines = text_of(out).splitlines()
        assert len(lines) <= LINES - 4, "story, headline or names are too long for a line"
        assert all(len(line) <= WIDTH for line in lines)


def test_on_a_narrow_terminal_the_name_stands_above_and_nothing_is_cut(
    book: Book, incident: Incident
) -> None:
    out = printed(width=40)
    screen.block(out, book.chapter("2"), a_replay(book, incident, 2.0, 1.0), "hung-api", 17)
    lines = text_of(out).splitlines()
    assert lines[0] == "hung-api"
    assert all(len(line) <= 40 for line in lines)
    assert "with-retries holds" in " ".join(" ".join(lines).split())


def test_a_headline_that_is_not_better_is_a_problem(book: Book, incident: Incident) -> None:
    assert "no better" in " ".join(a_replay(book, incident, 1.0, 1.0).problems)
    assert "no better" not in " ".join(a_replay(book, incident, 1.1, 1.0).problems)


def test_a_figure_that_cannot_be_measured_is_never_made_up(book: Book, incident: Incident) -> None:
    nobody = replace(incident.headline, whose=lambda outcome: False)
    run = observed("any", [1.0])
    assert nobody.of(run) is None
    assert nobody.shown(run) == "not measured"
    assert not nobody.is_better(run, run)


@pytest.mark.parametrize(
    ("unit", "value", "shown"),
    [
        ("%", 0.8649, "86.5%"),
        ("%", 1.0, "100%"),
        ("$", 142.118, "$142"),
        ("$", 0.354, "$0.35"),
        ("s", 11.94, "11.9 s"),
        ("s", 0.2511, "0.25 s"),
        ("", 19.0, "19"),
        ("", 0, "0"),
    ],
)
def test_figures_are_short(unit: str, value: float, shown: str) -> None:
    headline = Headline("it", unit, "lower", lambda run: value)  # type: ignore[arg-type]
    assert headline.shown(observed("any", [1.0])) == shown


@pytest.mark.parametrize(
    ("done", "of", "elapsed_s", "left"),
    [(0, 100, 3.0, None), (4, 100, 3.0, None), (50, 100, 40.0, 40), (100, 100, 80.0, 0)],
)
def test_the_time_left_is_said_once_there_is_a_pace(
    done: int, of: int, elapsed_s: float, left: float | None
) -> None:
    assert screen.left_s(done, of, elapsed_s) == left
