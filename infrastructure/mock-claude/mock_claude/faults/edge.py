"""The edge in front of the API: it logs every request, adds latency and commits the faults.

This prevents faults that only a mock could produce. They happen where they do in production,
between client and API: a hang never answers, a reset kills the TCP connection, a delay, a trickle
and a broken stream spoil an answer that the API had given. The API behind the edge knows of none.

The order for one request: read its body, find its key and attempt, let its own headers or else
the script choose a fault, then hang up, refuse, or pass it on. A fault thus comes before the key
and the body are checked. Waiting always watches the client: one that leaves ends its request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from mock_claude import correlation, paths
from mock_claude.accounts.ledger import Entry
from mock_claude.api import guard, http_answers
from mock_claude.aside.process import is_long
from mock_claude.errors import ApiError
from mock_claude.faults import fault_headers, latency
from mock_claude.faults.faults import Request, Rule, choose
from mock_claude.faults.intake import Body, describe, is_messages, limit, read, tells_limits
from mock_claude.faults.pace import Pace, reset, stays, until_left
from mock_claude.faults.refusals import status_error
from mock_claude.world import services
from mock_claude.world.serving import STATE, StageFault

if TYPE_CHECKING:
    from mock_claude.stage import Stage

__all__ = ["Body", "Edge"]


class Edge:
    """An ASGI application around the API's. Control's paths pass by it untouched."""

    def __init__(self, stage: Stage, control: ASGIApp, is_control: Callable[[str], bool]) -> None:
        self._stage = stage
        self._control = control
        self._is_control = is_control

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._is_control(scope["path"]):
            await self._control(scope, receive, send)
            return
        ledger = self._stage.ledger
        entry = ledger.open(scope["method"], scope["path"])
        entry.query = scope["query_string"].decode("latin-1")
        try:
            await self._serve(scope, receive, send, entry)
        finally:
            ledger.close(entry)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, entry: Entry) -> None:
        stage = self._stage
        most = limit(scope["path"])
        data = await read(receive, most)
        if data is None:
            return
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        path = scope["path"]
        if path not in paths.SERVICES:
            entry.account = stage.accounts.tenants.of(
                guard.sent_key(scope["headers"]), stage.script.accounts
            )
        stage.accounts.limits.set(stage.script.limits)
        if is_long(scope, data, most):
            body = await stage.aside.describe(scope, headers, data, entry)
        else:
            body = describe(scope, headers, data, entry)
        entry.correlation = correlation.read(scope["headers"])
        entry.attempt = stage.attempts.next(entry.key)
        scope["state"].update(entry=entry, body=body)
        if stage.on_task is not None and body.task is not None:
            stage.on_task(body.task, scope["client"])
        answer, wait_s = stage.api, stage.script.latency.constant_s(scope["path"])
        transport = scope["state"]["transport"]
        try:
            rule = self._choose(scope, headers, entry, body)
        except ApiError as refusal:
            rule, answer = None, _refusal(refusal, entry)
        if rule is not None and rule.stage is not None:
            scope["state"][STATE] = self._at_stage(rule, path, receive, entry)
            rule = None  # the service itself does it
        match rule and rule.fault:
            case "hang":
                await until_left(receive)
                return
            case "reset":
                reset(transport)
                await until_left(receive)
                return
            case "status" if rule is not None:
                answer = _status_answer(path, rule, entry)
        wait_s += rule.delay_s if rule is not None and rule.fault in ("status", "delay") else 0.0
        connection, has_limits = scope["state"]["connection"], tells_limits(path)

        def on_head(entry: Entry, body_follows: bool) -> None:
            lines = stage.limit_head(entry) if has_limits else b""
            connection.prepare(lines, holds_head=body_follows)

        pace = Pace(
            receive, send, transport, entry, rule, wait_s, self._speed(entry), stage.began,
            stage.ledger.close, on_head,
        )  # fmt: skip
        await answer(scope, receive, pace)

    def _choose(
        self, scope: Scope, headers: Mapping[str, str], entry: Entry, body: Body
    ) -> Rule | None:
        """The rule that decides; ApiError if the request's own headers ask for nonsense."""
        stage = self._stage
        asked = fault_headers.rule_from(headers, stream=entry.stream)
        rules = stage.script.rules if asked is None else (asked, *stage.script.rules)
        if not rules:
            return None
        task = body.task if any(rule.task is not None for rule in rules) else None
        asks = (entry.key, entry.attempt, entry.at_s, entry.stream, task)
        words = _words(scope) if any(rule.stage is not None for rule in rules) else ""
        caller = headers.get("user-agent", "")
        request = Request(scope["path"], entry.model, *asks, words, caller)
        rule = choose(rules, stage.seed, request)
        if rule is not None and rule.stage is None:
            stage.ledger.fire(entry, rule.name)
        return rule

    def _at_stage(self, rule: Rule, path: str, receive: Receive, entry: Entry) -> StageFault:
        fails = rule.fault == "status"
        usual = f"status {rule.status}" if fails else f"slow: {rule.delay_s:g} s"
        return StageFault(
            str(rule.stage),
            rule.delay_s,
            _status_answer(path, rule, entry) if fails else None,
            rule.reason or usual,
            lambda seconds: stays(receive, seconds),
            lambda: self._stage.ledger.fire(entry, rule.name),
        )

    def _speed(self, entry: Entry) -> latency.Speed:
        if entry.model is None or not is_messages(entry.path):
            return latency.INSTANT
        stage = self._stage
        return latency.speed(
            stage.script.latency, stage.seed, entry.model, entry.key, entry.attempt, entry.others
        )


def _words(scope: Scope) -> str:
    if scope["path"] not in paths.SERVICES:
        return ""
    return services.words(dict(parse_qsl(scope["query_string"].decode("latin-1"))))


def _refusal(failure: ApiError, entry: Entry) -> Response:
    return http_answers.refusal(failure, entry.request_id, entry.account.workspace)


def _status_answer(path: str, rule: Rule, entry: Entry) -> Response:
    if path in paths.SERVICES:
        return http_answers.service_fault(path, status_error(rule, from_service=True))
    return _refusal(status_error(rule), entry)
