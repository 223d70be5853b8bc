"""How much is taken in, and how a body is read no further than that.

This prevents a step that floods its telemetry from taking the harness's memory: what is over a
bound is counted, not kept.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import AsyncIterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Bounds:
    """Of one trial. A body counts as unpacked; a text longer than ``text_chars`` is cut."""

    body_bytes: int = 8_000_000
    spans: int = 50_000
    samples: int = 500_000
    alerts: int = 10_000
    lines: int = 100_000  # of one stream
    line_bytes: int = 65_536
    text_chars: int = 4_096


class Refused(ValueError):
    """What came in cannot be taken: the HTTP status that says so, and why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


async def whole(chunks: AsyncIterable[bytes], most: int) -> bytes:
    """A body of at most ``most`` bytes. Refused if it is longer, without reading on."""
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > most:
            raise Refused(413, f"a body is longer than {most} bytes")
    return bytes(body)


def unpacked(body: bytes, encoding: str, most: int) -> bytes:
    """The body without its content encoding, which may be gzip. Refused, also past ``most``."""
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise Refused(415, f"content-encoding {encoding[:40]!r} is not known; send gzip or none")
    plain = bytearray()
    while body:
        member = zlib.decompressobj(16 + zlib.MAX_WBITS)
        try:
            plain += member.decompress(body, most + 1 - len(plain))
        except zlib.error:
            raise Refused(400, "a body says gzip and is none") from None
        if len(plain) > most:
            raise Refused(413, f"a body unpacks to more than {most} bytes")
        if not member.eof:
            raise Refused(400, "a gzip body is cut off")
        body = member.unused_data
    return bytes(plain)


def to_monotonic() -> float:
    """What to add to a time of the wall clock to have it on the monotonic one."""
    return time.monotonic() - time.time()
