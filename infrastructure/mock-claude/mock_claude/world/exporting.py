"""Spans on their way to a collector: OTLP over HTTP, as JSON, from a thread of its own.

This prevents a collector that is slow, gone or silent from delaying what it watches. The rule:
a span is put into a bounded queue or dropped, never waited for; a batch that is not taken is
dropped, too, and both are counted. At the end what is left is sent, for a few seconds at most.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

TRACES = "/v1/traces"
QUEUE = 10_000  # spans
BATCH = 500
LINGER_S = 0.1  # that a batch waits for more spans
TIMEOUT_S = 2.0  # of each step of one export
FLUSH_S = 3.0

Span = Mapping[str, object]


def endpoint(url: str) -> str:
    """The address of traces for a collector's; ValueError if it is no HTTP address."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        raise ValueError(f"{url!r} is no address such as http://127.0.0.1:4318")
    _ = parts.port  # ValueError if it is none
    path = parts.path.rstrip("/")
    whole = path if path.endswith(TRACES) else path + TRACES
    return f"{parts.scheme}://{parts.netloc}{whole}"


class Exporter:
    """Sends spans, each with the name of its service. Its thread starts with the first span."""

    def __init__(self, url: str, *, size: int = QUEUE) -> None:
        self.url = endpoint(url)
        self._queue: queue.Queue[tuple[str, Span] | None] = queue.Queue(size)
        self._thread: threading.Thread | None = None
        self._given = 0
        self._taken = 0
        self._refused = 0
        self._is_closed = False

    @property
    def lost(self) -> int:
        """How many spans were not delivered; before the end, those that are waiting are not."""
        return self._given - self._taken if self._is_closed else self._refused

    def send(self, service: str, spans: Sequence[Span]) -> None:
        """Queue these spans. Never waits."""
        self._given += len(spans)
        for span in spans:
            try:
                self._queue.put_nowait((service, span))
            except queue.Full:
                self._refused += 1
        if self._thread is None and not self._is_closed:
            self._thread = threading.Thread(target=self._run, name="mock-claude-otlp", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Send what is queued, for ``FLUSH_S`` seconds at most; what is left then is lost."""
        until = time.monotonic() + FLUSH_S
        if self._thread is not None and not self._is_closed:
            with contextlib.suppress(queue.Full):
                self._queue.put(None, timeout=FLUSH_S)
            self._thread.join(max(until - time.monotonic(), 0))
        self._is_closed = True

    def _run(self) -> None:
        is_over = False
        while not is_over:
            batch, is_over = self._batch()
            if not batch:  # the end came when all was sent: an export of nothing tells nothing
                continue
            if self._is_taken(batch):
                self._taken += len(batch)
            else:
                self._refused += len(batch)

    def _batch(self) -> tuple[list[tuple[str, Span]], bool]:
        """The next spans, once there are some, and whether they are the last."""
        batch, one = list[tuple[str, Span]](), self._queue.get()
        until = time.monotonic() + LINGER_S
        while one is not None:
            batch.append(one)
            left_s = until - time.monotonic()
            if len(batch) == BATCH or left_s <= 0:
                return batch, False
            try:
                one = self._queue.get(timeout=left_s)
            except queue.Empty:
                return batch, False
        return batch, True

    def _is_taken(self, batch: Sequence[tuple[str, Span]]) -> bool:
        parts = urlsplit(self.url)
        kind = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
        try:
            body = json.dumps(exported(batch)).encode()
            connection.request("POST", parts.path, body, {"content-type": "application/json"})
            return connection.getresponse().status < 300
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def exported(batch: Sequence[tuple[str, Span]]) -> dict[str, object]:
    """The body of an export: ids in hex, as OTLP's JSON has them."""
    by_service: dict[str, list[Span]] = {}
    for service, span in batch:
        by_service.setdefault(service, []).append(span)
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": attributes({"service.name": service})},
                "scopeSpans": [{"scope": {"name": service}, "spans": spans}],
            }
            for service, spans in by_service.items()
        ]
    }


def attributes(values: Mapping[str, object]) -> list[dict[str, object]]:
    """Attributes as OTLP has them: texts, whole numbers and booleans."""
    found = list[dict[str, object]]()
    for key, value in values.items():
        match value:
            case None:
                continue
            case bool():
                told: dict[str, object] = {"boolValue": value}
            case int():
                told = {"intValue": str(value)}
            case _:
                told = {"stringValue": str(value)}
        found.append({"key": key, "value": told})
    return found
