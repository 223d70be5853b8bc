"""What the simulator saw: one Exchange per finished request, safe to read from any thread.

This prevents verdicts from resting on what an agent says about itself. The rule: a request is in
the log once its last byte is about to leave, or its client has left; until then it is in flight.
Writing it down *before* the last byte means that whoever holds an answer finds it in the log.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from decimal import Decimal
from typing import overload

from mock_claude.accounts import Usage
from mock_claude.wire import new_id

LOG_LIMIT = 200_000
_LONGEST_TEXT = 300  # of a path or a model in the log, so that its size has a bound


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what came of it."""

    number: int
    """Order of arrival, from 1. The log is in order of finishing."""
    at_s: float
    """Seconds from the first request the simulator saw to the arrival of this one."""
    method: str
    path: str
    model: str | None
    key: str
    """What was asked (see ``keys``), in hex."""
    attempt: int
    """How often that was asked so far, from 1."""
    sdk_retry: int | None
    """``x-stainless-retry-count`` as sent by the SDK."""
    status: int
    """HTTP status; 0 if no answer began: a hang, a reset, a client that left before it."""
    fault: str | None
    """The fault rule that decided, ``header``, or None."""
    stream: bool
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal
    duration_s: float
    request_id: str

    def to_json(self) -> dict[str, object]:
        """The exchange as JSON values; the cost is a string, to stay exact."""
        return {**asdict(self), "cost_usd": str(self.cost_usd)}

    @classmethod
    def from_json(cls, values: Mapping[str, object]) -> Exchange:
        """The inverse of ``to_json``. Unknown fields are ignored; a missing one is a TypeError."""
        known = {each.name for each in fields(cls)}
        kept = {name: value for name, value in values.items() if name in known}
        return cls(**{**kept, "cost_usd": Decimal(str(kept.get("cost_usd")))})  # type: ignore[arg-type]


@dataclass
class Entry:
    """A request in flight: what is known of it so far."""

    number: int
    at_s: float
    method: str
    path: str
    request_id: str = field(default_factory=lambda: new_id("req"))
    model: str | None = None
    key: str = ""
    attempt: int = 1
    sdk_retry: int | None = None
    status: int = 0
    fault: str | None = None
    stream: bool = False
    usage: Usage = field(default_factory=lambda: Usage(0, 0))
    cost_usd: Decimal = Decimal(0)
    finished: bool = False


class ExchangeLog(Sequence[Exchange]):
    """The newest ``limit`` exchanges, oldest first, and how many older ones were dropped."""

    def __init__(self, limit: int = LOG_LIMIT) -> None:
        self._lock = threading.Lock()
        self._kept: deque[Exchange] = deque(maxlen=limit)
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """How many exchanges the log forgot to stay within its limit."""
        return self._dropped

    def append(self, exchange: Exchange) -> None:
        """Add the newest exchange."""
        with self._lock:
            self._dropped += len(self._kept) == self._kept.maxlen
            self._kept.append(exchange)

    def snapshot(self) -> list[Exchange]:
        """The exchanges of this moment."""
        with self._lock:
            return list(self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Exchange]:
        return iter(self.snapshot())

    @overload
    def __getitem__(self, index: int) -> Exchange: ...
    @overload
    def __getitem__(self, index: slice) -> list[Exchange]: ...
    def __getitem__(self, index: int | slice) -> Exchange | list[Exchange]:
        if isinstance(index, slice):
            return self.snapshot()[index]
        with self._lock:
            return self._kept[index]


class Ledger:
    """Opens an entry per request, closes it into the log, counts faults and requests in flight."""

    def __init__(self, limit: int = LOG_LIMIT, clock: Callable[[], float] = time.monotonic) -> None:
        self.log = ExchangeLog(limit)
        self._clock = clock
        self._first_at: float | None = None
        self._arrived = 0
        self._lock = threading.Lock()
        self._fired: Counter[str] = Counter()
        self._open = 0

    @property
    def in_flight(self) -> int:
        """Requests that have arrived and are not in the log yet."""
        return self._open

    @property
    def fired(self) -> Counter[str]:
        """How often each fault rule decided a request, as a copy."""
        with self._lock:
            return Counter(self._fired)

    def open(self, method: str, path: str) -> Entry:
        """A request has arrived; the first one starts the clock of all windows."""
        now = self._clock()
        if self._first_at is None:
            self._first_at = now
        self._arrived += 1
        self._open += 1
        return Entry(self._arrived, now - self._first_at, method, path[:_LONGEST_TEXT])

    def fire(self, entry: Entry, name: str) -> None:
        """The fault rule ``name`` decides this request."""
        entry.fault = name
        with self._lock:
            self._fired[name] += 1

    def close(self, entry: Entry) -> None:
        """The request is over; a second close changes nothing."""
        if entry.finished or self._first_at is None:
            return
        entry.finished = True
        model = None if entry.model is None else entry.model[:_LONGEST_TEXT]
        self.log.append(
            Exchange(
                number=entry.number,
                at_s=entry.at_s,
                method=entry.method,
                path=entry.path,
                model=model,
                key=entry.key,
                attempt=entry.attempt,
                sdk_retry=entry.sdk_retry,
                status=entry.status,
                fault=entry.fault,
                stream=entry.stream,
                input_tokens=entry.usage.input_tokens,
                output_tokens=entry.usage.output_tokens,
                cost_usd=entry.cost_usd,
                duration_s=self._clock() - self._first_at - entry.at_s,
                request_id=entry.request_id,
            )
        )
        self._open -= 1  # after the log, so that a request is never in neither
