"""The headers that every request to the API must bring: a key and a known API version.

This prevents a client that forgets either, or sends it twice, from passing its tests. Texts of
refusals as in the documentation, or as the API is known to send them.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.datastructures import Headers

from mock_claude.api.validation import VERSIONS
from mock_claude.errors import ApiError

INVALID_KEY = "sk-ant-invalid"
"""A key that begins so is refused; any other will do."""
_BETWEEN = ", "  # the values of a header that was sent twice; no key holds it
_KEYS = (b"authorization", b"x-api-key")


def key(headers: Headers) -> str:
    """The API key; ApiError 401 without one.

    Current SDKs send a bearer token, curl and older ones x-api-key; either will do.
    """
    found = sent_key(headers.raw)
    check_key(found)
    return found


def check_key(key: str) -> None:
    """ApiError 401 for no key, or one that will not do."""
    if not key:
        raise ApiError(401, "x-api-key header is required")
    if key.startswith(INVALID_KEY) or _BETWEEN in key:  # sent twice
        raise ApiError(401, "invalid x-api-key")


def sent_key(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The API key as it was sent; empty if there is none. Names of headers are in lower case."""
    sent: dict[bytes, list[str]] = {name: [] for name in _KEYS}
    for name, value in headers:
        if name in sent:
            sent[name].append(value.decode("latin-1"))
    authorization, key = (_BETWEEN.join(values) for values in sent.values())
    scheme, _, token = authorization.partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    return bearer or key.strip()


def version(headers: Headers) -> str:
    """The API version; ApiError 400 if it is missing or unknown."""
    sent = headers.getlist("anthropic-version")
    if not sent:
        raise ApiError(400, "anthropic-version: header is required")
    found = _BETWEEN.join(sent)  # as proxies pass on one that was sent twice
    if found not in VERSIONS:
        raise ApiError(400, f'anthropic-version: "{found}" is not a valid version')
    return found
