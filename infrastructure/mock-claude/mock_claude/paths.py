"""The paths the simulator serves, in one place."""

from __future__ import annotations

MESSAGES = "/v1/messages"
COUNT_TOKENS = "/v1/messages/count_tokens"
MODELS = "/v1/models"
BATCHES = "/v1/messages/batches"
SEARCH = "/w/api.php"
GEOCODING = "/v1/search"
FORECAST = "/v1/forecast"
CONTROL = "/_mock"
LENIENT = "/lenient"
"""In front of a path of the API: the same with placeholder ids and odd fields accepted."""

SERVICES = frozenset({SEARCH, GEOCODING, FORECAST})

_WITH_JSON = frozenset(
    {
        MESSAGES,
        COUNT_TOKENS,
        BATCHES,
        LENIENT + MESSAGES,
        LENIENT + COUNT_TOKENS,
        LENIENT + BATCHES,
    }
)


def is_control(path: str) -> bool:
    """Whether a path is about the simulator itself: never logged, never faulted."""
    return path == CONTROL or path.startswith(CONTROL + "/")


def has_json(method: str, path: str) -> bool:
    """Whether a request brings a JSON body that the API reads."""
    return method == "POST" and path in _WITH_JSON
