"""What the simulator saw: one Exchange per finished request, and what is in flight.

This prevents verdicts from resting on what an agent says about itself. The rule: a request is in
the log once its last byte is about to leave, or its client has left; until then it is in flight.
Writing it down *before* the last byte means that whoever holds an answer finds it in the log.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache

from mock_claude.accounts.accounts import Usage
from mock_claude.accounts.exchanges import LOG_LIMIT, Exchange, ExchangeLog
from mock_claude.accounts.limits import Reservation
from mock_claude.accounts.metrics import Metrics
from mock_claude.accounts.tenants import NOBODY, Account
from mock_claude.api.wire import new_id
from mock_claude.correlation import NONE, Correlation

__all__ = ["LOG_LIMIT", "Entry", "Exchange", "ExchangeLog", "Ledger"]

_LONGEST_TEXT = 300  # of a path or a model in the log, so that its size has a bound


_NOTHING = Usage(0, 0)


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
    query: str = ""
    status: int = 0
    fault: str | None = None
    stream: bool = False
    usage: Usage = _NOTHING
    cost_usd: Decimal = Decimal(0)
    account: Account = NOBODY
    batch_id: str | None = None
    custom_id: str | None = None
    reserved: Reservation | None = None
    """What rate limits hold back for it until it is over."""
    others: int = 0
    """Requests in flight when this one arrived."""
    era: int = 0
    """How often the ledger had been reset before."""
    finished: bool = False
    betas: tuple[str, ...] = ()
    correlation: Correlation = NONE


class Ledger:
    """Opens an entry per request, closes it into the log, counts faults and requests in flight."""

    def __init__(self, limit: int = LOG_LIMIT, clock: Callable[[], float] = time.monotonic) -> None:
        self.log = ExchangeLog(limit)
        self.metrics = Metrics()
        self._clock = clock
        self._first_at: float | None = None
        self._arrived = 0
        self._lock = threading.Lock()
        self._fired: Counter[str] = Counter()
        self._open = 0
        self._era = 0

    @property
    def in_flight(self) -> int:
        """Requests that have arrived and are not in the log yet."""
        return self._open

    @property
    def first_at(self) -> float | None:
        """When the first request arrived, on the ledger's clock; all ``at_s`` count from there."""
        return self._first_at

    @property
    def fired(self) -> Counter[str]:
        """How often each fault rule decided a request, as a copy."""
        with self._lock:
            return Counter(self._fired)

    def reset(self) -> None:
        """Forget log, counts and the start of all windows.

        What is in flight stays so, but leaves no trace when it ends.
        """
        with self._lock:
            self._fired.clear()
        self.log.clear()
        self.metrics = Metrics()
        self._first_at = None
        self._arrived = 0
        self._era += 1

    def open(self, method: str, path: str) -> Entry:
        """A request has arrived; the first one starts the clock of all windows."""
        now = self._clock()
        if self._first_at is None:
            self._first_at = now
        self._arrived += 1
        others, self._open = self._open, self._open + 1
        kept = sys.intern(path[:_LONGEST_TEXT])
        return Entry(
            self._arrived, now - self._first_at, method, kept, others=others, era=self._era
        )

    def fire(self, entry: Entry, name: str) -> None:
        """The fault rule ``name`` decides this request."""
        entry.fault = name
        if entry.era != self._era:
            return
        with self._lock:
            self._fired[name] += 1

    def close(self, entry: Entry) -> None:
        """The request is over; a second close changes nothing."""
        if entry.finished:
            return
        entry.finished = True
        if entry.reserved is not None:
            entry.reserved.settle(entry.usage.output_tokens)
        if self._first_at is not None and entry.era == self._era:
            exchange = _exchange(entry, self._clock() - self._first_at)
            self.log.append(exchange)
            self.metrics.count(exchange)
        self._open -= 1  # after the log, so that a request is never in neither


@lru_cache(maxsize=4096)
def _shared(text: str) -> Decimal:
    """One object for all equal costs: they take a seventh of a log that holds each its own."""
    return Decimal(text)


def _exchange(entry: Entry, now_s: float) -> Exchange:
    for_an_hour = entry.usage.cache_creation_1h_input_tokens
    return Exchange(
        number=entry.number,
        at_s=entry.at_s,
        method=entry.method,
        path=entry.path,
        model=None if entry.model is None else entry.model[:_LONGEST_TEXT],
        key=entry.key,
        attempt=entry.attempt,
        sdk_retry=entry.sdk_retry,
        status=entry.status,
        fault=entry.fault,
        stream=entry.stream,
        input_tokens=entry.usage.input_tokens,
        output_tokens=entry.usage.output_tokens,
        cost_usd=_shared(str(entry.cost_usd)),
        duration_s=now_s - entry.at_s,
        request_id=entry.request_id,
        cache_creation_input_tokens=entry.usage.cache_creation_input_tokens,
        cache_read_input_tokens=entry.usage.cache_read_input_tokens,
        query=entry.query[:_LONGEST_TEXT],
        betas=entry.betas,
        traceparent=entry.correlation.traceparent,
        tracestate=entry.correlation.tracestate,
        x_request_id=entry.correlation.x_request_id,
        cache_creation_1h_input_tokens=for_an_hour,
        account=entry.account.name,
        workspace=entry.account.workspace,
        service_tier=entry.usage.tier,
        batch_id=entry.batch_id,
        custom_id=entry.custom_id,
    )
