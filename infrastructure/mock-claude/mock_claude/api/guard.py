"""The headers that every request to the API must bring: a key and a known API version.

This prevents a client that forgets either from passing its tests. Texts of refusals as in
the documentation, or as the API is known to send them.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import Headers

from mock_claude.api.validation import VERSIONS
from mock_claude.errors import ApiError

INVALID_KEY = "sk-ant-invalid"
"""A key that begins so is refused; any other will do."""


def key(headers: Headers) -> str:
    """The API key; ApiError 401 without one.

    Current SDKs send a bearer token, curl and older ones x-api-key; either will do.
    """
    found = sent_key(headers)
    check_key(found)
    return found


def check_key(key: str) -> None:
    """ApiError 401 for no key, or one that will not do."""
    if not key:
        raise ApiError(401, "x-api-key header is required")
    if key.startswith(INVALID_KEY):
        raise ApiError(401, "invalid x-api-key")


def sent_key(headers: Mapping[str, str]) -> str:
    """The API key as it was sent, in headers named in lower case; empty if there is none."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    return bearer or headers.get("x-api-key", "").strip()


def version(headers: Headers) -> str:
    """The API version; ApiError 400 if it is missing or unknown."""
    found = headers.get("anthropic-version")
    if found is None:
        raise ApiError(400, "anthropic-version: header is required")
    if found not in VERSIONS:
        raise ApiError(400, f'anthropic-version: "{found}" is not a valid version')
    return found
