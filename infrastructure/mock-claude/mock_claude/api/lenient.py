"""The lenient profile: the same answers for requests that the strict API refuses.

This prevents the SDK's own test suite from failing for its placeholders. It checks shapes only,
with ids such as ``model_id``, retired models and parameters in beta, so under the path prefix
``/lenient`` what is missing is filled in, what is odd is let through, and no key is needed. Only
a body that is no JSON object, or too long, is refused. Nobody should point an agent here.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from mock_claude.accounts.accounts import Accounts
from mock_claude.api import catalog, messages_api, models_api, request_rules, validation
from mock_claude.errors import ApiError
from mock_claude.faults.intake import Body
from mock_claude.model.reply import Reply

STAND_IN = "claude-opus-5-5"
"""The model that stands in for an unknown or retired one."""

_MAX_TOKENS = 1024


def create(request: Request, reply_to: messages_api.Model, accounts: Accounts) -> Response:
    """The answer to POST /lenient/v1/messages."""
    raw = _read(request)
    model = catalog.lookup(str(raw["model"])) or catalog.lookup(STAND_IN)
    if model is None:
        raise LookupError(f"{STAND_IN} is not in the catalogue")
    reply = reply_to if _is_usual(raw) else _say_hello
    return messages_api.answer(request, raw, model, reply, accounts)


def count_tokens(request: Request, accounts: Accounts) -> Response:
    """The answer to POST /lenient/v1/messages/count_tokens."""
    return messages_api.counted(request, _read(request), accounts)


def info(model_id: str) -> models_api.JsonObject:
    """A model that exists, or the stand-in under this id."""
    try:
        return models_api.info(model_id)
    except ApiError:
        return {**models_api.info(STAND_IN), "id": model_id}


def _read(request: Request) -> dict[str, object]:
    """The body with what is missing filled in."""
    body: Body = request.state.body
    if body.refusal is not None:
        raise body.refusal
    given = validation.as_object(body.json)
    messages, max_tokens = given.get("messages"), given.get("max_tokens")
    kept = (
        [each for each in messages if isinstance(each, dict)] if isinstance(messages, list) else []
    )
    usable = isinstance(max_tokens, int) and max_tokens >= 0
    return {
        "model": STAND_IN,
        **given,
        "max_tokens": max_tokens if usable else _MAX_TOKENS,
        "messages": kept or [{"role": "user", "content": "Hello"}],
    }


def _is_usual(raw: dict[str, object]) -> bool:
    """Whether the strict API would read the body: only then can the model make sense of it."""
    try:
        request_rules.check(validation.check_body(raw, validation.OLD_VERSION))
    except ApiError:
        return False
    return True


def _say_hello(request: Mapping[str, object]) -> Reply:
    return Reply("Hello!")
