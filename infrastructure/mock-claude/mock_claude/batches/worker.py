"""The batches of all workspaces, and the worker that answers their requests little by little.

This prevents a batch of 100,000 requests from stopping every other client. The rule: requests are
answered in slices of a few milliseconds, when their time has come by the simulator's clock; and
what is kept has bounds: waiting requests, results (the oldest are archived first), batches.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from mock_claude.accounts.tenants import Account
from mock_claude.api import wire
from mock_claude.batches.batch import RESULTS_LAST_S, Batch
from mock_claude.batches.creation import Line
from mock_claude.errors import ApiError
from mock_claude.faults.tenant_tables import BatchTimes

Answer = Callable[[Batch, Line], tuple[str, dict[str, object]]]

SLICE_S = 0.005  # of work before others have their turn
CATCH_UP_S, CATCH_UP_REQUESTS = 0.2, 32  # of work when somebody asks
SHORTEST_SLEEP_S, LONGEST_SLEEP_S = 0.02, 60.0
MOST_BATCHES = 10_000
MOST_WAITING_REQUESTS = 500_000  # of all batches; the page on rate limits has as many
MOST_WAITING_BYTES = 512 * 1024 * 1024
MOST_RESULT_BYTES = 256 * 1024 * 1024


class Batches:
    """All batches, the oldest first. ``answer`` gives the outcome of one request."""

    def __init__(self, clock: Callable[[], float], answer: Answer) -> None:
        self.clock = clock
        self._answer = answer
        self._all: dict[str, Batch] = {}
        self._open: dict[str, Batch] = {}
        self._waiting_bytes = 0
        self._result_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def create(
        self,
        account: Account,
        version: str,
        lines: list[Line],
        times: BatchTimes,
        betas: tuple[str, ...] = (),
    ) -> Batch:
        """A new batch; ApiError 429 if too much is waiting already."""
        size = sum(len(line.params) for line in lines)
        waiting = sum(batch.total - batch.done for batch in self._open.values())
        if (
            waiting + len(lines) > MOST_WAITING_REQUESTS
            or self._waiting_bytes + size > MOST_WAITING_BYTES
        ):
            raise ApiError(
                429,
                "Too many batch requests are in the processing queue. Please wait until some "
                "batches have ended.",
                headers={"retry-after": "10"},
            )
        batch = Batch(wire.new_id("msgbatch"), account, version, lines, self.clock(), times, betas)
        self._all[batch.id] = self._open[batch.id] = batch
        self._waiting_bytes += size
        self._forget()
        self._sleep()
        return batch

    def of(self, workspace: str) -> list[Batch]:
        """A workspace's batches as they are now, the newest first."""
        self._catch_up()
        return [
            each for each in reversed(self._all.values()) if each.account.workspace == workspace
        ]

    def get(self, batch_id: str, workspace: str) -> Batch:
        """A batch as it is now; ApiError 404 if the workspace has none of that id."""
        self._catch_up()
        batch = self._all.get(batch_id)
        if batch is None or batch.account.workspace != workspace:
            raise ApiError(404, f"Message Batch {batch_id[:100]} not found.")
        return batch

    def cancel(self, batch: Batch) -> None:
        """Begin to cancel a batch that has not ended."""
        batch.cancel(self.clock())
        self._sleep()

    def delete(self, batch: Batch) -> None:
        """Forget an ended batch."""
        del self._all[batch.id]
        self._result_bytes -= sum(map(len, batch.results))

    def close(self) -> None:
        """Stop working, for good."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()

    def _catch_up(self) -> None:
        """Do what is due, as far as somebody who waits for an answer can wait.

        Long batches are left to the worker, which is told to begin: however often it is asked for,
        a batch stops nobody else.
        """
        if self._work(CATCH_UP_S, CATCH_UP_REQUESTS):
            self._sleep(work_left=True)
        self._age()

    def _work(self, most_s: float, most_each: int = MOST_WAITING_REQUESTS) -> bool:
        """Answer due requests for at most so long; whether some are left.

        Batches of which more than ``most_each`` are due are passed over.
        """
        until, is_left = time.perf_counter() + most_s, False
        for batch in list(self._open.values()):
            now = self.clock()
            if batch.due(now) - batch.done > most_each:
                is_left = True
                continue
            while batch.done < batch.due(now):
                self._do(batch)
                if time.perf_counter() >= until:
                    return True
            if now >= batch.ends_at:
                self._end(batch)
        return is_left

    def _do(self, batch: Batch) -> None:
        line = batch.lines[batch.done]
        outcome, result = self._answer(batch, line)
        told = wire.encode({"custom_id": line.custom_id, "result": result}) + b"\n"
        batch.lines[batch.done] = Line(line.custom_id, b"")
        batch.add(outcome, told)
        self._waiting_bytes -= len(line.params)
        self._result_bytes += len(told)

    def _end(self, batch: Batch) -> None:
        left = batch.lines[batch.done :]
        self._waiting_bytes -= sum(len(line.params) for line in left)
        self._result_bytes += batch.end()
        del self._open[batch.id]
        self._forget()

    def _forget(self) -> None:
        """Keep within the bounds; batches that have not ended stay."""
        excess = len(self._all) - MOST_BATCHES
        if excess <= 0 and self._result_bytes <= MOST_RESULT_BYTES:
            return
        for batch in [each for each in self._all.values() if each.ended_at is not None]:
            if excess > 0:
                self.delete(batch)
                excess -= 1
            elif self._result_bytes > MOST_RESULT_BYTES and batch.results:
                self._archive(batch, self.clock())

    def _age(self) -> None:
        now = self.clock()
        for batch in self._all.values():
            at = batch.created_at + RESULTS_LAST_S
            if now < at:
                return  # all others are younger
            if batch.archived_at is None and batch.ended_at is not None:
                self._archive(batch, at)

    def _archive(self, batch: Batch, at: float) -> None:
        self._result_bytes -= sum(map(len, batch.results))
        batch.results, batch.archived_at = [], at

    def _sleep(self, *, work_left: bool = False) -> None:
        """Go on when the next request is due."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._closed or not self._open:
            return
        wait_s = 0.0
        if not work_left:
            wait_s = min(batch.next_at() for batch in self._open.values()) - self.clock()
            wait_s = min(max(wait_s, SHORTEST_SLEEP_S), LONGEST_SLEEP_S)
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._sleep(work_left=self._work(SLICE_S))
