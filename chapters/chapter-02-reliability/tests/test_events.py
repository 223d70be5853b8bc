"""Listeners watch, and never get in the way; errors carry their count."""

from __future__ import annotations

import dataclasses
import functools
import logging
from typing import Any

import pytest

from reliability import (
    Attempts,
    Event,
    Failure,
    FailureKind,
    RetriesStopped,
    RetryScheduled,
    attempts_of,
    emit,
    subscribe,
)
from reliability.events import attach_attempts

FAILURE = Failure(FailureKind.OVERLOAD, True, None, "529 overloaded_error")
RETRY = RetryScheduled("claude", 1, 0.25, FAILURE)
STOP = RetriesStopped("claude", 5, 9.5, FAILURE, "attempts")


def test_every_listener_hears_every_event_in_order() -> None:
    first: list[Event] = []
    second: list[Event] = []
    undo_first, undo_second = subscribe(first.append), subscribe(second.append)
    emit(RETRY)
    emit(STOP)
    undo_first()
    undo_second()
    assert first == second == [RETRY, STOP]


def test_after_undo_nothing_is_heard_and_undo_may_be_called_again() -> None:
    heard: list[Event] = []
    undo = subscribe(heard.append)
    undo()
    undo()
    emit(RETRY)
    assert heard == []


def test_one_listener_subscribed_twice_hears_twice_and_each_undo_ends_one() -> None:
    heard: list[Event] = []
    undo_first, undo_second = subscribe(heard.append), subscribe(heard.append)
    emit(RETRY)
    assert len(heard) == 2
    undo_first()
    undo_first()
    emit(RETRY)
    assert len(heard) == 3
    undo_second()


def test_a_listener_that_raises_is_logged_and_stops_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[Event] = []

    def broken(event: Event) -> None:
        raise RuntimeError("exporter down")

    undos = [subscribe(broken), subscribe(heard.append)]
    with caplog.at_level(logging.ERROR, logger="reliability.events"):
        emit(RETRY)
    for undo in undos:
        undo()
    assert heard == [RETRY]
    (record,) = caplog.records
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], RuntimeError)


def test_a_listener_may_end_its_own_subscription_while_it_hears() -> None:
    heard: list[Event] = []

    def once(event: Event) -> None:
        heard.append(event)
        undo()

    undo = subscribe(once)
    rest: list[Event] = []
    undo_rest = subscribe(rest.append)
    emit(RETRY)
    emit(RETRY)
    undo_rest()
    assert (len(heard), len(rest)) == (1, 2)


def test_an_async_listener_is_refused_because_nobody_would_await_it() -> None:
    async def listen(event: Event) -> None: ...

    with pytest.raises(TypeError, match="plain function"):
        subscribe(listen)  # type: ignore[arg-type]


def test_an_event_cannot_be_changed_by_a_listener() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        RETRY.attempt = 9  # type: ignore[misc]


def test_an_error_that_no_retry_raised_has_no_count() -> None:
    assert attempts_of(ValueError("fresh")) is None


def test_an_error_keeps_its_own_notes_and_only_the_newest_count() -> None:
    error = ValueError("again and again")
    error.add_note("from the tool")
    attach_attempts(error, Attempts(3, 1.5))
    attach_attempts(error, Attempts(2, 0.25))
    assert attempts_of(error) == Attempts(2, 0.25)
    assert error.__notes__ == ["from the tool", "gave up at attempt 2, after 0.25 s"]


@dataclasses.dataclass(frozen=True)
class FrozenError(Exception):
    code: int


def test_an_error_that_is_a_frozen_dataclass_can_be_counted_too() -> None:
    error = FrozenError(7)
    attach_attempts(error, Attempts(3, 1.5))
    assert attempts_of(error) == Attempts(3, 1.5)
    assert error.__notes__ == ["gave up at attempt 3, after 1.50 s"]


def test_the_log_says_on_which_event_a_listener_failed(caplog: pytest.LogCaptureFixture) -> None:
    def broken(event: Event) -> None:
        raise RuntimeError("exporter down")

    undo = subscribe(broken)
    emit(STOP)
    undo()
    assert [record.getMessage() for record in caplog.records] == [
        "a listener failed on RetriesStopped"
    ]


def test_the_refusal_of_an_async_listener_says_what_to_pass() -> None:
    async def listen(event: Event) -> None: ...

    with pytest.raises(TypeError) as told:
        subscribe(listen)  # type: ignore[arg-type]
    assert str(told.value) == "a listener is called, not awaited: pass a plain function"


def test_an_attribute_of_that_name_that_is_no_count_does_not_pass_for_one() -> None:
    error = ValueError("from another library")
    vars(error)["_reliability_attempts"] = 3
    assert attempts_of(error) is None


class Watcher:
    async def __call__(self, event: Event) -> None: ...

    async def hear(self, event: Event) -> None: ...


@pytest.mark.parametrize(
    "listener",
    [Watcher(), Watcher().hear, functools.partial(Watcher().hear), functools.partial(Watcher())],
    ids=["object", "method", "partial", "partial object"],
)
def test_a_listener_that_would_have_to_be_awaited_is_refused_in_every_form(listener: Any) -> None:
    with pytest.raises(TypeError, match="a listener is called, not awaited"):
        subscribe(listener)
