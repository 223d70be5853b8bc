"""Rate limits: what a workspace may use of a model's family in a minute, and what it is told.

This prevents an agent that was never throttled from meeting its first 429 in production. The
rules, from the page on rate limits (2026-04-26) and recorded answers:

- requests, input and output tokens have a bucket each (``buckets``), per workspace and family of
  models; of several rows the first whose glob fits the model counts;
- input is ``input_tokens`` and what is written to the cache; what is read from it is free;
- output is reserved: ``max_tokens`` at the start, put right at the end;
- a request that does not fit into all three takes from none, and is told when to come again;
- ``tokens`` in the headers is input and output together; remainders are in thousands, resets say
  when the bucket is full.

Without a row, or for what a row leaves out, nothing is refused, and the headers show the limits
of the Scale tier (read on 2026-10-17). A ramp, which no page describes in numbers, is measured
only where a row asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from mock_claude.accounts.buckets import Bucket
from mock_claude.accounts.moments import Moments
from mock_claude.accounts.tenants import Limit
from mock_claude.api.catalog import Model
from mock_claude.errors import ApiError

SCALE_TIER = (4_000, 4_000_000, 800_000)
RAMP_S = 10
RAMP_FREE = 10  # requests in ten seconds that no ramp refuses
_MOST = 10_000  # workspaces and families with buckets; beyond them the oldest begin anew
_NS = 10**9
_UNITS = ("requests", "input tokens", "output tokens")
_LIMITED = Limit("*")


class Reservation(NamedTuple):
    """What a request took of the output bucket at its start."""

    limits: RateLimits
    bucket: Bucket
    tokens: int

    def settle(self, output_tokens: int) -> None:
        """The request is over: what it did not use comes back."""
        self.bucket.give(max(self.tokens - output_tokens, 0), self.limits.now_ns())


class _Buckets:
    """The buckets of one workspace and family; its requests of these ten seconds and the last."""

    __slots__ = ("before", "input", "now", "output", "requests", "window")

    def __init__(self, row: Limit, now_ns: int) -> None:
        asked = (row.requests_per_minute, row.input_tokens_per_minute, row.output_tokens_per_minute)
        self.requests, self.input, self.output = (
            Bucket(tier if own is None else own, now_ns, lends=own is None)
            for own, tier in zip(asked, SCALE_TIER, strict=True)
        )
        self.window, self.now, self.before = now_ns // (RAMP_S * _NS), 0, 0

    def turn(self, now_ns: int) -> None:
        """Count for the ten seconds that hold this moment."""
        window = now_ns // (RAMP_S * _NS)
        if window != self.window:
            self.before = self.now if window == self.window + 1 else 0
            self.window, self.now = window, 0


class RateLimits:
    """The limits of all workspaces. ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float], moments: Moments) -> None:
        self._clock = clock
        self._moments = moments
        self._rows: Sequence[Limit] = ()
        self._row_of: dict[str, tuple[int, Limit]] = {}
        self._buckets: dict[tuple[str, int, str], _Buckets] = {}

    def now_ns(self) -> int:
        """The clock's reading in nanoseconds."""
        return int(self._clock() * _NS)

    def set(self, rows: Sequence[Limit]) -> None:
        """From now on these rows count; if they are others than before, with full buckets."""
        if rows is not self._rows:
            self._rows = rows
            self._row_of.clear()
            self._buckets.clear()

    def admit(
        self, workspace: str, model: Model, input_tokens: int, max_tokens: int
    ) -> Reservation:
        """Take what the request needs; ApiError 429 with ``retry-after`` if it does not fit."""
        now_ns = self.now_ns()
        row, held = self._of(workspace, model, now_ns)
        waits = (
            held.requests.wait_ns(1, now_ns),
            held.input.wait_ns(input_tokens, now_ns),
            held.output.wait_ns(max_tokens, now_ns),
        )
        longest = max(waits)
        if longest:
            number = waits.index(longest)
            most = (held.requests, held.input, held.output)[number].per_minute
            raise _refused(f"{most:,} {_UNITS[number]} per minute", model, longest)
        if row.ramp is not None:
            held.turn(now_ns)
            if held.now >= max(RAMP_FREE, row.ramp * held.before):
                raise _refused(
                    "acceleration", model, RAMP_S * _NS - now_ns % (RAMP_S * _NS),
                    "ramp_limit_exceeded",
                )  # fmt: skip
            held.now += 1
        held.requests.take(1, now_ns)
        held.input.take(input_tokens, now_ns)
        held.output.take(max_tokens, now_ns)
        return Reservation(self, held.output, max_tokens)

    def head(self, workspace: str, model: Model | None) -> bytes:
        """The twelve lines of an answer's head that say how much is left."""
        now_ns = self.now_ns()
        if model is None:
            held = _Buckets(_LIMITED, now_ns)
        else:
            _, held = self._of(workspace, model, now_ns)
        requests, inputs, outputs = held.requests, held.input, held.output
        (left, reset), (left_in, reset_in), (left_out, reset_out) = (
            bucket.state(now_ns) for bucket in (requests, inputs, outputs)
        )
        left_in = _thousands(left_in, inputs.per_minute)
        left_out = _thousands(left_out, outputs.per_minute)
        both = inputs.per_minute + outputs.per_minute
        return _HEAD % (
            requests.per_minute, left, self._at(now_ns + reset),
            both, left_in + left_out, self._at(now_ns + max(reset_in, reset_out)),
            inputs.per_minute, left_in, self._at(now_ns + reset_in),
            outputs.per_minute, left_out, self._at(now_ns + reset_out),
        )  # fmt: skip

    def _at(self, ns: int) -> bytes:
        return self._moments.second(ns / _NS)

    def _of(self, workspace: str, model: Model, now_ns: int) -> tuple[Limit, _Buckets]:
        found = self._row_of.get(model.id)
        if found is None:
            fitting = (
                (number, row)
                for number, row in enumerate(self._rows)
                if fnmatchcase(model.id, row.model)
            )
            found = self._row_of[model.id] = next(fitting, (-1, _LIMITED))
        number, row = found
        key = (workspace, number, model.traits.line or model.id)
        held = self._buckets.get(key)
        if held is None:
            if len(self._buckets) >= _MOST:
                for old in list(self._buckets)[: _MOST // 10]:
                    del self._buckets[old]
            held = self._buckets[key] = _Buckets(row, now_ns)
        return row, held


_HEAD = "".join(
    f"anthropic-ratelimit-{unit}-{what}: {form}\r\n"
    for unit in ("requests", "tokens", "input-tokens", "output-tokens")
    for what, form in (("limit", "%d"), ("remaining", "%d"), ("reset", "%b"))
).encode()


def _thousands(left: int, limit: int) -> int:
    """Rounded to the nearest thousand, as documented, but never to more than the limit."""
    return min((left + 500) // 1000, limit // 1000) * 1000


def _refused(what: str, model: Model, wait_ns: int, error_code: str | None = None) -> ApiError:
    """Text as in public reports of this refusal."""
    return ApiError(
        429,
        f"This request would exceed your organization's rate limit of {what} (model: {model.id}). "
        "For details, refer to: https://docs.claude.com/en/api/rate-limits. You can see the "
        "response headers for current usage. Please reduce the prompt length or the maximum "
        "tokens requested, or try again later.",
        error_code=error_code,
        headers={"retry-after": str(max(-(-wait_ns // _NS), 1))},
    )
