"""The paths the simulator serves, in one place."""

from __future__ import annotations

MESSAGES = "/v1/messages"
SEARCH = "/w/api.php"
GEOCODING = "/v1/search"
FORECAST = "/v1/forecast"
CONTROL = "/_mock"

SERVICES = frozenset({SEARCH, GEOCODING, FORECAST})


def is_control(path: str) -> bool:
    """Whether a path is about the simulator itself: never logged, never faulted."""
    return path == CONTROL or path.startswith(CONTROL + "/")
