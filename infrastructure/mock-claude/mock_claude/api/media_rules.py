"""Whether images and PDFs are what they say: base64, and of the type that is named.

This prevents a screenshot with a ``data:`` prefix, or a JPEG that is called PNG, from passing
here. The type is told by a file's first bytes, as the API does; the rest is not looked at. Texts
as the API sends them.
"""

from __future__ import annotations

import binascii
from collections.abc import Sequence

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
        _check_all(f"messages.{place}.content", message.content)


def _check_all(path: str, blocks: Sequence[object]) -> None:
    """All blocks, also within results and documents."""
    for place, block in enumerate(blocks):
        if isinstance(block, ToolResult):
            _check_all(f"{path}.{place}.tool_result.content", block.content)
        elif isinstance(block, Image) and isinstance(block.source, Base64Image):
            _check_image(f"{path}.{place}.image.source.base64", block.source)
        elif isinstance(block, Document):
            _check_document(f"{path}.{place}.document.source", block.source)


def _check_document(path: str, source: object) -> None:
    if isinstance(source, Blocks):
        _check_all(f"{path}.content.content", source.content)
    elif isinstance(source, Base64Pdf):
        data = _decoded(f"{path}.base64", source.data)
        if b"%PDF-" not in data[:_PDF_WITHIN]:
            raise ApiError(400, f"{path}.base64.data: The PDF specified was not valid.")


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
