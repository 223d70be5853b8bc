"""POST /v1/messages and its count_tokens: the order in which a request is checked and answered.

This prevents a 500 where the API would have refused. The rule: size, key, version, betas, JSON,
fields, model, rules across fields; then the model replies, and the reply is limited, counted and
billed. Whatever refuses raises ApiError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response

from mock_claude.accounts import threads
from mock_claude.accounts.accounts import Accounts, bill
from mock_claude.accounts.ledger import Entry
from mock_claude.api import (
    betas,
    catalog,
    checks,
    fitting,
    guard,
    model_rules,
    shapes,
    thinking,
    turn,
    validation,
    wire,
)
from mock_claude.api.http_answers import EventStream, json_answer
from mock_claude.faults.intake import Body
from mock_claude.model.reply import Reply, Shape

Model = Callable[[Mapping[str, object]], Reply]


def create(request: Request, reply_to: Model, accounts: Accounts) -> Response:
    """The answer to POST /v1/messages; ApiError if it is refused."""
    sent, version, named = _open(request)
    given, raw = sent, betas.plain(sent, named)
    if "thread" not in raw and threads.continued(sent) is not None:
        entry: Entry = request.state.entry
        given = accounts.threads.whole(sent, entry.account.workspace)
        raw = betas.plain(given, named)
    body: Body = request.state.body
    if body.checked:
        return answer(request, raw, checks.model_of(str(raw["model"])), reply_to, accounts)
    model = checks.check_plain(raw, given, version)
    if given is not sent or _may_be_long(request, model):
        model_rules.check_prompt_size(accounts.preview(raw), model)
    return answer(request, raw, model, reply_to, accounts)


def count_tokens(request: Request, accounts: Accounts) -> Response:
    """The answer to POST /v1/messages/count_tokens; ApiError if it is refused."""
    given, version, named = _open(request)
    body: Body = request.state.body
    if not body.checked:
        checks.check_count(given, version, named)
    return counted(request, betas.plain(given, named), accounts)


def counted(request: Request, raw: Mapping[str, object], accounts: Accounts) -> Response:
    """How many tokens the prompt has; it costs nothing."""
    body: Body = request.state.body
    entry: Entry = request.state.entry
    return json_answer(
        {"input_tokens": accounts.preview(raw) if body.tokens is None else body.tokens},
        headers=wire.headers(entry.request_id, entry.account.workspace),
    )


def answer(
    request: Request,
    raw: Mapping[str, object],
    model: catalog.Model,
    reply_to: Model,
    accounts: Accounts,
) -> Response:
    """What the model says to a request that has been checked, counted and billed.

    ApiError 429 if its account or workspace has used up what it may.
    """
    entry: Entry = request.state.entry
    message, shape = said(entry, raw, model, reply_to, accounts)
    given: Body = request.state.body
    if isinstance(given.json, Mapping) and given.json.get("thread") is not None:
        size = int(request.headers.get("content-length", 0)) + len(wire.encode(message["content"]))
        accounts.threads.keep(given.json, raw, message, entry.account.workspace, size)
    if isinstance(given.json, Mapping) and given.json.get("context_management") is not None:
        message["context_management"] = {"applied_edits": []}  # nothing was too long
    headers = wire.headers(entry.request_id, entry.account.workspace)
    if shape is not None:
        return shapes.answer(message, shape, headers)
    if raw.get("stream") is True:
        return EventStream(wire.events(message), headers)
    return json_answer(message, headers=headers)


def said(
    entry: Entry,
    raw: Mapping[str, object],
    model: catalog.Model,
    reply_to: Model,
    accounts: Accounts,
    tier: str = "standard",
) -> tuple[wire.JsonObject, Shape | None]:
    """The message that answers a checked request, and the shape that a script gives it.

    Rate limits do not count for the tier ``batch``.
    """
    account = entry.account
    given, stops = raw.get("max_tokens"), raw.get("stop_sequences")
    max_tokens = given if isinstance(given, int) else model.traits.max_tokens
    usage = accounts.measure(raw, model, account.workspace, tier)
    accounts.tenants.check_spend(account)
    if tier != "batch":
        entry.reserved = accounts.limits.admit(
            account.workspace, model, usage.limited_input_tokens, max_tokens
        )
    accounts.use(usage)
    reply = fitting.guaranteed(reply_to(raw), raw)
    turned = turn.limited(
        reply,
        max_tokens,
        [each for each in stops if isinstance(each, str)] if isinstance(stops, list) else [],
        thinking.mode(raw, model.traits),
    )
    usage = usage.with_output(turned.output_tokens)
    if reply.shape is not None:
        usage = shapes.counted(usage, reply.shape)
    entry.usage = usage
    entry.cost_usd = bill(model, usage)
    accounts.tenants.spend(account, entry.cost_usd)
    message = wire.message(turned, usage, raw)
    message["diagnostics"] = accounts.diagnosis(raw, account.workspace, usage, str(message["id"]))
    return message, reply.shape


def _open(request: Request) -> tuple[dict[str, object], str, tuple[str, ...]]:
    """The body, the version and the betas, and before them the key, each refused alone."""
    body: Body = request.state.body
    if body.refusal is not None and body.refusal.status == 413:
        raise body.refusal
    entry: Entry = request.state.entry
    guard.check_key(entry.account.key)
    version = guard.version(request.headers)
    entry.betas = betas.asked(request.headers)
    if body.refusal is not None:
        raise body.refusal
    return validation.as_object(body.json), version, entry.betas


def _may_be_long(request: Request, model: catalog.Model) -> bool:
    """Whether the prompt is worth counting before it is answered: a text of n tokens is longer."""
    size = request.headers.get("content-length", "")
    return size.isdigit() and int(size) > model.traits.max_input_tokens
