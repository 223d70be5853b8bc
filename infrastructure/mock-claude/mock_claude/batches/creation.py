"""The body of POST /v1/messages/batches, checked and taken apart.

This prevents one wrong request from failing a batch, and a wrong batch from passing. The rule, as
recorded of the API on 2026-09-02: ids and the number of requests are checked at once, with the
texts here; what is in ``params`` only when its turn comes. At most 100,000 requests (guide to
batch processing); its 256 MB are ``intake``'s.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from mock_claude.api import wire
from mock_claude.api.validation import as_object
from mock_claude.errors import ApiError

MOST_REQUESTS = 100_000
_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_PATTERN = "^[a-zA-Z0-9_-]{1,64}$"


class Line(NamedTuple):
    """One request of a batch: its ``params`` as JSON."""

    custom_id: str
    params: bytes
    key: str | None = None
    """Of a long one that has been looked at already (see ``aside``): what it asks."""
    refusal: ApiError | None = None
    """... and why it is refused."""


def lines(body: object) -> list[Line]:
    """The requests of a batch; ApiError 400 with the first thing that is wrong."""
    given = as_object(body)
    for name in given:
        if name != "requests":
            raise ApiError(400, f"{name[:100]}: Extra inputs are not permitted")
    if "requests" not in given:
        raise ApiError(400, "requests: Field required")
    requests = given["requests"]
    if not isinstance(requests, list):
        raise ApiError(400, "requests: Input should be a valid list")
    if not requests:
        raise ApiError(400, "requests: List should have at least 1 item after validation, not 0")
    if len(requests) > MOST_REQUESTS:
        raise ApiError(
            400,
            f"requests: List should have at most {MOST_REQUESTS} items after validation, "
            f"not {len(requests)}",
        )
    found = [_line(number, request) for number, request in enumerate(requests)]
    seen = set[str]()
    for line in found:
        if line.custom_id in seen:
            raise ApiError(
                400,
                "requests: custom_id's must be unique within a batch. Duplicate custom_id found: "
                + line.custom_id,
            )
        seen.add(line.custom_id)
    return found


def _line(number: int, request: object) -> Line:
    place = f"requests.{number}"
    if not isinstance(request, dict):
        raise ApiError(400, f"{place}: Input should be an object")
    for name in ("custom_id", "params"):
        if name not in request:
            raise ApiError(400, f"{place}.{name}: Field required")
    for name in request:
        if name not in ("custom_id", "params"):
            raise ApiError(400, f"{place}.{name[:100]}: Extra inputs are not permitted")
    custom_id, params = request["custom_id"], request["params"]
    if not isinstance(custom_id, str):
        raise ApiError(400, f"{place}.custom_id: Input should be a valid string")
    if not custom_id:
        raise ApiError(400, f"{place}.custom_id: String should have at least 1 character")
    if len(custom_id) > 64:
        raise ApiError(400, f"{place}.custom_id: String should have at most 64 characters")
    if not _ID.fullmatch(custom_id):
        raise ApiError(400, f"{place}.custom_id: String should match pattern '{_PATTERN}'")
    if not isinstance(params, dict):
        raise ApiError(400, f"{place}.params: Input should be an object")
    return Line(custom_id, wire.encode(params))
