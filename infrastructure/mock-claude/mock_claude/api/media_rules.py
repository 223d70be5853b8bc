"""Whether images and PDFs are what they say: base64, and of the type that is named.

This prevents a screenshot with a ``data:`` prefix, or a JPEG that is called PNG, from passing
here. The type is told by a file's first bytes, as the API does; the rest is not looked at. Texts
as the API sends them.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator, Sequence

from mock_claude.api.blocks import (
    Base64Image,
    Base64Pdf,
    Blocks,
    Document,
    Image,
    ToolResult,
)
from mock_claude.api.validation import Prompt
from mock_claude.errors import ApiError

_PDF_WITHIN = 1024  # bytes in which a PDF's mark must stand


def check(request: Prompt) -> None:
    """ApiError 400 with the first one that is not."""
    for place, message in enumerate(request.messages):
        for path, block in _all(f"messages.{place}.content", message.content):
            if isinstance(block, Image) and isinstance(block.source, Base64Image):
                _check_image(f"{path}.image.source.base64", block.source)
            if isinstance(block, Document) and isinstance(block.source, Base64Pdf):
                data = _decoded(f"{path}.document.source.base64", block.source.data)
                if b"%PDF-" not in data[:_PDF_WITHIN]:
                    raise ApiError(
                        400,
                        f"{path}.document.source.base64.data: The PDF specified was not valid.",
                    )


def _all(path: str, blocks: Sequence[object]) -> Iterator[tuple[str, object]]:
    """Every block with its path, also within results and documents."""
    for place, block in enumerate(blocks):
        yield f"{path}.{place}", block
        if isinstance(block, ToolResult):
            yield from _all(f"{path}.{place}.tool_result.content", block.content)
        if isinstance(block, Document) and isinstance(block.source, Blocks):
            inner = f"{path}.{place}.document.source.content.content"
            yield from _all(inner, block.source.content)


def _check_image(path: str, source: Base64Image) -> None:
    data = _decoded(path, source.data)
    if not data:
        raise ApiError(400, f"{path}: image cannot be empty")
    if _media_type(data) != source.media_type:
        raise ApiError(
            400, f"{path}.data: Image does not match the provided media type {source.media_type}"
        )


def _decoded(path: str, data: str) -> bytes:
    try:
        return binascii.a2b_base64(data, strict_mode=True)
    except ValueError:
        raise ApiError(400, f"{path}: invalid base64 data") from None


def _media_type(data: bytes) -> str | None:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    return None
