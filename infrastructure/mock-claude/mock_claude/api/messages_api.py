"""POST /v1/messages and its count_tokens: the order in which a request is checked and answered.

This prevents a 500 where the API would have refused. The rule: size, key, version, betas, JSON,
fields, model, rules across fields; then the model replies, and the reply is limited, counted and
billed. Whatever refuses raises ApiError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response

from mock_claude.accounts.accounts import Accounts, cost_usd
from mock_claude.accounts.ledger import Entry
from mock_claude.api import (
    betas,
    cache_rules,
    catalog,
    fitting,
    guard,
    media_rules,
    model_rules,
    request_rules,
    schema_rules,
    shapes,
    thinking,
    thinking_rules,
    turn,
    validation,
    wire,
)
from mock_claude.api.http_answers import EventStream, json_answer
from mock_claude.errors import ApiError
from mock_claude.faults.intake import Body
from mock_claude.model.reply import Reply

Model = Callable[[Mapping[str, object]], Reply]


def create(request: Request, reply_to: Model, accounts: Accounts) -> Response:
    """The answer to POST /v1/messages; ApiError if it is refused."""
    api_key, raw, version = _open(request)
    asked = validation.check_body(raw, version)
    model = _model(asked.model)
    _check(asked, raw, model, request.state.body.json)
    request_rules.check_stop_sequences(asked.stop_sequences)
    if _may_be_long(request, model):
        model_rules.check_prompt_size(accounts.preview(raw), model)
    return answer(request, raw, model, reply_to, accounts, api_key)


def count_tokens(request: Request, accounts: Accounts) -> Response:
    """The answer to POST /v1/messages/count_tokens; ApiError if it is refused."""
    _, raw, version = _open(request)
    asked = validation.check_prompt(raw, version)
    _check(asked, raw, _model(asked.model), request.state.body.json)
    return counted(request, raw, accounts)


def _check(
    asked: validation.Prompt, raw: Mapping[str, object], model: catalog.Model, given: object
) -> None:
    """ApiError 400 for the first rule across fields that is broken.

    ``given`` is the body as it came, ``raw`` without what its betas open.
    """
    cache_rules.check_texts(asked, isinstance(raw.get("system"), list))
    request_rules.check(asked)
    is_old = isinstance(given, Mapping) and "output_format" in given
    schema_rules.check(raw, "output_format.schema" if is_old else schema_rules.FORMAT)
    cache_rules.check(asked)
    model_rules.check(asked, model)
    thinking_rules.check(asked)
    media_rules.check(asked)


def counted(request: Request, raw: Mapping[str, object], accounts: Accounts) -> Response:
    """How many tokens the prompt has; it costs nothing."""
    entry: Entry = request.state.entry
    return json_answer(
        {"input_tokens": accounts.preview(raw)}, headers=wire.headers(entry.request_id)
    )


def answer(
    request: Request,
    raw: Mapping[str, object],
    model: catalog.Model,
    reply_to: Model,
    accounts: Accounts,
    api_key: str,
) -> Response:
    """What the model says to a request that has been checked, counted and billed."""
    entry: Entry = request.state.entry
    max_tokens, stops = raw.get("max_tokens"), raw.get("stop_sequences")
    reply = fitting.guaranteed(reply_to(raw), raw)
    said = turn.limited(
        reply,
        max_tokens if isinstance(max_tokens, int) else model.traits.max_tokens,
        [each for each in stops if isinstance(each, str)] if isinstance(stops, list) else [],
        thinking.mode(raw, model.traits),
    )
    entry.usage = accounts.usage(raw, model, api_key, said.output_tokens)
    headers = wire.headers(entry.request_id)
    if reply.shape is not None:
        entry.usage = shapes.counted(entry.usage, reply.shape)
    entry.cost_usd = cost_usd(model.price, entry.usage)
    message = wire.message(said, entry.usage, raw)
    given: Body = request.state.body
    if isinstance(given.json, Mapping) and given.json.get("context_management") is not None:
        message["context_management"] = {"applied_edits": []}  # nothing was too long
    if reply.shape is not None:
        return shapes.answer(message, reply.shape, headers)
    if raw.get("stream") is True:
        return EventStream(wire.events(message), headers)
    return json_answer(message, headers=headers)


def _open(request: Request) -> tuple[str, dict[str, object], str]:
    """The key, the body and the version, each as far as it can be refused by itself."""
    body: Body = request.state.body
    if body.refusal is not None and body.refusal.status == 413:
        raise body.refusal
    api_key = guard.key(request.headers)
    version = guard.version(request.headers)
    entry: Entry = request.state.entry
    entry.betas = betas.asked(request.headers)
    if body.refusal is not None:
        raise body.refusal
    raw = betas.plain(validation.as_object(body.json), entry.betas)
    return api_key, raw, version


def _model(model_id: str) -> catalog.Model:
    model = catalog.lookup(model_id)
    if model is None:
        raise ApiError(404, f"model: {model_id}")
    return model


def _may_be_long(request: Request, model: catalog.Model) -> bool:
    """Whether the prompt is worth counting before it is answered: a text of n tokens is longer."""
    size = request.headers.get("content-length", "")
    return size.isdigit() and int(size) > model.traits.max_input_tokens
