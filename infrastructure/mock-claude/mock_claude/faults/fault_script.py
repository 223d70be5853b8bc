"""The fault script: TOML or JSON in, rules, latency and scripts out, or what is wrong and where.

This prevents a script that is accepted and then does something else, or nothing. The rule: a
mistake is an error with the line (of TOML) and the key to go to.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from mock_claude.accounts.tenants import Account, Limit
from mock_claude.errors import FaultScriptError
from mock_claude.faults import latency as latencies
from mock_claude.faults import tenant_tables
from mock_claude.faults.faults import Rule
from mock_claude.faults.latency import Latency
from mock_claude.faults.rule_tables import RESERVED_NAME, latency, rule, rule_to_json
from mock_claude.faults.script_tables import script, script_to_json
from mock_claude.faults.tables import Source, unique_names
from mock_claude.faults.tenant_tables import BatchTimes
from mock_claude.model.scripts import Script

__all__ = ["RESERVED_NAME", "TABLES", "FaultScript"]

TABLES = ("latency", "rule", "script", "limit", "account", "batch")


@dataclass(frozen=True)
class FaultScript:
    """Fault rules, model scripts, limits and accounts in their order; latency; times of batches.

    ``FaultScript()`` does nothing.
    """

    rules: tuple[Rule, ...] = ()
    latency: Latency = field(default_factory=Latency)
    scripts: tuple[Script, ...] = ()
    limits: tuple[Limit, ...] = ()
    accounts: tuple[Account, ...] = ()
    batch: BatchTimes = field(default_factory=BatchTimes)

    @classmethod
    def load(cls, path: str | Path) -> FaultScript:
        """Read a script file. FaultScriptError if it cannot be read or is wrong."""
        try:
            text = Path(path).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as cause:
            reason = cause.strerror if isinstance(cause, OSError) else "not UTF-8"
            raise FaultScriptError(f"{path}:1: cannot be read: {reason}") from cause
        return cls.parse(text, source=str(path))

    @classmethod
    def parse(cls, text: str, source: str = "<script>") -> FaultScript:
        """Read a script from TOML; ``source`` is what errors call it."""
        return cls._of(parse_toml(text, source), Source(source, text))

    @classmethod
    def from_json(cls, tables: Mapping[str, object], source: str = "body") -> FaultScript:
        """Read a script from the JSON values of its tables; the inverse of ``to_json``."""
        return cls._of(tables, Source(source, None))

    @classmethod
    def _of(cls, tables: Mapping[str, object], source: Source) -> FaultScript:
        for key in tables:
            if key not in TABLES:
                raise source.error((key,), f"unknown key; allowed: {', '.join(TABLES)}")
        speed = source.table(tables.get("latency", {}), ("latency",))
        rule_tables = source.array(tables.get("rule", []), ("rule",))
        script_tables = source.array(tables.get("script", []), ("script",))
        limit_tables = source.array(tables.get("limit", []), ("limit",))
        account_tables = source.array(tables.get("account", []), ("account",))
        read = cls(
            rules=tuple(map(rule, rule_tables)),
            latency=latency(speed),
            scripts=tuple(map(script, script_tables)),
            limits=tuple(map(tenant_tables.limit, limit_tables)),
            accounts=tenant_tables.accounts(account_tables),
            batch=tenant_tables.batch(source.table(tables.get("batch", {}), ("batch",))),
        )
        unique_names(rule_tables, [each.name for each in read.rules])
        unique_names(script_tables, [each.name for each in read.scripts])
        return read

    def to_json(self) -> dict[str, object]:
        """The script as JSON values: its tables, without what is not used."""
        return {
            "latency": latencies.to_json(self.latency),
            "rule": [rule_to_json(each) for each in self.rules],
            "script": [script_to_json(each) for each in self.scripts],
            "limit": [tenant_tables.limit_to_json(each) for each in self.limits],
            "account": [tenant_tables.account_to_json(each) for each in self.accounts],
            "batch": tenant_tables.batch_to_json(self.batch),
        }

    def without_rules(self) -> FaultScript:
        """The calm run of the same script: without its trouble, rules and scripts."""
        return replace(self, rules=(), scripts=())


def parse_toml(text: str, source: str) -> dict[str, object]:
    """The tables of a TOML text. FaultScriptError with the line if it is not TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as cause:
        raise _syntax_error(text, source, str(cause)) from None
    except RecursionError:
        raise FaultScriptError(f"{source}:1: nested too deeply") from None
    except ValueError as cause:  # an integer of more digits than Python reads
        raise FaultScriptError(f"{source}:1: {cause}") from None


def _syntax_error(text: str, source: str, reason: str) -> FaultScriptError:
    at = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", reason)
    if at is None:
        return FaultScriptError(f"{source}:1: {reason}")
    line = int(at[1] or text.count("\n") + 1)
    return FaultScriptError(f"{source}:{line}: {reason[: at.start()]}")
