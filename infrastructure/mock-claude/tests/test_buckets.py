"""Buckets with reservation, against a model that works its level out of the whole history."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from mock_claude.accounts.buckets import Bucket

NS = 10**9


class BruteForce:
    """All that ever happened: (when, how much), and the level as the closed form of it."""

    def __init__(self, per_minute: int) -> None:
        self.most = Fraction(per_minute)
        self.per_ns = Fraction(per_minute, 60 * NS)
        self.changes: list[tuple[int, int]] = []

    def level(self, now: int) -> Fraction:
        """The lowest of: full for ever, or full at some change and what has happened since.

        A full bucket stays full, so a change may have found it full, or left it so.
        """
        levels = [self.most]
        for number, (when, _) in enumerate(self.changes):
            refilled = self.per_ns * (now - when)
            for first in (number, number + 1):
                since = sum(change for _, change in self.changes[first:])
                levels.append(self.most + since + refilled)
        begun = sum(change for _, change in self.changes)
        if self.changes:
            levels.append(self.most + begun + self.per_ns * (now - self.changes[0][0]))
        return min(levels)


@given(
    st.integers(1, 100_000),
    st.lists(
        st.tuples(
            st.sampled_from([0, 1, 7, NS // 3, NS, 13 * NS, 61 * NS]) | st.integers(0, 90 * NS),
            st.integers(0, 120_000),
            st.integers(0, 120_000),
        ),
        min_size=1,
        max_size=25,
    ),
)
@settings(max_examples=300, deadline=None)
def test_a_bucket_agrees_with_its_whole_history(
    per_minute: int, asked: list[tuple[int, int, int]]
) -> None:
    now = 5 * NS
    bucket, brute = Bucket(per_minute, now), BruteForce(per_minute)
    waiting: list[int] = []
    for passed, amount, used in asked:
        now += passed
        level = brute.level(now)
        assert bucket.left(now) == level // 1
        wait = bucket.wait_ns(amount, now)
        assert (wait == 0) == (amount <= level)
        if amount <= per_minute and wait:  # the first nanosecond at which it would fit
            assert brute.level(now + wait) >= amount > brute.level(now + wait - 1)
        if wait == 0:
            bucket.take(amount, now)
            brute.changes.append((now, -amount))
            waiting.append(max(amount - used, 0))
        elif waiting:
            back = waiting.pop(0)
            bucket.give(back, now)
            brute.changes.append((now, back))
        left, full = bucket.state(now)
        assert left == brute.level(now) // 1
        assert brute.level(now + full) == per_minute
        assert full == 0 or brute.level(now + full - 1) < per_minute


def test_a_bucket_that_lends_refuses_nothing_and_owes_nothing() -> None:
    bucket = Bucket(10, 0, lends=True)
    assert bucket.wait_ns(1_000, 0) == 0
    bucket.take(1_000, 0)
    assert (bucket.left(0), bucket.left(6 * NS)) == (0, 1)


def test_more_than_a_bucket_holds_never_fits() -> None:
    bucket = Bucket(10, 0)
    assert bucket.wait_ns(11, 0) > 0
    assert bucket.wait_ns(11, 3_600 * NS) > 0
