"""Figures that READMEs tell of incidents come from kept runs, change with them, and grow stale."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from damaged import Copy, edit
from rich.console import Console
from test_known import BAD, GOOD
from test_observations import RUN

from book.chain.chain import Book, ChainError
from book.check.told import told_figures
from book.replay import known as knowing
from book.replay.cells import Cell, all_stories
from book.scoreboard import told

BREAKER = "chapters/chapter-02-reliability/with-circuit-breaker/README.md"
FIGURES = {"hung-api": (0.25, 0.75), "primary-flaps": (0.0, 1.0), "search-outage": (40.0, 0.5)}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results of nobody's own."""
    monkeypatch.setenv(knowing.FOLDER, str(tmp_path / "results"))


def keep(book: Book, figures: dict[str, tuple[float, float]]) -> None:
    """As if ``make chapter-02`` had measured these headlines, before and after."""
    with knowing.opened(book) as known:
        for story in all_stories(book):
            pairs = (story.before, BAD), (story.solver, GOOD)
            for figure, (step, check) in zip(
                figures.get(story.incident.name, ()), pairs, strict=False
            ):
                run = replace(RUN, step=step.name)
                told_of = {"figure": figure, "measured": "2026-11-28T12:10:03Z"}
                known.keep(Cell(story, step, run, (check,), **told_of), told.SEED)  # type: ignore[arg-type]


def write(book: Book) -> list[str]:
    out = Console(file=io.StringIO())
    return [path.relative_to(book.root).as_posix() for path in told.write(book, out)]


def rows(copy: Copy, name: str = "README.md") -> list[str]:
    text = (copy.root / name).read_text(encoding="utf-8")
    (block,) = told.BLOCK.finditer(text)
    return block["body"].splitlines()[2:]


SYMPTOM = "a model call in ten is never answered"


def test_the_first_screens_figures_are_those_of_the_kept_runs(copy: Copy) -> None:
    keep(copy.book(), FIGURES)
    assert write(copy.book()) == ["README.md", BREAKER]
    told = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows(copy)]
    assert told == [
        [SYMPTOM, "tasks answered within 12 s", "25%", "75%", "with-timeouts"],
        [
            *("the main model is overloaded for 10 s", "tasks answered meanwhile"),
            *("0%", "100%", "with-degradation"),
        ],
        [
            *("one tool is dead; everybody else waits", "p95 of everybody else"),
            *("40 s", "0.5 s", "with-circuit-breaker"),
        ],
    ]
    assert list(told_figures(copy.book())) == []


def test_they_change_when_the_run_changes(copy: Copy) -> None:
    keep(copy.book(), FIGURES)
    write(copy.book())
    before = rows(copy)
    keep(copy.book(), FIGURES | {"hung-api": (0.5, 1.0)})
    assert write(copy.book()) == ["README.md"]
    after = rows(copy)
    assert after[0].endswith("| 50% | 100% | with-timeouts |")
    assert after[1:] == before[1:]
    assert list(told_figures(copy.book())) == []
    assert write(copy.book()) == []


def test_they_are_stale_when_the_code_is_another_until_they_are_written_anew(copy: Copy) -> None:
    edit(copy.root / "chapters/chapter-02-reliability/incidents/hung_api.py", SYMPTOM, "calls hang")
    assert [each.where for each in told_figures(copy.book())] == [f"README.md:{line(copy)}"]
    keep(copy.book(), FIGURES)
    write(copy.book())
    assert rows(copy)[0].startswith("| calls hang |")
    assert list(told_figures(copy.book())) == []


def line(copy: Copy) -> int:
    text = (copy.root / "README.md").read_text(encoding="utf-8")
    return text[: text.index("<!-- generated: headlines")].count("\n") + 1


def test_the_price_of_a_cure_is_told_with_the_share_of_all_tasks(copy: Copy) -> None:
    keep(copy.book(), FIGURES)
    write(copy.book())
    share = f"{RUN.success * 100:.1f}".removesuffix(".0")
    assert rows(copy, BREAKER) == [
        "| p95 of everybody else | 40 s | 0.5 s |",
        f"| all tasks answered | {share}% | {share}% |",
    ]


def test_two_blocks_of_a_file_are_each_written(copy: Copy) -> None:
    readme = copy.root / "README.md"
    more = "\n<!-- generated: headlines of hung-api, measured -->\n<!-- end generated -->\n"
    readme.write_text(readme.read_text(encoding="utf-8") + more + more, encoding="utf-8")
    keep(copy.book(), FIGURES)
    write(copy.book())
    text = readme.read_text(encoding="utf-8")
    assert len(re.findall(r"\| tasks answered within 12 s \| 25% \| 75% \|", text)) == 3
    assert list(told_figures(copy.book())) == []


def test_a_block_that_nobody_can_write_is_named_with_its_place(copy: Copy) -> None:
    edit(copy.root / "README.md", "of hung-api", "of hanging-api")
    with pytest.raises(ChainError, match=r"^README\.md:\d+: there is no incident hanging-api; the"):
        write(copy.book())
