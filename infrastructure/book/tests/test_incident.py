"""Verdicts come from facts in the text and from observed numbers."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from book.story.incident import (
    IncidentError,
    Outcome,
    Run,
    Task,
    at_least,
    at_most,
    holds,
    load,
)
from book.story.observed import bill
from mock_claude import Exchange


def run_of(*outcomes: Outcome) -> Run:
    return Run("a-step", 7, outcomes, (), {}, 1.0)


@pytest.mark.parametrize(
    ("text", "fact", "held"),
    [
        ("23*19 = 437.", "437", True),
        ("It is 1437 or 4370.", "437", False),
        ("It is 437.5 degrees", "437", False),
        ("minus: -437", "437", False),
        ("437, then", "437", True),
        ("1,437", "437", False),
        ("-3.4 °C", "-3.4", True),
        ("13.4 °C", "3.4", False),
        ("built by Ada.", "Ada", True),
        ("built by Adam.", "Ada", False),
        ("", "437", False),
    ],
)
def test_a_fact_must_stand_for_itself(text: str, fact: str, held: bool) -> None:
    assert holds(text, fact) is held


@given(st.integers(), st.text(), st.text())
def test_a_number_between_spaces_is_always_found(number: int, before: str, after: str) -> None:
    assert holds(f"{before} {number} {after}", str(number))


def test_a_task_is_done_only_with_all_its_facts() -> None:
    task = Task("?", ("1", "2"))
    outcomes = (Outcome(task, "1 and 2", None, 0.1), Outcome(task, "1 only", None, 0.1))
    assert run_of(*outcomes).done == 1
    assert run_of(*outcomes).errors == {"wrong": 1}


@given(st.lists(st.floats(0, 100), min_size=1), st.sampled_from([0.5, 0.9, 0.95, 0.99, 1.0]))
def test_a_percentile_is_the_smallest_latency_that_enough_tasks_stay_within(
    latencies: list[float], share: float
) -> None:
    run = run_of(*(Outcome(Task("?", ()), "", None, each) for each in latencies))
    found = run.latency_s(share)
    within = sum(each <= found for each in latencies)
    below = sum(each < found for each in latencies)
    assert within >= share * len(latencies) - 1e-9
    assert below < share * len(latencies)


def test_a_check_says_which_side_of_its_limit_it_is_on() -> None:
    assert str(at_least("success", 0.5, 0.99, "%")) == "success 50.0% < 99.0%"
    assert str(at_most("p95", 3.0, 8.0, "s")) == "p95 3 s <= 8 s"
    assert at_most("p95", 8.0, 8.0).ok
    assert not at_least("success", 0.98, 0.99).ok


def test_a_run_without_requests_costs_nothing() -> None:
    assert run_of(Outcome(Task("?", ()), "", None, 0.1)).cost_usd == Decimal(0)


def test_an_incident_must_be_what_its_file_says(tmp_path: Path) -> None:
    with pytest.raises(IncidentError, match="no such incident"):
        load(tmp_path / "a_storm.py")
    (tmp_path / "a_storm.py").write_text("INCIDENT = 1", encoding="utf-8")
    with pytest.raises(IncidentError, match="a-storm"):
        load(tmp_path / "a_storm.py")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1\ny = (\n", r"a_storm\.py:2: SyntaxError"),
        ("\n\nx = y\n", r"a_storm\.py:3: NameError"),
        *(
            (
                f"from book.story.incident import *\n\nfrom throw_away import *\n"
                f"INCIDENT = replace(incident(Workload((), 1, 1.0)), {given})",
                rf"a_storm\.py:4: .*{says}",
            )
            for given, says in (
                ("services=('reddis',)", "there is no service 'reddis'. Did you mean 'redis'"),
                ("own=('redis', 'redis')", "own: 'redis' is named twice"),
                ("roles=(Role('worker'),)", "one is named 'api'"),
                ("roles=(Role('api'), Role('api'))", "a name stands there twice"),
                ("roles=(Role('api', 0),)", "1 is the least"),
                ("roles=(Role('api', file='../x.py'),)", "a step's file is NAME.py"),
                ("roles=(Role('a b'),)", "a role's name is a word"),
                ("strikes=(Strike('s', 'SIGKILL', to='api', at_s=1.0),)", "declare roles"),
                ("strikes=(Strike('s', 'flush', to='redis', at_s=1.0),)", "no target 'redis'"),
                (
                    "roles=(Role('api'), Role('worker')), "
                    "strikes=(Strike('s', 'SIGKILL', to='wroker-1', at_s=1.0),)",
                    "no target 'wroker-1'. Did you mean 'worker-1'",
                ),
                ("strikes=(Strike('s', 'SIGKILL', to='api'),)", "say one of them"),
                ("strikes=(Strike('s', 'SIGKILL', request=0),)", "from 1"),
                ("strikes=(Strike('s', 'SIGKILL', at_s=1.0),)", "to whom"),
                ("redis=RedisSettings(max_memory_mb=-1)", "0 .no limit. or more: -1"),
                (
                    "redis=RedisSettings(eviction='allkeys-lrv')",
                    "no eviction 'allkeys-lrv'. Did you mean 'allkeys-lru'",
                ),
            )
        ),
    ],
)
def test_an_incident_that_cannot_be_loaded_is_named_with_its_line(
    tmp_path: Path, text: str, says: str
) -> None:
    (tmp_path / "a_storm.py").write_text(text, encoding="utf-8")
    with pytest.raises(IncidentError, match=says):
        load(tmp_path / "a_storm.py")


def asked(fresh: int, output: int, usd: str, written: int = 0, read: int = 0) -> Exchange:
    return Exchange(
        *(1, 0.0, "POST", "/v1/messages", "claude-opus-5-5", "", 1, None, 200, None, False),
        *(fresh, output, Decimal(usd), 0.1, "req"),
        cache_creation_input_tokens=written,
        cache_read_input_tokens=read,
    )


def test_a_bill_is_what_was_billed_and_counts_a_request_that_was_cached_whole() -> None:
    cached = asked(0, 10, "0.0072", written=1_000, read=10_000)
    fresh, free = asked(5, 1, "0.00004"), asked(0, 0, "0")
    assert bill([cached, fresh, free]) == Decimal("0.00724")
    assert Run("a-step", 7, (), (cached, fresh), {}, 1.0).tokens == 11_016
