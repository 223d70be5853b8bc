"""What a process printed becomes lines: JSON objects as fields, all else as text.

This prevents one odd line from hiding a whole log, and a flood from taking the harness's memory:
of a stream that is too long the first and the last lines are kept.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from book.stage.receivers.bounds import Bounds, to_monotonic
from book.story.telemetry import Line

TIMES = ("timestamp", "@timestamp", "time", "ts")


def lines_in(
    source: str, stream: str, file: Path, bounds: Bounds | None = None
) -> tuple[list[Line], int]:
    """The lines of one stream's file in order, and how many were left out in the middle.

    A file that is not there holds none. Times are on the monotonic clock.
    """
    limit, offset_s = bounds or Bounds(), to_monotonic()
    first: list[Line] = []
    last: deque[Line] = deque(maxlen=max(limit.lines - limit.lines // 2, 1))
    left_out = 0
    for text in _texts(file, limit.line_bytes):
        line = _line(source, stream, text, offset_s)
        if len(first) < limit.lines // 2:
            first.append(line)
        else:
            left_out += len(last) == last.maxlen
            last.append(line)
    return [*first, *last], left_out


def _texts(file: Path, most: int) -> Iterator[str]:
    """Each line that is not blank; of a longer one the beginning."""
    if not file.is_file():
        return
    with file.open("rb") as stream:
        while read := stream.readline(most):
            rest = read
            while not rest.endswith(b"\n") and (rest := stream.readline(most)):
                pass
            if text := read.decode("utf-8", errors="replace").rstrip("\r\n"):
                yield text


def _line(source: str, stream: str, text: str, offset_s: float) -> Line:
    try:
        told = json.loads(text) if text.lstrip().startswith("{") else None
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        return Line(source, stream, text)
    at_s = _unix(told)
    return Line(source, stream, text, told, None if at_s is None else at_s + offset_s)


def _unix(fields: Mapping[str, object]) -> float | None:
    """When the line says it was written; a time without a zone is UTC."""
    told = next((fields[name] for name in TIMES if name in fields), None)
    if isinstance(told, int | float) and not isinstance(told, bool):
        return float(told)
    if isinstance(told, str):
        try:
            at = datetime.fromisoformat(told)
        except ValueError:
            return None
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    return None
