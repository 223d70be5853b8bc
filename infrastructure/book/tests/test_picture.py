"""The README's picture: a row a chapter, small however many incidents, and told in words."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

import pytest

from book.scoreboard.picture import HIGHEST, HOLDS, MISSES, STATES, Mark, draw, label


def staircase(chapters: int, each: int) -> list[Mark]:
    """Each step solves one incident: what a whole book looks like."""
    solved = [
        (f"chapter-{chapter:02}", f"trouble-{chapter}-{n}", f"chapter-{chapter:02}/with-{n}")
        for chapter in range(2, chapters + 2)
        for n in range(each)
    ]
    steps = ["reference-agent", *(step for *_, step in solved)]
    return [
        Mark(chapter, incident, step, HOLDS if place >= steps.index(solver) else MISSES)
        for chapter, incident, solver in solved
        for place, step in enumerate(steps)
    ]


def size(svg: str) -> tuple[int, int]:
    found = re.search(r' width="(\d+)" height="(\d+)" role', svg)
    assert found is not None
    return int(found[1]), int(found[2])


@pytest.mark.parametrize(
    ("chapters", "each"), [(1, 9), (12, 5), (1, 60), (6, 10), (20, 3), (30, 2)]
)
def test_it_is_at_most_three_hundred_pixels_high(chapters: int, each: int) -> None:
    width, height = size(draw(staircase(chapters, each)))
    assert height <= HIGHEST
    assert width <= 1200


def test_sixty_incidents_are_a_row_a_chapter_and_a_small_file() -> None:
    svg = draw(staircase(12, 5))
    heads = re.findall(r'<text x="4" y="\d+">(.*?)</text>', svg)
    assert heads == [f"chapter {number}" for number in range(2, 14)]
    assert len(svg) < 30_000
    stripes = re.findall(r'data-incident="(.*?)".*? y="(\d+)" ', svg)
    assert Counter(name for name, _ in stripes).most_common(1)[0][1] == 2  # misses, then holds
    places = [int(y) for _, y in stripes]
    assert len(stripes) == 120
    assert places == sorted(places)


def test_no_stripe_lies_on_another() -> None:
    for chapters, each in ((1, 9), (12, 5), (2, 30)):
        svg = draw(staircase(chapters, each))
        found = re.findall(r'data-incident="(.*?)".* y="(\d+)" width="\d+" height="(\d+)"', svg)
        spans = sorted({(int(y), int(y) + int(high), name) for name, y, high in found})
        for (_, end, above), (begin, _, below) in pairwise(spans):
            assert begin >= end or above == below


def test_a_state_is_told_by_more_than_its_colour() -> None:
    svg = draw(staircase(1, 3))
    heights = {
        state: set(re.findall(rf'class="{state}" data-.* height="(\d+)"', svg))
        for state in (HOLDS, MISSES)
    }
    assert heights[HOLDS] & heights[MISSES] == set()


def test_the_legend_names_the_states_that_there_are() -> None:
    first, *rest = staircase(1, 2)
    assert [f">{state}<" in draw([first, *rest]) for state in STATES] == [True, True, False, False]
    odd = Mark(first.chapter, first.incident, first.step, "not judged")
    assert ">not judged<" in draw([odd, *rest])


def test_many_columns_are_named_by_their_chapters() -> None:
    heads = re.findall(r'<text class="head".*?>(.*?)</text>', draw(staircase(2, 3)))
    assert heads[0] == "reference-agent"
    assert len(heads) == 7
    many = re.findall(r'<text class="head".*?>(.*?)</text>', draw(staircase(3, 20)))
    assert many == ["1", "chapter 2", "chapter 3", "chapter 4"]


def test_the_words_tell_what_each_step_adds_and_loses() -> None:
    marks = staircase(1, 3)
    assert label(marks) == (
        "Scoreboard: reference-agent holds nothing, chapter-02/with-0 holds trouble-2-0, "
        "chapter-02/with-1 holds also trouble-2-1, chapter-02/with-2 holds all"
    )
    last = Mark("chapter-02", "trouble-2-0", "chapter-02/with-2", MISSES)
    worse = [last if (m.incident, m.step) == (last.incident, last.step) else m for m in marks]
    assert label(worse).endswith("holds also trouble-2-2 but no longer trouble-2-0")
