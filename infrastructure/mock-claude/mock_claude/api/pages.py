"""Which part of a list a page shows: ``limit``, ``after_id``, ``before_id``.

This prevents two lists that page in two ways. The rule, from ``types/*_list_params.py`` of
anthropic 2.11.0: 20 items unless ``limit`` (1 to 1,000) says otherwise, right after or right
before the one that a cursor names; ``has_more`` looks in the page's direction.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from starlette.datastructures import QueryParams

from mock_claude.errors import ApiError


def page(ids: Sequence[str], query: QueryParams, what: str) -> tuple[int, int, bool]:
    """Begin and end of the page, and whether there are more; ApiError 400 if it is none."""
    limit, after, before = _limit(query), query.get("after_id"), query.get("before_id")
    if after is not None and before is not None:
        raise ApiError(400, "after_id and before_id cannot be used together")
    if before is not None:
        end = _place(ids, "before_id", before, what)
        start = max(end - limit, 0)
        return start, end, start > 0
    start = 0 if after is None else _place(ids, "after_id", after, what) + 1
    return start, start + limit, start + limit < len(ids)


def _limit(query: QueryParams) -> int:
    text = query.get("limit", "20")
    if not re.fullmatch("-?[0-9]{1,9}", text):
        raise ApiError(400, "limit: Input should be a valid integer")
    limit = int(text)
    if limit < 1:
        raise ApiError(400, "limit: Input should be greater than or equal to 1")
    if limit > 1000:
        raise ApiError(400, "limit: Input should be less than or equal to 1000")
    return limit


def _place(ids: Sequence[str], name: str, cursor: str, what: str) -> int:
    if cursor not in ids:
        raise ApiError(400, f"{name}: no such {what} in this list: {cursor[:100]}")
    return ids.index(cursor)
