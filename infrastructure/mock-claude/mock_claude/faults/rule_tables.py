"""The ``[[rule]]`` tables of a script, and the ``[latency]`` table: in, checked, and out again.

This prevents a rule that is accepted and then does something else, or nothing. The rule: a
misspelt key, a key that its fault does not use, a number that can never apply are errors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from itertools import chain
from typing import cast

from mock_claude import paths
from mock_claude.faults.faults import FaultKind, Rule
from mock_claude.faults.latency import Latency, ModelLatency
from mock_claude.faults.tables import Source, Table
from mock_claude.world.services import STAGES

RESERVED_NAME = "header"  # how the log marks a fault that a request asked for itself
RULE_KEYS = (
    "name",
    "path",
    "model",
    "task",
    "caller",
    "stage",
    "after_s",
    "until_s",
    "probability",
    "attempts",
    "fault",
)
FAULT_KEYS: Mapping[str, tuple[str, ...]] = {
    "status": (
        "status",
        "delay_s",
        "reason",
        "retry_after_s",
        "error_type",
        "error_code",
        "headers",
    ),
    "delay": ("delay_s", "reason"),
    "hang": (),
    "reset": (),
    "trickle": ("chunk_bytes", "interval_s"),
    "stream-error": ("after_events", "error_type", "error_code"),
    "stream-cut": ("after_events",),
    "stream-stall": ("after_events", "stall_s"),
    "stream-malformed": ("after_events",),
    "stream-no-stop": (),
    "slow-first-token": ("delay_s",),
}
_NEEDS_DELAY = ("delay", "slow-first-token")
_OWN_HEADERS = frozenset({"content-length", "transfer-encoding", "connection"})
_SECONDS = (
    "messages_s",
    "search_s",
    "weather_s",
    "first_token_s",
    "per_token_s",
    "per_in_flight_s",
)
_SPEEDS = ("first_token_s", "per_token_s")


def rule(table: Table) -> Rule:
    """The rule that a table says; FaultScriptError if it is wrong."""
    table.allow((*RULE_KEYS, *dict.fromkeys(chain(*FAULT_KEYS.values()))))
    fault = table.choice("fault", tuple(FAULT_KEYS))
    table.allow((*RULE_KEYS, *FAULT_KEYS[fault]), of=f"a {fault} rule")
    name = table.text("name")
    if not name or name == RESERVED_NAME:
        raise table.error("name", f"{name!r} cannot be a rule's name")
    stage = table.optional("stage", lambda key: _stage(table, key, fault))
    path = table.text("path", Rule.path if stage is None else "*")
    if not path.startswith(("/", "*")):
        raise table.error("path", f"{path!r} matches no path; begin it with / or *")
    if stage is not None and not any(fnmatchcase(each, path) for each in paths.SERVICES):
        raise table.error("path", f"{path!r} matches no web service, and only these have stages")
    after_s = table.number("after_s", 0.0)
    until_s = table.optional("until_s", table.number)
    if until_s is not None and until_s <= after_s:
        raise table.error("until_s", f"{until_s:g} is not later than after_s ({after_s:g})")
    return Rule(
        name=name,
        fault=cast(FaultKind, fault),
        path=path,
        model=table.optional("model", table.text),
        task=table.optional("task", table.text),
        caller=table.optional("caller", table.text),
        stage=stage,
        reason=table.optional("reason", table.text),
        after_s=after_s,
        until_s=until_s,
        probability=table.number("probability", 1.0, most=1.0),
        attempts=table.optional("attempts", table.whole),
        status=table.whole("status", least=400, most=599) if fault == "status" else Rule.status,
        retry_after_s=table.optional("retry_after_s", table.number),
        error_type=table.optional("error_type", table.text),
        error_code=_error_code(table),
        headers=_headers(table),
        delay_s=table.number("delay_s", *(() if fault in _NEEDS_DELAY else (0.0,))),
        chunk_bytes=table.whole("chunk_bytes", Rule.chunk_bytes),
        interval_s=table.number("interval_s", Rule.interval_s),
        after_events=table.whole("after_events", Rule.after_events),
        stall_s=table.optional("stall_s", table.number),
    )


def _stage(table: Table, key: str, fault: str) -> str:
    if fault not in ("status", "delay"):
        raise table.error(key, f"a stage can be delayed or fail (status), not {fault}")
    return table.choice(key, STAGES)


def rule_to_json(rule: Rule) -> dict[str, object]:
    """The table that says this rule."""
    keys = (*RULE_KEYS, *FAULT_KEYS[rule.fault])
    values = {key: getattr(rule, key) for key in keys}
    if rule.fault == "status" and not rule.delay_s:
        del values["delay_s"]
    return {key: value for key, value in values.items() if value not in (None, {})}


def latency(table: Table) -> Latency:
    """What the ``[latency]`` table says."""
    table.allow((*_SECONDS, "jitter", "model"))
    models = table.source.array(table.values.get("model", []), (*table.place, "model"))
    return Latency(
        **{key: table.number(key, 0.0) for key in _SECONDS},
        jitter=table.number("jitter", 0.0, most=1.0),
        models=tuple(map(_model_latency, models)),
    )


def _model_latency(table: Table) -> ModelLatency:
    table.allow(("model", *_SPEEDS))
    model = table.text("model")
    return ModelLatency(model, **{key: table.optional(key, table.number) for key in _SPEEDS})


def _error_code(table: Table) -> str | None:
    code = table.optional("error_code", table.text)
    if code is not None and not re.fullmatch(r"[A-Za-z0-9_.-]+", code):
        raise table.error("error_code", f"{code!r} is not made of letters, digits and _ . -")
    return code


def _headers(rule: Table) -> Mapping[str, str]:
    source: Source = rule.source
    table = source.table(rule.values.get("headers", {}), (*rule.place, "headers"))
    for name in table.values:
        if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name):
            raise table.error(name, "not a header name")
        if name.lower() in _OWN_HEADERS:
            raise table.error(name, "the server sets this header itself")
        if not re.fullmatch(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?", table.text(name)):
            raise table.error(name, "a header's value is printable ASCII")
    return {name.lower(): table.text(name) for name in table.values}
