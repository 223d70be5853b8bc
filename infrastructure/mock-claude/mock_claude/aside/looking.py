"""What the process for long bodies does: read one, check it, and hand back what is left to do.

This prevents a body of 30 MB from stopping every other client: reading JSON holds Python's lock for
as long as it takes, in whatever thread. The rule: what a long body is refused for is found here,
by the same checks as anywhere, and only a body that passes goes back whole.

Frames on standard input and output: the length in eight bytes, then ``marshal``, or the body as it
is. It ends when its input does, so it never outlives the server, however that dies.
"""

from __future__ import annotations

import marshal
import os
import struct
import sys
from collections.abc import Iterator, Sequence
from typing import IO, Any

from pydantic_core import from_json

from mock_claude.accounts import threads
from mock_claude.accounts.pieces import prompt_tokens
from mock_claude.api import betas, checks, model_rules
from mock_claude.api.catalog import Model
from mock_claude.api.validation import VERSIONS, as_object
from mock_claude.batches import creation
from mock_claude.errors import ApiError
from mock_claude.faults import keys

LONG = 1024 * 1024  # bytes of a body, or of a request in a batch
MOST_VALUES = 1_000_000
FRAME = 4 * 1024 * 1024  # bytes of a batch in one frame

LENGTH = struct.Struct("<Q")
Refusal = tuple[int, str, str, str | None]


def write(stream: IO[bytes], data: bytes) -> None:
    """One frame."""
    stream.write(LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def read(stream: IO[bytes]) -> bytes:
    """One frame; EOFError if there is none."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        raise EOFError
    (length,) = LENGTH.unpack(head)
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data


def main() -> None:
    """Answer frames until the input ends."""
    asked, told = sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    sys.stdout = sys.stderr  # nothing else may stand between the frames
    while True:
        try:
            kind, version, named = marshal.loads(read(asked))  # noqa: S302 - from our own server
            data = read(asked)
        except EOFError:
            return
        for frame in look(kind, version, named, data):
            write(told, marshal.dumps(frame))


def look(kind: str, version: str, named: Sequence[str], data: bytes) -> Iterator[Any]:
    """Frames: any number of lists of lines of a batch, then what is known of the body.

    ``named`` are the betas that came with it.
    """
    try:
        body = from_json(data, allow_inf_nan=False)
    except ValueError as cause:
        yield {"refusal": packed(ApiError(400, f"The request body is not valid JSON: {cause}"))}
        return
    del data
    if kind == "batch":
        yield from _batch(body, version, named)
        return
    seen: dict[str, object] = {"key": keys.message_key(body) if kind != "count" else None}
    if isinstance(body, dict):
        name = body.get("model")
        seen["model"] = name if isinstance(name, str) else None
        seen["stream"] = body.get("stream") is True
    try:
        raw = as_object(body)
        if kind == "count":
            if version in VERSIONS:
                checks.check_count(raw, version, named)
            seen["tokens"] = prompt_tokens(betas.plain(raw, named))
            raw = {}
        elif kind == "message" and version in VERSIONS:
            previous = threads.continued(raw)
            if previous is not None and "thread" not in betas.plain(raw, named):
                raise threads.not_found(previous)  # with this it is longer than any that is held
            _check_size(raw, checks.check_create(raw, version, named))
        seen["body"] = raw
    except ApiError as refusal:
        seen["refusal"] = packed(refusal)
    yield seen


def _batch(body: object, version: str, named: Sequence[str]) -> Iterator[Any]:
    try:
        found = creation.lines(body)
    except ApiError as refusal:
        yield {"refusal": packed(refusal)}
        return
    frame, size = list[tuple[str, bytes, str | None, Refusal | None]](), 0
    for line in found:
        key, wrong = None, None
        if len(line.params) > LONG:
            raw = from_json(line.params)
            key = keys.message_key(raw) or keys.digest("batch", line.params)
            try:
                if version in VERSIONS:
                    _check_size(raw, checks.check_in_batch(raw, version, named))
            except ApiError as refusal:
                wrong = packed(refusal)
        frame.append((line.custom_id, line.params if wrong is None else b"{}", key, wrong))
        size += len(line.params) + 100
        if size > FRAME:
            yield frame
            frame, size = [], 0
    yield frame
    yield {}


def _check_size(raw: dict[str, object], model: Model) -> None:
    """What the server would not get through quickly is refused; the text about it is ours."""
    model_rules.check_prompt_size(prompt_tokens(raw), model)
    left, values = list[object]([raw]), 0
    while left:
        value = left.pop()
        inner = value.values() if isinstance(value, dict) else value
        if isinstance(inner, list | type({}.values())):
            values += len(inner)
            left += [each for each in inner if isinstance(each, dict | list)]
        if values > MOST_VALUES:
            raise ApiError(400, f"The request body has more than {MOST_VALUES} values.")


def packed(refusal: ApiError) -> Refusal:
    """A refusal as ``marshal`` can carry it."""
    return refusal.status, refusal.message, refusal.error_type, refusal.error_code


def unpacked(refusal: Refusal) -> ApiError:
    """The inverse of :func:`packed`."""
    status, message, error_type, error_code = refusal
    return ApiError(status, message, error_type=error_type, error_code=error_code)


if __name__ == "__main__":
    main()
