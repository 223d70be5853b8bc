"""One batch: what becomes of it as time passes.

This prevents a client that polls from seeing what the API never shows. The rules, from
``types/messages/message_batch.py`` of anthropic 2.11.0 and the guide to batch processing:

- all requests count as ``processing`` until the whole batch ends; then each has succeeded, erred,
  been canceled, or expired;
- it ends when the last request is done, when it has been canceled, or 24 hours after its creation;
- results are there once it has ended, and for 29 days from its creation.

The simulator's own: the requests are done one after the other, evenly over the duration that the
script says; canceling takes a tenth of it, and what was not done before is canceled.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mock_claude.accounts.moments import Moments
from mock_claude.accounts.tenants import Account
from mock_claude.batches.creation import Line
from mock_claude.faults.tenant_tables import BatchTimes

RESULTS_LAST_S = 29 * 24 * 3600.0
OUTCOMES = ("succeeded", "errored", "canceled", "expired")


@dataclass
class Batch:
    """A batch. Times are seconds of the simulator's clock."""

    id: str
    account: Account
    version: str
    lines: list[Line]
    created_at: float
    times: BatchTimes
    betas: tuple[str, ...] = ()
    """What came with it, for each of its requests."""
    total: int = 0
    done: int = 0
    """How many requests have been answered or refused, from the first on."""
    results: list[bytes] = field(default_factory=list)
    """A line of JSON each, in the order of the requests."""
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    cancel_at: float | None = None
    ended_at: float | None = None
    archived_at: float | None = None

    def __post_init__(self) -> None:
        self.total = len(self.lines)

    @property
    def expires_at(self) -> float:
        """When what is not done expires."""
        return self.created_at + self.times.expires_s

    @property
    def ends_at(self) -> float:
        """When the batch ends, if nothing else happens."""
        ends = min(self.created_at + self.times.duration_s, self.expires_at)
        if self.cancel_at is None:
            return ends
        return min(self.cancel_at + self.times.duration_s / 10, ends)

    def due(self, now: float) -> int:
        """How many requests are done by now."""
        if self.cancel_at is not None:
            now = min(now, self.cancel_at)
        now = min(now, self.expires_at)
        passed = now - self.created_at
        if passed >= self.times.duration_s:
            return self.total
        return int(passed / self.times.duration_s * self.total) if passed > 0 else 0

    def next_at(self) -> float:
        """When the next request is done, or the batch ends."""
        after = self.times.duration_s * (self.done + 1) / self.total
        return min(self.created_at + after, self.ends_at)

    def cancel(self, now: float) -> None:
        """Begin to cancel; a second call changes nothing."""
        if self.cancel_at is None:
            self.cancel_at = now

    def add(self, outcome: str, result: bytes) -> None:
        """The next request is done."""
        self.counts[outcome] += 1
        self.results.append(result)
        self.done += 1

    def end(self) -> int:
        """The batch has ended: its requests are forgotten, its results stay.

        What was not done is canceled or has expired; returns how many bytes say so.
        """
        rest = "canceled" if self.cancel_at is not None else "expired"
        left = [
            f'{{"custom_id":"{line.custom_id}","result":{{"type":"{rest}"}}}}\n'.encode()
            for line in self.lines[self.done :]
        ]
        self.results += left
        self.counts[rest] += len(left)
        self.done = self.total
        self.ended_at = self.ends_at
        self.lines = []
        return sum(map(len, left))

    def to_json(self, moments: Moments, address: str) -> dict[str, object]:
        """The batch as the API shows it; ``address`` is where the client reached the server."""
        ended = self.ended_at is not None
        status = "canceling" if self.cancel_at is not None else "in_progress"
        has_results = ended and self.archived_at is None

        def moment(at: float | None) -> str | None:
            return None if at is None else moments.exact(self.created_at, at)

        counts = self.counts if ended else dict.fromkeys(OUTCOMES, 0)
        return {
            "id": self.id,
            "type": "message_batch",
            "processing_status": "ended" if ended else status,
            "request_counts": {"processing": 0 if ended else self.total, **counts},
            "created_at": moment(self.created_at),
            "expires_at": moment(self.expires_at),
            "ended_at": moment(self.ended_at),
            "cancel_initiated_at": moment(self.cancel_at),
            "archived_at": moment(self.archived_at),
            "results_url": f"{address}/{self.id}/results" if has_results else None,
        }
