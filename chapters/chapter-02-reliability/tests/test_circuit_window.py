"""Which calls a circuit is judged by, when they are reason enough, and which settings are refused.

What a whole circuit does is in test_circuit_breaker.py.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from reliability.circuit_window import SLICES, BreakerSettings, CallWindow

Call = tuple[bool, bool]  # failed, slow


def filled(rules: BreakerSettings, *, good: int = 0, failed: int = 0, slow: int = 0) -> CallWindow:
    window = CallWindow(rules)
    for number, call in ((good, (False, False)), (failed, (True, False)), (slow, (False, True))):
        for _ in range(number):
            window.add(0.0, failed=call[0], slow=call[1])
    return window


def counts(window: CallWindow) -> tuple[int, int, int]:
    return window.calls, window.failures, window.slow


calls = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60)


@given(calls, st.integers(1, 20))
def test_a_count_window_holds_exactly_the_last_calls(history: list[Call], size: int) -> None:
    window = CallWindow(BreakerSettings(1, minimum_calls=1, window_calls=size))
    for number, (failed, slow) in enumerate(history, 1):
        window.add(7.0, failed=failed, slow=slow)
        last = history[:number][-size:]
        assert counts(window) == (len(last), sum(f for f, _ in last), sum(s for _, s in last))
        assert len(window.slices) == len(last)


@given(st.lists(st.tuples(st.integers(0, 12), st.booleans(), st.booleans()), max_size=60))
def test_a_time_window_holds_exactly_the_calls_of_the_last_seconds(
    history: list[tuple[int, bool, bool]],
) -> None:
    """Whole seconds are more than 1 % of ten: each has a slice of its own."""
    window, now = CallWindow(BreakerSettings(window_s=10.0, window_calls=5)), 1_000.0
    seen: list[tuple[float, bool, bool]] = []
    for pause_s, failed, slow in history:
        now += pause_s
        seen.append((now, failed, slow))
        window.add(now, failed=failed, slow=slow)
        last = [call for call in seen if now - call[0] < 10]
        assert counts(window) == (len(last), sum(c[1] for c in last), sum(c[2] for c in last))


def test_a_call_is_forgotten_when_it_is_as_old_as_the_time_window() -> None:
    window = CallWindow(BreakerSettings(window_s=10.0))
    window.add(1_000.0, failed=True, slow=True)
    window.add(1_009.875, failed=False, slow=False)
    assert counts(window) == (2, 1, 1)
    window.add(1_010.0, failed=False, slow=False)
    assert counts(window) == (2, 0, 0)


def test_a_call_is_forgotten_at_most_one_percent_of_the_window_too_early() -> None:
    window = CallWindow(BreakerSettings(window_s=100.0))
    window.add(0.0, failed=False, slow=False)
    window.add(0.75, failed=True, slow=False)  # shares the first one's slice
    window.add(1.0, failed=True, slow=False)  # opens the next
    window.add(99.75, failed=False, slow=False)
    assert counts(window) == (4, 2, 0)
    window.add(100.0, failed=False, slow=False)
    assert counts(window) == (3, 1, 0)
    window.add(101.0, failed=False, slow=False)
    assert counts(window) == (3, 0, 0)


def test_a_time_window_counts_any_number_of_calls_in_bounded_memory() -> None:
    window = CallWindow(BreakerSettings(window_s=10.0, window_calls=5))
    for number in range(20_000):
        window.add(number / 1_000, failed=number % 2 == 0, slow=number % 4 == 0)
    assert 9_800 <= window.calls <= 10_000
    assert window.failures == pytest.approx(window.calls / 2, abs=1)
    assert window.slow == pytest.approx(window.calls / 4, abs=1)
    assert SLICES == 100
    assert len(window.slices) <= 100


# --- When it is reason enough to open ------------------------------------------------------------


@pytest.mark.parametrize(
    ("good", "failed", "failing"),
    [
        (5, 5, True),  # the book's numbers: five failures, half of ten calls
        (4, 5, False),  # too few calls
        (0, 9, False),
        (0, 10, True),
        (6, 4, False),  # too few failures
        (6, 5, False),  # too small a share
        (6, 6, True),
        (51, 49, False),
        (50, 50, True),
        (100, 0, False),
    ],
)
def test_a_window_fails_by_number_share_and_minimum_together(
    good: int, failed: int, failing: bool
) -> None:
    assert filled(BreakerSettings(), good=good, failed=failed).is_failing() is failing


@pytest.mark.parametrize(("failed", "failing"), [(7, False), (8, True)])
def test_each_number_of_the_failures_can_be_set(failed: int, failing: bool) -> None:
    for rules in (
        BreakerSettings(failure_threshold=8, minimum_calls=4, failure_rate=0.1),
        BreakerSettings(failure_threshold=1, minimum_calls=10, failure_rate=0.1),
        BreakerSettings(failure_threshold=1, minimum_calls=4, failure_rate=0.8),
    ):
        assert filled(rules, good=2, failed=failed).is_failing() is failing


@pytest.mark.parametrize(("slow", "failing"), [(5, False), (6, True)])
def test_slow_calls_are_reason_enough_by_their_share_alone(slow: int, failing: bool) -> None:
    rules = BreakerSettings(failure_threshold=100, slow_call_s=1.0, slow_call_rate=0.6)
    assert filled(rules, good=10 - slow, slow=slow).is_failing() is failing
    assert not filled(rules, slow=9).is_failing(), "too few calls"


def test_slow_calls_are_no_reason_while_the_limit_is_off() -> None:
    assert not filled(BreakerSettings(slow_call_s=0), slow=100).is_failing()
    assert filled(BreakerSettings(slow_call_s=0.5), slow=100).is_failing()


# --- Settings ------------------------------------------------------------------------------------

AT_LEAST_ZERO = ["window_s", "slow_call_s", "open_jitter"]
ABOVE_ZERO = [
    *("failure_rate", "slow_call_rate", "open_growth"),
    *("open_s", "open_cap_s", "probe_max_age_s"),
]
WHOLE = ["failure_threshold", "minimum_calls", "window_calls", "probes"]


def test_the_defaults_are_the_documented_ones() -> None:
    assert asdict(BreakerSettings()) == {
        "failure_threshold": 5,
        "failure_rate": 0.5,
        "minimum_calls": 10,
        "window_calls": 100,
        "window_s": 0.0,
        "slow_call_s": 0.0,
        "slow_call_rate": 0.5,
        "open_s": 10.0,
        "open_growth": 1.0,
        "open_cap_s": 60.0,
        "open_jitter": 0.1,
        "probes": 1,
        "probe_max_age_s": 60.0,
    }


@pytest.mark.parametrize("field", WHOLE)
@pytest.mark.parametrize("value", [0, -1, True, 1.5, 3.0, math.nan, math.inf, "3", None])
def test_a_count_that_is_no_positive_whole_number_is_refused_by_name(
    field: str, value: Any
) -> None:
    with pytest.raises(ValueError, match=rf"^{field} must be a whole number >= 1, not "):
        BreakerSettings(**{field: value})


@pytest.mark.parametrize("field", AT_LEAST_ZERO + ABOVE_ZERO)
@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf, -math.inf, True, "1", None])
def test_a_number_out_of_range_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{field} must be a finite number >=? 0, not "):
        BreakerSettings(**{field: value})


@pytest.mark.parametrize("field", ABOVE_ZERO)
def test_zero_is_refused_where_it_makes_no_sense(field: str) -> None:
    with pytest.raises(ValueError, match=rf"^{field} must be a finite number > 0, not 0"):
        BreakerSettings(**{field: 0})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"failure_rate": 1.1}, "failure_rate must be <= 1, not 1.1"),
        ({"slow_call_rate": 1.5}, "slow_call_rate must be <= 1, not 1.5"),
        ({"open_growth": 0.9}, "open_growth must be >= 1, not 0.9"),
        ({"open_s": 61}, "open_cap_s must be >= open_s, not 60.0"),
        ({"minimum_calls": 101}, "minimum_calls must be <= window_calls, not 101"),
        ({"failure_threshold": 101}, "failure_threshold must be <= window_calls, not 101"),
        ({"window_calls": 9}, "minimum_calls must be <= window_calls, not 10"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match="must be") as caught:
        BreakerSettings(**changes)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "changes",
    [
        dict.fromkeys(AT_LEAST_ZERO, 0),
        dict.fromkeys(WHOLE, 1),
        {"failure_rate": 1, "slow_call_rate": 1, "open_growth": 1},
        {"open_s": 60, "minimum_calls": 100, "failure_threshold": 100},
        {"window_s": 0.5, "minimum_calls": 500, "failure_threshold": 500},
    ],
)
def test_settings_at_the_edge_of_what_makes_sense_are_taken(changes: dict[str, Any]) -> None:
    assert asdict(BreakerSettings(**changes)) == asdict(BreakerSettings()) | changes


def test_settings_can_be_filled_from_text_as_environment_variables_are() -> None:
    read = TypeAdapter(BreakerSettings).validate_python
    assert read({"probes": "3", "open_s": "1.5"}) == BreakerSettings(probes=3, open_s=1.5)
    with pytest.raises(ValueError, match="probes must be"):
        read({"probes": "0"})
