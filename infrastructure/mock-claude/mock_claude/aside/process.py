"""The process for long bodies, as the server sees it: started when first needed, one at a time.

This prevents a server that stops with a body in hand from leaving a process behind. The rule: only
one thread talks to it, bodies wait in line for that thread while short ones pass by, and closing
kills it.
"""

from __future__ import annotations

import asyncio
import contextlib
import marshal
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starlette.datastructures import Headers
from starlette.types import Scope

from mock_claude import paths
from mock_claude.accounts.ledger import Entry
from mock_claude.api import betas
from mock_claude.aside import looking
from mock_claude.batches.creation import Line
from mock_claude.errors import ApiError
from mock_claude.faults.intake import Body, begin, is_messages, query_key

_LOST = "The request body could not be read: the process that reads long bodies has ended."


class Aside:
    """Reads long bodies elsewhere."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="mock-claude-aside")
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False

    async def describe(
        self, scope: Scope, headers: Mapping[str, str], data: bytes, entry: Entry
    ) -> Body:
        """As ``intake.describe``, for a body that brings JSON and is long."""
        begin(headers, entry)
        path = scope["path"]
        version = headers.get("anthropic-version", "")
        loop = asyncio.get_running_loop()
        try:
            seen, lines = await loop.run_in_executor(
                self._threads, self._ask, (_kind(path), version, _named(scope)), data
            )
        except (OSError, EOFError, RuntimeError):  # it has died, or the server stops
            entry.key = query_key(scope)
            return Body(refusal=ApiError(500, _LOST))
        entry.key = seen.get("key") or query_key(scope, data)
        model = seen.get("model")
        entry.model = sys.intern(model) if isinstance(model, str) else None
        entry.stream = seen.get("stream") is True
        if "refusal" in seen:
            return Body(refusal=looking.unpacked(seen["refusal"]))
        return Body(
            json=seen.get("body"),
            is_turn=is_messages(path),
            lines=lines if path == paths.BATCHES else None,
            tokens=seen.get("tokens"),
            checked=True,
        )

    def close(self) -> None:
        """End the process, for good."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.kill()  # which ends what the thread waits for
        self._threads.shutdown(cancel_futures=True)
        _bury(self._process)

    def _ask(
        self, head: tuple[str, str, tuple[str, ...]], data: bytes
    ) -> tuple[dict[str, Any], list[Line]]:
        """In the thread: what the process says of a body; OSError or EOFError if it dies."""
        process = self._running()
        asked, told = process.stdin, process.stdout
        if asked is None or told is None:
            raise EOFError
        looking.write(asked, marshal.dumps(head))
        looking.write(asked, data)
        lines = list[Line]()
        while isinstance(frame := marshal.loads(looking.read(told)), list):  # noqa: S302 - ours
            for custom_id, params, key, refusal in frame:
                wrong = None if refusal is None else looking.unpacked(refusal)
                lines.append(Line(custom_id, params, key, wrong))
        return frame, lines

    def _running(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._closed:
                raise EOFError
            if self._process is None or self._process.poll() is not None:
                _bury(self._process)
                self._process = subprocess.Popen(  # noqa: S603 - our own module
                    [sys.executable, "-P", "-m", looking.__name__],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                )
            return self._process


def _bury(process: subprocess.Popen[bytes] | None) -> None:
    """Close the pipes of a process that has ended, or is about to."""
    if process is None:
        return
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):  # what was still to be written
                pipe.close()


def is_long(scope: Scope, data: bytes, most: int) -> bool:
    """Whether a body is to be read aside: it brings JSON, and more of it than usual."""
    return looking.LONG < len(data) <= most and paths.has_json(scope["method"], scope["path"])


def _named(scope: Scope) -> tuple[str, ...]:
    """The betas that come with a body; none where the routes will refuse them."""
    try:
        return betas.asked(Headers(scope=scope))
    except ApiError:
        return ()


def _kind(path: str) -> str:
    if path.startswith(paths.LENIENT):
        return "lenient"
    return {paths.MESSAGES: "message", paths.COUNT_TOKENS: "count"}.get(path, "batch")
