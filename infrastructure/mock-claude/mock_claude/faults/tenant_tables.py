"""The tables ``[[account]]``, ``[[limit]]`` and ``[batch]`` of a script: in, checked, out again.

This prevents a limit that is accepted and never applies. The rule: a mistake is an error with its
place, and names no key: a key is a secret, also in a script.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from mock_claude.accounts.tenants import Account, Limit, account
from mock_claude.faults.tables import LARGEST, Table, kind_of

_RATES = ("requests_per_minute", "input_tokens_per_minute", "output_tokens_per_minute")
_SECRET = 20  # characters from which on a key may be a real one
_DURATION_S, _EXPIRES_S = 1.0, 24 * 3600.0


@dataclass(frozen=True)
class BatchTimes:
    """The ``[batch]`` table: how long a batch takes, and when it expires, in seconds."""

    duration_s: float = _DURATION_S
    expires_s: float = _EXPIRES_S


def limit(table: Table) -> Limit:
    """What a ``[[limit]]`` says; FaultScriptError if it is wrong."""
    table.allow(("model", *_RATES, "ramp"))
    model = table.text("model")
    if not model:
        raise table.error("model", "'' matches no model")
    ramp = table.optional("ramp", table.number)
    if ramp is not None and ramp < 1:
        raise table.error("ramp", f"{ramp:g} is less than 1, which lets no use ever last")
    requests, inputs, outputs = (table.optional(name, table.whole) for name in _RATES)
    return Limit(model, requests, inputs, outputs, ramp)


def limit_to_json(limit: Limit) -> dict[str, object]:
    """The table that says this limit."""
    return {name: value for name, value in vars(limit).items() if value is not None}


def accounts(tables: Sequence[Table]) -> tuple[Account, ...]:
    """What the ``[[account]]`` tables say; FaultScriptError for a wrong one, or a key twice."""
    found: dict[str, Account] = {}
    names: set[str] = set()
    for table in tables:
        table.allow(("key", "name", "workspace", "spend_limit_usd"))
        key = table.text("key")
        if not re.fullmatch(r"[\x21-\x7e]+", key):
            raise table.error("key", "a key is printable ASCII without blanks")
        if key in found:
            raise table.error("key", "another account has this key")
        name, workspace = (table.optional(each, table.text) for each in ("name", "workspace"))
        for place, text in (("name", name), ("workspace", workspace)):
            if text is None:
                continue
            if not re.fullmatch(r"[\x21-\x7e]([\x20-\x7e]{0,98}[\x21-\x7e])?", text):
                raise table.error(place, "at most 100 characters of printable ASCII are needed")
            if key in text and _is_secret(key):
                raise table.error(place, "it holds the key, and would stand in logs and headers")
        spend = decimal(table, "spend_limit_usd") if "spend_limit_usd" in table.values else None
        found[key] = account(key, name, workspace, spend)
        if found[key].name in names:
            raise table.error("name", f"{found[key].name!r} is taken")
        names.add(found[key].name)
    return tuple(found.values())


def _is_secret(key: str) -> bool:
    """Whether a key may be a real one; ``team-a`` is none, and may be its workspace's name, too."""
    return key.startswith("sk-") or len(key) >= _SECRET


def account_to_json(given: Account) -> dict[str, object]:
    """The table that says this account; the limit is a text, to stay exact."""
    plain = account(given.key, None, None, None)
    said = {
        name: getattr(given, name)
        for name in ("name", "workspace")
        if getattr(given, name) != getattr(plain, name)
    }
    limit = given.spend_limit_usd
    spend = {} if limit is None else {"spend_limit_usd": format(limit, "f")}
    return {"key": given.key, **said, **spend}


def batch(table: Table) -> BatchTimes:
    """What the ``[batch]`` table says."""
    table.allow(("duration_s", "expires_s"))
    return BatchTimes(
        table.number("duration_s", _DURATION_S), table.number("expires_s", _EXPIRES_S)
    )


def batch_to_json(times: BatchTimes) -> dict[str, object]:
    """The table that says these times."""
    return dict(vars(times))


def decimal(table: Table, key: str) -> Decimal:
    """An amount of at most a billion, exact: a number, or its text."""
    value = table.values[key]
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise table.error(key, f"a number or its text is needed, not {kind_of(value)}")
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{1,20}(\.[0-9]{1,30})?", value):
        raise table.error(key, f"{value[:50]!r} is not a decimal number, 0 or more, such as 2.50")
    try:
        amount = Decimal(value if isinstance(value, str) else repr(value))
    except (InvalidOperation, ValueError):  # too many digits for Python to write
        amount = Decimal("NaN")
    if not (amount.is_finite() and 0 <= amount <= Decimal(int(LARGEST))):
        raise table.error(key, f"the amount is not between 0 and {LARGEST:.0f}")
    return amount
