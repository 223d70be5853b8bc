"""What becomes of one request of a batch: the same as on its own, for half the price.

This prevents a batch that succeeds with what the API would refuse. The rule: the fault script, the
checks, the model, the prompt cache and the bill are those of POST /v1/messages, and the log holds
each request; rate limits do not count, because batches have a queue of their own.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pydantic_core import from_json

from mock_claude import paths
from mock_claude.accounts.ledger import Entry
from mock_claude.api import betas, catalog, checks, messages_api, shapes, wire
from mock_claude.batches.batch import Batch
from mock_claude.batches.creation import Line
from mock_claude.errors import ApiError
from mock_claude.faults import keys
from mock_claude.faults.faults import Request, Rule, choose
from mock_claude.faults.refusals import status_error
from mock_claude.model.conversation import read_conversation

if TYPE_CHECKING:
    from mock_claude.stage import Stage

_BROKEN = ("hang", "reset")


def answer(stage: Stage, batch: Batch, line: Line) -> tuple[str, dict[str, object]]:
    """The outcome's name, and the ``result`` that tells it."""
    entry = stage.ledger.open("POST", paths.MESSAGES)
    entry.account, entry.batch_id, entry.custom_id = batch.account, batch.id, line.custom_id
    entry.betas = batch.betas
    try:
        message = _message(stage, entry, batch, line)
        entry.status = 200
        return "succeeded", {"type": "succeeded", "message": message}
    except ApiError as refusal:
        entry.status = refusal.status
        error = wire.error(refusal, entry.request_id)
        return "errored", {"type": "errored", "error": error}
    finally:
        stage.ledger.close(entry)


def _message(stage: Stage, entry: Entry, batch: Batch, line: Line) -> wire.JsonObject:
    raw = from_json(line.params)
    assert isinstance(raw, dict)
    entry.key = line.key or keys.message_key(raw) or keys.digest("batch", line.params)
    entry.attempt = stage.attempts.next(entry.key)
    name = raw.get("model")
    entry.model = sys.intern(name) if isinstance(name, str) else None
    _fail(_rule(stage, entry, raw), entry)
    if line.refusal is not None:
        raise line.refusal
    model = catalog.lookup(entry.model or "") if line.key is not None else None
    if model is None:
        model = checks.check_in_batch(raw, batch.version, batch.betas)
    asked = betas.plain(raw, batch.betas)
    message, shape = messages_api.said(entry, asked, model, stage.reply, stage.accounts, "batch")
    stage.accounts.began(entry.usage)
    return message if shape is None else shapes.shaped(message, shape)


def _rule(stage: Stage, entry: Entry, raw: dict[str, object]) -> Rule | None:
    """The fault that hits this request, by what it asks, as it would on its own."""
    rules = stage.script.rules
    task = None
    if any(rule.task is not None for rule in rules):
        task = read_conversation(raw).task
    asked = Request(
        paths.MESSAGES, entry.model, entry.key, entry.attempt, entry.at_s, stream=False, task=task
    )
    rule = choose(rules, stage.seed, asked)
    if rule is not None:
        stage.ledger.fire(entry, rule.name)
    return rule


def _fail(rule: Rule | None, entry: Entry) -> None:
    if rule is None:
        return
    if rule.fault == "status":
        raise status_error(rule)
    if rule.fault in _BROKEN:
        raise ApiError(500, "Internal server error")
