"""GET /v1/models and /v1/models/{id}: the catalogue in the API's own shape, page by page.

This prevents an agent that asks which models exist, or what one can do, from meeting a list that
the rest of the simulator contradicts: both are read from ``catalog`` and ``traits``. Shapes:
``types/model_info.py`` of anthropic 2.11.0. What no source states is null, or, for a release
date, the epoch, as the SDK's type allows. ``deprecated_at`` is the simulator's own: sixty days
before the retirement, the shortest notice that Anthropic promises.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, timedelta

from starlette.datastructures import QueryParams

from mock_claude.api import catalog, pages
from mock_claude.api.traits import EFFORTS, THINKING, Traits, traits_of
from mock_claude.errors import ApiError

STAGES = ("active", "deprecated", "retired")
_LINES = ("haiku", "sonnet", "opus", "fable", "mythos")
_EPOCH = date(1970, 1, 1)
_NOTICE = timedelta(days=60)
_DATED = re.compile(r"-(20[0-9]{6}|latest)$")

JsonObject = dict[str, object]


def info(model_id: str) -> JsonObject:
    """The model as the API describes it; ApiError 404 if it never existed."""
    if model_id not in catalog.PRICES and model_id not in catalog.RETIRES_ON:
        raise ApiError(404, f"model: {model_id}")
    retires_on = catalog.RETIRES_ON.get(model_id)
    stage = "retired" if catalog.is_retired(model_id) else "deprecated" if retires_on else "active"
    traits = traits_of(model_id) if model_id in catalog.PRICES else None
    words = [word for word in _DATED.sub("", model_id).split("-")[1:] if not word.isdigit()]
    return {
        "type": "model",
        "id": model_id,
        "display_name": _display_name(model_id),
        "created_at": _moment((traits and traits.released) or _EPOCH),
        "lifecycle": stage,
        "line": next((line for line in _LINES if line in words), None),
        "capabilities": None if traits is None else _capabilities(traits),
        "max_input_tokens": None if traits is None else traits.max_input_tokens,
        "max_tokens": None if traits is None else traits.max_tokens,
        "deprecated_at": None if retires_on is None else _moment(retires_on - _NOTICE),
        "retires_at": None if retires_on is None else _moment(retires_on),
    }


def page(query: QueryParams, *, lenient: bool = False) -> JsonObject:
    """One page of the list; ApiError 400 for a wrong parameter, unless ``lenient``."""
    stages = [*query.getlist("lifecycle[]"), *query.getlist("lifecycle")] or list(STAGES[:2])
    for stage in stages:
        if stage not in STAGES:
            raise ApiError(400, "lifecycle: Input should be 'active', 'deprecated' or 'retired'")
    known = dict.fromkeys([*catalog.PRICES, *catalog.RETIRES_ON])
    every = [each for each in map(info, known) if each["lifecycle"] in stages]
    ids = [str(each["id"]) for each in every]
    if lenient:
        query = QueryParams([(k, v) for k, v in query.multi_items() if v in ids or k == "limit"])
    start, end, has_more = pages.page(ids, query, "model")
    data = every[start:end]
    return {
        "data": data,
        "has_more": has_more,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
    }


def _moment(day: date) -> str:
    return f"{day.isoformat()}T00:00:00Z"


def _display_name(model_id: str) -> str:
    parts = _DATED.sub("", model_id).split("-")[1:]
    words = [part.capitalize() for part in parts if part[0].isalpha()]
    version = ".".join(part for part in parts if part[0].isdigit())
    return " ".join(filter(None, ["Claude", *words, version]))


def _capabilities(traits: Traits) -> JsonObject:
    def can(supported: bool) -> JsonObject:
        return {"supported": supported}

    def each(names: Sequence[str], supported: Callable[[str], bool]) -> JsonObject:
        return {name: can(supported(name)) for name in names}

    return {
        "batch": can(True),
        "citations": can(True),
        "code_execution": can(True),
        "context_management": {
            **each(("clear_thinking_20251015", "clear_tool_uses_20250919"), lambda _: True),
            "compact_20260112": can(not traits.prefill),
            "supported": True,
        },
        "effort": {
            **each(EFFORTS, traits.efforts.__contains__),
            "supported": bool(traits.efforts),
        },
        "image_input": can(True),
        "pdf_input": can(True),
        "server_tools": {
            "code_execution": can(True),
            "web_search": can(True),
            "supported": True,
        },
        "structured_outputs": can(True),
        "thinking": {
            "supported": True,
            "types": each(THINKING, traits.thinking.__contains__),
        },
    }
