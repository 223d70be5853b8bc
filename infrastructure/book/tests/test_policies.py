"""What policies say they did stands beside what the simulator counted."""

import io
from decimal import Decimal

import pytest
from rich.console import Console

from book.replay import policies
from book.story.incident import Noted, Run
from mock_claude import Exchange

FAILED, HUNG_UP, DONE = 529, 0, 200


def request(
    number: int, key: str, status: int, model: str | None = "claude-sonnet-5-5"
) -> Exchange:
    path = "/v1/messages" if model else "/w/api.php"
    return Exchange(
        number, 0.1 * number, "POST", path, model, key, 1, 0, status, None, False, 10, 5,
        Decimal(0), 0.05, f"req_{number}",
    )  # fmt: skip


EVENTS = (
    *[Noted("RetryScheduled", 0.1, {"attempt": 1})] * 7,
    *[Noted("CircuitChanged", 0.2, {"before": "closed", "after": "open"})] * 3,
    Noted("CircuitChanged", 0.3, {"before": "open", "after": "half_open"}),
    *[Noted("CircuitChanged", 0.4, {"before": "half_open", "after": "closed"})] * 2,
    *[Noted("TimedOut", 0.5, {"scope": "operation"})] * 4,
    *[Noted("FallbackUsed", 0.6, {"fallback": "claude-haiku-5"})] * 5,
    *[Noted("StaleServed", 0.6, {"age_s": 3.0})] * 6,
    *[Noted("BulkheadEntered", 0.7, {"running": 1})] * 20,
    *[Noted("BulkheadRefused", 0.7, {"why": "queue_full"})] * 8,
    *[Noted("CircuitRefused", 0.8, {"retry_after_s": 1.0})] * 9,
    *[Noted("LoopStopped", 0.9, {"limit": "turns"})] * 10,
    *[Noted("RetriesStopped", 0.9, {"why": "attempts"})] * 11,
)
EXCHANGES = (
    # Written as it finished; the number is the order of arrival, which decides what repeats what.
    request(2, "a", DONE),  # repeats 1
    request(1, "a", FAILED),
    request(3, "a", DONE),  # repeats 1 too: what had failed before is asked again
    request(4, "b", DONE),
    request(5, "b", DONE),  # nothing of it had failed
    request(6, "c", HUNG_UP),
    request(7, "c", HUNG_UP, "claude-haiku-5"),  # repeats 6
    request(8, "c", DONE, "claude-haiku-5"),  # repeats 6
    request(9, "d", HUNG_UP, None),
    request(10, "d", DONE, None),  # repeats 9
)


def run_of(events: tuple[Noted, ...], exchanges: tuple[Exchange, ...]) -> Run:
    return Run("a-step", 7, (), exchanges, {}, 1.0, events=events)


def test_each_count_is_of_its_own_events_and_the_simulators_stand_beside() -> None:
    assert policies.counts(run_of(EVENTS, EXCHANGES)) == {
        "retries": 7,
        "repeated_requests": 5,
        "breaker_opened": 3,
        "breaker_closed": 2,
        "timeouts": 4,
        "unanswered_requests": 3,
        "fallbacks_model": 5,
        "fallbacks_stale": 6,
        "refused_full": 8,
        "refused_open": 9,
        "loops_stopped": 10,
    }


def test_a_step_without_policies_counts_nothing_of_its_own_but_its_requests_are_counted() -> None:
    found = policies.counts(run_of((), EXCHANGES))
    assert {name: count for name, count in found.items() if count} == {
        "repeated_requests": 5,
        "unanswered_requests": 3,
    }


def test_the_simulators_counts_do_not_depend_on_what_the_agent_says() -> None:
    boasting = policies.counts(run_of(EVENTS, ()))
    assert boasting["retries"] == 7
    assert boasting["repeated_requests"] == boasting["unanswered_requests"] == 0


def test_answers_are_counted_by_model_as_the_simulator_saw_them() -> None:
    assert policies.by_model(run_of(EVENTS, EXCHANGES)) == {
        "claude-sonnet-5-5": 4,
        "claude-haiku-5": 1,
    }


@pytest.mark.parametrize(
    ("name", "fields", "found"),
    [
        ("CircuitChanged", {}, 6),
        ("CircuitChanged", {"after": "open"}, 3),
        ("CircuitChanged", {"after": "closed", "before": "half_open"}, 2),
        ("CircuitChanged", {"after": "closed", "before": "open"}, 0),
        ("CircuitChanged", {"unknown": None}, 0),
        ("Circuit", {}, 0),
    ],
)
def test_events_are_found_by_class_and_all_the_fields_that_are_named(
    name: str, fields: dict[str, object], found: int
) -> None:
    assert len(run_of(EVENTS, ()).noted(name, **fields)) == found


def test_the_table_has_a_row_a_run_with_the_counts_in_the_order_of_its_heads() -> None:
    out = Console(file=io.StringIO(), width=120)
    out.print(
        policies.table([("before", run_of((), ())), ("after", run_of(EVENTS, EXCHANGES))], 120)
    )
    assert isinstance(out.file, io.StringIO)
    lines = out.file.getvalue().splitlines()
    before, after = (next(line for line in lines if word in line) for word in ("before", "after"))
    assert before.split() == ["before", "0", "0", "0/0", "0", "0", "0/0", "0/0"]
    assert after.split() == ["after", "7", "5", "3/2", "4", "3", "5/6", "8/9"]
    heads = [line.split() for line in lines[:3] if line.strip()]
    assert ["retries", "repeated", "breaker", "timeouts", "unanswered", "fallbacks", "refused"] in [
        head[-7:] for head in heads
    ]
