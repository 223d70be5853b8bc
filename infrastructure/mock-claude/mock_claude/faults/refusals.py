"""The refusal that a rule with a status asks for.

This prevents a client from being tried with a 429 that the API would not send: every one says when
to come again (the SDK's maintainers), unless money is spent, where no waiting helps.
"""

from __future__ import annotations

from mock_claude.errors import ApiError
from mock_claude.faults.faults import Rule

_SPENT = frozenset(
    {
        "contract_spend_limit_reached",
        "enforced_spend_limit_reached",
        "linked_organization_spend_limit_reached",
    }
)
_WAIT = "1"  # second, where the rule names none
_MESSAGES = {
    429: "This request would exceed your organization's rate limit. Please try again later.",
    500: "Internal server error",
    529: "Overloaded",
}


def status_error(rule: Rule, *, from_service: bool = False) -> ApiError:
    """The refusal; a web service says when to come again only if the rule does."""
    headers = dict(rule.headers)
    if rule.retry_after_s is not None:
        seconds = rule.retry_after_s
        text = str(int(seconds)) if seconds.is_integer() else str(seconds)
        headers.setdefault("retry-after", text)
    elif rule.status == 429 and rule.error_code not in _SPENT and not from_service:
        headers.setdefault("retry-after", _WAIT)
    return ApiError(
        rule.status,
        rule.reason or _MESSAGES.get(rule.status, f"Simulated fault: status {rule.status}"),
        error_type=rule.error_type,
        error_code=rule.error_code,
        headers=headers,
    )
