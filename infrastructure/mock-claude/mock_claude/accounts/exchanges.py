"""A finished request and what came of it, and the bounded log of them.

This prevents a log that grows until it is the failure. The rule: the newest are kept, the dropped
are counted, and any thread may read while the server writes.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from decimal import Decimal
from itertools import islice
from typing import overload

LOG_LIMIT = 200_000


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
    """What the prompt cache neither wrote nor read; all input is this and the two at the end."""
    output_tokens: int
    cost_usd: Decimal
    duration_s: float
    request_id: str
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    query: str = ""
    """Of the URL, as it was sent; long ones are cut."""
    betas: tuple[str, ...] = ()
    """What ``anthropic-beta`` named."""
    traceparent: str | None = None
    """As the client sent it; None if it was malformed or missing. So with the next two."""
    tracestate: str | None = None
    x_request_id: str | None = None
    """The client's own id of the request; ``request_id`` is the API's."""
    cache_creation_1h_input_tokens: int = 0
    """How much of what the cache wrote is to live an hour."""
    account: str = ""
    """Of the key that was sent: its name, or a hash; empty without a key."""
    workspace: str = ""
    service_tier: str = "standard"
    """``batch`` for a request of a batch."""
    batch_id: str | None = None
    custom_id: str | None = None

    @property
    def all_input_tokens(self) -> int:
        """Everything the request showed the model."""
        return self.input_tokens + self.cache_creation_input_tokens + self.cache_read_input_tokens

    def is_of(self, trace: str) -> bool:
        """Whether the request came with this ``traceparent``, or in the trace of this id."""
        sent = self.traceparent
        return sent is not None and (sent == trace or sent.split("-")[1] == trace)

    def to_json(self) -> dict[str, object]:
        """The exchange as JSON values; the cost is a string, to stay exact."""
        return {**asdict(self), "cost_usd": str(self.cost_usd)}

    @classmethod
    def from_json(cls, values: Mapping[str, object]) -> Exchange:
        """The inverse of ``to_json``. Unknown fields are ignored; a missing one is a TypeError."""
        known = {each.name for each in fields(cls)}
        kept = {
            name: tuple(value) if isinstance(value, list) else value  # JSON knows no tuples
            for name, value in values.items()
            if name in known
        }
        return cls(**{**kept, "cost_usd": Decimal(str(kept.get("cost_usd")))})  # type: ignore[arg-type]


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

    def clear(self) -> None:
        """Forget all, and start counting anew."""
        with self._lock:
            self._kept.clear()
            self._dropped = 0

    def since(self, seen: int) -> tuple[list[Exchange], int]:
        """The exchanges after the first ``seen``, as far as they are kept, and how many there are.

        The second number is what to pass the next time.
        """
        with self._lock:
            finished = self._dropped + len(self._kept)
            first = max(seen - self._dropped, 0)
            return list(islice(self._kept, first, None)), finished

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
