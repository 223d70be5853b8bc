"""The table is whole at any width a terminal may have."""

import io
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from book.chain.chain import Step
from book.replay import closing, present
from book.replay.replay import Replay, Row
from book.stage.trial import Trial
from book.story.incident import Headline, Incident, Outcome, Run, Task, Workload, at_least
from mock_claude import Exchange, FaultScript

STEP = Step("chapter-02/with-circuit-breaker", Path("with-circuit-breaker"), "")
COMPLETE = Step("chapter-02/complete", Path("complete"), "")
TASK = Task("What is 2+2?", ("4",))
REQUEST = Exchange(
    1, 0.0, "POST", "/v1/messages", "claude-sonnet-5-5", "k", 1, 0, 200, None, False, 1_000_000,
    1_000_000, Decimal(12), 0.1, "req_1",
)  # fmt: skip
INCIDENT = Incident(
    name="a-storm",
    story="",
    faults=FaultScript(),
    workload=lambda seed: Workload((TASK,), 1, 1.0),
    settings={},
    promise=lambda run: [],
    symptom="something is slow",
    headline=Headline("tasks done", "%", "higher", lambda run: run.success),
    cure=lambda seen: [],
)


def replayed() -> Replay:
    outcomes = (Outcome(TASK, "4", None, 1.5), Outcome(TASK, None, "OverloadedError", 12.25))
    run = Run(STEP.name, 7, outcomes, (REQUEST,), {"529 overloaded": 31, "search 503": 4}, 20.0)
    checks = (at_least("success", run.success, 0.99, "%"),)
    rows = [Row(Trial(STEP, INCIDENT, 7), run, checks, False)]
    rows.append(Row(Trial(STEP, INCIDENT, 7, calm=True), run, (), True))
    return Replay(INCIDENT, 7, tuple(rows))


def shown(width: int) -> str:
    out = Console(file=io.StringIO(), width=width, highlight=False)
    out.print(present.table(replayed(), out.width))
    present.reasons(out, replayed())
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


@pytest.mark.parametrize("width", [56, 80, 91, 92, 100, 116, 140])
def test_every_figure_is_there_and_no_line_is_too_long(width: int) -> None:
    text = shown(width)
    for figure in ("1/2", "50.0%", "1.50s", "12.25s", "0.50", "2,000,000", "$12.0000"):
        assert figure in text
    for word in ("with-circuit-breaker", "misses", "keeps", "529 overloaded: 31", "search 503: 4"):
        assert word in text
    assert "OverloadedError 1" in text
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width


def printed(table: Table, width: int = 56) -> str:
    out = Console(file=io.StringIO(), width=width, highlight=False)
    out.print(table)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


@pytest.mark.parametrize("width", [40, 56, 91])
def test_where_it_is_narrow_a_steps_name_stands_whole_in_each_row_of_each_table(width: int) -> None:
    for table in (present.table, present.policies_table):
        text = printed(table(replayed(), width), width)
        assert text.count("with-circuit-breaker") == 2, text
        assert "without faults" in text
        assert "…" not in text
        assert max(map(len, text.splitlines())) <= width
    counts = printed(present.policies_table(replayed(), width), width)
    assert counts.count("retries events 0") == 2


def test_where_it_is_narrow_the_last_table_names_both_steps() -> None:
    out = Console(file=io.StringIO(), width=56, highlight=False)
    before = replayed().rows[0]
    after = replace(before, trial=replace(before.trial, step=COMPLETE), checks=(), expected=True)
    closing.summary(out, [replace(replayed(), rows=(before, after))])
    assert isinstance(out.file, io.StringIO)
    text = out.file.getvalue()
    for words in ("a-storm", "with-circuit-breaker misses 50%", "complete holds 50%", "tasks done"):
        assert words in text
    assert max(map(len, text.splitlines())) <= 56
