"""The package's exceptions, and the error types the API pairs with each HTTP status.

    SimulatorError
    ├── ApiError           a request is refused; becomes the API's own error body
    └── FaultScriptError   a fault script is wrong: file, line, key, reason (also a ValueError)

The pairs follow the SDK's error tables (anthropic 2.11.0, ``types/shared/error_type.py``);
``request_too_large`` for 413 comes from the public documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

TYPES: Mapping[int, str] = MappingProxyType(
    {
        400: "invalid_request_error",
        401: "authentication_error",
        402: "billing_error",
        403: "permission_error",
        404: "not_found_error",
        408: "timeout_error",
        409: "conflict_error",
        413: "request_too_large",
        429: "rate_limit_error",
        504: "timeout_error",
        529: "overloaded_error",
    }
)


def type_of(status: int) -> str:
    """The API's error type of an HTTP status: any other 4xx is invalid_request, 5xx api_error."""
    return TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")


class SimulatorError(Exception):
    """Base of everything this package raises on purpose."""


class FaultScriptError(SimulatorError, ValueError):
    """A fault script cannot be used. The text is ``FILE:LINE: table.KEY: reason``."""


class ApiError(SimulatorError):
    """A request the API refuses with ``status`` (an HTTP status from 400 to 599)."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        error_type: str | None = None,
        error_code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.error_type = error_type or type_of(status)
        self.error_code = error_code
        self.headers: Mapping[str, str] = headers or {}
