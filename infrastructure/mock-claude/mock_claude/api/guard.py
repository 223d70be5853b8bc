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


def key(headers: Headers) -> str:
    """The API key; ApiError 401 without one.

    Current SDKs send a bearer token, curl and older ones x-api-key; either will do.
    """
    scheme, _, token = _joined(headers, "authorization").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    found = bearer or _joined(headers, "x-api-key").strip()
    if not found:
        raise ApiError(401, "x-api-key header is required")
    if found.startswith(INVALID_KEY) or _is_sent_twice(headers):
        raise ApiError(401, "invalid x-api-key")
    return found


def version(headers: Headers) -> str:
    """The API version; ApiError 400 if it is missing or unknown."""
    if "anthropic-version" not in headers:
        raise ApiError(400, "anthropic-version: header is required")
    found = _joined(headers, "anthropic-version")
    if found not in VERSIONS:
        raise ApiError(400, f'anthropic-version: "{found}" is not a valid version')
    return found


def _joined(headers: Headers, name: str) -> str:
    """The header as proxies pass it on: sent twice, it is one value with a comma."""
    return ", ".join(headers.getlist(name))


def _is_sent_twice(headers: Headers) -> bool:
    return any(len(headers.getlist(name)) > 1 for name in ("authorization", "x-api-key"))
