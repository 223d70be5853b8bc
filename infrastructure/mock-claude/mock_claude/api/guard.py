"""The headers that every request to the API must bring: a key and a known API version.

This prevents a client that forgets either, or sends it twice, from passing its tests. Texts of
refusals as in the documentation, or as the API is known to send them.
"""

from __future__ import annotations

from starlette.datastructures import Headers

from mock_claude.api.validation import VERSIONS
from mock_claude.errors import ApiError

INVALID_KEY = "sk-ant-invalid"
"""A key that begins so is refused; any other will do."""

_KEYS = (b"authorization", b"x-api-key")


def key(headers: Headers) -> str:
    """The API key; ApiError 401 without one.

    Current SDKs send a bearer token, curl and older ones x-api-key; either will do.
    """
    scheme, _, token = headers.get("authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    found = bearer or headers.get("x-api-key", "").strip()
    if not found:
        raise ApiError(401, "x-api-key header is required")
    if found.startswith(INVALID_KEY) or _is_sent_twice(headers, *_KEYS):
        raise ApiError(401, "invalid x-api-key")
    return found


def version(headers: Headers) -> str:
    """The API version; ApiError 400 if it is missing or unknown."""
    found = headers.get("anthropic-version")
    if found is None:
        raise ApiError(400, "anthropic-version: header is required")
    if _is_sent_twice(headers, b"anthropic-version"):
        found = ", ".join(headers.getlist("anthropic-version"))  # as proxies pass it on
    if found not in VERSIONS:
        raise ApiError(400, f'anthropic-version: "{found}" is not a valid version')
    return found


def _is_sent_twice(headers: Headers, *names: bytes) -> bool:
    sent = [name for name, _ in headers.raw]
    return any(sent.count(name) > 1 for name in names)
